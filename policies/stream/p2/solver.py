"""P2, A(20), solved for one slot: who offloads how much, with what bandwidth, power and CPU.

With D the bits offloaded and l the bits executed locally, the other resources follow: at the
optimum a radio is busy for the whole slot (tau R = D, else less power would do), a station's CPU is
shared as sqrt(D), and l has a closed form. With v = V eta + Q_i - beta_i a bit is worth k = v - Q_j
offloaded, and a station's CPU costs C = V epsilon c / F_j. What is left falls apart into cells, which
meet only in the interference that SBSs hear.

Approximate: cells answer each other in turn, each at the others' interference and prices, from a few
starts; of all decisions met, the best by its true value is kept. That of P2 with only its CPUs
optimised is met too, unless a bound shows that it is no better. Small networks get more starts, and the
best is refined by P2's value itself, so that those of up to six devices end within 0.5 % of the optimum's
gain.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ....simulator.core.arrays import BoolArray, FloatArray, IntArray
from ....simulator.core.compiled import compiled, compiled_in_place
from ....simulator.core.elementary import LN_2
from ....simulator.network.spectral_efficiency import SpectralEfficiency
from ....simulator.stream.decision import Decision
from ....simulator.stream.green_problem import GreenProblem
from ....simulator.stream.observation import Observation
from ....simulator.stream.problem import DriftPlusPenalty, set_bit_values
from .fixed_power import optimise_compute
from .intercell import Interplay, interplay, optimise_radio, power_trim, true_gain
from .least import least
from .refinement import refine
from .slot import (
    DEVICE,
    Observed,
    Slot,
    cases,
    collect,
    fix_cpus,
    local_optimum_bits,
    make_cells,
    optimise_cpus,
    watt_scale,
)
from .steps import choose_steps

_SMALL_NETWORK = 12  # devices up to which many starts are cheap
_FEWEST = 6  # devices up to which all exchanges of senders are cheap
_NOTICED = 5e-4  # relative gain of a refined decision; for less, equal devices stay equal
_FEW = 64  # devices up to which trying each is cheap


class Solver:
    """Solves P2 slot by slot, for all replications at once.

    Args:
        problem: P2 and its network.
        radio: bandwidth and power are optimised; else equal shares and full power.
        compute: CPUs are optimised; else devices' CPUs run at full speed, and those of stations are
            shared equally.
    """

    def __init__(self, problem: DriftPlusPenalty, radio: bool = True, compute: bool = True) -> None:
        network = problem.network
        limit = network.efficiency.scaled(LN_2)
        self._problem = problem
        self._cells = make_cells(problem)
        self._local_cost = np.full(network.devices, problem.local_cost)
        self._constants = (
            problem.V,
            network.device_service_bits,
            network.station_service_bits,
            network.cycles_per_bit / network.slot_s,
            limit.cap,
            limit.steps,
            radio,
            compute,
            # Not even compiled for networks that are not refined.
            network.devices <= _FEWEST if network.devices <= _SMALL_NETWORK else None,
        )

    def solve(self, observation: Observation) -> Decision:
        """The decision of least P2 that is found, for what the twin shows."""
        problem, columns = self._problem, np.empty((4, *observation.queue_bits.shape))
        *_, steps, radio, compute, _ = self._constants
        served_bits = np.empty(observation.station_queue_bits.shape)
        if isinstance(problem, GreenProblem):
            self._solve_by_case(problem, observation, columns, served_bits)
        else:
            _decide(
                self._cells,
                observation.cells.station,
                observation.cells.present,
                observation.channel_gain,
                observation.queue_bits,
                observation.station_queue_bits,
                observation.perturbation_bits,
                observation.energy_per_bit_j,
                observation.power_max_w,
                np.empty(observation.queue_bits.shape),
                False,
                self._local_cost,
                *self._constants,
                columns,
                served_bits,
            )
        # Apart: most networks have no steps, and need not compile what moves to them.
        if radio and len(steps) > 0:
            columns = _moved_to_steps(problem, observation, columns[:2], compute)
        bandwidth_hz, power_w, local_cpu_hz, edge_cpu_hz = columns
        if isinstance(problem, GreenProblem):
            power_w = power_w / watt_scale(problem, observation)
        return Decision(bandwidth_hz, power_w, local_cpu_hz, edge_cpu_hz, served_bits)

    def _solve_by_case(
        self,
        problem: GreenProblem,
        observation: Observation,
        columns: FloatArray,
        served_bits: FloatArray,
    ) -> None:
        """Where a joule has many prices, replications are solved one by one."""
        for case in cases(problem, observation):
            seen = case.observed
            answer = np.empty((4, *seen.station.shape))
            _decide(
                case.cells,
                seen.station,
                seen.present,
                seen.gain,
                seen.queue_bits,
                seen.station_queue_bits,
                observation.perturbation_bits[case.replications],
                observation.energy_per_bit_j[case.replications],
                seen.power_max_w,
                seen.bit_value,
                True,
                seen.local_cost,
                *self._constants,
                answer,
                served_bits[case.replications],
            )
            columns[:, case.replications] = answer


def on_steps(
    problem: DriftPlusPenalty,
    observation: Observation,
    decision: Decision,
    others: Sequence[Decision],
) -> Decision:
    """A decision for links that carry all up to a cap, moved to the steps that they do carry.

    Args:
        problem: P2.
        observation: of the slot.
        decision: the one that is moved.
        others: on steps already; where one of them has less of P2 it is taken.
    """
    if len(problem.network.efficiency.steps) == 0:
        return decision
    scale = watt_scale(problem, observation)
    given = np.stack([decision.bandwidth_hz, decision.power_w * scale])
    moved = _moved_to_steps(problem, observation, given, compute=True)
    bandwidth_hz, power_w, local_cpu_hz, edge_cpu_hz = moved
    power_w = power_w / scale
    best = replace(
        decision,
        bandwidth_hz=bandwidth_hz,
        power_w=power_w,
        local_cpu_hz=local_cpu_hz,
        edge_cpu_hz=edge_cpu_hz,
    )
    return least(problem, observation, [best, *others])


def _moved_to_steps(
    problem: DriftPlusPenalty, observation: Observation, given: FloatArray, compute: bool
) -> FloatArray:
    """(4, R, N) as of `_decide`, of (2, R, N) bandwidths and powers."""
    network = problem.network
    moved = np.empty((4, *given.shape[1:]))
    for case in cases(problem, observation):
        hz_per_bit = network.cycles_per_bit / network.slot_s
        one = np.ascontiguousarray(given[:, case.replications])
        moved[:, case.replications] = _to_steps(case.cells, case.observed, hz_per_bit, compute, one)
    return moved


@compiled
def _decide(
    cells: Any,
    station: IntArray,
    present: BoolArray,
    gain: FloatArray,
    queue_bits: FloatArray,
    station_queue_bits: FloatArray,
    perturbation_bits: FloatArray,
    energy_per_bit_j: FloatArray,
    power_max_w: FloatArray,
    value: FloatArray,
    valued: bool,
    local_cost: FloatArray,
    V: float,
    local_limit_bits: FloatArray,
    service_bits: FloatArray,
    hz_per_bit: float,
    cap: float,
    steps: FloatArray,
    radio: bool,
    compute: bool,
    exchange: bool | None,
    decision: FloatArray,
    served_bits: FloatArray,
) -> None:
    """Fill (4, R, N) with bandwidth in Hz, power in W, device's and edge CPU in Hz.

    A decision is refined if it is said whether all exchanges of senders are tried, `exchange`. And (R, B) what
    stations serve, `station_service`; and what a bit is worth, where it is not given: all in one call.
    """
    replications, devices = queue_bits.shape
    if not valued:
        set_bit_values(V, energy_per_bit_j, queue_bits, perturbation_bits, value)
    observed = Observed(
        station,
        gain,
        queue_bits,
        station_queue_bits,
        value,
        power_max_w,
        local_limit_bits,
        local_cost,
        present,
        SpectralEfficiency(cap, steps),
    )
    decision[:] = 0.0
    pool, plan = np.zeros(devices, DEVICE), np.zeros((3, devices))
    play = interplay(len(cells), devices)
    for r in range(replications):
        for j in range(len(cells)):
            served_bits[r, j] = min(service_bits[j], station_queue_bits[r, j])
        slot = collect(cells, observed, r, pool)
        if not radio:  # powers that are given have their steps
            slot = _with_steps(slot, observed)
        _offload_nothing(cells, observed, r, radio, compute, decision[:, r])
        if len(slot.devices) > 0:
            _choose(slot, play, plan, devices, radio, compute, exchange)
            _write(slot, radio, compute, decision[:, r])
        _to_hertz(cells, observed, r, hz_per_bit, decision[:, r])


@compiled
def _with_steps(slot: Slot, observed: Observed) -> Slot:
    """P2 with the steps of what links carry."""
    return Slot(slot.cells, slot.devices, slot.gain, slot.interference_w, observed.limit)


@compiled
def _to_steps(
    cells: Any, observed: Observed, hz_per_bit: float, compute: bool, given: FloatArray
) -> FloatArray:
    """(4, R, N) as of `_decide`, of (2, R, N) bandwidths and powers."""
    replications, devices = observed.station.shape
    decision = np.zeros((4, replications, devices))
    pool = np.zeros(devices, DEVICE)
    for r in range(replications):
        slot = collect(cells, observed, r, pool)
        _offload_nothing(cells, observed, r, True, compute, decision[:, r])
        if len(slot.devices) > 0:
            optimise_cpus(slot)
            for c in range(len(slot.devices)):
                device, i = slot.devices[c], slot.devices[c].index
                device.bandwidth, device.power = given[0, r, i], given[1, r, i]
            true_gain(slot)
            if not compute:  # sent is what the radio can, whatever the CPU does
                fix_cpus(slot)
            few = devices <= _FEW, devices <= _SMALL_NETWORK, devices <= _FEWEST
            choose_steps(_with_steps(slot, observed), few[0], few[1], few[2])
            _write(slot, True, compute, decision[:, r])
        _to_hertz(cells, observed, r, hz_per_bit, decision[:, r])
    return decision


@compiled_in_place
def _to_hertz(
    cells: Any, observed: Observed, r: int, hz_per_bit: float, decision: FloatArray
) -> None:
    """From bits and shares to CPUs' speeds, of a replication's decision (4, N)."""
    for i in range(decision.shape[1]):
        decision[2, i] *= hz_per_bit
        decision[3, i] *= cells[observed.station[r, i]].cpu


@compiled_in_place
def _offload_nothing(
    cells: Any, observed: Observed, r: int, radio: bool, compute: bool, decision: FloatArray
) -> None:
    """The decision (4, N) if nobody offloads: bandwidth, power, bits and share of the edge CPU."""
    for i in range(decision.shape[1]):
        if not observed.present[r, i]:
            continue
        cell = cells[observed.station[r, i]]
        queue, cpu = observed.queue_bits[r, i], observed.local_limit_bits[i]
        decision[2, i] = min(cpu, queue)
        if compute:
            value, cost = observed.bit_value[r, i], observed.local_cost[i]
            decision[2, i] = local_optimum_bits(cost, queue, value, cpu)
        else:
            decision[3, i] = 1.0 / cell.members
        if not radio:
            decision[0, i] = cell.bandwidth / cell.members


@compiled_in_place
def _choose(
    slot: Slot,
    play: Interplay,
    plan: FloatArray,
    network_size: int,
    radio: bool,
    compute: bool,
    exchange: bool | None,
) -> None:
    """Set the devices' bandwidths and powers to the best of all decisions met.

    Both `play` and `plan`, (3, N), are scratch; N is `network_size`, with devices that cannot offload.
    """
    devices = slot.devices
    small, few = network_size <= _SMALL_NETWORK, network_size <= _FEW
    best = -np.inf
    _set_cpus(slot, compute)
    if radio:
        optimise_radio(slot, play, small)
        best = _keep_better(devices, plan, power_trim(slot), best)
    capped = slot.cells[0].efficiency_cap < np.inf
    if compute or capped:  # full power is as good at times, above all where less of it buys as much
        optimise_compute(slot, play.scratch, few, best)
        gain = power_trim(slot) if radio and capped else true_gain(slot)
        best = _keep_better(devices, plan, gain, best)
    _restore(devices, plan)
    if exchange is not None:  # noqa: SIM102 - a test of nothing else, for numba to leave the rest out
        if radio and compute:
            enough = max(best, 0.0) * (1.0 + _NOTICED)
            _keep_better(devices, plan, refine(slot, exchange, enough), enough)
            _restore(devices, plan)
    true_gain(slot)


@compiled_in_place
def _set_cpus(slot: Slot, compute: bool) -> None:
    """How CPUs are used."""
    if compute:
        optimise_cpus(slot)
    else:
        fix_cpus(slot)


@compiled_in_place
def _keep_better(devices: Any, plan: FloatArray, gain: float, best: float) -> float:
    """Keep this decision as the plan (3, n) if its gain is greater; returns the greater gain."""
    if gain <= best:
        return best
    for c in range(len(devices)):
        device = devices[c]
        plan[:, c] = 0.0
        if device.power > 0.0:
            plan[0, c], plan[1, c], plan[2, c] = device.bandwidth, device.power, device.local_min
    return gain


@compiled_in_place
def _restore(devices: Any, plan: FloatArray) -> None:
    """Set the devices to the plan (3, n)."""
    for c in range(len(devices)):
        device = devices[c]
        device.bandwidth, device.power, device.local_min = plan[0, c], plan[1, c], plan[2, c]


@compiled_in_place
def _write(slot: Slot, radio: bool, compute: bool, decision: FloatArray) -> None:
    """Enter what the devices that may offload do into a replication's decision (4, N)."""
    cells, devices = slot.cells, slot.devices
    for j in range(len(cells)):
        roots = 0.0
        for c in range(cells[j].first, cells[j].end):
            roots += np.sqrt(devices[c].bits)
        for c in range(cells[j].first, cells[j].end):
            device = devices[c]
            i = device.index
            if radio:
                decision[0, i] = device.bandwidth
            decision[1, i] = device.power
            # Where radio and CPU could empty the queue together, they draw in proportion.
            local = min(device.local_max, device.queue - device.bits)
            if 0.0 < device.bits < device.capacity:
                local *= device.capacity / device.bits
            decision[2, i] = min(local, device.cpu)
            if compute and roots > 0.0:
                decision[3, i] = np.sqrt(device.bits) / roots
