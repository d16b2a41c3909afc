"""What the figures on the stream problem share: paper A's network, its schemes, and what they cost.

What the paper calls system cost is the objective of P2, A(20). It does not say over what it is summed
or discounted; here it is the mean per slot of a run whose first quarter is left out, as in the
evaluation of trainings. Where it matters, claims are also judged by what P1 minimises, the energy per
bit, and by the bits that wait: these readings are conditions of the claim.

The joint scheme of the paper is learned by AAC. Its benchmarks without one part of the optimisation are
P2 solved in each slot with that part taken out, the best that any learner of them could come to.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from .figure import (
    Check,
    Checks,
    Curve,
    Diagram,
    Evidence,
    Factor,
    Question,
    Results,
    Study,
    factor,
)
from .measure import curve, labels, of_policy, sample, split
from .sentences import held_by, listed, shipped
from .training_settings import NETWORK_A, aac_stream, dqn_stream

if TYPE_CHECKING:
    import xarray as xr

JOINT = "joint (P2 in each slot)"
RADIO, COMPUTE = "radio alone", "compute alone"
SCA, AAC, DQN = "joint (SCA)", "AAC", "DQN"

SCHEMES = {
    JOINT: "lyapunov",
    RADIO: 'lyapunov{optimise=["radio"]}',
    COMPUTE: 'lyapunov{optimise=["compute"]}',
}

POLICIES = {
    "P2 in each slot": "lyapunov",
    "SCA": "sca",
    "EPR": "epr",
    "EPR-EP": "epr-ep",
    "local": "local",
    "offload all": "offload-all",
    "random": "random",
}
LEARNED = {AAC: aac_stream.name, DQN: dqn_stream.name}
"""Of the figures that the papers did not draw."""

SLOTS, WARM_UP, QUICK = 400, 0.25, {"run.slots": 60}
FEW: dict[str, Any] = {"seeds": 10, "quick_seeds": 2, "together": 10}
"""Seeds of studies whose policies take long."""

N, M = "devices", "SBSs"
N_TRAINED, M_TRAINED = (shipped(NETWORK_A, f"{key}.count") for key in ("devices", "stations.sbs"))
"""Devices and SBSs of the network in which policies are trained."""

COST = "system cost, P2 [bit²/slot]"


class Reading(NamedTuple):
    """What the system cost might be: a variable of traces, in a unit."""

    name: str
    axis: str
    unit: str
    variable: str
    scale: float

    def of(self, data: "xr.Dataset") -> "xr.DataArray":
        """The cost in a study's runs."""
        return self.scale * data[self.variable]

    @property
    def what(self) -> str:
        """In a sentence."""
        return "P2's value" if self.variable == "objective" else f"the {self.name}"


READINGS = (
    Reading("cost as P2", "P2 [bit²/slot]", "bit²/slot", "objective", 1.0),
    Reading("energy per bit", "energy [nJ/bit]", "nJ/bit", "energy_per_bit_j", 1e9),
    Reading("energy per second", "energy per second [W]", "W", "power_w", 1.0),
    Reading("bits that wait at a device", "waiting at a device [Mbit]", "Mbit", "queue_bits", 1e-6),
)
"""Of the whole network, but for the last."""

BY_READING = P2, PER_BIT, PER_SECOND, WAITING = tuple(reading.name for reading in READINGS)

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


def study(
    name: str,
    policies: Mapping[str, str],
    *factors: Factor,
    learned: Mapping[str, str] | None = None,
    **changes: Any,
) -> Study:
    """A study of paper A's network, as most figures have it; `changes` are attributes of `Study`."""
    usual = Study(
        name,
        NETWORK_A,
        policies,
        factors,
        {"run.slots": SLOTS},
        quick_keys=QUICK,
        warmup=WARM_UP,
        learned=learned or {},
    )
    return replace(usual, **changes)


def sca_study(*factors: Factor) -> Study:
    """P2 by successive convex approximation takes far longer than by search: fewer seeds."""
    return study("sca", {JOINT: "lyapunov", SCA: "sca"}, *factors, **FEW)


