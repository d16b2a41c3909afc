"""What the figures on the stream problem share: paper A's network, its schemes, and what they cost.

What the paper calls system cost is the objective of P2, A(20). It does not say over what it is summed
or discounted; here it is the mean per slot of a run whose first quarter is left out, as in the
evaluation of trainings. Where it matters, claims are also judged by what P1 minimises, the energy per
bit, and by the bits that wait: these readings are conditions of the claim.

The joint scheme of the paper is learned by AAC. Its benchmarks without one part of the optimisation are
P2 solved in each slot with that part taken out, the best that any learner of them could come to.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import xarray as xr

from .figure import (
    Checks,
    Claim,
    Diagram,
    Evidence,
    Factor,
    Question,
    Reason,
    Results,
    Study,
    factor,
)
from .measure import conditions, labels, of_policy
from .sentences import held_by, listed, shipped
from .training_settings import BASELINES, NETWORK_A

JOINT = "joint (P2 in each slot)"
RADIO, COMPUTE = "radio alone", "compute alone"
SCA, AAC, DQN = "joint (SCA)", "AAC", "DQN"

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


class Reading(NamedTuple):
    """What the system cost might be: a variable of the dataset, scaled to a unit."""

    name: str
    axis: str
    unit: str
    variable: str
    scale: float = 1.0

    @property
    def what(self) -> str:
        """In a question."""
        return "P2's value" if self.variable == "objective" else f"the {self.name}"

    def of(self, data: xr.Dataset) -> xr.DataArray:
        """Of a study, over its dimensions."""
        return self.scale * data[self.variable]


READINGS = (
    Reading("cost as P2", "P2", "bit²/slot", "objective"),
    Reading("energy per bit", "energy", "nJ/bit", "energy_per_bit_j", 1e9),
    Reading("energy per second", "energy per second", "W", "power_w"),
    Reading("bits that wait at a device", "waiting at a device", "Mbit", "queue_bits", 1e-6),
)
"""Of the whole network, but for the last."""

BY_READING = P2, PER_BIT, *_ = tuple(reading.name for reading in READINGS)

NOT_STATED = (
    "Not stated: the area, path loss, arrivals, energy constants, V, and how the cost is averaged "
    "(docs/reproduction.md). "
)
TRAINED = (
    f"AAC was trained with {N_TRAINED} devices and {M_TRAINED} SBSs, and runs with all others."
)

LOAD = factor(
    "arrivals", "tasks.mean", [f"{mean} Mbit" for mean in (0.4, 0.6, 0.75)], quick=("0.6 Mbit",)
)


def devices(*counts: int, quick: tuple[int, ...] = ()) -> Factor:
    """Numbers of devices."""
    return factor(N, "devices.count", counts, quick)


def study(name: str, policies: Mapping[str, str], *factors: Factor, **changes: Any) -> Study:
    """A study of paper A's network, as most figures have it; `changes` are attributes of `Study`."""
    usual = Study(
        name, NETWORK_A, policies, factors, {"run.slots": SLOTS}, quick_keys=QUICK, warmup=WARM_UP
    )
    return replace(usual, **changes)


def sca_study(*factors: Factor) -> Study:
    """P2 by successive convex approximation takes far longer than by search: fewer seeds."""
    return study("sca", {JOINT: "lyapunov", SCA: "sca"}, *factors, **FEW)


def costs(data: xr.Dataset) -> xr.DataArray:
    """The system cost of a study by each reading, which is one dimension more."""
    values = [one.of(data) for one in READINGS]
    return xr.concat(values, "reading").assign_coords(reading=list(BY_READING))


def cost_diagrams(
    results: Results, study: str, legend: Mapping[str, str] | None = None, **at: Any
) -> list[Diagram]:
    """A diagram for each reading of the cost.

    Args:
        results: with the study, and with `sca` where the legend asks for what it does not have.
        study: its name.
        legend: by policy, its label; the policies of the study, by default.
        at: the one place of other dimensions, which is the title.
    """
    data = results[study].sel(at)
    legend = legend or {label: label for label in labels(data)}
    sources = [data if name in labels(data) else results["sca"].sel(at) for name in legend]
    title = ", ".join(f"N = {value}" for value in at.values())
    return [
        Diagram(
            title,
            f"{reading.axis} [{reading.unit}]",
            {
                label: of_policy(reading.of(source), source, policy)
                for (policy, label), source in zip(legend.items(), sources, strict=True)
            },
        )
        for reading in READINGS
    ]


def two_by_two(diagrams: list[Diagram]) -> list[list[Diagram]]:
    """The four readings."""
    return [diagrams[:2], diagrams[2:]]


def joint_below_parts(*dims: str, along: str = "") -> Callable[[Results], Checks]:
    """That the joint scheme costs less than either of its parts.

    By P2 in each slot, paired by seed, for each place of some dimensions; by AAC, paired by training.
    """

    def differences(name: str, joint: xr.DataArray, parts: xr.DataArray) -> dict[str, xr.DataArray]:
        place = f", {along} = {{}}" if along else ""
        names = (RADIO, COMPUTE)
        return {f"{part} over {name}{place}": parts.sel(policy=part) - joint for part in names}

    def checks(results: Results) -> Checks:
        cost, data = costs(results["schemes"]), results["learned"]
        learned = costs(data)
        in_slots = differences(JOINT, cost.sel(policy=JOINT), cost)
        by_aac = differences(AAC, of_policy(learned, data, AAC), learned.mean("seed"))
        slots, aac = (
            conditions(of, "reading", *more, along=along, prefix=prefix, low=0.0)
            for of, more, prefix in ((in_slots, dims, "P2 in each slot"), (by_aac, (), AAC))
        )
        return {**slots, **aac}

    return checks


def claim(
    id: str,
    says: str,
    test: str,
    checks: Callable[[Results], Checks],
    reason: Reason,
    least: int = 5,
) -> Claim:
    """With a reading of the cost in each condition, whose unit its numbers have."""
    return Claim(id, says, test, "as the condition", checks, least, reason)


def by_reading(why: str, *more: str) -> Reason:
    """By which reading, or other part of a condition, a claim holds; and a sentence."""

    def reason(evidence: Evidence) -> str:
        return f"It holds by {held_by(evidence, (*BY_READING, *more))} conditions. {why}"

    return reason


def why_joint(evidence: Evidence) -> str:
    """And where compute alone has a lower value of P2."""
    text = by_reading(
        "P2 pays for its low energy with queues, which V and beta allow, and the schemes that run CPUs "
        "or radio at full speed have shorter ones.",
        AAC,
    )(evidence)
    prefix = f"P2 in each slot, {P2}, "
    lower = [
        f"({name.removeprefix(prefix)}{check.what.removeprefix(f'{COMPUTE} over {JOINT}')})"
        for name, checks in evidence.checks.items()
        for check in checks
        if name.startswith(prefix) and check.what.startswith(COMPUTE) and check.interval()[0] < 0.0
    ]
    if not lower:
        return text
    return (
        f"{text} Compute alone has the lower value of P2 in the mean under {listed(lower)}: what is "
        "least in each slot need not be in the long run, as P2's value rewards few, large departures."
    )


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
    asked = {f"How far is {first} above P2 solved in each slot?": gaps(name, first)}
    asked |= {f"And {label}?": gaps(name, label) for label in more}
    asked["And successive convex approximation?"] = gaps("sca", SCA)
    return tuple(Question(text, "%", checks) for text, checks in asked.items())
