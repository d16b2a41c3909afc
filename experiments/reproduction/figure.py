"""What a figure is here: the runs behind it, its diagrams, and what its paper says about it.

Each file of `figures` has one figure as a value of these classes; `engine` makes them.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import xarray as xr

from ...simulator.core.arrays import FloatArray
from ...traces.confidence_intervals import Estimate, mean

Shown = str | int | float
"""A level of a factor, as figures show it."""

Results = Mapping[str, xr.Dataset]
"""By name of a study or of trainings. Dimensions are the factors' names, `policy` and `seed`."""

Verdict = Literal["reproduced", "reproduced under stated conditions", "not reproduced"]
Answer = Literal["holds", "fails", "undecided"]

SOME: Verdict = "reproduced under stated conditions"
NONE: Verdict = "not reproduced"


@dataclass(frozen=True)
class Factor:
    """What a study varies.

    Attributes:
        name: of the dimension.
        settings: by level as shown, keys of the scenario with their values as TOML has them.
        quick: the levels that `--quick` keeps; all, if empty.
    """

    name: str
    settings: Mapping[Shown, Mapping[str, Any]]
    quick: tuple[Shown, ...] = ()

    def chosen(self, quick: bool) -> dict[Shown, Mapping[str, Any]]:
        """The settings of a full or a quick run."""
        kept = self.quick if quick and self.quick else tuple(self.settings)
        return {level: self.settings[level] for level in kept}

    @property
    def key(self) -> str | None:
        """The one key that all settings give a value to; None where they differ in several."""
        keys = {key for setting in self.settings.values() for key in setting}
        whole = all(len(setting) == len(keys) for setting in self.settings.values())
        return keys.pop() if len(keys) == 1 and whole else None


def factor(
    name: str, key: str, levels: Mapping[Shown, Any] | Sequence[Any], quick: tuple[Shown, ...] = ()
) -> Factor:
    """A factor of one key.

    Args:
        name: of the dimension.
        key: of the scenario.
        levels: by level as shown, the value as TOML has it; or values that are shown as they are.
        quick: the levels that `--quick` keeps; all, if empty.
    """
    by_level = levels if isinstance(levels, Mapping) else {value: value for value in levels}
    return Factor(name, {shown: {key: value} for shown, value in by_level.items()}, quick)


@dataclass(frozen=True)
class Study:
    """A sweep behind a figure.

    Attributes:
        name: of its folder, and in `Results`.
        scenario: the base.
        policies: by label, as a sweep file writes them.
        factors: every combination is run; one factor at most has settings of several keys.
        keys: of all runs.
        seeds: how many, in a full run.
        quick_seeds: how many, with `--quick`.
        quick_keys: of all runs, with `--quick`, beside `keys`.
        together: how many seeds run in lock-step.
        learned: by label, the trainings in the same figure whose policies are run too: one for each
            training seed, labelled "LABEL 1", "LABEL 2", …
        timed: whether `decision_s`, the median wall-clock time of a decision, is read too; it needs
            `trace.level = "slots"`.
        warmup: share of the slots that is left out first.
    """

    name: str
    scenario: str
    policies: Mapping[str, str]
    factors: tuple[Factor, ...] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 30
    quick_seeds: int = 4
    quick_keys: Mapping[str, Any] = field(default_factory=dict)
    together: int = 50
    learned: Mapping[str, str] = field(default_factory=dict)
    timed: bool = False
    warmup: float = 0.1


@dataclass(frozen=True)
class Trainings:
    """Trainings behind a figure: one for each setting and each training seed.

    Their dataset has `reward` and losses over `log` (200 of them, `steps` each), and the figures on
    held-out seeds over `evaluation` (20 of them, `evaluated_steps` each).

    Attributes:
        name: of its folder, and in `Results`.
        scenario: the base.
        policy: what learns.
        factors: every combination is trained.
        keys: of all trainings.
        seeds: how many, in a full run; they are `run.seed` 1, 2, ….
        quick_seeds: how many, with `--quick`.
        quick_keys: of all trainings, with `--quick`, beside `keys`.
        minutes: CPU time of all of them, in a full and in a quick run, about.
    """

    name: str
    scenario: str
    policy: str
    factors: tuple[Factor, ...] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 5
    quick_seeds: int = 2
    quick_keys: Mapping[str, Any] = field(default_factory=dict)
    minutes: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Diagram:
    """One pair of axes of a figure.

    Attributes:
        title: the condition; may be empty.
        y: quantity and unit of the vertical axis.
        curves: by label, in the legend's order, over one dimension, whose values are the horizontal
            places, and `seed`; NaN where a seed says nothing.
        log: whether the vertical axis is logarithmic.
    """

    title: str
    y: str
    curves: Mapping[str, "xr.DataArray"]
    log: bool = False

    @property
    def percent(self) -> bool:
        """Whether it shows a share."""
        return self.y.endswith("feasible [%]")

    def lines(self) -> Iterator[tuple[str, FloatArray, FloatArray]]:
        """Label, (K,) places and (K, S) values by seed of each curve."""
        for label, values in self.curves.items():
            (x,) = (dim for dim in values.dims if dim != "seed")
            places = np.asarray(values[x].values, dtype=float)
            yield label, places, np.asarray(values.transpose(x, "seed").values, dtype=float)


