"""Fig. 6 of paper A: system cost over the number of devices, with and without a part of the optimisation."""

from .. import stream_figures as stream
from ..figure import Checks, Diagram, Figure, Results
from ..measure import conditions, of_policy, steps
from ..sentences import shipped
from ..stream_figures import AAC, COMPUTE, JOINT, RADIO, SCA, N
from ..training_settings import NETWORK_A, aac_stream

DEVICES = stream.devices(10, 20, 30, 40, quick=(10, 40))

STUDIES = (
    stream.study("schemes", stream.SCHEMES, DEVICES, stream.LOAD),
    stream.study("learned", stream.SCHEMES, DEVICES, learned={AAC: "aac"}),
    stream.sca_study(DEVICES),
)


def _diagrams(results: Results) -> list[list[Diagram]]:
    legend = {name: name for name in (JOINT, RADIO, COMPUTE)} | {AAC: "joint (AAC)", SCA: SCA}
    return stream.two_by_two(stream.cost_diagrams(results, "learned", legend))


def _rising(results: Results) -> Checks:
    cost, data = steps(stream.costs(results["schemes"]), N), results["learned"]
    schemes = {f"{one}, {{}}": cost.sel(policy=one) for one in (JOINT, RADIO, COMPUTE)}
    aac = steps(of_policy(stream.costs(data), data, AAC), N)
    return {
        **conditions(schemes, "reading", "arrivals", along=N, low=0.0),
        **conditions(aac, "reading", along=N, prefix="AAC alone", low=0.0),
    }


FIGURE = Figure(
    id="a6",
    title="System cost and the number of devices, with and without a part of the optimisation",
    notes=(
        f"{stream.NOT_STATED}{stream.TRAINED} Drawn at {shipped(NETWORK_A, 'tasks.mean')} per slot."
    ),
    x="number of devices",
    diagrams=_diagrams,
    minutes=(5.0, 0.4),
    trainings=(aac_stream,),
    studies=STUDIES,
    claims=(
        stream.claim(
            "a6-joint",
            "The joint optimisation costs least, for each number of devices.",
            "difference to each part alone at each number of devices, paired by seed (for AAC by "
            "training); more than 0",
            stream.joint_below_parts("arrivals", along=N),
            stream.why_joint,
        ),
        stream.claim(
            "a6-rising",
            "The cost of each scheme rises with the number of devices.",
            "difference from each number of devices to the next, paired by seed; more than 0",
            _rising,
            stream.by_reading(
                "Where queues are stable each device adds a negative term of drift to P2's value, "
                "which the paper calls the system cost, and its energy counts for little beside it. So "
                "the paper's curves are those of an energy, or of another sign or sum than A(20)."
            ),
        ),
    ),
    questions=stream.gap_questions("learned", (AAC,), N),
)
