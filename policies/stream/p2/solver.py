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
from ....simulator.stream.problem import DriftPlusPenalty, bit_value
from ...allocation_rules import station_service
from .fixed_power import optimise_compute
from .intercell import Interplay, interplay, optimise_radio, power_trim, true_gain
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
        self._constants = (
            problem.V,
            network.device_service_bits,
            np.full(network.devices, problem.local_cost),
            network.station_service_bits,
            network.cycles_per_bit / network.slot_s,
            limit.cap,
            limit.steps,
            radio,
            compute,
        )

    def solve(self, observation: Observation) -> Decision:
        """The decision of least P2 that is found, for what the twin shows."""
        if isinstance(self._problem, GreenProblem):
            return self._solve_by_case(self._problem, observation)
        devices = np.empty((4, *observation.queue_bits.shape))
        served_bits = np.empty(observation.station_queue_bits.shape)
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
            *self._constants,
            devices,
            served_bits,
        )
        return Decision(devices[0], devices[1], devices[2], devices[3], served_bits)

    def _solve_by_case(self, problem: GreenProblem, observation: Observation) -> Decision:
        """`solve` where a joule has many prices."""
        *_, hz_per_bit, _, _, radio, compute = self._constants
        devices = np.empty((4, *observation.queue_bits.shape))
        for case in cases(problem, observation):
            answer = np.empty((4, *case.observed.station.shape))
            _solve(case.cells, case.observed, hz_per_bit, radio, compute, answer)
            devices[:, case.replications] = answer
        bandwidth_hz, power_w, local_cpu_hz, edge_cpu_hz = devices
        power_w = power_w / watt_scale(problem, observation)
        served_bits = station_service(problem.network, observation)
        return Decision(bandwidth_hz, power_w, local_cpu_hz, edge_cpu_hz, served_bits)


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
    network = problem.network
    if len(network.efficiency.steps) == 0:
        return decision
    scale = watt_scale(problem, observation)
    given = np.stack([decision.bandwidth_hz, decision.power_w * scale])
    moved = np.empty((4, *given.shape[1:]))
    for case in cases(problem, observation):
        only = case.replications
        moved[:, only] = _given_to_steps(
            case.cells, case.observed, network.cycles_per_bit / network.slot_s, given[:, only]
        )
    bandwidth_hz, power_w, local_cpu_hz, edge_cpu_hz = moved
    power_w = power_w / scale
    best = replace(
        decision,
        bandwidth_hz=bandwidth_hz,
        power_w=power_w,
        local_cpu_hz=local_cpu_hz,
        edge_cpu_hz=edge_cpu_hz,
    )
    for other in others:
        less = problem.value(observation, other) < problem.value(observation, best)
        columns = ("bandwidth_hz", "power_w", "local_cpu_hz", "edge_cpu_hz")
        best = replace(
            best,
            **{
                name: np.where(less[:, None], getattr(other, name), getattr(best, name))
                for name in columns
            },
        )
    return best


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
    V: float,
    local_limit_bits: FloatArray,
    local_cost: FloatArray,
    service_bits: FloatArray,
    hz_per_bit: float,
    cap: float,
    steps: FloatArray,
    radio: bool,
    compute: bool,
    decision: FloatArray,
    served_bits: FloatArray,
) -> None:
    """Fill what `_solve` does, and (R, B) what stations serve, `station_service`: all in one call."""
    value = bit_value(V, energy_per_bit_j, queue_bits, perturbation_bits)
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
    replications, stations = station_queue_bits.shape
    for r in range(replications):
        for j in range(stations):
            served_bits[r, j] = min(service_bits[j], station_queue_bits[r, j])
    _solve(cells, observed, hz_per_bit, radio, compute, decision)


@compiled
def _solve(
    cells: Any,
    observed: Observed,
    hz_per_bit: float,
    radio: bool,
    compute: bool,
    decision: FloatArray,
) -> None:
    """Fill (4, R, N) with bandwidth in Hz, power in W, device's and edge CPU in Hz."""
    replications, devices = observed.station.shape
    decision[:] = 0.0
    pool, plan = np.zeros(devices, DEVICE), np.zeros((3, devices))
    play = interplay(len(cells), devices)
    for r in range(replications):
        slot = collect(cells, observed, r, pool)
        if not radio:  # powers that are given have their steps
            slot = _with_steps(slot, observed)
        _offload_nothing(cells, observed, r, radio, compute, decision[:, r])
        if len(slot.devices) > 0:
            _choose(slot, play, plan, devices, radio, compute)
            if radio:
                _to_steps(slot, observed, compute)
            _write(slot, radio, compute, decision[:, r])
        _to_hertz(cells, observed, r, hz_per_bit, decision[:, r])


@compiled
def _with_steps(slot: Slot, observed: Observed) -> Slot:
    """P2 with the steps of what links carry."""
    return Slot(slot.cells, slot.devices, slot.gain, slot.interference_w, observed.limit)


@compiled
def _to_steps(slot: Slot, observed: Observed, compute: bool) -> None:
    """Where links carry steps alone: move the decision to them."""
    if len(observed.limit.steps) == 0:
        return
    devices = len(observed.local_limit_bits)
    if not compute:
        fix_cpus(slot)
    choose_steps(
        _with_steps(slot, observed), devices <= _FEW, devices <= _SMALL_NETWORK, devices <= _FEWEST
    )


@compiled
def _given_to_steps(
    cells: Any, observed: Observed, hz_per_bit: float, given: FloatArray
) -> FloatArray:
    """As `_solve`, with (2, R, N) bandwidths and powers given that are moved to steps."""
    replications, devices = observed.station.shape
    decision = np.zeros((4, replications, devices))
    pool = np.zeros(devices, DEVICE)
    for r in range(replications):
        slot = collect(cells, observed, r, pool)
        _offload_nothing(cells, observed, r, True, True, decision[:, r])
        optimise_cpus(slot)
        for c in range(len(slot.devices)):
            device = slot.devices[c]
            device.bandwidth, device.power = given[0, r, device.index], given[1, r, device.index]
        true_gain(slot)
        if len(slot.devices) > 0:
            _to_steps(slot, observed, True)
            _write(slot, True, True, decision[:, r])
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
    if small and radio and compute:
        enough = max(best, 0.0) * (1.0 + _NOTICED)
        _keep_better(devices, plan, refine(slot, network_size <= _FEWEST, enough), enough)
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
