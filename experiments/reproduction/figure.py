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
from .registration import Entry, registered
from .verdicts import Average, Checks, Judged

Shown = str | int | float
"""A level of a factor, as figures show it."""

Results = Mapping[str, xr.Dataset]
"""By name of a study or of trainings. Dimensions are the factors' names, `policy` and `seed`; and
`warm-up`, the shares that are left out first, where there are several."""


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
        quick_seeds: how many, with `--quick`; with none it is left out.
        quick_keys: of all runs, with `--quick`, beside `keys`.
        together: how many seeds run in lock-step.
        learned: by label, the trainings in the same figure whose policies are run too: one for each
            training seed, labelled "LABEL 1", "LABEL 2", …
        timed: whether `decision_s`, the median wall-clock time of a decision, is read too; it needs
            `trace.level = "slots"`.
        warmup: share of the slots that is left out first.
        warmups: other shares, by which claims are judged again.
        kept: variables that are stored, and all that claims and diagrams read.
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
    warmups: tuple[float, ...] = ()
    kept: tuple[str, ...] = ("worst_emission_mg", "feasible_share")


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
        kept: variables that are stored, and all that claims and diagrams read.
    """

    name: str
    scenario: str
    policy: str
    factors: tuple[Factor, ...] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)
    seeds: int = 10
    quick_seeds: int = 2
    quick_keys: Mapping[str, Any] = field(default_factory=dict)
    minutes: tuple[float, float] = (0.0, 0.0)
    kept: tuple[str, ...] = ("system_cost", "evaluated_steps")


@dataclass(frozen=True)
class Diagram:
    """One pair of axes of a figure.

    Attributes:
        title: the condition; may be empty.
        y: quantity and unit of the vertical axis.
        curves: by label, in the legend's order, over one dimension, whose values are the horizontal
            places, and `seed`; NaN where a seed says nothing.
        log: whether the vertical axis is logarithmic where all values are positive; then means are geometric.
        least: no value can be less, so no interval ends below.
    """

    title: str
    y: str
    curves: Mapping[str, "xr.DataArray"]
    log: bool = False
    least: float = -math.inf

    @property
    def percent(self) -> bool:
        """Whether it shows a share."""
        return self.y.endswith("feasible [%]")

    @property
    def logarithmic(self) -> bool:
        """Whether the vertical axis is."""
        return self.log and not any((values <= 0.0).any() for values in self.curves.values())

    @property
    def ends(self) -> tuple[float, float]:
        """Between which all values are, whatever they are."""
        return (0.0, 100.0) if self.percent else (self.least, math.inf)

    def lines(self) -> Iterator[tuple[str, FloatArray, FloatArray]]:
        """Label, (K,) places and (K, S) values by seed of each curve."""
        for label, values in self.curves.items():
            (x,) = (dim for dim in values.dims if dim != "seed")
            places = np.asarray(values[x].values, dtype=float)
            yield label, places, np.asarray(values.transpose(x, "seed").values, dtype=float)


def left_out(study: str, warmup: float) -> str:
    """The name in `Results` of a study's numbers with another share of the slots left out first."""
    return f"{study}, {100.0 * warmup:g} % left out"


class NotRun(Exception):  # noqa: N818 - no error: a state
    """What is asked for was not run."""


class Ran(dict[str, xr.Dataset]):
    """Results of what was run; to ask for others raises `NotRun`."""

    def __missing__(self, name: str) -> xr.Dataset:
        raise NotRun(name)


@dataclass(frozen=True)
class Evidence:
    """What a verdict rests on, for the sentence that explains it.

    Attributes:
        results: of the figure.
        judged: by subject and condition.
    """

    results: Results
    judged: Mapping[str, Mapping[str, list[Judged]]]

    @property
    def checks(self) -> dict[str, list[Judged]]:
        """By condition, of all subjects, whose names come first."""
        return {
            f"{subject}, {name}" if name else subject: of
            for subject, conditions in self.judged.items()
            for name, of in conditions.items()
        }


Reason = Callable[[Evidence], str]
"""Why a claim came out so: a sentence whose numbers are computed from the evidence."""


@dataclass(frozen=True)
class Claim:
    """What a paper says about a figure, and how it is looked up in the results.

    Sentence, statistic, range, seeds and conditions are the registration's.

    Attributes:
        id: of the registration.
        subjects: by who is run, as the registration names them, its checks by condition; what they need
            may not have been run.
        reason: what explains the outcome.
    """

    id: str
    subjects: Mapping[str, Callable[[Results], Checks]]
    reason: Reason | None = None

    @property
    def entry(self) -> Entry:
        """What is registered."""
        return registered().claim[self.id]


@dataclass(frozen=True)
class Question:
    """What the papers did not ask: numbers without a threshold.

    Attributes:
        asks: what is measured.
        unit: of the numbers.
        checks: from the results.
        average: of each sample; "share" of numbers between 0 and 100.
    """

    asks: str
    unit: str
    checks: Callable[[Results], Checks]
    average: Average | Literal["share"] = "mean"


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
        average: over seeds, of the lines; trainings get stuck, so of these it is the median.
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
    average: Average = "mean"

    @property
    def paper(self) -> str:
        """A or C if the id is a number of that paper's, as "a4"; empty for what no paper drew."""
        return self.id[0].upper() if self.id[0] in "ac" and self.id[1:].isdigit() else ""

    def parts(self, quick: bool) -> tuple[list[Trainings], list[Study]]:
        """What a full or a quick run makes: without studies of no seeds, and what they alone need."""
        studies = [one for one in self.studies if not quick or one.quick_seeds]
        for_none = {name for one in self.studies for name in one.learned.values()}
        for_none -= {name for one in studies for name in one.learned.values()}
        return [one for one in self.trainings if one.name not in for_none], studies
