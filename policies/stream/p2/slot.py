"""P2 of one slot and replication as a program in bandwidths, powers and offloaded bits.

Beside these nothing needs a search: bits for a device's own CPU have a closed form, a station's CPU
is shared as sqrt(D), the powers that carry given bits in given bandwidths are a least fixed point,
and a station serves all it can. With v = V eta + Q_i - beta_i, k = v - Q_j and C = V epsilon c / F_j,
what a decision gains over one that offloads nothing is

    sum_i [k_i D_i - V tau p_i + L_i(Q_i - D_i) - L_i(Q_i)] - sum_j C_j (sum_i sqrt(D_i))^2

where L_i(q) is what the CPU of a device is worth that is left q bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from ....simulator.core.arrays import BoolArray, FloatArray, IntArray
from ....simulator.stream.decision import Decision
from ....simulator.stream.observation import Observation
from ....simulator.stream.problem import DriftPlusPenalty
from ...allocation_rules import station_service


@dataclass(frozen=True)
class Instance:
    """Columns (n,) of the devices considered; those not considered offload nothing.

    Attributes:
        device: their indices in the network.
        station: their stations.
        queue_bits: Q_i.
        value: v_i, of a bit that the device's CPU executes, bit.
        net: k_i, of a bit offloaded.
        power_max_w: p_i,max.
        gain: to the own station.
        cross_gain: (n, n) of each device, the gains of all devices to its station where they
            interfere, else 0.
        together: (n, n) 1 where two devices share a station.
        bandwidth_hz: W of the own station.
        noise_w: noise that does not grow with bandwidth.
        noise_w_per_hz: noise that does.
        edge_cost: C of the own station.
        local_max_bits: the most that the CPU can execute, at most Q_i.
        local_cost: (n,) a; l bits executed locally cost a l^3 / 3.
        power_cost: V tau.
        bits_per_hz: tau / ln 2: D = bits_per_hz w ln(1 + SINR).
    """

    device: IntArray
    station: IntArray
    queue_bits: FloatArray
    value: FloatArray
    net: FloatArray
    power_max_w: FloatArray
    gain: FloatArray
    cross_gain: FloatArray
    together: FloatArray
    bandwidth_hz: FloatArray
    noise_w: FloatArray
    noise_w_per_hz: FloatArray
    edge_cost: FloatArray
    local_max_bits: FloatArray
    local_cost: FloatArray
    power_cost: float
    bits_per_hz: float

    def only(self, chosen: BoolArray) -> "Instance":
        """The same with fewer devices."""
        columns = {one.name: getattr(self, one.name) for one in fields(self)}
        for name, column in columns.items():
            if isinstance(column, np.ndarray):
                both = column.ndim == 2
                columns[name] = column[np.ix_(chosen, chosen)] if both else column[chosen]
        return Instance(**columns)

    def disturbance_w(self, bandwidth_hz: FloatArray, power_w: FloatArray) -> FloatArray:
        """(n,) noise and interference at the own station, A(3)."""
        heard: FloatArray = (self.cross_gain * power_w).sum(axis=1)
        return self.noise_w + self.noise_w_per_hz * bandwidth_hz + heard

    def capacity_bits(self, bandwidth_hz: FloatArray, power_w: FloatArray) -> FloatArray:
        """(n,) tau R."""
        disturbance = self.disturbance_w(bandwidth_hz, power_w)
        sends = (bandwidth_hz > 0.0) & (power_w > 0.0)
        sinr = power_w * self.gain / np.where(sends, disturbance, 1.0)
        return np.where(sends, self.bits_per_hz * bandwidth_hz * np.log1p(sinr), 0.0)

    def least_powers_w(self, bandwidth_hz: FloatArray, bits: FloatArray) -> FloatArray:
        """(n,) the powers that just carry these bits, where there are any that carry them."""
        load = self.bits_per_hz * np.where(bits > 0.0, bandwidth_hz, 1.0)
        needed = np.expm1(bits / load) / self.gain
        alone_w = needed * (self.noise_w + self.noise_w_per_hz * bandwidth_hz)
        power_w = np.linalg.solve(np.eye(len(bits)) - needed[:, None] * self.cross_gain, alone_w)
        capped: FloatArray = np.clip(power_w, 0.0, self.power_max_w)
        return capped

    def local_bits(self, left_bits: FloatArray) -> FloatArray:
        """(n,) what is best executed locally, of bits that are left to the CPU."""
        wanted = np.sqrt(np.maximum(self.value, 0.0) / self.local_cost)
        return np.minimum(wanted, np.minimum(self.local_max_bits, left_bits))

    def local_gain(self, left_bits: FloatArray) -> FloatArray:
        """(n,) L_i."""
        local = self.local_bits(left_bits)
        return self.value * local - self.local_cost * local**3 / 3.0

    def edge_slope(self, bits: FloatArray) -> FloatArray:
        """(n,) what a further bit costs at the station: C sum sqrt(D) / sqrt(D_i)."""
        root = np.sqrt(bits)
        total: FloatArray = (self.together * root).sum(axis=1)
        return self.edge_cost * total / np.where(root > 0.0, root, np.inf)

    def gain_over_local(self, power_w: FloatArray, bits: FloatArray) -> float:
        """P2's gain over offloading nothing, of bits that these powers just carry; bit^2."""
        local = self.local_gain(self.queue_bits - bits) - self.local_gain(self.queue_bits)
        gain = (self.net - self.edge_slope(bits)) * bits - self.power_cost * power_w + local
        return float(gain.sum())