@dataclass(frozen=True)
class Check:
    """One comparison of a claim: the mean over seeds, or the median, and the range in which it must lie.

    Attributes:
        what: which one of them, such as "1100 Mcycles".
        sample: (S,) independent values, one for each seed, paired by seed where it is a difference;
            NaN where a seed says nothing.
        low: the interval must lie above it.
        high: the interval must lie below it.
        log: the sample are positive ratios, whose geometric mean is meant.
        skewed: the median is meant, and its interval is one of order statistics: as of trainings, of
            which some get stuck. Of five seeds it reaches from the least to the largest, and is one
            of 94 %.
    """

    what: str
    sample: FloatArray
    low: float = -math.inf
    high: float = math.inf
    log: bool = False
    skewed: bool = False

    @property
    def seeds(self) -> int:
        """How many say something."""
        return int(np.isfinite(self.sample).sum())

    def interval(self) -> tuple[float, float, float]:
        """Mean or median, and the ends of its 95 % interval; NaN with fewer than two seeds."""
        sample = self.sample[np.isfinite(self.sample)]
        if len(sample) < 2:
            return math.nan, math.nan, math.nan
        if self.skewed:
            from scipy.stats import binom

            # The number of seeds below the median is binomial: so many may be left out at each end.
            outside = max(int(binom.ppf(0.025, len(sample), 0.5)) - 1, 0)
            return float(np.median(sample)), *np.sort(sample)[[outside, -1 - outside]].tolist()
        found: Estimate = mean(np.log(sample) if self.log else sample)
        ends = (found.value, found.low, found.high)
        return tuple(math.exp(end) for end in ends) if self.log else ends  # type: ignore[return-value]

    def answer(self, least: int) -> Answer:
        """Whether it holds.

        Args:
            least: with fewer seeds it is undecided.
        """
        _, low, high = self.interval()
        if self.seeds < least or math.isnan(low):
            return "undecided"
        if self.low < low and high < self.high:
            return "holds"
        return "fails" if high <= self.low or low >= self.high else "undecided"

    @property
    def margin(self) -> float:
        """How far the mean is inside of its range, in half-widths of its interval; NaN if unknown."""
        value, low, high = self.interval()
        scale = math.log if self.log else float
        if math.isnan(value):
            return math.nan
        # No ratio lies below zero: that is no end.
        least_end = 0.0 if self.log else -math.inf
        ends = [end for end in (self.low, self.high) if least_end < end < math.inf]
        inside = [(scale(value) - scale(end)) * (1.0 if end == self.low else -1.0) for end in ends]
        half = (scale(high) - scale(low)) / 2.0
        least = min(inside, default=math.inf)
        return least / half if half > 0.0 else math.copysign(math.inf, least) if least else 0.0


Checks = dict[str, list[Check]]
"""By condition: what has to hold under it, all of it. A condition is what the paper leaves open."""


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on, for the sentence that explains it.

    Attributes:
        results: of the figure.
        checks: of the claim.
        answers: by condition.
    """

    results: Results
    checks: Checks
    answers: Mapping[str, Answer]


Reason = Callable[[Evidence], str]
"""Why a verdict came out so: a sentence whose numbers are computed from the evidence."""


@dataclass(frozen=True)
class Claim:
    """What a paper says about a figure, in our words, and what decides whether it is so.

    Attributes:
        id: unique.
        says: the sentence.
        test: statistic and threshold, in words.
        unit: of the statistic; "1" for a number.
        checks: from the results. A condition holds if all its checks do: each at its own 95 %
            interval, as a claim that needs all of them is not helped by their number.
        least: seeds that a verdict needs; fewer in a quick run.
        reason: why the verdict is `explained`; another verdict is shown without it.
        explained: the verdict that the reason fits.
    """

    id: str
    says: str
    test: str
    unit: str
    checks: Callable[[Results], Checks]
    least: int = 10
    reason: Reason | None = None
    explained: Verdict = SOME


@dataclass(frozen=True)
class Question:
    """What the papers did not ask: numbers without a threshold.

    Attributes:
        asks: what is measured.
        unit: of the numbers.
        checks: from the results; ranges have no meaning.
    """

    asks: str
    unit: str
    checks: Callable[[Results], Checks]


@dataclass(frozen=True)
class Figure:
    """A figure of a paper, or one that the papers did not draw.

    Attributes:
        id: what the command calls it.
        title: what it shows, in our words.
        notes: what the paper does not state, and what was chosen here.
        x: what the horizontal axis shows, with the unit.
        diagrams: rows of them, from the results.
        studies: sweeps.
        trainings: of policies.
        claims: of the paper.
        questions: of ours.
        minutes: CPU time of a full and of a quick run, without trainings, about.
        log_x: whether the horizontal axis is logarithmic.
        free_y: whether each diagram has a vertical scale of its own.
    """

    id: str
    title: str
    notes: str
    x: str
    diagrams: Callable[[Results], list[list[Diagram]]]
    minutes: tuple[float, float] = (0.1, 0.1)
    studies: tuple[Study, ...] = ()
    trainings: tuple[Trainings, ...] = ()
    claims: tuple[Claim, ...] = ()
    questions: tuple[Question, ...] = ()
    log_x: bool = False
    free_y: bool = False

    @property
    def paper(self) -> str:
        """A or C if the id is a number of that paper's, as "a4"; empty for what no paper drew."""
        return self.id[0].upper() if self.id[0] in "ac" and self.id[1:].isdigit() else ""


def verdict(answers: Mapping[str, Answer]) -> Verdict:
    """Of a claim, from the answer under each condition."""
    held = sum(answer == "holds" for answer in answers.values())
    if held == 0:
        return NONE
    return "reproduced" if held == len(answers) else SOME


def answer(checks: list[Check], least: int) -> Answer:
    """Of a condition: it holds if all its checks do, and fails if one does."""
    answers = {check.answer(least) for check in checks}
    if answers == {"holds"}:
        return "holds"
    return "fails" if "fails" in answers else "undecided"
