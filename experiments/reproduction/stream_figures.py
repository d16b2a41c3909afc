"""What the figures on the stream problem share: paper A's network, its schemes, and what they cost.

What the paper calls system cost is the objective of P2, A(20). It does not say over what it is summed
or discounted; here it is the mean per slot of a run whose first quarter is left out, as in the
evaluation of trainings; claims are judged again with the first half left out. By what P1 minimises, the
energy per bit, and by the bits that wait they are judged too: these are other readings.

Algorithm 1 of the paper solves P2 in each slot, and AAC learns to. The benchmarks without one part of the
optimisation are P2 solved in each slot with that part taken out, the best that any learner of them could
come to.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from .figure import Diagram, Factor, NotRun, Question, Results, Shown, Study, Trainings, factor
from .measure import conditions, labels, of_policy
from .sentences import shipped
from .training_settings import BASELINES, NETWORK_A
from .verdicts import Checks

PRINTED_1, PRINTED_AAC, GUIDED_AAC = "Algorithm 1, P2 solved by us", "AAC as printed", "guided AAC"
REPAIRED_AAC = "AAC with our settings"
"""Who is judged; the paper leaves open how P2 is solved, and draws AAC."""

JOINT = "joint (P2 in each slot)"
RADIO, COMPUTE = "radio alone", "compute alone"
SCA, AAC, DQN = "joint (SCA)", "AAC", "DQN"

GUIDED, AS_PRINTED = "learned guided", "learned as printed"
"""Titles of diagrams."""

SCHEMES = {
    JOINT: "lyapunov",
    RADIO: 'lyapunov{optimise=["radio"]}',
    COMPUTE: 'lyapunov{optimise=["compute"]}',
}

EVERY = {"P2 in each slot": "lyapunov", "SCA": "sca"} | BASELINES
LEARNED = {AAC: "aac", DQN: "dqn"}

SLOTS, WARM_UP, QUICK = 400, 0.25, {"run.slots": 60}
FEW: dict[str, Any] = {"seeds": 10, "quick_seeds": 2, "together": 10}
"""Seeds of studies whose policies take long."""

N, M = "devices", "SBSs"
N_TRAINED, M_TRAINED = (shipped(NETWORK_A, f"{key}.count") for key in ("devices", "stations.sbs"))
"""Devices and SBSs of the network in which policies are trained."""

COST = "system cost, P2 [bit²/slot]"

KEPT = ("objective", "energy_per_bit_j", "power_w", "queue_bits")
QUEUES = ("queue_bits", "station_queue_bits")


class Reading(NamedTuple):
    """What the system cost might be: a variable of the dataset, scaled to a unit."""

    name: str
    axis: str
    unit: str
    variable: str
    scale: float = 1.0
    least: float = 0.0

    @property
    def what(self) -> str:
        """In a question."""
        return "P2's value" if self.variable == "objective" else f"the {self.name}"

    def of(self, data: xr.Dataset) -> xr.DataArray:
        """Of a study, over its dimensions."""
        return self.scale * data[self.variable]


READINGS = (
    Reading("cost as P2", "P2", "bit²/slot", "objective", least=-math.inf),
    Reading("energy per bit", "energy", "nJ/bit", "energy_per_bit_j", 1e9),
    Reading("energy per second", "energy per second", "W", "power_w"),
    Reading("bits that wait at a device", "waiting at a device", "Mbit", "queue_bits", 1e-6),
)
"""Of the whole network, but for the last."""

BY_READING = P2, PER_BIT, *_ = tuple(reading.name for reading in READINGS)

NOT_STATED = (
    "Not stated: the area, path loss, arrivals, energy constants, V, and how the cost is averaged "
    "(docs/reproduction.md). P2's value is a drift and a penalty: it falls below zero where much is served, and "
    "the further the longer the queues are, so as a cost it rewards backlog. Each scheme is measured in the "
    "queues to which it has led itself; so one that does best in each slot, over more variables, may "
    "cost more in the mean than its own restriction. "
)
TRAINED = f"Guided AAC was trained with {N_TRAINED} devices and {M_TRAINED} SBSs, and runs with all others."

LOAD = factor(
    "arrivals", "tasks.mean", [f"{mean} Mbit" for mean in (0.4, 0.6, 0.75)], quick=("0.6 Mbit",)
)


def devices(*counts: int, quick: tuple[int, ...] = ()) -> Factor:
    """Numbers of devices."""
    return factor(N, "devices.count", counts, quick)


def stations(*counts: int, quick: tuple[int, ...] = ()) -> Factor:
    """Numbers of SBSs."""
    return factor(M, "stations.sbs.count", counts, quick)


def study(name: str, policies: Mapping[str, str], *factors: Factor, **changes: Any) -> Study:
    """A study of paper A's network, as most figures have it; `changes` are attributes of `Study`."""
    usual = Study(
        name,
        NETWORK_A,
        policies,
        factors,
        {"run.slots": SLOTS},
        quick_keys=QUICK,
        warmup=WARM_UP,
        warmups=(0.5,),
        kept=KEPT,
    )
    return replace(usual, **changes)


