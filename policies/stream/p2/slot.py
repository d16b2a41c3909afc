"""P2 of one slot: a record of each station, its cell, and of each device that may offload.

The records are what the files of this room work on and where they leave their answer. `observe` takes
what P2 needs from an observation, `collect` makes the records of one replication.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....simulator.core.arrays import BoolArray, FloatArray, IntArray
from ....simulator.core.compiled import compiled, compiled_in_place
from ....simulator.core.elementary import LN_2
from ....simulator.network.spectral_efficiency import SpectralEfficiency
from ....simulator.stream.green_problem import GreenProblem
from ....simulator.stream.observation import Observation
from ....simulator.stream.problem import DriftPlusPenalty

CELL = np.dtype(
    [
        ("bandwidth", np.float64),  # W, Hz
        ("cpu", np.float64),  # F, Hz
        ("bits_per_hz", np.float64),  # kappa = tau / ln 2
        ("noise", np.float64),  # W that do not grow with a device's bandwidth
        ("noise_per_hz", np.float64),  # W/Hz that do
        ("efficiency_cap", np.float64),  # the greatest e that a link carries
        ("queue", np.float64),  # Q_j, bit
        ("members", np.int64),  # devices of the station
        ("first", np.int64),  # those of them that may offload are the slot's devices from here on
        ("end", np.int64),  # up to here
        ("power_cost", np.float64),  # V tau, what P2 counts for a watt, bit^2/W
        ("edge_cost", np.float64),  # C = V epsilon c / F
        # How the station's CPU is shared:
        ("edge", np.float64),  # cost of (sum sqrt D)^2: C, or 0 with equal shares
        ("edge_per_bit", np.float64),  # with equal shares C times the members, else 0
        # Set while P2 is solved:
        ("disturbance", np.float64),  # noise and interference, W
        ("band_price", np.float64),  # nu, of a hertz
        ("interference_price", np.float64),  # Lambda, what a watt of interference costs the cell
        ("is_stale", np.int64),  # 1 while its senders were not chosen since the start
    ]
)
"""A station's cell."""

DEVICE = np.dtype(
    [
        ("index", np.int64),  # its column in the network
        ("queue", np.float64),  # Q_i, bit
        ("value", np.float64),  # v_i, of a bit executed by its own CPU
        ("net", np.float64),  # k_i = v_i - Q_j, of a bit offloaded
        ("gain", np.float64),  # to its own station
        ("power_max", np.float64),  # W
        ("cpu", np.float64),  # bits that its CPU can execute at full speed
        ("local_cost", np.float64),  # a: l bits executed by its CPU cost a l^3 / 3
        ("local_min", np.float64),  # the least and most bits that it may
        ("local_max", np.float64),
        # The decision:
        ("sends", np.int64),  # 1 in the set of senders
        ("bits", np.float64),  # D_i
        ("bandwidth", np.float64),  # w_i, Hz
        ("power", np.float64),  # p_i, W
        ("capacity", np.float64),  # tau R_i, bit, at all devices' powers
        ("kept_bandwidth", np.float64),  # w_i and p_i of the best decision so far
        ("kept_power", np.float64),
        # Within its cell:
        ("most_gain", np.float64),  # that sending can bring, if radio and band are for nothing
        ("most_efficiency", np.float64),  # without interference; 0 where noise grows with the band
        ("least_load", np.float64),  # D / kappa of the fewest bits that it may send in full, Hz
        ("is_candidate", np.int64),  # 1 if alone in the whole band its first bit is worth its cost
        ("power_price", np.float64),  # rho_i, of a watt for the slot
        ("efficiency", np.float64),  # e_i = ln(1 + SINR), so that D = kappa w e
        (
            "efficiency_max",
            np.float64,
        ),  # the one that takes all its power; 0 if it is not known yet
        ("log_saving", np.float64),  # ln(-rho dp/dw), equal to ln nu at the optimum
        ("steepness", np.float64),  # its derivative with respect to e
        ("hz_per_bit", np.float64),  # bandwidth that carries one more bit at the same power
        ("gain_at_price", np.float64),  # what sending gains at the price of bandwidth
    ]
)
"""A device that may offload."""


