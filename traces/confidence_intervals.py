"""Means, ratios and quantiles with their 95 % intervals, or the word that a run is too short for one.

Where there are several replications these are the units, independent of each other. One run is a series of
at most a hundred batches of slots, which know of each other; their spectrum at frequency zero, the variance
of the mean, is estimated as follows:

1. The series is whitened by an autoregression of order one (Andrews and Monahan, Econometrica 60, 1992),
   its coefficient corrected for its bias (Marriott and Pope, Biometrika 41, 1954) and, as it comes out too
   small where rare large values make the mean, raised where the batches are skewed.
2. What is left is taken apart by cosines, and the power of the lowest is averaged (Lazarus, Lewis, Stock
   and Watson, Journal of Business and Economic Statistics 36, 2018).
3. The interval is Student's, with the degrees of freedom that both steps leave.

A positive quantity gets it on the scale of 1 / sqrt(x), a share on that of log(x / (1 - x)): neither leaves
its range, and both reach farther up, where a run that is too short misses what is rare. A half-width as
large as the quantity itself is none: the run is too short.

Whether a run has settled after its warm-up is looked at with MSER (White, Simulation 69, 1997): where the mean
without what it leaves out lies outside of the interval, the warm-up is too short.

Bounds of a quantile are latencies whose share of longer ones is compatible with that of the quantile, so
the density is not needed, and ties do no harm.

`benchmarks/coverage.py` measures how many of these intervals hold the truth.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..simulator.core.arrays import FloatArray, IntArray
from .latencies import Latencies
from .printing import finite

BATCH_MEANS = 25
"""Groups of consecutive slots that the growth of queues is measured in, at most."""

CONFIDENCE = 0.95
"""Level of all intervals."""

COSINES = 24
"""Power is averaged over so many of the lowest frequencies, at most."""

FEWEST_BATCHES = 8
"""A run of fewer is too short for whatever interval."""

LEAST_FREEDOM = 3.0
"""Of a t interval; below it, a run is too short for a quantity that has no bounds."""

WARM_UP_SHARE = 0.1
"""Of a run that is as long as it should be, at least so much is left out at the beginning."""

TAIL_CLUSTERS = 2.7
"""So many clusters of busy spells above a quantile a run must have seen, about, for its interval."""

FEW_CLUSTERS = 6.0
"""Where there are fewer, their number says how wide the interval has to be at least."""

CLUSTER_VARIANCE = 0.4
"""Of the share of time above a quantile, relative to its square, times the clusters, at least."""

_ROUNDING = 1e-12
"""A relative half-width of this is nothing but rounding."""

Range = tuple[float, float]
"""Least and greatest value that a quantity can have."""


@dataclass(frozen=True)
class Estimate:
    """A long-run mean, ratio or quantile, with its 95 % interval.

    Attributes:
        value: the estimate; NaN if there is nothing to estimate it from.
        low: lower end of the interval; NaN where there is none.
        high: upper end likewise.
        slots_needed: about how many slots a run must have for an interval; None if it has one, or if no
            length would help.
    """

    value: float
    low: float = math.nan
    high: float = math.nan
    slots_needed: int | None = None

    @property
    def half_width(self) -> float:
        """Half the interval's length; NaN where there is none."""
        return (self.high - self.low) / 2.0

    @property
    def arms(self) -> tuple[float, float]:
        """How far the interval reaches below the value, and above."""
        return self.value - self.low, self.high - self.value

    def to_dict(self) -> dict[str, float | None]:
        """Value and ends of the interval, None where there are none; "slots_needed" of too short a run."""
        found = {"value": finite(self.value), "low": finite(self.low), "high": finite(self.high)}
        return found if self.slots_needed is None else found | {"slots_needed": self.slots_needed}


@dataclass(frozen=True)
class Spread:
    """How far the means of n series may be off.

    Attributes:
        half_width: (n,) of a symmetric t interval; zero where nothing varies.
        freedom: (n,) degrees of freedom that the estimate has; the interval has `LEAST_FREEDOM` at least.
        variance: (n,) of the mean.
    """

    half_width: FloatArray
    freedom: FloatArray
    variance: FloatArray


@dataclass(frozen=True)
class Caution:
    """What the queues of a run say about the intervals of all that follows them.

    Attributes:
        factor: by which half-widths are too small.
        least: relative half-width of queues and mean latency, at least.
        looks: independent ones that the run had at its queues.
        slots_needed: if it had too few, about how many slots it must have.
    """

    factor: float
    least: float
    looks: float
    slots_needed: int | None


