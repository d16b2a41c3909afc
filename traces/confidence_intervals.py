"""Means, ratios and quantiles with their 95 % intervals.

The unit of statistics is a group: a replication, where there are several, else a batch of consecutive
slots, at most 25 of them (batch means).
"""

import math
from dataclasses import dataclass
from functools import cache

import numpy as np

from ..simulator.core.arrays import FloatArray
from .printing import finite

BATCH_MEANS = 25
"""Groups of consecutive slots that one replication is divided into, at most."""

CONFIDENCE = 0.95
"""Level of all intervals."""


@dataclass(frozen=True)
class Estimate:
    """A long-run mean, ratio or quantile, with the half-width of its 95 % interval.

    Attributes:
        value: the estimate; NaN if there is nothing to estimate it from.
        half_width: NaN where one group is all there is.
    """

    value: float
    half_width: float = math.nan

    @property
    def low(self) -> float:
        """Lower end of the interval."""
        return self.value - self.half_width

    @property
    def high(self) -> float:
        """Upper end of the interval."""
        return self.value + self.half_width

    def to_dict(self) -> dict[str, float | None]:
        """Value and ends of the interval; None where there are none."""
        return {"value": finite(self.value), "low": finite(self.low), "high": finite(self.high)}


@cache
def student_t(freedom: int) -> float:
    """The quantile of Student's t distribution that makes a 95 % interval."""
    from scipy.stats import t

    return float(t.ppf(0.5 + CONFIDENCE / 2.0, freedom))


def mean(sample: FloatArray) -> Estimate:
    """The mean of independent values, with its Student-t interval.

    Args:
        sample: (R,); of one value there is no interval, and no mean where any is not finite.
    """
    if not len(sample) or not np.isfinite(sample).all():
        return Estimate(math.nan)
    if len(sample) == 1:
        return Estimate(float(sample[0]))
    spread = float(sample.std(ddof=1)) / math.sqrt(len(sample))
    return Estimate(float(sample.mean()), student_t(len(sample) - 1) * spread)


def ratio(numerator: FloatArray, denominator: FloatArray) -> Estimate:
    """The ratio of two sums over groups, with the jackknife's Student-t interval.

    Where all denominators are equal this is the mean over groups and its ordinary t interval.

    Args:
        numerator: (G,) sums by group.
        denominator: (G,) sums by group.
    """
    total, over = numerator.sum(), denominator.sum()
    if not over > 0.0:
        return Estimate(math.nan)
    value = float(total / over)
    groups = len(numerator)
    if groups < 2 or not (over - denominator > 0.0).all():
        return Estimate(value)
    without = (total - numerator) / (over - denominator)
    variance = (groups - 1) / groups * ((without - without.mean()) ** 2).sum()
    return Estimate(value, student_t(groups - 1) * math.sqrt(variance))


def sectioned(values: FloatArray, sections: FloatArray) -> list[Estimate]:
    """Estimates from all data, with Student-t intervals from the same of disjoint sections.

    Args:
        values: (n,) from all data.
        sections: (G, n) from each section.
    """
    groups = len(sections)
    if groups < 2:
        return [Estimate(float(value)) for value in values]
    squares = ((sections - values) ** 2).sum(axis=0)
    half_widths = student_t(groups - 1) * np.sqrt(squares / (groups * (groups - 1)))
    return [Estimate(*pair) for pair in zip(values.tolist(), half_widths.tolist(), strict=True)]


def by_group(values: FloatArray) -> FloatArray:
    """Sums by group: by replication where there are several, else by runs of consecutive batches.

    Args:
        values: (R, K) by replication and batch.

    Returns:
        (G,), with the sum of all values.
    """
    replications, batches = values.shape
    if replications > 1:
        return np.asarray(values.sum(axis=1))
    groups = min(batches, BATCH_MEANS)
    return np.add.reduceat(values[0], np.arange(groups) * batches // groups)


def format_estimate(estimate: Estimate | None, scale: float = 1.0) -> str:
    """'12.34 ± 0.56': as many digits as the interval supports; '-' where there is no value."""
    if estimate is None or math.isnan(estimate.value):
        return "-"
    value, half_width = scale * estimate.value, scale * estimate.half_width
    if not math.isfinite(half_width):
        return f"{value:.4g}"
    if half_width <= 1e-6 * abs(value):  # rounding
        return f"{value:,.6g}"
    exponent = math.floor(math.log10(max(abs(value), half_width)))
    decimals = 1 - math.floor(math.log10(half_width))
    if -4 <= exponent < 7:
        decimals = max(decimals, 0)
        return f"{value:,.{decimals}f} ± {half_width:,.{decimals}f}"
    decimals, power = max(decimals + exponent, 0), 10.0**exponent
    return f"({value / power:.{decimals}f} ± {half_width / power:.{decimals}f})e{exponent:+d}"