class Observed(NamedTuple):
    """What P2 takes from an observation, for all replications.

    Attributes:
        station: (R, N) of each device.
        gain: (R, N, B) power gains, path loss included.
        queue_bits: (R, N) Q_i.
        station_queue_bits: (R, B) Q_j.
        bit_value: (R, N) v_i = V eta + Q_i - beta_i, bit.
        power_max_w: (R, N) p_i,max.
        local_limit_bits: (N,) tau f_i / c, what a device's CPU can execute in a slot.
        local_cost: (N,) a, l bits executed by a device's CPU cost a l^3 / 3.
        present: (R, N) which devices are there; the others have no queue.
        limit: the efficiencies that links carry, nats.
    """

    station: IntArray
    gain: FloatArray
    queue_bits: FloatArray
    station_queue_bits: FloatArray
    bit_value: FloatArray
    power_max_w: FloatArray
    local_limit_bits: FloatArray
    local_cost: FloatArray
    present: BoolArray
    limit: SpectralEfficiency


class Slot(NamedTuple):
    """P2 of one slot and replication.

    Attributes:
        cells: (B,) records `CELL`.
        devices: (n,) records `DEVICE` of those that may offload, one cell after the other.
        gain: (N, B) power gains of all devices of the network.
        interference_w: (B,) I_j at the devices' powers, see `intercell.set_interference`.
        limit: the efficiencies that links carry, nats.
    """

    cells: Any
    devices: Any
    gain: FloatArray
    interference_w: FloatArray
    limit: SpectralEfficiency


def make_cells(problem: DriftPlusPenalty) -> NDArray[np.void]:
    """(B,) records `CELL` with what does not change during a run."""
    network = problem.network
    cells = np.zeros(network.stations, CELL)
    cells["bandwidth"] = network.station_bandwidth_hz
    cells["cpu"] = network.station_cpu_hz
    cells["bits_per_hz"] = network.slot_s / LN_2
    cells["noise"] = network.fixed_noise_w
    cells["noise_per_hz"] = network.noise_w_per_hz
    cells["efficiency_cap"] = network.efficiency.cap * LN_2
    energy_cost = problem.V * network.epsilon_w * network.cycles_per_bit
    cells["edge_cost"] = energy_cost / network.station_cpu_hz
    cells["power_cost"] = problem.V * network.slot_s
    return cells


def observe(problem: DriftPlusPenalty, observation: Observation) -> Observed:
    """What P2 takes from an observation."""
    return Observed(
        observation.station,
        observation.channel_gain,
        observation.queue_bits,
        observation.station_queue_bits,
        problem.bit_value(observation),
        observation.power_max_w,
        problem.network.device_service_bits,
        np.full(problem.network.devices, problem.local_cost),
        observation.cells.present,
        problem.network.efficiency.scaled(LN_2),
    )


class Case(NamedTuple):
    """P2 of some replications that have the same costs.

    Attributes:
        cells: (B,) what `make_cells` gives.
        observed: of these replications.
        replications: which they are.
    """

    cells: NDArray[np.void]
    observed: Observed
    replications: slice


def cases(problem: DriftPlusPenalty, observation: Observation) -> list[Case]:
    """P2 of all replications: in one case, or each by itself where a joule has many prices.

    A device whose joule costs more is shown as one that needs so many more watts, `watt_scale`.
    """
    if not isinstance(problem, GreenProblem):
        return [Case(make_cells(problem), observe(problem, observation), slice(None))]
    device_cost, station_cost = problem.joule_costs(observation)
    scale = watt_scale(problem, observation)
    seen = observe(problem, observation)._replace(
        gain=observation.channel_gain / scale[..., None],
        power_max_w=observation.power_max_w * scale,
    )
    local_cost = problem.local_costs(device_cost)
    network = problem.network
    found = []
    for r in range(network.replications):
        cells = make_cells(problem)
        energy_cost = station_cost[r] * network.epsilon_w * network.cycles_per_bit
        cells["edge_cost"] = energy_cost / network.station_cpu_hz
        cells["power_cost"] = device_cost[r].max() * network.slot_s
        only = slice(r, r + 1)
        columns = {name: getattr(seen, name)[only] for name in _BY_REPLICATION}
        found.append(Case(cells, seen._replace(**columns, local_cost=local_cost[r]), only))
    return found