CALM = Caution(1.0, 0.0, math.inf, None)
"""Of a run without queues, or of which nothing speaks against its intervals."""


@cache
def _t_quantiles() -> tuple[FloatArray, FloatArray]:
    freedom = np.concatenate([np.arange(1.0, 4.0, 0.01), np.arange(4.0, 201.0, 0.25)])
    return freedom, _student_t(freedom)


@cache
def student_t(freedom: int) -> float:
    """The quantile of Student's t distribution that makes a 95 % interval."""
    return float(_student_t(freedom))


def _student_t(freedom: Any) -> Any:
    from scipy.special import stdtrit

    return stdtrit(freedom, 0.5 + CONFIDENCE / 2.0)


def mean(sample: FloatArray, within: Range = (-math.inf, math.inf)) -> Estimate:
    """The mean of independent values, with its Student-t interval.

    Args:
        sample: (R,); of one value there is no interval, and no mean where any is not finite.
        within: the interval is cut to this range.
    """
    if not len(sample) or not np.isfinite(sample).all():
        return Estimate(math.nan)
    if len(sample) == 1:
        return Estimate(float(sample[0]))
    spread = float(sample.std(ddof=1)) / math.sqrt(len(sample))
    return _symmetric(float(sample.mean()), student_t(len(sample) - 1) * spread, within)


