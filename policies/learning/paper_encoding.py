"""The papers' states and actions as they are printed: `action = "paper"`.

No model works behind them: a number of an action is a share of the range that its paper prints for the
variable, and nothing looks at what a decision would cost or whether a task would be in time. What the
papers leave open is chosen here, and named **Ours**. Shapes are those of `encoding`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...simulator.core.arrays import FloatArray
from ...simulator.stream.decision import Decision
from ...simulator.stream.observation import Observation
from ...simulator.stream.problem import DriftPlusPenalty
from ...simulator.tasks.decision import TaskDecision
from ...simulator.tasks.observation import TaskObservation
from ...simulator.tasks.problem import WorstCaseEmission
from .encoding import Encoding, Features, cut, log10_of, numbers_of
from .stream_encoding import efficiency_alone
from .task_encoding import TaskEncoding


class PrintedStreamEncoding(Encoding):
    """Paper A: the state s = {R, F, p_max, w, Theta} of A(21), the action a = [w, p, Psi, f^l, f^e].

    Features of device i, F = 4 B + 3 with B = M + 1 stations. **Ours:** their scales. Bits are ln(1 + x / q) / 2
    with q what a device's CPU can execute in a slot (the mean of all devices).

    - B of R: R_ij tau for the station of the device, at p_i,max with the whole band and without
      interference (**ours:** the printed rate is that of a decision yet to be made); 0 for all others,
      as a device talks to one station
    - 1 + B of F: f_i tau / c, and F_j tau / c
    - 1 of p_max: p_i,max over the largest that any radio has, as it is
    - B of w: log10(W_j / 10 MHz)
    - 1 + B of Theta: Q_i, and Q_j

    Actions of device i in [-1, 1], x = (a + 1) / 2 the share of the printed range ("where w_ij in [0, w_j]", …
    below A(21)); j is its station:

    0. w_ij = x W_j, Hz
    1. p_i = x p_i,max, W: (14b) holds
    2. f_i^l = x f_i, Hz: (14c) holds
    3. f_ij^e = x F_j, Hz
    4. Psi_j = F_j tau / c times the mean x of the station's devices, bit: (14e) holds. **Ours:** the paper
       has one Psi per station, and a device here acts for itself; a station without devices serves all it can

    The ranges do not keep the sums over a station's devices within W_j, (14a), and F_j, (14d). With paper
    A's output layer, `head = "paper"`, all x of all devices sum to one, so that both hold. With others a
    slot that breaks one is carried out scaled down (`simulator.stream.decision.fit`), and has the penalty
    that is printed below A(23), see `environment.StreamVectorEnvironment`.

    Args:
        problem: P2 and its network.
    """

    action_count = 5

    def __init__(self, problem: DriftPlusPenalty) -> None:
        self._network = network = problem.network
        bits_per_hz = network.slot_s / network.cycles_per_bit
        self._unit_bits = float(network.device_cpu_hz.mean()) * bits_per_hz
        stations = network.stations
        self.feature_count = 4 * stations + 3
        # As they are in all slots: F, p_max aside, and w.
        always = np.empty((network.devices, self.feature_count))
        always[:, stations] = self._scaled(network.device_cpu_hz * bits_per_hz)
        always[:, stations + 1 : 2 * stations + 1] = self._scaled(network.station_service_bits)
        always[:, 2 * stations + 2 : -stations - 1] = np.log10(network.station_bandwidth_hz / 10e6)
        self._always = always

    def features(self, observation: Observation) -> Features:
        """(R, N, 4 B + 3), see the class."""
        network, cells = self._network, observation.cells
        stations = network.stations
        efficiency = efficiency_alone(network, observation)
        rate_bps = efficiency * network.station_bandwidth_hz[cells.station]
        columns = np.empty((*observation.queue_bits.shape, self.feature_count))
        columns[:] = self._always
        columns[..., :stations] = cells.station[..., None] == np.arange(stations)
        columns[..., :stations] *= self._scaled(rate_bps * network.slot_s)[..., None]
        power_max_w = observation.power_max_w / network.device_power_max_w.max()
        columns[..., 2 * stations + 1] = power_max_w
        columns[..., -stations - 1] = self._scaled(observation.queue_bits)
        columns[..., -stations:] = self._scaled(observation.station_queue_bits)[:, None, :]
        columns[~cells.present] = 0.0
        return cut(columns)

    def decision(self, action: NDArray[np.floating], observation: Observation) -> Decision:
        """Resources from an (R, N, 5) action, see the class."""
        network, cells = self._network, observation.cells
        bandwidth, power, local, edge, serve = _shares(
            action, (*observation.queue_bits.shape, self.action_count), cells.present
        )
        members = cells.members
        served = np.where(members > 0, cells.total(serve) / np.maximum(members, 1), 1.0)
        return Decision(
            bandwidth_hz=bandwidth * network.station_bandwidth_hz[cells.station],
            power_w=power * observation.power_max_w,
            local_cpu_hz=local * network.device_cpu_hz,
            edge_cpu_hz=edge * network.station_cpu_hz[cells.station],
            served_bits=served * network.station_service_bits,
        )

    def _scaled(self, bits: FloatArray) -> FloatArray:
        return np.log1p(bits / self._unit_bits) / 2.0


_OF_TASKS = [0, 1, 2, 3, 4, 7]
"""Features of `TaskEncoding` that are of paper C's state."""