_BY_REPLICATION = (
    "station",
    "gain",
    "queue_bits",
    "station_queue_bits",
    "bit_value",
    "power_max_w",
    "present",
)


def watt_scale(problem: DriftPlusPenalty, observation: Observation) -> FloatArray:
    """(R, N) what a device's joule costs, as the ratio to the dearest one's; 1 where all cost as much."""
    if not isinstance(problem, GreenProblem):
        return np.ones(observation.queue_bits.shape)
    device_cost, _ = problem.joule_costs(observation)
    scale: FloatArray = device_cost / device_cost.max(axis=1, keepdims=True)
    return scale


@compiled
def collect(cells: Any, observed: Observed, r: int, pool: Any) -> Slot:
    """P2 of replication r, with the devices that may offload, and the cap for all steps.

    Those are the devices for which a bit is worth its cost when it is the station's only one, and
    which the station can hear.

    Args:
        cells: (B,) what `make_cells` gives; filled with what is observed.
        observed: the observation.
        r: the replication.
        pool: (N,) records `DEVICE`, of which the first n become the slot's devices.
    """
    gain = observed.gain[r]
    may_offload = np.empty(gain.shape[0], np.bool_)
    count = _collect(cells, observed, r, pool, gain, may_offload)
    cap_alone = SpectralEfficiency(observed.limit.cap, observed.limit.steps[:0])
    return Slot(cells, pool[:count], gain, np.zeros(len(cells)), cap_alone)


@compiled_in_place
def _collect(
    cells: Any, observed: Observed, r: int, pool: Any, gain: FloatArray, may_offload: BoolArray
) -> int:
    """Fill cells and pool; `may_offload` is scratch. Returns how many devices may offload."""
    station = observed.station[r]
    for j in range(len(cells)):
        cells[j].queue = observed.station_queue_bits[r, j]
        cells[j].members = 0
        cells[j].end = 0
    for i in range(len(station)):
        j = station[i]
        cell = cells[j]
        noise = cell.noise + cell.noise_per_hz * cell.bandwidth
        may_offload[i] = (
            observed.bit_value[r, i] - cell.queue > cell.edge_cost
            and observed.queue_bits[r, i] > 0.0
            and observed.power_max_w[r, i] * gain[i, j] > 1e-6 * noise
        )
        cell.members += observed.present[r, i]
        cell.end += may_offload[i]
    count = 0
    for j in range(len(cells)):
        cells[j].first = count
        count += cells[j].end
        cells[j].end = cells[j].first
    for i in range(len(station)):
        if may_offload[i]:
            cell = cells[station[i]]
            device = pool[cell.end]
            cell.end += 1
            device.index = i
            device.queue = observed.queue_bits[r, i]
            device.value = observed.bit_value[r, i]
            device.net = device.value - cell.queue
            device.gain = gain[i, station[i]]
            device.power_max = observed.power_max_w[r, i]
            device.cpu = observed.local_limit_bits[i]
            device.local_cost = observed.local_cost[i]
            device.power = 0.0
    return count


@compiled
def local_optimum_bits(local_cost: float, queue: float, value: float, cpu: float) -> float:
    """Bits that a device's CPU executes at best if none are offloaded: a l^2 = v, within limits."""
    return float(min(min(cpu, queue), np.sqrt(max(value, 0.0) / local_cost)))


@compiled_in_place
def optimise_cpus(slot: Slot) -> None:
    """From now on a device's CPU executes what is best, and a station's CPU is shared as sqrt(D)."""
    cells, devices = slot.cells, slot.devices
    for j in range(len(cells)):
        cells[j].edge = cells[j].edge_cost
        cells[j].edge_per_bit = 0.0
    for c in range(len(devices)):
        device = devices[c]
        device.local_min = 0.0
        device.local_max = local_optimum_bits(
            device.local_cost, device.queue, device.value, device.cpu
        )


@compiled_in_place
def fix_cpus(slot: Slot) -> None:
    """From now on a device's CPU runs at full speed, and a station's CPU is shared equally."""
    cells, devices = slot.cells, slot.devices
    for j in range(len(cells)):
        cells[j].edge = 0.0
        cells[j].edge_per_bit = cells[j].edge_cost * cells[j].members
    for c in range(len(devices)):
        devices[c].local_min = devices[c].local_max = min(devices[c].cpu, devices[c].queue)
