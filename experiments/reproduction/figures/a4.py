"""Fig. 4 of paper A: system cost over training episodes, and without a part of the optimisation."""

from collections.abc import Callable

import numpy as np
import xarray as xr

from ....scenarios.loading import load_scenario
from .. import stream_figures as stream
from ..figure import Claim, Diagram, Evidence, Figure, Results, factor, left_out
from ..measure import conditions, course, level, of_policy
from ..stream_figures import (
    AAC,
    COMPUTE,
    GUIDED_AAC,
    JOINT,
    PRINTED_1,
    PRINTED_AAC,
    RADIO,
    REPAIRED_AAC,
    SCA,
)
from ..training_settings import EPISODE_STEPS, NETWORK_A, aac_printed, aac_repaired, aac_stream
from ..verdicts import Checks

V = factor("V", "policy.V", (1e12, 1e13, 1e14), quick=(1e13,))
printed_aac = aac_printed(stream.N_TRAINED)

WITH_STATIONS = (*stream.KEPT, "station_queue_bits")

STUDIES = (
    stream.study("schemes", stream.SCHEMES, stream.LOAD, V, kept=WITH_STATIONS),
    stream.study("learned", stream.SCHEMES, learned={AAC: "aac"}),
    stream.study(
        "printed", stream.SCHEMES, learned={PRINTED_AAC: printed_aac.name}, kept=WITH_STATIONS
    ),
    stream.study("repaired", stream.SCHEMES, learned={REPAIRED_AAC: aac_repaired.name}),
    stream.sca_study(),
)


def _diagrams(results: Results) -> list[list[Diagram]]:
    costs = {name: results["learned"]["objective"] for name in (JOINT, RADIO, COMPUTE)}
    costs[SCA] = results["sca"]["objective"]
    row = []
    for title, name in ((stream.GUIDED, "aac"), (stream.AS_PRINTED, printed_aac.name)):
        if name in results:
            aac = course(results[name], "system_cost", "evaluated_steps", EPISODE_STEPS)
            ends = (aac["evaluation"].values[0], aac["evaluation"].values[-1])
            levels = {one: level(cost.sel(policy=one), ends) for one, cost in costs.items()}
            row.append(Diagram(title, stream.COST, {"joint (AAC)": aac} | levels))
    return [row]


def _radio_below(results: Results) -> Checks:
    cost = stream.costs(results["schemes"])
    difference = cost.sel(policy=COMPUTE) - cost.sel(policy=RADIO)
    over = {f"{COMPUTE} over {RADIO}": difference}
    return conditions(over, "reading", "arrivals", "V")


def _stable(study: str, policy: str, *dims: str) -> Callable[[Results], Checks]:
    """What waits in the second half of a run, over the quarter before."""

    def checks(results: Results) -> Checks:
        def waiting(name: str) -> dict[str, xr.DataArray]:
            data = results[name]
            return {one: of_policy(data[one], data, policy) for one in stream.QUEUES}

        half, both = waiting(left_out(study, 0.5)), waiting(study)
        quarter = {one: (0.75 * both[one] - 0.5 * half[one]) / 0.25 for one in both}
        places = zip(("(7a), devices", "(7b), stations"), stream.QUEUES, strict=True)
        over = {place: half[one] / quarter[one] for place, one in places}
        return conditions(over, *dims)

    return checks


def _why_radio(evidence: Evidence) -> str:
    network = load_scenario(NETWORK_A)
    cpu_hz = float(np.max(network.devices.cpu))
    per_bit_j = network.energy.varsigma * cpu_hz**2 * network.tasks.cycles_per_bit
    spent = 1e9 * evidence.results["schemes"]["energy_per_bit_j"].mean("seed")
    radio, compute = (spent.sel(policy=name).mean().item() for name in (RADIO, COMPUTE))
    return (
        f"A CPU at full speed takes varsigma f^2 c = {1e9 * per_bit_j:g} nJ/bit. In the mean over loads "
        f"and V {RADIO} spends {radio:.3g} nJ/bit, and {COMPUTE} {compute:.3g}. Neither varsigma, V nor "
        "what the cost sums are given."
    )


FIGURE = Figure(
    id="a4",
    title="System cost in training, and without a part of the optimisation",
    notes=(
        f"{stream.NOT_STATED}The learning curves are on held-out seeds, over "
        f"{aac_stream.seeds} trainings of guided AAC, and as many as printed. The other lines are P2 "
        "solved in each slot: with all variables, without CPUs (radio alone), and without bandwidth and "
        "power (compute alone); successive convex approximation of P2 is beside them. AAC with our settings "
        "has states and actions as printed, but each action in its own range, and settings that were searched "
        "for; what it asks beyond what a station has is carried out scaled down. AAC is held against P2 solved "
        "without a part, the best that a learner of it could be, so that what is reversed costs more than these "
        f"and not than their learners. An episode is {EPISODE_STEPS} slots of one replica."
    ),
    x="training episodes",
    average="median",
    diagrams=_diagrams,
    minutes=(2.0, 0.1),
    free_y=True,
    trainings=(aac_stream, printed_aac, aac_repaired),
    studies=STUDIES,
    claims=(
        Claim(
            "a4-joint",
            {
                PRINTED_1: stream.joint_below_parts("schemes", JOINT, "arrivals", "V"),
                PRINTED_AAC: stream.joint_below_parts("printed", PRINTED_AAC),
                REPAIRED_AAC: stream.joint_below_parts("repaired", REPAIRED_AAC),
                GUIDED_AAC: stream.joint_below_parts("learned", AAC),
            },
            lambda evidence: stream.why_printed(evidence.results["printed"]),
        ),
        Claim("a4-radio", {PRINTED_1: _radio_below}, _why_radio),
        Claim(
            "a4-stable",
            {
                PRINTED_1: _stable("schemes", JOINT, "arrivals", "V"),
                PRINTED_AAC: _stable("printed", PRINTED_AAC),
            },
        ),
    ),
    questions=stream.gap_questions("learned", (AAC,)),
)
