"""P2, A(20), solved for one slot: who offloads how much, with what bandwidth, power and CPU.

With D the bits offloaded and l the bits executed locally, the other resources follow: at the
optimum a radio is busy for the whole slot (tau R = D, else less power would do), a station's CPU is
shared as sqrt(D), and l has a closed form. What is left falls apart into cells, see `p2_cell` and `p2_search`. With
v = V eta + Q_i - beta_i a bit is worth k = v - Q_j offloaded, and a station's CPU costs
C = V epsilon c/F_j. SBS cells meet only in one number per station, the interference I_j; what a watt
costs the other cells is linear in it for given rates, so a cell pays for a watt of device i
rho_i = V tau + sum_b G_ib Lambda_b, with Lambda_b what a watt of I_b costs cell b.

Approximate: cells answer each other in turn, each at the others' interference and prices, from a few
starts (`p2_interplay`); of all decisions met, the best by its true value is kept. Small networks
get more starts. The decisions of P2 with one part optimised are met too, unless a bound shows that
they are no better; that of the radio alone only where devices are few.
"""

from typing import Any

import numpy as np

from ....simulator.core.arrays import FloatArray, IntArray
from ....simulator.core.compiled import compiled
from .allocation import DEVICE, cells
from .fixed_power import optimise_compute
from .intercell import optimise_radio, trim, true_gain

__all__ = ["cells", "solve"]

_SMALL_NETWORK = 12  # devices up to which many starts are cheap
_FEW = 64  # devices up to which trying each, and the radio alone, is cheap
_LEADS = 2  # cells that choose first, in turn; all in small networks


@compiled
def _most_local(cell: Any, queue: float, value: float, cpu: float, compute: bool) -> float:
    """Bits that a device's CPU executes if none are offloaded: as is best, or at full speed."""
    most = min(cpu, queue)
    return float(min(most, np.sqrt(max(value, 0.0) / cell.local)) if compute else most)


@compiled
def _set_cpus(cells: Any, candidates: Any, members: IntArray, compute: bool) -> None:
    """How CPUs are used: as is best, or devices' at full speed and the stations' shared equally."""
    for j in range(len(cells)):
        cells[j].edge = cells[j].edge_cost if compute else 0.0
        cells[j].edge_per_bit = 0.0 if compute else cells[j].edge_cost * members[j]
    for c in range(len(candidates)):
        device = candidates[c]
        device.local_max = _most_local(cells[0], device.queue, device.value, device.cpu, compute)
        device.local_min = 0.0 if compute else device.local_max


@compiled
def _by_cell(
    cells: Any,
    station: IntArray,
    gain: FloatArray,
    queue_bits: FloatArray,
    value: FloatArray,
    power_max_w: FloatArray,
    local_limit_bits: FloatArray,
    candidates: Any,
    first: IntArray,
) -> Any:
    """Fill `candidates` with those who may send: cell j's from first[j] up to first[j + 1].

    Those are who could gain by offloading a bit that is their station's only one.
    """
    first[:] = 0
    devices = len(station)
    may_send = np.empty(devices, np.bool_)
    for i in range(devices):
        j = station[i]
        cell = cells[j]
        noise = cell.noise + cell.noise_per_hz * cell.bandwidth
        may_send[i] = (
            value[i] - cell.queue > min(cell.edge_cost, cell.edge + cell.edge_per_bit)
            and queue_bits[i] > 0.0
            and power_max_w[i] * gain[i, j] > 1e-6 * noise
        )
        first[j + 1] += may_send[i]
    for j in range(len(cells)):
        first[j + 1] += first[j]
    filled = first.copy()
    for i in range(devices):
        if may_send[i]:
            j = station[i]
            device = candidates[filled[j]]
            filled[j] += 1
            device.index = i
            device.queue = queue_bits[i]
            device.value = value[i]
            device.net = value[i] - cells[j].queue
            device.gain = gain[i, j]
            device.power_max = power_max_w[i]
            device.cpu = local_limit_bits[i]
            device.power = 0.0
    return candidates[: first[-1]]


@compiled
def _keep(candidates: Any, plan: FloatArray) -> None:
    """Remember this decision."""
    plan[:] = 0.0
    for c in range(len(candidates)):
        device = candidates[c]
        if device.power > 0.0:
            plan[0, c] = device.bandwidth
            plan[1, c] = device.power
            plan[2, c] = device.local_min


