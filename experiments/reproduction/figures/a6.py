"""Fig. 6 of paper A: system cost over the number of devices, with and without a part of the optimisation."""

from .. import stream_figures as stream
from ..figure import Check, Checks, Claim, Diagram, Evidence, Figure, Results
from ..measure import above, of_policy, rising, split
from ..sentences import held_by, shipped
from ..stream_figures import AAC, COMPUTE, JOINT, RADIO, SCA, N
from ..training_settings import NETWORK_A, aac_stream

DEVICES = stream.devices(10, 20, 30, 40, quick=(10, 40))

STUDIES = (
    stream.study("schemes", stream.SCHEMES, DEVICES, stream.LOAD),
    stream.study("learned", stream.SCHEMES, DEVICES, learned={AAC: "aac"}),
    stream.sca_study(DEVICES),
)


def diagrams(results: Results) -> list[list[Diagram]]:
    """The joint scheme and its parts, a diagram for each reading."""
    legend = {name: name for name in (JOINT, RADIO, COMPUTE)} | {AAC: "joint (AAC)", SCA: SCA}
    return stream.two_by_two(stream.reading_diagrams(results, "learned", N, legend))


def joint_least(results: Results) -> Checks:
    """The joint scheme costs less than either of its parts, for each number of devices."""
    return {
        name: [
            check for part, of in parts.items() for check in above(of, cost, N, what=f"{part}, ")
        ]
        for name, _, cost, parts in stream.parts_alone(results, "arrivals")
    }


def all_rising(results: Results) -> Checks:
    """The cost of each scheme rises from each number of devices to the next."""
    found: dict[str, list[Check]] = {}
    for name, data in split(results["schemes"], "arrivals"):
        for reading, values in stream.by_reading(data):
            found[f"{reading}, {name}"] = [
                check
                for policy in (JOINT, RADIO, COMPUTE)
                for check in rising(values.sel(policy=policy), N, f"{policy}, ")
            ]
    for reading, values in stream.by_reading(data := results["learned"]):
        found[f"AAC alone, {reading}"] = rising(of_policy(values, data, AAC), N)
    return found


def why_rising(evidence: Evidence) -> str:
    """P2's value is mostly drift."""
    return (
        f"It holds by {held_by(evidence, stream.BY_READING)} conditions. Where queues are stable each "
        "device adds a negative term of drift to P2's value, which the paper calls the system cost, "
        "and its energy counts for little beside it. So the paper's curves are those of an energy, or "
        "of another sign or sum than A(20)."
    )


FIGURE = Figure(
    id="a6",
    paper="A",
    title="System cost and the number of devices, with and without a part of the optimisation",
    notes=(
        f"{stream.NOT_STATED}{stream.TRAINED} Drawn at {shipped(NETWORK_A, 'tasks.mean')} per slot."
    ),
    x="number of devices",
    diagrams=diagrams,
    minutes=(5.0, 0.4),
    trainings=(aac_stream,),
    studies=STUDIES,
    claims=(
        Claim(
            "a6-joint",
            "The joint optimisation costs least, for each number of devices.",
            "difference to each part alone at each number of devices, paired by seed (for AAC by "
            "training); more than 0",
            "as the condition",
            joint_least,
            least=5,
            reason=stream.why_joint,
        ),
        Claim(
            "a6-rising",
            "The cost of each scheme rises with the number of devices.",
            "difference from each number of devices to the next, paired by seed; more than 0",
            "as the condition",
            all_rising,
            least=5,
            reason=why_rising,
        ),
    ),
    questions=stream.gap_questions("learned", (AAC,), N),
)