def sca_study(*factors: Factor) -> Study:
    """P2 by successive convex approximation takes far longer than by search: fewer seeds."""
    return study("sca", {JOINT: "lyapunov", SCA: "sca"}, *factors, warmups=(), **FEW)


def costs(data: xr.Dataset) -> xr.DataArray:
    """The system cost of a study by each reading, which is one dimension more."""
    first, *more = (one.of(data) for one in READINGS)
    values = [first.values, *(one.transpose(*first.dims).values for one in more)]
    return first.expand_dims(reading=list(BY_READING)).copy(data=np.stack(values))


def cost_diagrams(
    results: Results, *studies: str, title: str = "", at: Mapping[str, Shown] | None = None
) -> list[Diagram]:
    """A diagram for each reading of the cost, of the policies of all studies that were run.

    Args:
        results: with the studies, the first at least.
        studies: their names; a policy is drawn from the first that has it.
        title: of each diagram.
        at: the one place of other dimensions, which the title has too.
    """
    at = at or {}
    first, *more = studies
    shown = [results[first], *(results[name] for name in more if name in results)]
    places = [
        data.sel({dim: value for dim, value in at.items() if dim in data.dims}) for data in shown
    ]
    title = ", ".join([*([title] if title else []), *(f"{dim} = {one}" for dim, one in at.items())])

    def lines(reading: Reading) -> dict[str, xr.DataArray]:
        found: dict[str, xr.DataArray] = {}
        for data in places:
            for label in labels(data):
                found.setdefault(label, of_policy(reading.of(data), data, label))
        return found

    return [
        Diagram(title, f"{reading.axis} [{reading.unit}]", lines(reading), least=reading.least)
        for reading in READINGS
    ]


def two_by_two(diagrams: list[Diagram]) -> list[list[Diagram]]:
    """The four readings."""
    return [diagrams[:2], diagrams[2:]]


def joint_below_parts(
    study: str, joint: str, *dims: str, along: str = ""
) -> Callable[[Results], Checks]:
    """That the joint scheme costs less than either of its parts.

    Paired by seed; or by training, if the joint scheme learns.

    Args:
        study: with the parts.
        joint: the label of the joint scheme.
        dims: of which each place is a condition, beside the readings.
        along: a dimension of which each place is a comparison.
    """

    def checks(results: Results) -> Checks:
        data = results[study]
        cost, place = costs(data), f", {along} = {{}}" if along else ""
        of = of_policy(cost, data, joint)
        parts = cost if joint in data["policy"].values else cost.mean("seed")
        over = {f"{part}{place}": parts.sel(policy=part) - of for part in (RADIO, COMPUTE)}
        return conditions(over, "reading", *dims, along=along)

    return checks


def why_printed(data: xr.Dataset) -> str:
    """What waits at a device under printed AAC, of a study that has it."""
    waiting = 1e-6 * data["queue_bits"]
    ours, best = (of_policy(waiting, data, label).mean().item() for label in (PRINTED_AAC, JOINT))
    return (
        "The paper prints fewer outputs than it has actions; here there is one for each number of each device. Their one softmax leaves all devices together one whole: the shares of bands, powers, "
        f"CPUs and of what is served sum to one over all of them. In the mean {ours:.3g} Mbit wait at a device, and "
        f"{best:.3g} where P2 is solved in each slot."
    )


