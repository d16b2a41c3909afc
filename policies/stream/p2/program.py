"""P2 of one slot and replication as a program in bandwidths, powers and offloaded bits.

This is how `sca` and `exact` see P2, which hand it to general solvers. Beside these variables nothing
needs a search: bits for a device's own CPU have a closed form, a station's CPU is shared as sqrt(D),
the powers that carry given bits in given bandwidths are a least fixed point, and a station serves all
it can. With v = V eta + Q_i - beta_i, k = v - Q_j and C = V epsilon c / F_j, what a decision gains over
one that offloads nothing is

    sum_i [k_i D_i - V tau p_i + L_i(Q_i - D_i) - L_i(Q_i)] - sum_j C_j (sum_i sqrt(D_i))^2

where L_i(q) is what the CPU of a device is worth that is left q bits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from ....simulator.core.arrays import BoolArray, FloatArray, IntArray
from ....simulator.core.elementary import expm1_each, log1p_each
from ....simulator.core.linear import solve
from ....simulator.stream.decision import Decision
from ....simulator.stream.green_problem import GreenProblem
from ....simulator.stream.observation import Observation
from ....simulator.stream.problem import DriftPlusPenalty
from ...allocation_rules import station_service
from .slot import DEVICE, cases, collect, watt_scale


@dataclass(frozen=True)
class Allocation:
    """Who offloads what, in a program of n devices.

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
        """Of some of the devices: `chosen` is (n,)."""
        return Allocation(
            self.bandwidth_hz[chosen], self.power_w[chosen], self.bits[chosen], self.gain
        )

    def within(self, chosen: BoolArray) -> "Allocation":
        """The same among more devices, of which all but the n of (m,) `chosen` are silent."""
        bandwidth_hz, power_w, bits = columns = np.zeros((3, len(chosen)))
        columns[:, chosen] = self.bandwidth_hz, self.power_w, self.bits
        return Allocation(bandwidth_hz, power_w, bits, self.gain)


@dataclass(frozen=True)
class Program:
    """Columns (n,) of the devices that may offload; the others offload nothing.

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
        local_cost: a; l bits executed locally cost a l^3 / 3.
        power_cost: V tau.
        bits_per_hz: tau / ln 2: D = bits_per_hz w ln(1 + SINR).
        efficiency_cap: the greatest ln(1 + SINR) that links carry.
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
    efficiency_cap: float = np.inf

    def only(self, chosen: BoolArray) -> "Program":
        """The same with fewer devices: `chosen` is (n,)."""
        columns = {one.name: getattr(self, one.name) for one in fields(self)}
        for name, column in columns.items():
            if isinstance(column, np.ndarray):
                both = column.ndim == 2
                columns[name] = column[np.ix_(chosen, chosen)] if both else column[chosen]
        return Program(**columns)

    def silent(self) -> Allocation:
        """Nobody sends."""
        zero = np.zeros(len(self.device))
        return Allocation(zero, zero, zero, 0.0)

    def allocation(self, bandwidth_hz: FloatArray, power_w: FloatArray) -> Allocation:
        """Send what (n,) bandwidths and powers carry, but no more than is there.

        Powers are lowered to what that takes. Bands in which more is given away than there is are
        scaled down.
        """
        bandwidth_hz = bandwidth_hz / np.maximum(self.band_use(bandwidth_hz), 1.0)
        bits = np.minimum(self.capacity_bits(bandwidth_hz, power_w), self.queue_bits)
        sends = bits > 1e-9 * self.queue_bits
        bandwidth_hz, power_w, bits = (
            np.where(sends, column, 0.0) for column in (bandwidth_hz, power_w, bits)
        )
        power_w = self.least_powers_w(bandwidth_hz, bits)
        return Allocation(bandwidth_hz, power_w, bits, self.gain_over_local(power_w, bits))

    def band_use(self, bandwidth_hz: FloatArray) -> FloatArray:
        """(n,) which part of the own station's band is given away."""
        used: FloatArray = (self.together * bandwidth_hz).sum(axis=1) / self.bandwidth_hz
        return used

    def disturbance_w(self, bandwidth_hz: FloatArray, power_w: FloatArray) -> FloatArray:
        """(n,) noise and interference at the own station, A(3)."""
        heard: FloatArray = (self.cross_gain * power_w).sum(axis=1)
        return self.noise_w + self.noise_w_per_hz * bandwidth_hz + heard

    def capacity_bits(self, bandwidth_hz: FloatArray, power_w: FloatArray) -> FloatArray:
        """(n,) tau R."""
        disturbance = self.disturbance_w(bandwidth_hz, power_w)
        sends = (bandwidth_hz > 0.0) & (power_w > 0.0)
        sinr = power_w * self.gain / np.where(sends, disturbance, 1.0)
        efficiency = np.minimum(log1p_each(sinr), self.efficiency_cap)
        return np.where(sends, self.bits_per_hz * bandwidth_hz * efficiency, 0.0)

    def least_powers_w(self, bandwidth_hz: FloatArray, bits: FloatArray) -> FloatArray:
        """(n,) the powers that just carry these bits, where there are any that carry them."""
        load = self.bits_per_hz * np.where(bits > 0.0, bandwidth_hz, 1.0)
        needed = expm1_each(bits / load) / self.gain
        alone_w = needed * (self.noise_w + self.noise_w_per_hz * bandwidth_hz)
        power_w = solve(np.eye(len(bits)) - needed[:, None] * self.cross_gain, alone_w)
        capped: FloatArray = np.clip(power_w, 0.0, self.power_max_w)
        return capped

    def local_bits(self, left_bits: FloatArray) -> FloatArray:
        """(n,) what is best executed locally, of (n,) bits that are left to the CPU."""
        wanted = np.sqrt(np.maximum(self.value, 0.0) / self.local_cost)
        return np.minimum(wanted, np.minimum(self.local_max_bits, left_bits))

    def local_gain(self, left_bits: FloatArray) -> FloatArray:
        """(n,) L_i, bit^2, of (n,) bits that are left to the CPU."""
        local = self.local_bits(left_bits)
        return self.value * local - self.local_cost * (local * local * local) / 3.0

    def edge_slope(self, bits: FloatArray) -> FloatArray:
        """(n,) what a further bit costs at the station, bit: C sum sqrt(D) / sqrt(D_i)."""
        root = np.sqrt(bits)
        total: FloatArray = (self.together * root).sum(axis=1)
        return self.edge_cost * total / np.where(root > 0.0, root, np.inf)

    def gain_over_local(self, power_w: FloatArray, bits: FloatArray) -> float:
        """P2's gain over offloading nothing, of (n,) bits that these powers just carry; bit^2."""
        local = self.local_gain(self.queue_bits - bits) - self.local_gain(self.queue_bits)
        gain = (self.net - self.edge_slope(bits)) * bits - self.power_cost * power_w + local
        return float(gain.sum())


