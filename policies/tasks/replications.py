"""For policies that solve world C one replication at a time: the columns taken apart and together."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ...simulator.core.arrays import FloatArray
from ...simulator.tasks.channel import MrcChannel
from ...simulator.tasks.decision import TaskDecision
from ...simulator.tasks.network import Tasks
from ...simulator.tasks.observation import TaskObservation


def instances(observation: TaskObservation) -> Iterator[tuple[Tasks, MrcChannel, float]]:
    """Of each replication: (N,) tasks, the channel, and the carbon intensity in g/J."""
    tasks, channel = observation.tasks, observation.channel
    for r in range(len(tasks.bits)):
        yield (
            Tasks(tasks.bits[r], tasks.cycles[r], tasks.deadline_s[r]),
            MrcChannel(channel.gain[r], channel.interference_gain[r]),
            float(observation.carbon_g_per_j[r, 0]),
        )


def together(
    decisions: Sequence[TaskDecision], diagnostics: Mapping[str, FloatArray]
) -> TaskDecision:
    """R decisions of (N,) columns as one of (R, N), with (R,) diagnostics."""
    return TaskDecision(
        power_w=np.stack([one.power_w for one in decisions]),
        offload=np.stack([one.offload for one in decisions]),
        local_cpu_hz=np.stack([one.local_cpu_hz for one in decisions]),
        edge_cpu_hz=np.stack([one.edge_cpu_hz for one in decisions]),
        diagnostics=diagnostics,
    )