def ratio(
    numerator: FloatArray, denominator: FloatArray, within: Range = (-math.inf, math.inf)
) -> Estimate:
    """The ratio of two sums over independent groups, with the jackknife's Student-t interval.

    Where all denominators are equal this is the mean over groups and its ordinary t interval.

    Args:
        numerator: (G,) sums by group.
        denominator: (G,) sums by group.
        within: the interval is cut to this range.
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
    return _symmetric(value, student_t(groups - 1) * math.sqrt(variance), within)


def sectioned(values: FloatArray, sections: FloatArray, within: Range) -> list[Estimate]:
    """Estimates from all data, with Student-t intervals from the same of independent sections.

    Args:
        values: (n,) from all data.
        sections: (G, n) from each section.
        within: the intervals are cut to this range.
    """
    groups = len(sections)
    if groups < 2:
        return [Estimate(float(value)) for value in values]
    squares = ((sections - values) ** 2).sum(axis=0)
    half_widths = student_t(groups - 1) * np.sqrt(squares / (groups * (groups - 1)))
    return [
        _symmetric(float(v), float(h), within) for v, h in zip(values, half_widths, strict=True)
    ]


def series_ratios(
    numerators: FloatArray,
    denominators: FloatArray,
    within: Sequence[Range],
    slots: int,
    factor: float = 1.0,
    least: Sequence[float] = (),
) -> list[Estimate]:
    """Ratios of sums over the batches of one run.

    Args:
        numerators: (n, K) sums by batch.
        denominators: (n, K) likewise.
        within: n ranges of what the ratios can be.
        slots: that the run has, for how many it would need.
        factor: of a `Caution`.
        least: n relative half-widths that there are at least, where anything varies; by default none.
    """
    totals, over = numerators.sum(axis=1), denominators.sum(axis=1)
    batches = numerators.shape[1]
    known = np.flatnonzero(over > 0.0)
    found = [Estimate(math.nan)] * len(numerators)
    values = totals[known] / over[known]
    if batches < FEWEST_BATCHES:
        for k, value in zip(known.tolist(), values.tolist(), strict=True):
            found[k] = _of_few_batches(value, batches, slots)
        return found
    residuals = numerators[known] - values[:, None] * denominators[known]
    residuals /= denominators[known].mean(axis=1)[:, None]
    spread = spread_of_means(residuals)
    unsettled = _unsettled(residuals)
    for place, (k, value) in enumerate(zip(known.tolist(), values.tolist(), strict=True)):
        if unsettled[place]:
            found[k] = _of_short_warm_up(value, int(unsettled[place]), batches, slots)
            continue
        half_width, freedom = factor * float(spread.half_width[place]), float(spread.freedom[place])
        if least and half_width > _ROUNDING * abs(value):
            half_width = max(half_width, least[k] * abs(value))
        found[k] = _bounded(value, half_width, freedom, within[k], slots)
    return found


def spread_of_means(residuals: FloatArray) -> Spread:
    """How far the means of series are off, for all that one knows of their autocorrelation.

    Args:
        residuals: (n, K) of each series, with mean zero; K of `FEWEST_BATCHES` or more.
    """
    from scipy.fft import dct

    batches = residuals.shape[1]
    square = (residuals**2).sum(axis=1)
    varies = square > 1e-24 * np.maximum(np.abs(residuals).max(axis=1, initial=0.0), 1e-300) ** 2
    square = np.where(varies, square, 1.0)
    lag_one = (residuals[:, 1:] * residuals[:, :-1]).sum(axis=1) / square
    unbiased = lag_one + (1.0 + 3.0 * lag_one) / batches
    raised = unbiased + 0.15 * np.clip(unbiased / 0.3, 0.0, 1.0) * np.clip(
        _skewness(residuals), 0.0, 1.0
    )
    phi = np.clip(raised, -0.5, 0.95)[:, None]
    whitened = residuals.copy()
    whitened[:, 1:] -= phi * residuals[:, :-1]
    whitened[:, :1] *= np.sqrt(1.0 - phi**2)
    cosines = min(COSINES, batches // 2)
    power = dct(whitened, norm="ortho", axis=1)[:, 1 : cosines + 1] ** 2
    scatter = ((1.0 + phi) / (1.0 - phi))[:, 0]
    variance = power.mean(axis=1) / (1.0 - phi[:, 0]) ** 2 / batches
    freedom = 1.0 / (1.0 / cosines + 2.0 * scatter / batches)
    t = np.interp(np.maximum(freedom, LEAST_FREEDOM), *_t_quantiles())
    variance = np.where(varies, variance, 0.0)
    return Spread(t * np.sqrt(variance), freedom, variance)


def replicated_ratio(
    numerators: FloatArray, denominators: FloatArray, within: Range, slots: int
) -> Estimate:
    """A ratio of sums over the batches of independent replications, if they have settled.

    Args:
        numerators: (R, K) sums by replication and batch.
        denominators: (R, K) likewise.
        within: the interval is cut to this range.
        slots: that each replication has.
    """
    found = ratio(numerators.sum(axis=1), denominators.sum(axis=1), within)
    if math.isnan(found.half_width) or numerators.shape[1] < FEWEST_BATCHES:
        return found
    residuals = (numerators - found.value * denominators).mean(axis=0) / denominators.mean()
    more = int(_left_out(residuals[None, :])[0])
    if more and _is_noticed(residuals, more, found.half_width):
        return _of_short_warm_up(found.value, more, len(residuals), slots)
    return found


def _left_out(residuals: FloatArray) -> IntArray:
    """(n,) batches at the beginning of (n, K), in the first half, that MSER leaves out."""
    batches = residuals.shape[1]
    lengths = np.arange(batches, batches - batches // 2, -1)  # after leaving out 0, 1, …
    later = np.cumsum(residuals[:, ::-1], axis=1)[:, ::-1][:, : len(lengths)]
    squares = np.cumsum(residuals[:, ::-1] ** 2, axis=1)[:, ::-1][:, : len(lengths)]
    return np.asarray(np.argmin((squares - later**2 / lengths) / lengths**2, axis=1))


def _is_noticed(residuals: FloatArray, more: int, half_width: float) -> bool:
    """Whether leaving out more of a series of mean zero moves its mean by more than this."""
    rounding = 1e-9 * float(np.abs(residuals).max())
    return abs(float(residuals[more:].mean())) > half_width + rounding


def _unsettled(residuals: FloatArray) -> IntArray:
    """(n,) batches at the beginning of (n, K) that MSER leaves out, where one notices; else 0."""
    left_out = _left_out(residuals)
    for place in np.flatnonzero(left_out).tolist():
        more, series = int(left_out[place]), residuals[place]
        rest = series[None, more:]
        half_width = float(spread_of_means(rest - rest.mean()).half_width[0])
        if not _is_noticed(series, more, half_width):
            left_out[place] = 0
    return left_out


def _of_short_warm_up(value: float, more: int, batches: int, slots: int) -> Estimate:
    """Of a run that takes so many batches more, of those that count, to settle."""
    settled = slots * (WARM_UP_SHARE + (1.0 - WARM_UP_SHARE) * more / batches)
    return Estimate(value, slots_needed=rounded(settled / WARM_UP_SHARE))


def series_quantiles(
    latencies: Latencies, shares: FloatArray, slots: int, caution: Caution = CALM
) -> list[Estimate]:
    """Quantiles of the latencies of one run.

    Args:
        latencies: by batch of slots.
        shares: (n,) in (0, 1), ascending; beyond one for which the run is too short, it is for all.
        slots: that the run has, for how many it would need.
        caution: of its queues.
    """
    found: list[Estimate] = []
    needed = 0
    for share, value in zip(shares.tolist(), latencies.quantiles(shares).tolist(), strict=True):
        one = _quantile(latencies, share, value, slots, caution)
        if needed or one.slots_needed:
            needed = max(needed, one.slots_needed or 0)
            one = Estimate(value, slots_needed=needed)
        found.append(one)
    return found


def _quantile(
    latencies: Latencies, share: float, value: float, slots: int, caution: Caution
) -> Estimate:
    """One of them: the least and the greatest latency that the quantile may be."""
    tasks = int(latencies.tasks.sum())
    if not tasks:
        return Estimate(math.nan)
    if len(latencies.tasks) < FEWEST_BATCHES:
        return _of_few_batches(value, len(latencies.tasks), slots)
    longer = 1.0 - share  # the share of tasks that take longer than the quantile
    at_value = _residuals_of_share(latencies, value, longer)
    if more := int(_unsettled(at_value)[0]):
        return _of_short_warm_up(value, more, len(latencies.tasks), slots)
    here = spread_of_means(at_value)
    relative = float(here.half_width[0]) / longer
    factor, clusters = caution.factor, caution.looks * longer
    if clusters < FEW_CLUSTERS and relative > 0.0:
        least = 1.96 * math.sqrt(CLUSTER_VARIANCE / clusters)
        factor = max(factor, least / relative)
    relative *= factor
    needed = rounded(slots * max((2.0 * relative) ** 2, 4.0, 2.0 * TAIL_CLUSTERS / clusters))
    if relative >= 1.0 or (clusters < TAIL_CLUSTERS and relative > 0.0):
        return Estimate(value, slots_needed=needed)
    reach = min(max(4.0 * relative / share, 0.02), 12.0)
    levels = 1.0 / (1.0 + longer / share * np.exp(-np.linspace(-reach, reach, 65)))
    levels = np.clip(levels, 1.0 / tasks, 1.0 - 1.0 / tasks)
    bounds = np.unique(np.append(latencies.quantiles(levels), value))
    above = latencies.above(bounds).T
    shares = above.sum(axis=1) / tasks
    residuals = (above - shares[:, None] * latencies.tasks) / latencies.tasks.mean()
    low, high = _power_ends(shares, factor * spread_of_means(residuals).half_width)
    # Of no task above a bound, as many as may have been missed, in clusters as large as the quantile's.
    cluster = max(factor**2 * float(here.variance[0]) * tasks / (longer * share), 1.0)
    high = np.where(shares > 0.0, high, -math.log((1.0 - CONFIDENCE) / 2.0) * cluster / tasks)
    place = int(np.searchsorted(bounds, value))
    too_low = np.flatnonzero(low[: place + 1] > longer)
    reached = np.flatnonzero(high[place:] < longer)
    if not len(reached):
        return Estimate(value, slots_needed=needed)
    first = latencies.following(float(bounds[too_low[-1]])) if len(too_low) else float(bounds[0])
    return Estimate(value, min(first, value), float(bounds[place + reached[0]]))


def _residuals_of_share(latencies: Latencies, value: float, longer: float) -> FloatArray:
    """(1, G) of the share above a quantile, to which as many of the tasks at it count as it takes."""
    reached, above = latencies.above(np.array([np.nextafter(value, -math.inf), value])).T
    ties = float((reached - above).sum())
    missing = longer * float(latencies.tasks.sum()) - float(above.sum())
    part = min(max(missing / ties, 0.0), 1.0) if ties > 0.0 else 0.0
    counts = above + part * (reached - above)
    residuals = counts - counts.sum() / latencies.tasks.sum() * latencies.tasks
    return np.asarray(residuals[None, :] / latencies.tasks.mean())


def _of_few_batches(value: float, batches: int, slots: int) -> Estimate:
    return Estimate(value, slots_needed=rounded(slots * (FEWEST_BATCHES + 1) / batches))


def _skewness(residuals: FloatArray) -> FloatArray:
    """(n,) of the absolute value, of thirty groups of batches."""
    batches = residuals.shape[1]
    groups = min(30, batches)
    means = np.add.reduceat(residuals, np.arange(groups) * batches // groups, axis=1)
    square = (means**2).mean(axis=1)
    deviation = np.sqrt(np.where(square > 0.0, square, 1.0))
    return np.asarray(np.abs(((means / deviation[:, None]) ** 3).mean(axis=1)))


def _bounded(
    value: float, half_width: float, freedom: float, within: Range, slots: int
) -> Estimate:
    """An interval on the scale that suits the range of a quantity, if the run is long enough for one."""
    least, greatest = within
    room = min(value - least, greatest - value)
    if greatest < math.inf and room <= 0.0:
        return Estimate(value)  # a share of which nothing but the end was seen
    if half_width <= _ROUNDING * abs(value):
        return Estimate(value, value, value)
    relative = half_width / room
    if relative >= 1.0:
        return Estimate(value, slots_needed=rounded(slots * (2.0 * relative) ** 2))
    if room == math.inf:
        if freedom < LEAST_FREEDOM:
            return Estimate(value, slots_needed=rounded(slots * LEAST_FREEDOM / freedom))
        return _symmetric(value, half_width)
    if greatest == math.inf:
        low, high = _power_ends(np.array([room]), np.array([half_width]))
        return Estimate(value, least + float(low[0]), least + float(high[0]))
    odds = (value - least) / (greatest - value)
    factor = math.exp(half_width * (greatest - least) / ((value - least) * (greatest - value)))
    low_odds, high_odds = odds / factor, odds * factor
    span = greatest - least
    return Estimate(
        value,
        least + span * low_odds / (1.0 + low_odds),
        least + span * high_odds / (1.0 + high_odds),
    )


def _power_ends(values: FloatArray, half_widths: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ends of intervals of positive quantities that are symmetric on the scale of 1 / sqrt(x)."""
    half = 0.5 * half_widths / np.where(values > 0.0, values, 1.0)
    high = np.where(half < 1.0, values / np.maximum(1.0 - half, 1e-9) ** 2, np.inf)
    return values / (1.0 + half) ** 2, high