@dataclass(frozen=True)
class Allocation:
    """Who offloads what, in an instance.

    Attributes:
        bandwidth_hz: (n,) w_i.
        power_w: (n,) p_i, which just carry the bits.
        bits: (n,) D_i.
        gain: over offloading nothing, bit^2.
    """

    bandwidth_hz: FloatArray
    power_w: FloatArray
    bits: FloatArray
    gain: float

    def only(self, chosen: BoolArray) -> "Allocation":
        """Of some of the devices."""
        return Allocation(
            self.bandwidth_hz[chosen], self.power_w[chosen], self.bits[chosen], self.gain
        )

    def within(self, chosen: BoolArray) -> "Allocation":
        """The same among more devices, of which all others are silent."""
        bandwidth_hz, power_w, bits = columns = np.zeros((3, len(chosen)))
        columns[:, chosen] = self.bandwidth_hz, self.power_w, self.bits
        return Allocation(bandwidth_hz, power_w, bits, self.gain)


def nothing(instance: Instance) -> Allocation:
    """Nobody sends."""
    zero = np.zeros(len(instance.device))
    return Allocation(zero, zero, zero, 0.0)


def allocation(instance: Instance, bandwidth_hz: FloatArray, power_w: FloatArray) -> Allocation:
    """Send what these carry, but no more than is there, and with no more power than that takes.

    Bands in which more is given away than there is are scaled down.
    """
    used = (instance.together * bandwidth_hz).sum(axis=1) / instance.bandwidth_hz
    bandwidth_hz = bandwidth_hz / np.maximum(used, 1.0)
    bits = np.minimum(instance.capacity_bits(bandwidth_hz, power_w), instance.queue_bits)
    sends = bits > 1e-9 * instance.queue_bits
    bandwidth_hz, power_w, bits = (
        np.where(sends, column, 0.0) for column in (bandwidth_hz, power_w, bits)
    )
    power_w = instance.least_powers_w(bandwidth_hz, bits)
    return Allocation(bandwidth_hz, power_w, bits, instance.gain_over_local(power_w, bits))


def instances(problem: DriftPlusPenalty, observation: Observation) -> list[Instance]:
    """One per replication, of the devices for which offloading could pay.

    That is where a bit is worth more than it costs when it is its station's only one, and where the
    station can hear the device.
    """
    network, cells, V = problem.network, observation.cells, problem.V
    station = cells.station
    value = problem.bit_value(observation)
    net = value - cells.at_station(observation.station_queue_bits)
    gain = cells.own(observation.channel_gain)
    edge_cost = V * network.epsilon_w * network.cycles_per_bit / network.station_cpu_hz
    local_limit_bits = network.device_service_bits
    considered = (net > edge_cost[station]) & (observation.queue_bits > 0.0)
    considered &= observation.power_max_w * gain > 1e-6 * network.noise_w[station]
    result = []
    for r in range(network.replications):
        device = np.flatnonzero(considered[r])
        own = station[r, device]
        # The entry (i, k): what i's station hears of k.
        cross = np.where(cells.crosses[r], observation.channel_gain[r], 0.0)[np.ix_(device, own)].T
        noise = network.noise_w[own]
        by_share = network.noise_model == "density"
        result.append(
            Instance(
                device=device,
                station=own,
                queue_bits=observation.queue_bits[r, device],
                value=value[r, device],
                net=net[r, device],
                power_max_w=observation.power_max_w[r, device],
                gain=gain[r, device],
                cross_gain=cross,
                together=(own[:, None] == own).astype(np.float64),
                bandwidth_hz=network.station_bandwidth_hz[own],
                noise_w=0.0 * noise if by_share else noise,
                noise_w_per_hz=(noise if by_share else 0.0 * noise)
                / network.station_bandwidth_hz[own],
                edge_cost=edge_cost[own],
                local_max_bits=np.minimum(local_limit_bits, observation.queue_bits[r])[device],
                local_cost=np.full(len(device), problem.local_cost),
                power_cost=V * network.slot_s,
                bits_per_hz=network.slot_s / np.log(2.0),
            )
        )
    return result


def decision(
    problem: DriftPlusPenalty,
    observation: Observation,
    considered: Sequence[Instance],
    chosen: Sequence[Allocation],
    diagnostics: Mapping[str, FloatArray],
) -> Decision:
    """The decision that carries out one allocation per replication, and the rest at its best.

    Args:
        problem: P2.
        observation: of the slot.
        considered: R instances, see `instances`.
        chosen: R allocations.
        diagnostics: (R,) columns for the trace.
    """
    network, cells = problem.network, observation.cells
    bandwidth_hz, power_w, bits = np.zeros((3, *observation.queue_bits.shape))
    for r, (instance, one) in enumerate(zip(considered, chosen, strict=True)):
        bandwidth_hz[r, instance.device] = one.bandwidth_hz
        power_w[r, instance.device] = one.power_w
        bits[r, instance.device] = one.bits
    value = problem.bit_value(observation)
    cycles = network.cycles_per_bit
    joule = network.varsigma * cycles**3 / network.slot_s**2
    local_bits = np.sqrt(np.maximum(value, 0.0) / (3.0 * problem.V * joule))
    local_bits = np.minimum(local_bits, observation.queue_bits - bits)
    root = np.sqrt(bits)
    total = cells.at_station(cells.total(root))
    share = root / np.where(total > 0.0, total, 1.0)
    return Decision(
        bandwidth_hz=bandwidth_hz,
        power_w=power_w,
        local_cpu_hz=np.minimum(local_bits * (cycles / network.slot_s), network.device_cpu_hz),
        edge_cpu_hz=share * network.station_cpu_hz[cells.station],
        served_bits=station_service(network, observation),
        diagnostics=diagnostics,
    )
