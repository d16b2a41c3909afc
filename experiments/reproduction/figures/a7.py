"""Fig. 7 of paper A: system cost over the number of devices, under AAC and DQN."""

import xarray as xr

from .. import stream_figures as stream
from ..figure import Checks, Diagram, Evidence, Figure, Results
from ..measure import conditions, of_policy, steps
from ..sentences import held_by, listed
from ..stream_figures import AAC, DQN, JOINT, N_TRAINED, SCA, N
from ..training_settings import AAC_STEPS, DQN_STEPS, aac_stream, dqn_stream

DEVICES = stream.devices(5, 10, 15, 20, quick=(5, 20))

STUDIES = (
    stream.study("learned", {JOINT: "lyapunov"}, DEVICES, learned={AAC: "aac", DQN: "dqn"}),
    stream.sca_study(DEVICES),
)


def _diagrams(results: Results) -> list[list[Diagram]]:
    legend = {name: name for name in (JOINT, AAC, DQN, SCA)}
    return stream.two_by_two(stream.cost_diagrams(results, "learned", legend))


def _costs(results: Results) -> dict[str, xr.DataArray]:
    data = results["learned"]
    return {label: of_policy(stream.costs(data), data, label) for label in (AAC, DQN)}


def _aac_below(results: Results) -> Checks:
    cost = _costs(results)
    return conditions({f"{N} = {{}}": cost[DQN] - cost[AAC]}, "reading", along=N, low=0.0)


def _rising(results: Results) -> Checks:
    rise = {f"{label}, {{}}": steps(cost, N) for label, cost in _costs(results).items()}
    return conditions(rise, "reading", along=N, low=0.0)


def _why_below(evidence: Evidence) -> str:
    checks = evidence.checks[stream.P2]
    ahead = [check.what for check in checks if check.interval()[0] > 0.0]
    beyond = [check.what for check in checks if check.interval()[1] > 0.0]
    return (
        f"It holds by {held_by(evidence, stream.BY_READING)} conditions. By P2's value AAC is ahead in "
        f"the mean with {listed(ahead)}, and beyond the scatter of {checks[0].seeds} trainings with "
        f"{listed(beyond)}; both were trained with {N_TRAINED} devices."
    )


FIGURE = Figure(
    id="a7",
    title="System cost and the number of devices, under AAC and DQN",
    notes=(
        f"{stream.NOT_STATED}Both were trained with {N_TRAINED} devices (AAC {AAC_STEPS:,} steps; DQN "
        f"{DQN_STEPS:,} with replay, in as much CPU time), and run with all others. DQN has three "
        "values for each of a device's actions, decomposed by device."
    ),
    x="number of devices",
    diagrams=_diagrams,
    minutes=(4.5, 0.4),
    trainings=(aac_stream, dqn_stream),
    studies=STUDIES,
    claims=(
        stream.claim(
            "a7-dqn",
            "AAC costs less than DQN, for each number of devices.",
            "difference at each number of devices, over pairs of trainings; more than 0",
            _aac_below,
            _why_below,
        ),
        stream.claim(
            "a7-rising",
            "The cost of both rises with the number of devices.",
            "difference from each number of devices to the next, over trainings; more than 0",
            _rising,
            stream.by_reading("P2's value is mostly drift, as in Fig. 6."),
        ),
    ),
    questions=stream.gap_questions("learned", (AAC, DQN), N),
)
