"""The stream problem for a learner whose actions shift what a model has worked out: `action = "guided"`."""

import numpy as np
from numpy.typing import NDArray

from ...simulator.core.arrays import FloatArray
from ...simulator.network.network import Network
from ...simulator.network.spectral_efficiency import carried_each
from ...simulator.stream.channel import interference_w
from ...simulator.stream.decision import Decision
from ...simulator.stream.observation import Observation
from ...simulator.stream.problem import DriftPlusPenalty
from .encoding import FEATURE_MAX, Encoding, Features, cut, log10_of, numbers_of
from .sending_plan import Links, Plan, Wishes, plan_sending


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


def efficiency_alone(network: Network, observation: Observation) -> FloatArray:
    """(R, N) bits per hertz and second at full power without interference."""
    cells = observation.cells
    received_w = observation.power_max_w * cells.own(observation.channel_gain)
    efficiency: FloatArray = np.log2(1.0 + received_w / network.noise_w[cells.station])
    return carried_each(network.efficiency, efficiency)


def _decades(ratio: FloatArray) -> FloatArray:
    return (log10_of(ratio) - 5.0) / 2.5
