"""What a figure is here: the runs behind it, its panels, and what its paper says about it.

`paper_a`, `paper_c` and `beyond` list figures as values of these classes; `engine` makes them.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...simulator.core.arrays import FloatArray
from ...traces.confidence_intervals import Estimate, mean

if TYPE_CHECKING:
    import xarray as xr

Shown = str | int | float
"""A value of an axis, as figures show it."""

Results = Mapping[str, "xr.Dataset"]
"""By name of a study or training. Dimensions are the axes' names, `policy` and `seed`."""

Verdict = Literal["reproduced", "reproduced under stated conditions", "not reproduced"]
Answer = Literal["holds", "fails", "undecided"]


@dataclass(frozen=True)
class Axis:
    """What a study varies.

    Attributes:
        name: of the dimension.
        settings: by value as shown, keys of the scenario with their values as TOML has them.
        quick: the values that `--quick` keeps; all, if empty.
    """

    name: str
    settings: Mapping[Shown, Mapping[str, Any]]
    quick: tuple[Shown, ...] = ()

    def chosen(self, quick: bool) -> dict[Shown, Mapping[str, Any]]:
        """The settings of a full or a quick run."""
        kept = self.quick if quick and self.quick else tuple(self.settings)
        return {value: self.settings[value] for value in kept}

    @property
    def key(self) -> str | None:
        """The one key that all settings give a value to; None where they differ in several."""
        keys = {key for setting in self.settings.values() for key in setting}
        whole = all(len(setting) == len(keys) for setting in self.settings.values())
        return keys.pop() if len(keys) == 1 and whole else None


def axis(name: str, key: str, values: Mapping[Shown, Any], quick: tuple[Shown, ...] = ()) -> Axis:
    """An axis of one key.

    Args:
        name: of the dimension.
        key: of the scenario.
        values: by value as shown, as TOML has it.
        quick: the values that `--quick` keeps; all, if empty.
    """
    return Axis(name, {shown: {key: value} for shown, value in values.items()}, quick)


@dataclass(frozen=True)
class Study:
    """A sweep behind a figure.

    Attributes:
        name: of its folder, and in `Results`.
        scenario: the base.
        policies: by label, as a sweep file writes them.
        axes: every combination is run; one axis at most has settings of several keys.
        keys: of all runs.
        seeds: how many, in a full run.
        quick_seeds: how many, with `--quick`.
        quick_keys: of all runs, with `--quick`, beside `keys`.
        together: how many seeds run in lock-step.
        learned: by label, the training in the same figure whose policies are run too: one for each
            training seed, labelled "LABEL 1", "LABEL 2", …
        timed: whether `decision_s`, the median wall-clock time of a decision, is read too; it needs
            `trace.level = "slots"`.
        warmup: share of the slots that is left out first.
    """

    name: str
    scenario: str
    policies: Mapping[str, str]
    axes: tuple[Axis, ...] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 30
    quick_seeds: int = 4
    quick_keys: Mapping[str, Any] = field(default_factory=dict)
    together: int = 50
    learned: Mapping[str, str] = field(default_factory=dict)
    timed: bool = False
    warmup: float = 0.1


@dataclass(frozen=True)
class Training:
    """Trainings behind a figure: one for each setting and each training seed.

    Their dataset has `reward` and losses over `log` (200 of them, `steps` each), and the figures on
    held-out seeds over `evaluation` (20 of them, `evaluated_steps` each).

    Attributes:
        name: of its folder, and in `Results`.
        scenario: the base.
        policy: what learns.
        axes: every combination is trained.
        keys: of all trainings.
        seeds: how many, in a full run; they are `run.seed` 1, 2, ….
        quick_seeds: how many, with `--quick`.
        quick_keys: of all trainings, with `--quick`, beside `keys`.
        minutes: CPU time of all of them, in a full and in a quick run, about.
    """

    name: str
    scenario: str
    policy: str
    axes: tuple[Axis, ...] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 5
    quick_seeds: int = 2
    quick_keys: Mapping[str, Any] = field(default_factory=dict)
    minutes: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Line:
    """A line of a panel.

    Attributes:
        label: what the legend calls it.
        x: (K,) where it stands.
        sample: (K, S) by seed; NaN where a seed says nothing.
    """

    label: str
    x: FloatArray
    sample: FloatArray


@dataclass(frozen=True)
class Panel:
    """A diagram.

    Attributes:
        title: which condition it is of; may be empty.
        y: what its vertical axis shows, with the unit.
        lines: from the first to the last of the legend.
        log: whether the vertical axis is logarithmic.
    """

    title: str
    y: str
    lines: tuple[Line, ...]
    log: bool = False

    @property
    def percent(self) -> bool:
        """Whether it shows a share."""
        return self.y.endswith("feasible [%]")


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


Checks = Mapping[str, list[Check]]
"""By condition: what has to hold under it, all of it. A condition is what the paper leaves open."""


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
        reasons: by verdict, why it came out so. One that does not fit the verdict is not shown.
    """

    id: str
    says: str
    test: str
    unit: str
    checks: Callable[[Results], Checks]
    least: int = 10
    reasons: Mapping[Verdict, str] = field(default_factory=dict)


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
        paper: "A", "C", or "" for neither.
        title: what it shows, in our words.
        notes: what the paper does not state, and what was chosen here.
        x: what the horizontal axis shows, with the unit.
        panels: rows of panels, from the results.
        studies: sweeps.
        trainings: of policies.
        claims: of the paper.
        questions: of ours.
        minutes: CPU time of a full and of a quick run, without trainings, about.
        log_x: whether the horizontal axis is logarithmic.
        free_y: whether each panel has a vertical scale of its own.
    """

    id: str
    paper: str
    title: str
    notes: str
    x: str
    panels: Callable[[Results], list[list[Panel]]]
    minutes: tuple[float, float]
    studies: tuple[Study, ...] = ()
    trainings: tuple[Training, ...] = ()
    claims: tuple[Claim, ...] = ()
    questions: tuple[Question, ...] = ()
    log_x: bool = False
    free_y: bool = False


def verdict(answers: Mapping[str, Answer]) -> Verdict:
    """Of a claim, from the answer under each condition."""
    held = sum(answer == "holds" for answer in answers.values())
    if held == 0:
        return "not reproduced"
    return "reproduced" if held == len(answers) else "reproduced under stated conditions"


def answer(checks: list[Check], least: int) -> Answer:
    """Of a condition: it holds if all its checks do, and fails if one does."""
    answers = {check.answer(least) for check in checks}
    if answers == {"holds"}:
        return "holds"
    return "fails" if "fails" in answers else "undecided"