def why_scattered(data: xr.Dataset, policy: str, label: str) -> str:
    """In how many trainings P2's value is bought.

    Args:
        data: of a study with trained policies and P2 solved in each slot.
        policy: who was trained, in the study.
        label: and in the sentence.
    """
    cost, waiting = (of_policy(data[name], data, policy) for name in ("objective", "queue_bits"))
    solved = data.sel(policy=JOINT).mean("seed")
    bought = cost < solved["objective"]
    told = f"In {int(bought.sum())} of {bought.size} trainings {label} comes below P2 solved in each slot"
    if not bought.any():
        return f"{told}."
    theirs, best = (
        1e-6 * bits.where(bought).mean().item() for bits in (waiting, solved["queue_bits"])
    )
    return (
        f"{told}, while {theirs:.3g} Mbit wait at a device, and not {best:.3g}: energy that is wasted raises beta of "
        "A(19), and with it what P2's value gains in a slot in which next to nothing is served."
    )


@dataclass(frozen=True)
class PrintedByCount:
    """Policies as printed at several numbers of devices, and of SBSs: a flat network fits one, so each has its own.

    Attributes:
        counts: of devices; and of SBSs, where these are varied, too.
        policies: that are run beside them.
        learned: by label, the trainings for a number of devices, and of SBSs.
        quick: the numbers of devices that `--quick` keeps.
    """

    counts: tuple[tuple[int, ...], ...]
    policies: Mapping[str, str]
    learned: Mapping[str, Callable[..., Trainings]]
    quick: tuple[int, ...] = ()

    @property
    def trainings(self) -> tuple[Trainings, ...]:
        """For each number and label."""
        return tuple(make(*place) for place in self._places for make in self.learned.values())

    @property
    def studies(self) -> tuple[Study, ...]:
        """One for each number."""
        return tuple(
            study(
                "-".join(["printed", *map(str, place)]),
                self.policies,
                *(of(count) for of, count in zip((devices, stations), place, strict=False)),
                learned={label: make(*place).name for label, make in self.learned.items()},
                **({} if place[0] in self.quick else {"quick_seeds": 0}),
            )
            for place in self._places
        )

    @property
    def _places(self) -> tuple[tuple[int, ...], ...]:
        return tuple(product(*self.counts))

    def joined(self, results: Results) -> xr.Dataset:
        """All numbers that were run, in one dataset.

        Raises:
            NotRun: none was.
        """
        found = [results[one.name] for one in self.studies if one.name in results]
        if not found:
            raise NotRun(self.studies[0].name)
        joined = xr.combine_by_coords(found, join="exact", combine_attrs="drop")
        return joined  # type: ignore[return-value]  # of data sets it makes one

    def diagrams(self, results: Results, at: Mapping[str, Shown] | None = None) -> list[Diagram]:
        """As `cost_diagrams`; none where nothing was run."""
        try:
            found = {"printed": self.joined(results)}
        except NotRun:
            return []
        return cost_diagrams(found, "printed", title=AS_PRINTED, at=at)

    def row(self, results: Results) -> list[list[Diagram]]:
        """Diagrams of the first two readings, in a row of their own."""
        shown = self.diagrams(results)
        return [shown[:2]] if shown else []


def gap_questions(name: str, learned: tuple[str, ...], *dims: str) -> tuple[Question, ...]:
    """What policies cost above P2 solved in each slot, in % of the latter.

    Args:
        name: of the study with the policies that learn, beside `sca`.
        learned: their labels.
        dims: of which each place is a condition.
    """

    def gaps(study: str, policy: str) -> Callable[[Results], Checks]:
        def checks(results: Results) -> Checks:
            data = results[study]
            best = data["objective"].sel(policy=JOINT)
            # By seed if the policy does not learn, else by training.
            best = best if study == "sca" else best.mean("seed")
            gap = 100.0 * (of_policy(data["objective"], data, policy) - best) / abs(best)
            usual = "" if dims else f"{N_TRAINED} devices"
            return conditions({policy: gap}, *dims, prefix=usual)

        return checks

    first, *more = learned
    asked = {f"How far is guided {first} above P2 solved in each slot?": gaps(name, first)}
    asked |= {f"And guided {label}?": gaps(name, label) for label in more}
    asked["And successive convex approximation?"] = gaps("sca", SCA)
    return tuple(Question(text, "% of P2's value", checks) for text, checks in asked.items())
