"""An optimiser that is corrected: `action = "corrected"`.

An optimiser takes what the twin shows for true. Where that is old or wrong it plans for tasks, channels and queues
that are others by now, and just in time is too late. Here a learner corrects what the optimiser is told, and its
decision follows. That is residual learning (T. Silver et al., "Residual Policy Learning", arXiv 1812.06298;
T. Johannink et al., "Residual Reinforcement Learning for Robot Control", ICRA 2019): what is learned is added to a
controller that is there. They add it to the controller's output; **ours:** to the logarithms of its input, so that
what comes out is a decision of the optimiser still, within all capacities, and so that who offloads follows, too,
which is no number that anything could be added to.

An action is a factor on each quantity that a device has reported. Zero changes none: the decision is the optimiser's,
bit for bit, and an untrained network, whose last layer is next to zero, begins there, as in both papers.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ...simulator.stream.decision import Decision
from ...simulator.stream.observation import Observation
from ...simulator.stream.problem import DriftPlusPenalty
from ...simulator.tasks.channel import MrcChannel
from ...simulator.tasks.decision import TaskDecision
from ...simulator.tasks.network import Tasks
from ...simulator.tasks.observation import TaskObservation
from ...simulator.tasks.problem import WorstCaseEmission
from ..stream.lyapunov import Lyapunov
from ..tasks.exact import Exact
from .encoding import Encoding, Features, numbers_of
from .stream_encoding import StreamEncoding
from .task_encoding import TaskEncoding


class CorrectedStreamEncoding(Encoding):
    """Of `lyapunov` in the stream problem. Features are those of `StreamEncoding`.

    Actions of device i in [-1, 1], in order:

    0. its gains h_ij to all stations: 10^a times what the twin shows
    1. its queue Q_i: 10^a times

    Args:
        problem: P2 and its network.
    """

    feature_count = StreamEncoding.feature_count
    action_count = 2

    def __init__(self, problem: DriftPlusPenalty) -> None:
        self._guided = StreamEncoding(problem)
        self._optimiser = Lyapunov()
        self._optimiser.reset(problem.network, problem, [])

    def features(self, observation: Observation) -> Features:
        """(R, N, 19), as the twin shows it."""
        return self._guided.features(observation)

    def decision(self, action: NDArray[np.floating], observation: Observation) -> Decision:
        """That of `lyapunov`, told what an (R, N, 2) action makes of the observation."""
        gain, queue = numbers_of(action, (*observation.queue_bits.shape, self.action_count))
        told = replace(
            observation,
            channel_gain=observation.channel_gain * 10.0 ** gain[..., None],
            queue_bits=observation.queue_bits * 10.0**queue,
        )
        return self._optimiser.decide(told)


class CorrectedTaskEncoding(Encoding):
    """Of `exact` in the task problem, which refuses more than 32 devices.

    Features are those of `TaskEncoding` that are observed, without its rule's. Actions of device m in [-1, 1], in order:

    0. its gain ||h_m||^2: 10^a times what the twin shows; what it hears of others stays as it is
    1. the size S_m of its task: 100^a times; what no channel carries in time is not offloaded
    2. the cycles C_m: 2^a times

    Args:
        problem: C(10) and its network.
    """

    feature_count = TaskEncoding.observed_count
    action_count = 3

    def __init__(self, problem: WorstCaseEmission) -> None:
        self._guided = TaskEncoding(problem)
        self._optimiser = Exact()
        self._optimiser.reset(problem.network, problem, [])

    def features(self, observation: TaskObservation) -> Features:
        """(R, N, 15), as the twin shows it."""
        return self._guided.observed(observation)

    def decision(self, action: NDArray[np.floating], observation: TaskObservation) -> TaskDecision:
        """That of `exact`, told what an (R, N, 3) action makes of the observation.

        Its certificate is of what it was told, and so is left out.
        """
        tasks, channel = observation.tasks, observation.channel
        gain, bits, cycles = numbers_of(action, (*tasks.bits.shape, self.action_count))
        told = replace(
            observation,
            tasks=Tasks(tasks.bits * 100.0**bits, tasks.cycles * 2.0**cycles, tasks.deadline_s),
            channel=MrcChannel(channel.gain * 10.0**gain, channel.interference_gain),
        )
        return replace(self._optimiser.decide(told), diagnostics={})
