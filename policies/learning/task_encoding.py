"""The task problem for a learner whose actions shift what a model has worked out: `action = "guided"`."""

import numpy as np
from numpy.typing import NDArray

from ...simulator.core.arrays import BoolArray, FloatArray
from ...simulator.tasks.decision import TaskDecision
from ...simulator.tasks.network import TaskNetwork
from ...simulator.tasks.observation import TaskObservation
from ...simulator.tasks.powers import least_powers_w
from ...simulator.tasks.problem import WorstCaseEmission
from ..among_present import Rows, among_present, those_present
from .admission import Division, divide_deadlines
from .encoding import Encoding, Features, cut, log10_of, numbers_of, share_of

HARDEST = 6
"""Devices whose channel each device is compared with."""

_FORCED = 1e30
"""So many times its energy is valued that no device spends that much."""


class TaskEncoding(Encoding):
    """The task problem: a task and a channel per device; offloading, and the division of a task's time.

    Rates, speeds and energies are decades of their ratio to what the network has. Features, in order:

    0. gain, as the ratio to the noise at full power, (log10(x) - 4) / 2
    1. interference heard if all send at full power, log10(1 + x) / 2, x in units of the noise
    2. interference caused at the other devices, likewise
    3. rate that sends the task within its deadline, 2 log10(x), x in units of the bandwidth
    4. CPU speed that executes it within its deadline, 5 (log10(x) + 0.5), x of the device's fastest
    5. energy that this takes locally, 5 log10(x), x of the device's budget
    6. energy that this takes at the server, likewise
    7. emission of the last slot, log10(x) + 1, x of the emission of the whole budget; -5 if none
    8. age of the device's twin in slots, ln(1 + x) / 2
    9. to 14. with the six devices whose tasks take most energy locally, in that order: how much the
       channels have in common, 2 |h_m^H h_n|^2 / (||h_m||^2 ||h_n||^2); 2 with itself, so that a
       device sees its own place; 0 where there are fewer
    15. theta_0, 2 log10(x) + 2, x of the device's theta_m
    16. what offloading saves when actions are zero, 2 ln(x): x is the device's energy if it stays, over
        that of the worst offloader when it is admitted; -5 if they cannot be in time
    17. its energy when actions are zero, the server's included, 3 (log10(x) + 1/2), x of the device's budget
    18. of that, the share of its radio where it offloads, 2 x - 1; -1 where it does not

    Devices that offload together can be fast only as far as their channels differ, and the hardest
    tasks gain most by offloading: hence the first six of these; the last three are what a rule makes of it.

    Actions, in order:

    0. offloading: a device's energy if it stays local is valued ((1 + a) / (1 - a))^(1/4) times. The largest
       is tried first, and offloads if all who do are in time, and the worst of them spends less than this
       (`admission`). So it does not at -1, and at 1, or where it breaks its limits alone, if that is in time
    1. where offloaded, power: the radio's budget, from the least power that it takes (a = -1) to
       P_max (a = 1), on a logarithmic scale
    2. where offloaded, the server's time: its weight is C^1.5 e^(a |a| / 2), at a = 0 that of equal
       emission by the server
    3. reserve, x = max(0, a)^2: the local CPU's speed is the slowest in time times r^x, r the ratio
       of the fastest to it; the server's speed likewise, up to F_max in all; the rate of a device
       that stays local is 4^x times its floor

    The deadline's division follows: the server's times grow by their weights as far as the power
    budgets allow. Powers are those that give the rates, as a closed power-control loop sets them: the
    least fixed point under everybody's interference. So at a_3 <= 0 every device is just in time by
    what the twin knows; more than that is a reserve against what it does not know.

    Zero is a rule: the sets of offloaders among which the optimum of C(10) is (`nested_sets`), with equal
    emission by the server in the place of the best division of deadlines. On Table I that is within a percent
    of the optimum, at any theta_0; what it costs is at most a trial for each device.

    Args:
        problem: C(10) and its network.

    Attributes:
        network: the problem's.
    """

    observed_count = 9 + HARDEST
    feature_count = observed_count + 4
    action_count = 4
    version = 2

    def __init__(self, problem: WorstCaseEmission) -> None:
        self.network = problem.network

    def features(self, observation: TaskObservation) -> Features:
        """(R, N, 19), see the class."""
        columns = np.zeros((*observation.present.shape, self.feature_count), np.float32)
        columns[..., : self.observed_count] = self.observed(observation)
        for network, seen, rows in those_present(self.network, observation):
            columns[*rows, self.observed_count :] = cut(self._of_rule(network, seen))
        return columns

    def observed(self, observation: TaskObservation) -> Features:
        """(R, N, 15) the first of them, which no rule has a part in."""
        network, tasks = self.network, observation.tasks
        time_s = task_time_s(network, observation)
        reach = observation.channel.gain * network.device_power_max_w / network.noise_w
        cross = observation.channel.interference_gain * (
            network.device_power_max_w / network.noise_w
        )
        pace_hz = tasks.cycles / time_s
        budget_g = observation.carbon_g_per_j * network.energy_max_j
        columns = np.empty((*tasks.bits.shape, self.observed_count))
        columns[..., 0] = (log10_of(reach) - 4.0) / 2.0
        columns[..., 1] = log10_of(1.0 + cross.sum(axis=2)) / 2.0
        columns[..., 2] = log10_of(1.0 + cross.sum(axis=1)) / 2.0
        columns[..., 3] = 2.0 * log10_of(tasks.bits / (time_s * network.bandwidth_hz))
        columns[..., 4] = 5.0 * (log10_of(pace_hz / network.device_cpu_max_hz) + 0.5)
        energy = tasks.cycles * pace_hz**2 / network.energy_max_j
        columns[..., 5] = 5.0 * log10_of(network.theta_device * energy)
        columns[..., 6] = 5.0 * log10_of(network.theta_server * energy)
        columns[..., 7] = 1.0 + log10_of(share_of(observation.last_emission_g, budget_g))
        columns[..., 8] = np.log1p(observation.age_s / tasks.deadline_s) / 2.0
        columns[..., 9:] = 2.0 * self._common(observation, network.theta_device * energy)
        columns[~observation.present] = 0.0
        return cut(columns)

    def decision(self, action: NDArray[np.floating], observation: TaskObservation) -> TaskDecision:
        """Offloading, powers and rates from an (R, N, 4) action, see the class."""
        heads = numbers_of(action, (*observation.tasks.bits.shape, self.action_count))

        def decide(network: TaskNetwork, seen: TaskObservation, rows: Rows) -> TaskDecision:
            return self._decision(network, seen, np.ascontiguousarray(heads[:, *rows]))

        return among_present(self.network, observation, decide)

    def _decision(
        self, network: TaskNetwork, observation: TaskObservation, heads: FloatArray
    ) -> TaskDecision:
        """Of devices that are there, from (4, R, N) actions."""
        tasks, reserve = observation.tasks, np.maximum(heads[3], 0.0) ** 2
        time_s = task_time_s(network, observation)
        floor_bps, cycles, (offload, edge_s, _, _) = self._divided(network, observation, heads)
        to_send_bps = np.maximum(tasks.bits / (time_s - edge_s), network.rate_min_bps)
        rate_bps = np.where(offload, to_send_bps, floor_bps)
        power_w = least_powers_w(network, observation.channel, rate_bps)

        edge_hz = np.where(offload, cycles / np.where(offload, edge_s, 1.0), 0.0)
        asked_hz = edge_hz.sum(axis=1, keepdims=True)
        left = np.maximum(network.server_cpu_hz / np.where(asked_hz > 0.0, asked_hz, np.inf), 1.0)
        slowest_hz = np.clip(
            tasks.cycles / time_s, network.device_cpu_min_hz, network.device_cpu_max_hz
        )
        most = np.where(slowest_hz > 0.0, network.device_cpu_max_hz / slowest_hz, 1.0)
        return TaskDecision(power_w, offload, slowest_hz * most**reserve, edge_hz * left**reserve)

    def _divided(
        self, network: TaskNetwork, observation: TaskObservation, heads: FloatArray
    ) -> tuple[FloatArray, FloatArray, Division]:
        """(R, N) rate floors, (R, N) cycles, and who offloads, from (4, R, N) actions."""
        tasks, time_s = observation.tasks, task_time_s(network, observation)
        # A device of which no task was reported yet has a cycle to do.
        cycles = np.maximum(tasks.cycles, 1.0)
        local_floor_bps = network.rate_min_bps if network.rate_floor == "all" else 0.0
        floor_bps = local_floor_bps * 4.0 ** (np.maximum(heads[3], 0.0) ** 2)
        local_j, can_stay = _alone(network, cycles, time_s)
        valued = ((1.0 + heads[0]) / np.maximum(1.0 - heads[0], _FORCED**-4)) ** 0.25
        must = ~can_stay & (valued > 0.0)
        division = divide_deadlines(
            network,
            observation.channel,
            tasks.bits,
            cycles,
            time_s,
            floor_bps,
            stay_j=local_j * np.where(must, _FORCED, valued),
            weight=cycles**1.5 * np.exp(0.5 * heads[2] * np.abs(heads[2])),
            budget=0.5 * (1.0 + heads[1]),
        )
        return floor_bps, cycles, division

    def _of_rule(self, network: TaskNetwork, observation: TaskObservation) -> FloatArray:
        """(R, N, 4) the last features, of devices that are there."""
        nothing = np.zeros((self.action_count, *observation.tasks.bits.shape))
        _, cycles, (offload, edge_s, radio_j, tried_j) = self._divided(
            network, observation, nothing
        )
        local_j, can_stay = _alone(network, cycles, task_time_s(network, observation))
        edge_hz = cycles / np.where(offload, edge_s, np.inf)
        sent_j = radio_j + network.theta_server * cycles * edge_hz**2
        spent_j = np.where(offload, sent_j, local_j)
        in_time = tried_j < np.inf
        saving = _ln(local_j) - _ln(np.where(in_time, tried_j, 1.0))
        columns = np.empty((*offload.shape, self.feature_count - self.observed_count))
        columns[..., 0] = 2.0 + 2.0 * log10_of(network.theta_server / network.theta_device)
        columns[..., 1] = np.where(in_time, np.where(can_stay, 2.0 * saving, np.inf), -np.inf)
        columns[..., 2] = 3.0 * (log10_of(spent_j / network.energy_max_j) + 0.5)
        columns[..., 3] = 2.0 * radio_j / np.where(offload, sent_j, 1.0) - 1.0
        return columns

    def _common(self, observation: TaskObservation, energy: FloatArray) -> FloatArray:
        """(R, N, HARDEST) what a device's channel has in common with those of the hardest tasks."""
        channel = observation.channel
        common = channel.interference_gain / channel.gain[:, None, :]
        replications, devices = energy.shape
        own = np.arange(devices)
        common[:, own, own] = 1.0
        hardest = np.argsort(-energy, axis=1, kind="stable")[:, None, :HARDEST]
        found = np.zeros((replications, devices, HARDEST))
        in_turn = np.arange(replications)[:, None, None], own[:, None], hardest
        found[..., : hardest.shape[2]] = common[in_turn]
        return found


def task_time_s(network: TaskNetwork, observation: TaskObservation) -> FloatArray:
    """(R, N) the deadline; where there is none, the time at a hundredth of the CPU's speed."""
    tasks = observation.tasks
    ample_s = tasks.cycles / (0.01 * network.device_cpu_max_hz)
    return np.where(np.isfinite(tasks.deadline_s), tasks.deadline_s, np.maximum(ample_s, 1e-9))


def _alone(
    network: TaskNetwork, cycles: FloatArray, time_s: FloatArray
) -> tuple[FloatArray, BoolArray]:
    """(R, N) joules of who executes its task itself, just in time, and whether it can."""
    pace_hz = cycles / time_s
    local_j = network.theta_device * cycles * np.maximum(pace_hz, network.device_cpu_min_hz) ** 2
    can_stay = (pace_hz <= network.device_cpu_max_hz) & (local_j <= network.energy_max_j)
    return local_j, can_stay


def _ln(x: FloatArray) -> FloatArray:
    """Natural logarithm; of zero, far below any other."""
    return np.log(np.maximum(x, 1e-30))
