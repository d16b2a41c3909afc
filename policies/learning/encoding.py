"""Features of a network for a learner, and decisions from its actions.

Features are columns (R, N, F) on fixed scales, so that nothing has to be estimated or stored: logarithms
of quantities that span orders of magnitude, centred on the network's own constants and cut at
`FEATURE_MAX`; all zero for a device that is absent. A station's quantities are given to each of its devices. Actions are columns (R, N, A) in
[-1, 1], all of which the network can carry out.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ...simulator.core.arrays import BoolArray, FloatArray
from ...simulator.network.network import Network
from ...simulator.network.spectral_efficiency import carried_each
from ...simulator.stream.channel import interference_w
from ...simulator.stream.decision import Decision
from ...simulator.stream.observation import Observation
from ...simulator.stream.problem import DriftPlusPenalty
from ...simulator.tasks.decision import TaskDecision
from ...simulator.tasks.network import TaskNetwork
from ...simulator.tasks.observation import TaskObservation
from ...simulator.tasks.powers import least_powers_w
from ...simulator.tasks.problem import WorstCaseEmission
from ..among_present import Rows, among_present, those_present
from .admission import Division, divide_deadlines
from .sending_plan import Links, Plan, Wishes, plan_sending

FEATURE_MAX = 5.0
"""Features lie in [-FEATURE_MAX, FEATURE_MAX]."""

HARDEST = 6
"""Devices whose channel each device is compared with."""

_FORCED = 1e30
"""So many times its energy is valued that no device spends that much."""

AnyProblem = DriftPlusPenalty | WorstCaseEmission

Features = NDArray[np.float32]
"""(R, N, F) in [-FEATURE_MAX, FEATURE_MAX]."""


class Encoding(Protocol):
    """Of a problem: features from its observations, decisions from actions.

    Attributes:
        feature_count: F.
        action_count: A.
        version: of what features and actions mean; another one is another environment.
    """

    feature_count: int
    action_count: int
    version: int = 1

    def features(self, observation: Any) -> Features:
        """(R, N, F) in [-5, 5]."""

    def decision(self, action: NDArray[np.floating], observation: Any) -> Any:
        """The decision that an (R, N, A) action in [-1, 1] stands for; beyond, it is cut.

        Raises:
            ValueError: a wrong shape, or NaN.
        """


class StreamEncoding(Encoding):
    """The stream problem: queues and gains; who offloads, bandwidth, power and CPU speeds.

    Bits are signed logarithms, sign(x) ln(1 + |x| / q) / 2 with q what a device's CPU can execute in a
    slot (the mean of all devices). Gains are decades of the ratio to the noise that a device reaches at
    full power, (log10(x) - 5) / 2.5. Features, in order:

    0. gain to the own station
    1. queue Q_i
    2. v_i = V eta + Q_i - beta_i, what P2 gives for a bit that leaves the queue
    3. k_i = v_i - Q_j, what it gives for one that goes to the station
    4. queue of the station Q_j
    5. V eta
    6. beta_i
    7. strongest gain to a station that the device disturbs; -2 if there is none
    8. what the own station would hear of other cells if all sent at full power
    9. devices of the station, ln n / 2
    10. devices of the station with k_i > 0, ln(1 + n) / 2
    11. bits that the station's CPU can execute in a slot
    12. bandwidth of the station, log10(W / 10 MHz)
    13. bits that the device's own CPU can execute in a slot
    14. arrivals of the last slot
    15. departures of the last slot
    16. age of the device's twin in slots, ln(1 + x) / 2
    17. u_i = max(k_i, 0) times the bits that the device could send with the station's whole band to
        itself, as the ratio to the largest of its station, ln(x); -5 if u_i is zero
    18. the largest u_i of the station, as the ratio to the largest of all stations that its devices
        disturb, ln(x)

    The last two tell a device which others should send: a band is best given to few, and cells that
    disturb each other are best served in turn.

    Actions, in order. Zero is P2's optimum or near it (`sending_plan`), with neither power nor CPU speed beyond
    what executes and sends the same bits:

    0. offloading: who sends is decided in order of what devices are worth to P2 for what they take of band and
       CPU, each beside those before it. What its bits are worth counts (1 + a) / (1 - a) fold: a device sends
       nothing at -1, and at 1 if they are worth more than those that its own CPU executes less
    1. power: the most that it may use is the device's largest at a >= 0, 10^(3 a) of it below: three decades.
       Up to a = 1/2 it uses the least that sends, in the whole slot, all that it has but for what its CPU
       executes; beyond 1/2 a reserve, which grows to the largest at 1
    2. local CPU speed: at a = 0 that of P2's optimum, at which a bit costs what it is worth or, of who sends
       all others, what one more to send would cost; from there in proportion to none at -1 and to the
       device's limit at 1; no more than empties the queue
    3. priority: in the order, and as a weight in the band, a device is worth e^a fold, and e^a_0 fold by its first action

    A band is divided by weight, the worth to the power of 8 (a softmax over the senders), except that no device
    is given more than it needs while others lack: where weights lie far apart the first in rank sends all that it
    has before the second is served, which is the shape of P2's optimum. A station's CPU is shared as sqrt(D_i)
    among those that send D_i bits, and it serves all that it can: P2's optimum, at no cost.

    Args:
        problem: P2 and its network.

    Attributes:
        problem: the same.
        network: its network.
    """

    feature_count = 19
    action_count = 4
    version = 2

    def __init__(self, problem: DriftPlusPenalty) -> None:
        self.problem = problem
        self.network = network = problem.network
        self._links = Links.of(network)
        bits_per_hz = network.slot_s / network.cycles_per_bit
        self._unit_bits = float(network.device_cpu_hz.mean()) * bits_per_hz
        self._station_bits = network.station_cpu_hz * bits_per_hz
        # As they are in all slots: the features 11 and 12 of each station, and 13 of each device.
        band = np.log10(network.station_bandwidth_hz / 10e6)
        self._of_stations = np.stack((self._scaled(self._station_bits), band))
        self._of_devices = self._scaled(network.device_cpu_hz * bits_per_hz)
        stations = len(network.station_cpu_hz)
        cell = np.arange(stations)
        # As `Cells.crosses`: only SBS cells share a band.
        self._disturbs = (cell[:, None] != cell) & (cell[:, None] > 0) & (cell > 0)

    def features(self, observation: Observation) -> Features:
        """(R, N, 19), see the class."""
        network, cells = self.network, observation.cells
        queue, of_station = observation.queue_bits, cells.at_station
        V_eta = (self.problem.V * observation.energy_per_bit_j)[:, None]
        value, net = self.worth(observation)
        noise = network.noise_w[cells.station]
        gain, power_max_w = observation.channel_gain, observation.power_max_w
        heard_w = of_station(interference_w(power_max_w, gain, cells.station))
        crossing = np.where(cells.crosses, gain / network.noise_w, 0.0).max(axis=2)
        rivals = cells.total(((net > 0.0) & cells.present).astype(np.float64))
        columns = np.empty((self.feature_count, *queue.shape))
        columns[0] = _decades(power_max_w * cells.own(gain) / noise)
        columns[1] = self._scaled(queue)
        columns[2] = self._scaled(value)
        columns[3] = self._scaled(net)
        columns[4] = of_station(self._scaled(observation.station_queue_bits))
        columns[5] = self._scaled(V_eta)
        columns[6] = self._scaled(observation.perturbation_bits)
        columns[7] = _decades(1.0 + power_max_w * crossing)
        columns[8] = _decades(1.0 + heard_w / noise)
        columns[9] = of_station(np.log(np.maximum(cells.members, 1.0)) / 2.0)
        columns[10] = of_station(np.log1p(rivals) / 2.0)
        columns[11:13] = self._of_stations[:, cells.station]
        columns[13] = self._of_devices
        columns[14] = self._scaled(observation.arrived_bits)
        columns[15] = self._scaled(observation.departed_bits)
        columns[16] = np.log1p(observation.age_s / network.slot_s) / 2.0
        columns[17:] = self._rivalry(observation, net)
        if not cells.complete:
            columns[:, ~cells.present] = 0.0
        return cut(np.moveaxis(columns, 0, 2))

    def decision(self, action: NDArray[np.floating], observation: Observation) -> Decision:
        """Resources from an (R, N, 4) action, see the class."""
        network, cells = self.network, observation.cells
        plan = self.plan(action, observation)
        root = np.sqrt(plan.sent_bits)
        roots = cells.at_station(cells.total(root))
        edge_share = root / np.where(roots > 0.0, roots, 1.0)
        return Decision(
            bandwidth_hz=plan.bandwidth_hz,
            power_w=plan.power_w,
            local_cpu_hz=plan.local_bits * (network.cycles_per_bit / network.slot_s),
            edge_cpu_hz=edge_share * network.station_cpu_hz[cells.station],
            served_bits=np.minimum(self._station_bits, observation.station_queue_bits),
        )

    def plan(self, action: NDArray[np.floating], observation: Observation) -> Plan:
        """Who sends and executes what, as an (R, N, 4) action steers it."""
        network, problem = self.network, self.problem
        queue = observation.queue_bits
        offload, power, local, priority = numbers_of(action, (*queue.shape, self.action_count))
        value, net = self.worth(observation)
        device_cost, station_cost = problem.joule_costs(observation)
        cycles = network.cycles_per_bit
        local_cost = 3.0 * network.varsigma * cycles**3 / network.slot_s**2 * device_cost
        edge_cost = network.epsilon_w * cycles / network.station_cpu_hz * station_cost
        wishes = Wishes(
            station=observation.station,
            gain=observation.channel_gain,
            queue_bits=queue,
            value=value,
            net=net,
            watt_cost=network.slot_s * device_cost,
            edge_cost=edge_cost,
            local_cost=local_cost,
            power_max_w=observation.power_max_w * 10.0 ** (3.0 * np.minimum(power, 0.0)),
            eagerness=offload,
            priority=offload + priority,
            local=local,
            reserve=np.maximum(2.0 * power - 1.0, 0.0),
        )
        return plan_sending(self._links, wishes)

    def worth(self, observation: Observation) -> tuple[FloatArray, FloatArray]:
        """(R, N) v_i and k_i, bits."""
        value = self.problem.bit_value(observation)
        return value, value - observation.cells.at_station(observation.station_queue_bits)

    def _rivalry(self, observation: Observation, net: FloatArray) -> FloatArray:
        """(2, R, N) the last two features."""
        network, cells = self.network, observation.cells
        whole_band = network.station_bandwidth_hz[cells.station] * network.slot_s
        sent = np.minimum(
            observation.queue_bits, efficiency_alone(self.network, observation) * whole_band
        )
        alone = np.maximum(net, 0.0) * sent
        least = 1e-6 * self._unit_bits**2
        gain = np.log(np.maximum(alone, least))
        best = np.maximum(cells.largest(gain), np.log(least))
        others = np.where(self._disturbs, best[:, None, :], np.log(least)).max(axis=2)
        in_station = np.where(alone > 0.0, gain - cells.at_station(best), -FEATURE_MAX)
        return np.stack((in_station, cells.at_station(best - others)))

    def _scaled(self, bits: FloatArray) -> FloatArray:
        """Signed logarithms of (…,) bits."""
        scaled = bits / self._unit_bits
        return np.copysign(np.log1p(np.abs(scaled)) / 2.0, scaled)


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
        columns[..., 7] = 1.0 + log10_of(observation.last_emission_g / budget_g)
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


def numbers_of(action: NDArray[np.floating], shape: tuple[int, ...]) -> FloatArray:
    """(A, R, N) in [-1, 1].

    Raises:
        ValueError: a wrong shape, or NaN.
    """
    heads = np.asarray(action, dtype=np.float64)
    if heads.shape != shape:
        raise ValueError(f"action of shape {heads.shape}, expected {shape}")
    if np.isnan(heads).any():
        raise ValueError("action has NaN")
    return np.ascontiguousarray(np.moveaxis(np.clip(heads, -1.0, 1.0), 2, 0))


def efficiency_alone(network: Network, observation: Observation) -> FloatArray:
    """(R, N) bits per hertz and second at full power without interference."""
    cells = observation.cells
    received_w = observation.power_max_w * cells.own(observation.channel_gain)
    efficiency: FloatArray = np.log2(1.0 + received_w / network.noise_w[cells.station])
    return carried_each(network.efficiency, efficiency)


def log10_of(x: FloatArray) -> FloatArray:
    """(…,) decades; of zero, far below any other."""
    return np.log10(np.maximum(x, 1e-30))


def _ln(x: FloatArray) -> FloatArray:
    """Natural logarithm; of zero, far below any other."""
    return np.log(np.maximum(x, 1e-30))


def _decades(ratio: FloatArray) -> FloatArray:
    return (log10_of(ratio) - 5.0) / 2.5


def cut(columns: FloatArray) -> Features:
    """(R, N, F) features, cut to [-FEATURE_MAX, FEATURE_MAX]."""
    return np.clip(columns, -FEATURE_MAX, FEATURE_MAX).astype(np.float32, order="C")