class PrintedTaskEncoding(Encoding):
    """Paper C, section IV-A: the tasks, the channel and the emission as the state, a = {p, f, alpha}.

    Features of device m. **Ours:** their scales; which "system parameters", those of Fig. 2 of the paper; and the
    channel h as what MRC leaves of it, as its size would depend on L and N. In order:

    0. gain, as the ratio to the noise at full power, (log10(x) - 4) / 2
    1. interference heard if all send at full power, log10(1 + x) / 2, x in units of the noise
    2. interference caused at the other devices, likewise
    3. S_m: 2 log10(S_m / (D_m^max B))
    4. C_m: 5 (log10(C_m / (D_m^max f_max)) + 1/2)
    5. emission of the last slot, log10(x) + 1, x of the emission of the whole budget; -5 if none
    6. D_m^max: log10 of it in s
    7. E_max: log10 of it in J
    8. F_max: log10 of it in 10 GHz
    9. R_min: log10 of it in Mbit/s

    Actions of device m in [-1, 1], x = (a + 1) / 2 the share of its range in Table I:

    0. p_m = x P_max, W
    1. f_m = f_min + x (f_max - f_min), Hz
    2. f_m^0 = x F_max, Hz; without effect for who stays local
    3. alpha_m = 1 where x > 1/2: "a rounding operation is applied during the action generation"

    So P_max, the CPU's range and (10f) hold. (10b) to (10e) can be broken: each costs its rho of C(22).
    The f^0 of all offloaders may exceed F_max, (10e): the server runs them scaled down to it, and rho^F is
    of what was asked.

    Args:
        problem: C(10) and its network.
    """

    feature_count = 10
    action_count = 4

    def __init__(self, problem: WorstCaseEmission) -> None:
        self._network = problem.network
        self._guided = TaskEncoding(problem)

    def features(self, observation: TaskObservation) -> Features:
        """(R, N, 10), see the class."""
        network, deadline_s = self._network, observation.tasks.deadline_s
        columns = np.empty((*deadline_s.shape, self.feature_count))
        columns[..., :6] = self._guided.observed(observation)[..., _OF_TASKS]
        columns[..., 6] = log10_of(deadline_s)
        columns[..., 7] = np.log10(network.energy_max_j)
        columns[..., 8] = np.log10(network.server_cpu_hz / 10e9)
        columns[..., 9] = log10_of(np.asarray(network.rate_min_bps / 1e6))
        columns[~observation.present] = 0.0
        return cut(columns)

    def decision(self, action: NDArray[np.floating], observation: TaskObservation) -> TaskDecision:
        """Powers, rates and offloading from an (R, N, 4) action, see the class."""
        network, present = self._network, observation.present
        power, local, edge, offload = _shares(
            action, (*observation.tasks.bits.shape, self.action_count), present
        )
        slowest_hz = network.device_cpu_min_hz
        offloads = offload > 0.5
        return TaskDecision(
            power_w=power * network.device_power_max_w,
            offload=offloads,
            local_cpu_hz=present * (slowest_hz + local * (network.device_cpu_max_hz - slowest_hz)),
            edge_cpu_hz=edge * network.server_cpu_hz * offloads,
        )


def _shares(
    action: NDArray[np.floating], shape: tuple[int, ...], present: NDArray[Any]
) -> FloatArray:
    """(A, R, N) x = (a + 1) / 2 in [0, 1] of (R, N, A) actions; zero for who is absent."""
    shares: FloatArray = 0.5 * (1.0 + numbers_of(action, shape)) * present
    return shares