def _symmetric(value: float, half_width: float, within: Range = (-math.inf, math.inf)) -> Estimate:
    """An interval of equal arms, as far as the range goes."""
    if math.isnan(half_width) or (within == (0.0, 1.0) and value in within):
        return Estimate(value)  # of a share nothing but 0 or 1 was seen
    return Estimate(value, max(value - half_width, within[0]), min(value + half_width, within[1]))


def rounded(slots: float) -> int:
    """A number of slots, up to two digits."""
    unit = 10.0 ** (math.floor(math.log10(slots)) - 1) if slots > 0.0 else 1.0
    return int(math.ceil(slots / unit - 1e-9) * unit)


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
    """'12.34 ± 0.56', with as many digits as the interval supports; '-' where there is no value.

    '12.3 (11.9 to 13.2)' where one arm of the interval is a tenth longer than the other or more, and
    '12.3 (needs 24,000 slots)' where the run is too short.
    """
    if estimate is None or math.isnan(estimate.value):
        return "-"
    value, low, high = (scale * end for end in (estimate.value, estimate.low, estimate.high))
    if estimate.slots_needed is not None:
        return f"{value:.3g} (needs {estimate.slots_needed:,} slots)"
    if not math.isfinite(high - low):
        return f"{value:.4g}"
    arms = value - low, high - value
    half_width = max(arms)
    if half_width <= 1e-6 * abs(value):  # rounding
        return f"{value:,.6g}"
    even = min(arms) > 0.9 * half_width
    exponent = math.floor(math.log10(max(abs(value), half_width)))
    decimals = 1 - math.floor(math.log10(half_width))
    plain = -4 <= exponent < 7
    power, decimals = (1.0, max(decimals, 0)) if plain else (10.0**exponent, decimals + exponent)
    shown = (f"{number / power:,.{max(decimals, 0)}f}" for number in (value, half_width, low, high))
    text, arm, least, greatest = shown
    text = f"{text} ± {arm}" if even else f"{text} ({least} to {greatest})"
    return text if plain else f"({text})e{exponent:+d}"