# -------------------------------------------------------------------------------------------- diagrams


def by_reading(data: "xr.Dataset") -> Iterator[tuple[str, "xr.DataArray"]]:
    """The cost by each reading, with its name."""
    return ((reading.name, reading.of(data)) for reading in READINGS)


def reading_diagrams(
    results: Results, name: str, x: str, legend: Mapping[str, str] | None = None, **at: Any
) -> list[Diagram]:
    """A diagram for each reading of the cost.

    Args:
        results: with the study, and with `sca` where the legend asks for what it does not have.
        name: of the study.
        x: a dimension.
        legend: by policy, its label; the policies of the study, by default.
        at: the one place of other dimensions, which is the title.
    """
    data = results[name].sel(at)
    legend = legend or {label: label for label in labels(data)}
    title = ", ".join(f"N = {value}" for value in at.values())

    def line(reading: Reading, policy: str, label: str) -> Curve:
        source = data if policy in labels(data) else results["sca"].sel(at)
        return curve(label, of_policy(reading.of(source), source, policy), x)

    return [
        Diagram(title, one.axis, tuple(line(one, *of) for of in legend.items())) for one in READINGS
    ]


def two_by_two(diagrams: list[Diagram]) -> list[list[Diagram]]:
    """The four readings."""
    return [diagrams[:2], diagrams[2:]]


# ----------------------------------------------------------------------------------- claims, questions


def parts_alone(
    results: Results, *dims: str
) -> Iterator[tuple[str, str, "xr.DataArray", dict[str, "xr.DataArray"]]]:
    """By condition: which joint scheme, its cost, and that of each part alone.

    By P2 in each slot, paired by seed, for each place of some dimensions; by AAC, paired by training.
    """
    for name, data in split(results["schemes"], *dims):
        for reading, values in by_reading(data):
            parts = {part: values.sel(policy=part) for part in (RADIO, COMPUTE)}
            yield f"P2 in each slot, {reading}, {name}", JOINT, values.sel(policy=JOINT), parts
    for reading, values in by_reading(data := results["learned"]):
        parts = {part: values.sel(policy=part).mean("seed") for part in (RADIO, COMPUTE)}
        yield f"AAC, {reading}", AAC, of_policy(values, data, AAC), parts


def why_joint(evidence: Evidence) -> str:
    """By which reading the joint scheme is below its parts, and where compute alone is below it."""
    prefix = f"P2 in each slot, {P2}, "
    lower = [
        f"({name.removeprefix(prefix)}{check.what.partition(' over ')[0].removeprefix(COMPUTE)})"
        for name, checks in evidence.checks.items()
        for check in checks
        if name.startswith(prefix) and check.what.startswith(COMPUTE) and check.interval()[0] < 0.0
    ]
    text = (
        f"It holds by {held_by(evidence, (*BY_READING, AAC))} conditions. P2 pays for its low energy "
        "with queues, which V and beta allow, and the schemes that run CPUs or radio at full speed "
        "have shorter ones."
    )
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

    def gaps(study_name: str, policy: str, paired: bool) -> Callable[[Results], Checks]:
        def checks(results: Results) -> Checks:
            found: dict[str, list[Check]] = {}
            for condition, data in split(results[study_name], *dims):
                cost = data["objective"]
                best = cost.sel(policy=JOINT) if paired else cost.sel(policy=JOINT).mean("seed")
                gap = 100.0 * (of_policy(cost, data, policy) - best) / abs(best)
                found[condition or f"{N_TRAINED} devices"] = [Check(policy, sample(gap))]
            return found

        return checks

    first, *more = learned
    asked = {f"How far is {first} above P2 solved in each slot?": gaps(name, first, False)}
    asked |= {f"And {label}?": gaps(name, label, False) for label in more}
    asked["And successive convex approximation?"] = gaps("sca", SCA, True)
    return tuple(Question(text, "%", checks) for text, checks in asked.items())
