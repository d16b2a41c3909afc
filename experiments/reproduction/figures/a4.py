"""Fig. 4 of paper A: system cost over training episodes, and without a part of the optimisation."""

import numpy as np

from ....scenarios.loading import load_scenario
from .. import stream_figures as stream
from ..figure import Checks, Diagram, Evidence, Figure, Results, factor
from ..measure import conditions, course, level
from ..sentences import held_by
from ..stream_figures import AAC, COMPUTE, JOINT, RADIO, SCA
from ..training_settings import EPISODE_STEPS, NETWORK_A, aac_stream

V = factor("V", "policy.V", (1e12, 1e13, 1e14), quick=(1e13,))

STUDIES = (
    stream.study("schemes", stream.SCHEMES, stream.LOAD, V),
    stream.study("learned", stream.SCHEMES, learned={AAC: "aac"}),
    stream.sca_study(),
)


def _diagrams(results: Results) -> list[list[Diagram]]:
    aac = course(results["aac"], "system_cost", "evaluated_steps", EPISODE_STEPS)
    ends = (aac["evaluation"].values[0], aac["evaluation"].values[-1])
    costs = {name: results["learned"]["objective"] for name in (JOINT, RADIO, COMPUTE)}
    costs[SCA] = results["sca"]["objective"]
    levels = {name: level(cost.sel(policy=name), ends) for name, cost in costs.items()}
    return [[Diagram("", stream.COST, {"joint (AAC)": aac} | levels)]]


def _radio_below(results: Results) -> Checks:
    cost = stream.costs(results["schemes"])
    difference = cost.sel(policy=COMPUTE) - cost.sel(policy=RADIO)
    over = {f"{COMPUTE} over {RADIO}": difference}
    return conditions(over, "reading", "arrivals", "V", low=0.0)


def _why_radio(evidence: Evidence) -> str:
    network = load_scenario(NETWORK_A)
    cpu_hz = float(np.max(network.devices.cpu))
    per_bit_j = network.energy.varsigma * cpu_hz**2 * network.tasks.cycles_per_bit
    return (
        f"It holds by {held_by(evidence, stream.BY_READING)} conditions. A CPU at full speed takes "
        f"varsigma f^2 c = {1e9 * per_bit_j:g} nJ/bit, so who may slow it down saves more than who "
        "shares the band well; radio alone empties queues sooner. Which of these counts, the paper "
        "does not say: neither varsigma, V nor what the cost sums are given."
    )


FIGURE = Figure(
    id="a4",
    title="System cost in training, and without a part of the optimisation",
    notes=(
        f"{stream.NOT_STATED}The learning curve is AAC's on held-out seeds, over {aac_stream.seeds} "
        "trainings. The other lines are P2 solved in each slot: with all variables, without CPUs "
        "(radio alone), and without bandwidth and power (compute alone); successive convex "
        f"approximation of P2 is beside them. An episode is {EPISODE_STEPS} slots of one replica."
    ),
    x="training episodes",
    diagrams=_diagrams,
    minutes=(2.0, 0.3),
    trainings=(aac_stream,),
    studies=STUDIES,
    claims=(
        stream.claim(
            "a4-joint",
            "The joint optimisation costs less than either of its parts alone.",
            "difference to each part alone, paired by seed (for AAC by training); more than 0",
            stream.joint_below_parts("arrivals", "V"),
            stream.why_joint,
        ),
        stream.claim(
            "a4-radio",
            "Radio alone (no allocation of CPUs) costs less than compute alone (no allocation of "
            "bandwidth and power).",
            "difference, paired by seed; more than 0",
            _radio_below,
            _why_radio,
            least=10,
        ),
    ),
    questions=stream.gap_questions("learned", (AAC,)),
)
