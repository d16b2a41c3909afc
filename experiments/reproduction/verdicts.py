"""From numbers to verdicts, in two steps; nothing here knows a figure.

Step one, per condition. Each comparison has a sample of independent values, one for each seed, and a range
in which their mean, geometric mean or median must lie. Its interval is corrected by Holm's procedure over
all comparisons that the verdict looks at (Holm, Scandinavian Journal of Statistics 6, 1979): with m of them
the k-th smallest p-value is held against 5 % / (m - k + 1), and so wide is its interval. A comparison in too
few of whose instances all limits are kept is infeasible, whatever comes out of it.

Step two, per claim: what its conditions come to.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import bdtr, ndtri, stdtr, stdtrit

from ...simulator.core.arrays import FloatArray

Average = Literal["mean", "geometric mean", "median"]

Outcome = Literal["holds", "reversed", "equal", "infeasible", "undecided"]
"""Of a comparison or a condition. "reversed": the interval lies wholly outside of the range. "equal": what
is compared is the same in each instance. "infeasible": there are too few instances in which what is
compared keeps all limits, whatever it measures there."""

Verdict = Literal[
    "reproduced as printed",
    "reproduced under conditions",
    "refuted",
    "undecided",
    "not testable",
    "not run",
]

LEVEL = 0.05
"""Of all comparisons of a verdict together."""

VARIES = 1e-6
"""Values that differ by a smaller part of the largest are one value: they are no sample, and conditions of
which all values do are one condition."""

LEAST_KEPT = 0.5
"""With a smaller part of the instances a comparison is one of survivors, and decides nothing."""


@dataclass(frozen=True)
class Check:
    """One comparison of a claim.

    Attributes:
        what: which one of them, such as "1100 Mcycles".
        sample: (S,) independent values, one for each seed, paired by seed where it is a difference; NaN
            where a seed says nothing, as one of those compared breaks limits.
        kept: (S,) whether, or in which part of what is compared, all limits are kept, NaN for instances
            that do not count; by default whether the sample is known.
    """

    what: str
    sample: FloatArray
    kept: FloatArray | None = None

    @property
    def known(self) -> FloatArray:
        """(K,) values that are."""
        return self.sample[np.isfinite(self.sample)]

    @property
    def share_kept(self) -> float:
        """In which part of the instances that count all limits are kept."""
        kept = np.isfinite(self.sample) if self.kept is None else self.kept
        counted = kept[np.isfinite(kept)]
        return float(np.mean(counted)) if len(counted) else 0.0


Checks = dict[str, list[Check]]
"""By condition: what has to hold under it, all of it. A condition is what the paper leaves open."""


@dataclass(frozen=True)
class Rule:
    """The statistic of a claim, and where it must lie.

    Attributes:
        average: of the sample. A median's interval is one of order statistics, as trainings get stuck.
        low: the interval must lie above it.
        high: the interval must lie below it.
        least: with fewer seeds nothing is decided.
    """

    average: Average = "mean"
    low: float = -math.inf
    high: float = math.inf
    least: int = 10

    def interval(self, sample: FloatArray, level: float = LEVEL) -> tuple[float, float, float]:
        """The average of an (S,) sample, and the ends of its interval of confidence 1 - level.

        Infinite ends: no interval of so few values has that confidence; NaN: there are fewer than two.
        """
        known = sample[np.isfinite(sample)]
        if len(known) < 2:
            return math.nan, math.nan, math.nan
        if self.average == "median":
            return _median(known, level)
        of = np.log(known) if self.average == "geometric mean" else known
        value = float(of.mean())
        quantile = -float(stdtrit(len(of) - 1, level / 2.0))
        half = quantile * float(of.std(ddof=1)) / math.sqrt(len(of))
        ends = (value, value - half, value + half)
        if self.average == "geometric mean":
            return (math.exp(ends[0]), math.exp(ends[1]), math.exp(ends[2]))
        return ends

    def p_value(self, sample: FloatArray) -> float:
        """Of an (S,) sample, the least level at which its interval lies on one side of each end of the range."""
        value, _, _ = self.interval(sample)
        ends = [end for end in (self.low, self.high) if math.isfinite(self._scaled(end))]
        p_of = {end: self._p_of(sample, end) for end in ends}
        if self.low < value < self.high:
            return max(p_of.values(), default=0.0)
        return p_of[self.low if value <= self.low else self.high]

    def _scaled(self, end: float) -> float:
        if self.average != "geometric mean":
            return end
        return math.log(end) if end > 0.0 else -math.inf

    def _p_of(self, sample: FloatArray, end: float) -> float:
        """Two-sided, of the average being `end`."""
        known = sample[np.isfinite(sample)]
        if self.average == "median":
            # The interval's ends are order statistics; one that is `end` itself is not beyond it.
            fewer = min(int((known >= end).sum()), int((known <= end).sum()))
            return min(1.0, 2.0 * float(bdtr(fewer, len(known), 0.5)))
        of = np.log(known) if self.average == "geometric mean" else known
        error = float(of.std(ddof=1)) / math.sqrt(len(of))
        return 2.0 * float(stdtr(len(of) - 1, -abs(float(of.mean()) - self._scaled(end)) / error))


@dataclass(frozen=True)
class Judged:
    """A comparison, judged.

    Attributes:
        what: as in the check.
        outcome: of it.
        interval: average, and the corrected interval's ends.
        divisor: the interval is of 1 - `LEVEL` / divisor.
        seeds: how many say something.
        runs: how many there are.
        algebra: whether all seeds say the same: then there is no interval, and no chance.
        kept: in which part of the instances that count all limits are kept.
    """

    what: str
    outcome: Outcome
    interval: tuple[float, float, float]
    divisor: int
    seeds: int
    runs: int
    algebra: bool = False
    kept: float = 1.0


def judged(
    rules: Rule | Mapping[str, Rule], checks: Mapping[str, Sequence[Check]]
) -> dict[str, list[Judged]]:
    """Step one: every comparison under every condition, their intervals corrected together.

    Args:
        rules: statistic and range, of all or by condition.
        checks: by condition.
    """
    by = dict.fromkeys(checks, rules) if isinstance(rules, Rule) else rules
    places = [(name, k) for name, of in checks.items() for k in range(len(of))]
    tested = {
        place: by[place[0]].p_value(check.sample)
        for place in places
        for check in [checks[place[0]][place[1]]]
        if _testable(by[place[0]], check) and not constant(check.known)
    }
    divisors = holm(list(tested.values()))
    of = dict(zip(tested, divisors, strict=True))
    found: dict[str, list[Judged]] = {}
    for name, k in places:
        found.setdefault(name, []).append(_judge(by[name], checks[name][k], of.get((name, k), 1)))
    return found


def holm(p_values: Sequence[float]) -> list[int]:
    """By p-value, what the level is divided by when it is its turn, or when the procedure has stopped."""
    order = sorted(range(len(p_values)), key=lambda k: p_values[k])
    divisors, divisor, stopped = [0] * len(order), len(order), False
    for rank, k in enumerate(order):
        if not stopped:
            divisor = len(order) - rank
            stopped = p_values[k] > LEVEL / divisor
        divisors[k] = divisor
    return divisors


def constant(known: FloatArray) -> bool:
    """Whether (K,) values are one value, but for rounding."""
    return bool(len(known) and np.ptp(known) <= VARIES * np.max(np.abs(known)))


def _testable(rule: Rule, check: Check) -> bool:
    """Whether a comparison decides anything: what does not takes no part in the correction either."""
    return len(check.known) >= rule.least and check.share_kept >= LEAST_KEPT


def _judge(rule: Rule, check: Check, divisor: int) -> Judged:
    known = check.known
    interval = rule.interval(check.sample, LEVEL / divisor)
    same = len(known) >= rule.least and constant(known)
    outcome: Outcome
    if len(check.sample) < rule.least:
        outcome = "undecided"
    elif not _testable(rule, check):
        outcome = "infeasible"
    elif same:
        value = float(np.median(known))
        inside = rule.low < value < rule.high
        outcome = "holds" if inside else "equal" if value in (rule.low, rule.high) else "reversed"
    else:
        outcome = _place(rule, *interval)
    if same:
        interval = (float(np.median(known)),) * 3
    seeds, runs = len(known), len(check.sample)
    return Judged(check.what, outcome, interval, divisor, seeds, runs, same, check.share_kept)


def _place(rule: Rule, value: float, low: float, high: float) -> Outcome:
    """Where an interval lies."""
    if rule.low < low and high < rule.high:
        return "holds"
    return "reversed" if high < rule.low or low > rule.high else "undecided"


def _median(known: FloatArray, level: float) -> tuple[float, float, float]:
    """Between which order statistics a median lies whatever the law."""
    value, ordered = float(np.median(known)), np.sort(known)
    # The number of values below the median is binomial: so many may be left out at each end.
    chances = 2.0 * bdtr(np.arange(len(known)), len(known), 0.5)
    beyond = int(np.searchsorted(chances, level, side="right")) - 1
    if beyond < 0:
        return value, -math.inf, math.inf
    return value, float(ordered[beyond]), float(ordered[-1 - beyond])


def condition(comparisons: Sequence[Judged]) -> Outcome:
    """Of a condition, all of whose comparisons have to hold.

    One that is reversed is enough against it. Where one is infeasible, the condition cannot hold however
    many instances are run, so that is before what is undecided; it makes no difference if none does.
    """
    outcomes = {one.outcome for one in comparisons}
    if len(outcomes) == 1:
        return outcomes.pop()
    return next((one for one in ("reversed", "infeasible") if one in outcomes), "undecided")


def distinct(checks: Checks) -> tuple[Checks, dict[str, list[str]]]:
    """Conditions that differ; those that repeat an earlier one, value by value, are left out.

    Args:
        checks: by condition.

    Returns:
        Those that are kept, and by their names the names of those that repeat them.
    """
    kept: Checks = {}
    repeats: dict[str, list[str]] = {}
    for name, of in checks.items():
        first = next((other for other in kept if _alike(kept[other], of)), None)
        if first is None:
            kept[name] = of
        else:
            repeats.setdefault(first, []).append(name)
    return kept, repeats


def _alike(one: Sequence[Check], other: Sequence[Check]) -> bool:
    """Whether all values of all comparisons agree, those that are not known, and the limits kept."""
    if [check.what for check in one] != [check.what for check in other]:
        return False
    if [check.share_kept for check in one] != [check.share_kept for check in other]:
        return False
    a, b = (np.concatenate([check.sample for check in of]) for of in (one, other))
    if len(a) != len(b) or (np.isfinite(a) != np.isfinite(b)).any():
        return False
    known = np.isfinite(a)
    largest = np.max(np.abs(np.stack([a, b])[:, known]), initial=0.0)
    return bool((np.abs(a - b)[known] <= VARIES * largest).all())


def conclude(outcomes: Sequence[Outcome], missing: str = "", complete: bool = True) -> Verdict:
    """Step two: what the conditions of the paper's own words come to, in this order.

    Conditions are alternatives, of which the paper means one. So one that is undecided, which might yet
    hold, is before those that cannot be compared, and before those that make no difference; one that is
    reversed refutes where none holds.

    Args:
        outcomes: by condition, those that repeat each other once.
        missing: what the paper does not state, was not varied, and decides.
        complete: whether all that is printed was run.
    """
    if not outcomes:
        return "not run"
    if missing:
        return "not testable"
    if "holds" in outcomes:
        all_hold = complete and set(outcomes) == {"holds"}
        return "reproduced as printed" if all_hold else "reproduced under conditions"
    if "reversed" in outcomes:
        return "refuted"
    if "undecided" in outcomes:
        return "undecided"
    return "refuted" if "equal" in outcomes else "not testable"


def share(sample: FloatArray, level: float = LEVEL) -> tuple[float, float, float]:
    """The mean of (S,) values between 0 and 100, and Wilson's interval, which stays between them too.

    It is that of yes and no; what lies between these varies less (Wilson, Journal of the American
    Statistical Association 22, 1927). NaN: none is known.
    """
    known = sample[np.isfinite(sample)] / 100.0
    if not len(known):
        return math.nan, math.nan, math.nan
    count, value = len(known), float(known.mean())
    squared = float(ndtri(1.0 - level / 2.0)) ** 2
    middle = (value + squared / (2.0 * count)) / (1.0 + squared / count)
    spread = value * (1.0 - value) / count + squared / (4.0 * count**2)
    half = math.sqrt(squared * max(spread, 0.0)) / (1.0 + squared / count)
    return 100.0 * value, 100.0 * max(middle - half, 0.0), 100.0 * min(middle + half, 1.0)
