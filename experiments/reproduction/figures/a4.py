"""Fig. 4 of paper A: system cost over training episodes, and without a part of the optimisation."""

import numpy as np

from ....scenarios.loading import load_scenario
from .. import stream_figures as stream
from ..figure import Check, Checks, Claim, Diagram, Evidence, Figure, Results, factor
from ..measure import level, sample, split, training_curve
from ..sentences import held_by
from ..stream_figures import AAC, COMPUTE, JOINT, RADIO, SCA
from ..training_settings import EPISODE_STEPS, NETWORK_A, aac_stream

V = factor("V", "policy.V", (1e12, 1e13, 1e14), quick=(1e13,))

STUDIES = (
    stream.study("schemes", stream.SCHEMES, stream.LOAD, V),
    stream.study("learned", stream.SCHEMES, learned={AAC: "aac"}),
    stream.sca_study(),
)


def diagrams(results: Results) -> list[list[Diagram]]:
    """The course of AAC; schemes without learning are levels beside it."""
    course = training_curve(
        "joint (AAC)", results["aac"], "system_cost", "evaluated_steps", EPISODE_STEPS
    )
    costs = {name: results["learned"]["objective"] for name in (JOINT, RADIO, COMPUTE)}
    costs[SCA] = results["sca"]["objective"]
    ends = (course.x[0], course.x[-1])
    levels = (level(name, cost.sel(policy=name), ends) for name, cost in costs.items())
    return [[Diagram("", stream.COST, (course, *levels))]]


def joint_below(results: Results) -> Checks:
    """The joint scheme costs less than either of its parts."""
    return {
        name: [Check(f"{part} over {joint}", sample(of - cost), 0.0) for part, of in parts.items()]
        for name, joint, cost, parts in stream.parts_alone(results, "arrivals", "V")
    }


def radio_below(results: Results) -> Checks:
    """Radio alone costs less than compute alone."""
    found = {}
    for name, data in split(results["schemes"], "arrivals", "V"):
        for reading, values in stream.by_reading(data):
            difference = values.sel(policy=COMPUTE) - values.sel(policy=RADIO)
            check = Check(f"{COMPUTE} over {RADIO}", sample(difference), 0.0)
            found[f"{reading}, {name}"] = [check]
    return found


def why_radio(evidence: Evidence) -> str:
    """What a CPU at full speed takes decides."""
    network = load_scenario(NETWORK_A)
    per_bit_j = network.energy.varsigma * np.max(network.devices.cpu) ** 2
    per_bit_j *= network.tasks.cycles_per_bit
    return (
        f"It holds by {held_by(evidence, stream.BY_READING)} conditions. A CPU at full speed takes "
        f"varsigma f^2 c = {1e9 * per_bit_j:g} nJ/bit, so who may slow it down saves more than who "
        "shares the band well; radio alone empties queues sooner. Which of these counts, the paper "
        "does not say: neither varsigma, V nor what the cost sums are given."
    )


FIGURE = Figure(
    id="a4",
    paper="A",
    title="System cost in training, and without a part of the optimisation",
    notes=(
        f"{stream.NOT_STATED}The learning curve is AAC's on held-out seeds, over {aac_stream.seeds} "
        "trainings. The other lines are P2 solved in each slot: with all variables, without CPUs "
        "(radio alone), and without bandwidth and power (compute alone); successive convex "
        f"approximation of P2 is beside them. An episode is {EPISODE_STEPS} slots of one replica."
    ),
    x="training episodes",
    diagrams=diagrams,
    minutes=(2.0, 0.3),
    trainings=(aac_stream,),
    studies=STUDIES,
    claims=(
        Claim(
            "a4-joint",
            "The joint optimisation costs less than either of its parts alone.",
            "difference to each part alone, paired by seed (for AAC by training); more than 0",
            "as the condition",
            joint_below,
            least=5,
            reason=stream.why_joint,
        ),
        Claim(
            "a4-radio",
            "Radio alone (no allocation of CPUs) costs less than compute alone (no allocation of "
            "bandwidth and power).",
            "difference, paired by seed; more than 0",
            "as the condition",
            radio_below,
            reason=why_radio,
        ),
    ),
    questions=stream.gap_questions("learned", (AAC,)),
)