@compiled
def solve(
    cells: Any,
    station: IntArray,
    gain: FloatArray,
    queue_bits: FloatArray,
    station_queue_bits: FloatArray,
    value: FloatArray,
    power_max_w: FloatArray,
    local_limit_bits: FloatArray,
    power_cost: float,
    radio: bool,
    compute: bool,
) -> FloatArray:
    """Solve P2 for every replication.

    Args:
        cells: (B,) what `cells` gives.
        station: (R, N) of each device.
        gain: (R, N, B) power gains, path loss included.
        queue_bits: (R, N) Q_i.
        station_queue_bits: (R, B) Q_j.
        value: (R, N) v_i = V eta + Q_i - beta_i.
        power_max_w: (R, N) p_i,max.
        local_limit_bits: (N,) what a CPU can execute in a slot, tau f_i^l/c.
        power_cost: V tau.
        radio: bandwidth and power are optimised; else equal shares and full power.
        compute: CPUs are optimised; else devices' CPUs run at full speed, and edge CPUs are
            shared equally.

    Returns:
        (4, R, N) bandwidth, power, bits for the device's CPU, and share of the edge CPU.
    """
    replications, devices = station.shape
    decision = np.zeros((4, replications, devices))
    stations = len(cells)
    pool = np.zeros(devices, DEVICE)
    alone = np.zeros(devices, DEVICE)
    spare = np.zeros(devices, DEVICE)
    plan = np.zeros((3, devices))
    first = np.zeros(stations + 1, np.int64)
    members = np.zeros(stations, np.int64)
    received = np.empty(stations)
    small = devices <= _SMALL_NETWORK
    few = devices <= _FEW
    for r in range(replications):
        members[:] = 0
        for i in range(devices):
            members[station[r, i]] += 1
        for j in range(stations):
            cells[j].queue = station_queue_bits[r, j]
        _set_cpus(cells, pool[:0], members, compute)
        candidates = _by_cell(
            cells,
            station[r],
            gain[r],
            queue_bits[r],
            value[r],
            power_max_w[r],
            local_limit_bits,
            pool,
            first,
        )
        _set_cpus(cells, candidates, members, compute)
        full_speed = 0.0  # what running all CPUs at full speed adds
        for i in range(devices):
            local = _most_local(
                cells[0], queue_bits[r, i], value[r, i], local_limit_bits[i], compute
            )
            decision[2, r, i] = local
            most = min(local_limit_bits[i], queue_bits[r, i])
            full_speed += value[r, i] * (most - local)
            full_speed -= cells[0].local * (most * most * most - local * local * local) / 3.0
            if not radio:
                decision[0, r, i] = cells[station[r, i]].bandwidth / members[station[r, i]]
            if not compute:
                decision[3, r, i] = 1.0 / members[station[r, i]]
        if len(candidates) == 0:
            continue
        best = -np.inf
        certain = False
        if radio:
            certain = optimise_radio(
                cells, candidates, alone, spare, first, gain[r], power_cost, small, _LEADS, -np.inf
            )
            best = trim(cells, candidates, first, gain[r], power_cost, received)
            _keep(candidates, plan)
        if not certain:  # be no worse than with one part of the optimisation
            optimise_compute(cells, candidates, first, gain[r], members, power_cost, few, best)
            total = true_gain(cells, candidates, first, gain[r], power_cost, received)
            if total > best:
                best = total
                _keep(candidates, plan)
        if not certain and few and radio and compute:
            _set_cpus(cells, candidates, members, False)
            target = best - full_speed
            optimise_radio(
                cells, candidates, alone, spare, first, gain[r], power_cost, small, _LEADS, target
            )
            # What its CPUs would not leave to be sent is not to be sent by the same powers now.
            trim(cells, candidates, first, gain[r], power_cost, received)
            _set_cpus(cells, candidates, members, True)
            total = trim(cells, candidates, first, gain[r], power_cost, received)
            if total > best:
                _keep(candidates, plan)
        for c in range(len(candidates)):
            device = candidates[c]
            device.bandwidth, device.power, device.local_min = plan[0, c], plan[1, c], plan[2, c]
        true_gain(cells, candidates, first, gain[r], power_cost, received)
        for j in range(stations):
            roots = 0.0
            for c in range(first[j], first[j + 1]):
                roots += np.sqrt(candidates[c].bits)
            for c in range(first[j], first[j + 1]):
                device = candidates[c]
                i = device.index
                if radio:
                    decision[0, r, i] = device.bandwidth
                decision[1, r, i] = device.power
                # Where radio and CPU could empty the queue together, they draw in proportion.
                local = min(device.local_max, device.queue - device.bits)
                if 0.0 < device.bits < device.capacity:
                    local *= device.capacity / device.bits
                decision[2, r, i] = min(local, device.cpu)
                if compute and roots > 0.0:
                    decision[3, r, i] = np.sqrt(device.bits) / roots
    return decision
