"""Fig. 7 of paper A: system cost over the number of devices, under AAC and DQN."""

from .. import stream_figures as stream
from ..figure import Checks, Claim, Diagram, Evidence, Figure, Results
from ..measure import above, of_policy, rising
from ..sentences import held_by, listed
from ..stream_figures import AAC, DQN, JOINT, N_TRAINED, SCA, N
from ..training_settings import AAC_STEPS, DQN_STEPS, aac_stream, dqn_stream

DEVICES = stream.devices(5, 10, 15, 20, quick=(5, 20))

STUDIES = (
    stream.study("learned", {JOINT: "lyapunov"}, DEVICES, learned={AAC: "aac", DQN: "dqn"}),
    stream.sca_study(DEVICES),
)


def diagrams(results: Results) -> list[list[Diagram]]:
    """Both learners beside P2 in each slot, a diagram for each reading."""
    legend = {name: name for name in (JOINT, AAC, DQN, SCA)}
    return stream.two_by_two(stream.reading_diagrams(results, "learned", N, legend))


def aac_below(results: Results) -> Checks:
    """AAC costs less than DQN, for each number of devices."""
    data = results["learned"]
    return {
        reading: above(of_policy(values, data, DQN), of_policy(values, data, AAC), N)
        for reading, values in stream.by_reading(data)
    }


def both_rising(results: Results) -> Checks:
    """The cost of both rises from each number of devices to the next."""
    data = results["learned"]
    return {
        reading: [
            check
            for label in (AAC, DQN)
            for check in rising(of_policy(values, data, label), N, f"{label}, ")
        ]
        for reading, values in stream.by_reading(data)
    }


def why_below(evidence: Evidence) -> str:
    """By which reading, and where by P2's value."""
    checks = evidence.checks[stream.P2]
    ahead = [check.what for check in checks if check.interval()[0] > 0.0]
    beyond = [check.what for check in checks if check.interval()[1] > 0.0]
    return (
        f"It holds by {listed(name for name, is_so in evidence.answers.items() if is_so == 'holds')}. "
        f"By P2's value AAC is ahead in the mean with {listed(ahead)}, and beyond the scatter of "
        f"{checks[0].seeds} trainings with {listed(beyond)}; both were trained with {N_TRAINED} "
        "devices."
    )


def why_rising(evidence: Evidence) -> str:
    """By which reading, and which steps fall."""
    falling = [check.what for check in evidence.checks[stream.PER_BIT] if check.interval()[2] < 0.0]
    return (
        f"It holds by {held_by(evidence, stream.BY_READING)} conditions. Energy per bit falls with "
        f"{listed(falling)}. P2's value is mostly drift, as in Fig. 6."
    )


FIGURE = Figure(
    id="a7",
    paper="A",
    title="System cost and the number of devices, under AAC and DQN",
    notes=(
        f"{stream.NOT_STATED}Both were trained with {N_TRAINED} devices (AAC {AAC_STEPS:,} steps; DQN "
        f"{DQN_STEPS:,} with replay, in as much CPU time), and run with all others. DQN has three "
        "values for each of a device's actions, decomposed by device."
    ),
    x="number of devices",
    diagrams=diagrams,
    minutes=(4.5, 0.4),
    trainings=(aac_stream, dqn_stream),
    studies=STUDIES,
    claims=(
        Claim(
            "a7-dqn",
            "AAC costs less than DQN, for each number of devices.",
            "difference at each number of devices, over pairs of trainings; more than 0",
            "as the condition",
            aac_below,
            least=5,
            reason=why_below,
        ),
        Claim(
            "a7-rising",
            "The cost of both rises with the number of devices.",
            "difference from each number of devices to the next, over trainings; more than 0",
            "as the condition",
            both_rising,
            least=5,
            reason=why_rising,
        ),
    ),
    questions=stream.gap_questions("learned", (AAC, DQN), N),
)