def programs(problem: DriftPlusPenalty, observation: Observation) -> list[Program]:
    """One per replication."""
    result = []
    replications = range(problem.network.replications)
    found = [
        (case.cells, case.observed, of_case, r)
        for case in cases(problem, observation)
        for of_case, r in enumerate(replications[case.replications])
    ]
    for cells, observed, of_case, r in found:
        slot = collect(cells, observed, of_case, np.zeros(problem.network.devices, DEVICE))
        devices = slot.devices[np.argsort(slot.devices["index"], kind="stable")]
        device = devices["index"].copy()
        station = observed.station[of_case, device]
        own = slot.cells[station]
        # The entry (i, k): what i's station hears of k.
        heard = np.where(observation.cells.crosses[r], slot.gain, 0.0)[np.ix_(device, station)].T
        result.append(
            Program(
                device=device,
                station=station,
                queue_bits=devices["queue"].copy(),
                value=devices["value"].copy(),
                net=devices["net"].copy(),
                power_max_w=devices["power_max"].copy(),
                gain=devices["gain"].copy(),
                cross_gain=heard,
                together=(station[:, None] == station).astype(np.float64),
                bandwidth_hz=own["bandwidth"].copy(),
                noise_w=own["noise"].copy(),
                noise_w_per_hz=own["noise_per_hz"].copy(),
                edge_cost=own["edge_cost"].copy(),
                local_max_bits=np.minimum(devices["cpu"], devices["queue"]),
                local_cost=devices["local_cost"].copy(),
                power_cost=float(cells["power_cost"][0]),
                bits_per_hz=float(cells["bits_per_hz"][0]),
                efficiency_cap=float(cells["efficiency_cap"][0]),
            )
        )
    return result


def decision(
    problem: DriftPlusPenalty,
    observation: Observation,
    considered: Sequence[Program],
    chosen: Sequence[Allocation],
    diagnostics: Mapping[str, FloatArray],
) -> Decision:
    """The decision that carries out one allocation per replication, and the rest at its best.

    Args:
        problem: P2.
        observation: of the slot.
        considered: R programs, see `programs`.
        chosen: R allocations.
        diagnostics: (R,) columns for the trace.
    """
    network, cells = problem.network, observation.cells
    bandwidth_hz, power_w, bits = np.zeros((3, *observation.queue_bits.shape))
    for r, (program, one) in enumerate(zip(considered, chosen, strict=True)):
        bandwidth_hz[r, program.device] = one.bandwidth_hz
        power_w[r, program.device] = one.power_w
        bits[r, program.device] = one.bits
    cycles = network.cycles_per_bit
    local_cost: float | FloatArray
    if isinstance(problem, GreenProblem):
        local_cost = problem.local_costs(problem.joule_costs(observation)[0])
        power_w /= watt_scale(problem, observation)
    else:  # as `problem.local_cost`, multiplied in the order that the last bits of traces rest on
        local_cost = (
            3.0
            * problem.V
            * (network.varsigma * (cycles * cycles * cycles) / (network.slot_s * network.slot_s))
        )
    local_bits = np.sqrt(np.maximum(problem.bit_value(observation), 0.0) / local_cost)
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
