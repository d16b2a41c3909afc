"""Decisions that serve given bits: who plans bits has here what they take of radio and CPUs."""

from collections.abc import Mapping, Sequence

import numpy as np

from ...simulator.core.arrays import FloatArray
from ...simulator.core.elementary import LN_2, exp2_each, log2_each
from ...simulator.network.network import Network
from ...simulator.stream.channel import interference_w
from ...simulator.stream.decision import Decision
from ...simulator.stream.green_observation import GreenObservation
from ...simulator.stream.green_problem import GreenProblem
from ...simulator.stream.problem import DriftPlusPenalty
from ..allocation_rules import station_service

_ROUNDS = 20
"""Of the powers, each the least against the interference of the last; as many whoever runs beside."""

_BITS = 1.0
"""Less than that is nothing."""


def check_deadlines(name: str, problem: DriftPlusPenalty) -> GreenProblem:
    """The problem of a policy that plans by deadlines and carbon intensity.

    Raises:
        ValueError: it has none of both.
    """
    if isinstance(problem, GreenProblem) and problem.has_deadlines:
        return problem
    raise ValueError(
        f"{name} plans by deadlines and carbon intensity: it needs "
        '`policy.penalty = "carbon"`, and `tasks.classes` of which one has a deadline'
    )


def check_foreseen(name: str, problem: DriftPlusPenalty) -> GreenProblem:
    """The problem of such a policy that knows all tasks beforehand.

    Raises:
        ValueError: it has none of both, or tasks do not all come into the queues.
    """
    green = check_deadlines(name, problem)
    if green.unforeseen:
        raise ValueError(
            f"{name} knows all tasks beforehand, and not which of them will be refused; allowed: "
            f"{without(green.unforeseen)}"
        )
    return green


def without(keys: Sequence[str]) -> str:
    """What is allowed in the place of one that has these keys."""
    return f"a scenario without {' and '.join(f'`{key}`' for key in keys)}"


def serve(
    network: Network,
    seen: GreenObservation,
    local_bits: FloatArray,
    sent_bits: FloatArray,
    diagnostics: Mapping[str, FloatArray] | None = None,
) -> Decision:
    """The decision of least energy that executes and sends so much in the slot, as far as can be.

    A station's band is shared by bits, so that all in a cell have one spectral efficiency, and its CPU by
    their roots, which is best for sum D c / f^e. Powers are the least against noise and interference.

    Args:
        network: capacities.
        seen: of the slot.
        local_bits: (R, N) for the devices' CPUs.
        sent_bits: (R, N) for their radios.
        diagnostics: of the decision.
    """
    cells, slot_s = seen.cells, network.slot_s
    there = cells.present & (seen.queue_bits > 0.0)
    local = np.where(there, np.minimum(local_bits, network.device_service_bits), 0.0)
    gain = np.take_along_axis(seen.channel_gain, cells.station[..., None], axis=2)[..., 0]
    sent = np.where(there & (gain > 0.0) & (sent_bits > _BITS), sent_bits, 0.0)
    root = np.sqrt(sent)
    nothing = np.zeros_like(sent)
    all_sent, all_roots = cells.at_station(cells.total(sent)), cells.at_station(cells.total(root))
    band = cells.at_station(np.broadcast_to(network.station_bandwidth_hz, cells.shape))
    cpu = cells.at_station(np.broadcast_to(network.station_cpu_hz, cells.shape))
    wanted = all_sent / (slot_s * band)
    efficiency, steps = np.minimum(wanted, network.efficiency.cap), network.efficiency.steps
    if len(steps):
        efficiency = steps[np.minimum(np.searchsorted(steps, efficiency), len(steps) - 1)]
    used = np.divide(np.minimum(all_sent, slot_s * band * efficiency), slot_s * efficiency,
                     out=nothing.copy(), where=efficiency > 0.0)  # fmt: skip
    bandwidth = np.divide(sent * used, all_sent, out=nothing.copy(), where=all_sent > 0.0)
    noise = cells.at_station(np.broadcast_to(network.fixed_noise_w, cells.shape))
    noise = (
        noise + cells.at_station(np.broadcast_to(network.noise_w_per_hz, cells.shape)) * bandwidth
    )
    ratio = np.divide(exp2_each(efficiency) - 1.0, gain, out=nothing.copy(), where=sent > 0.0)
    power = nothing
    for _ in range(_ROUNDS):
        heard = interference_w(power, seen.channel_gain, cells.station)
        power = np.minimum(
            ratio * (noise + cells.at_station(heard)) * (1.0 + 1e-9), seen.power_max_w
        )
    return Decision(
        bandwidth_hz=bandwidth,
        power_w=power,
        local_cpu_hz=local * (network.cycles_per_bit / slot_s),
        edge_cpu_hz=np.divide(cpu * root, all_roots, out=nothing.copy(), where=all_roots > 0.0),
        served_bits=station_service(network, seen),
        diagnostics=diagnostics or {},
    )


def leaving_bits(seen: GreenObservation, horizon: int) -> FloatArray:
    """(R, N, H) bits of the queue by the slots left in which they can still be sent in time.

    The last are of what has more time, or no deadline: where there is any H is the horizon, and else L - 1, or that
    where it is more.
    """
    bits = seen.due_bits
    more = max(horizon + 1 - bits.shape[2], 0) if bits[..., -1].any() else 0
    found: FloatArray = np.concatenate(
        [
            bits[..., :2].sum(axis=2, keepdims=True),
            bits[..., 2:-1],
            np.zeros((*bits.shape[:2], more)),
            bits[..., -1:],
        ],
        axis=2,
    )
    return found


def at_own(column: FloatArray, seen: GreenObservation) -> FloatArray:
    """(R, N) of (B,) or (R, B): that of each device's station."""
    return seen.cells.at_station(np.broadcast_to(column, seen.cells.shape))


def own_gain(seen: GreenObservation) -> FloatArray:
    """(R, N) of each device to its station."""
    station = seen.cells.station[..., None]
    gain: FloatArray = np.take_along_axis(seen.channel_gain, station, axis=2)[..., 0]
    return gain


def most_sent_bits(network: Network, seen: GreenObservation, gain: FloatArray) -> FloatArray:
    """(R, N) what a device could send in a slot with the whole band and power, and its station execute."""
    noise_w = at_own(network.noise_w, seen)
    snr = np.minimum(seen.power_max_w, np.finfo(float).max) * gain / noise_w
    efficiency = np.minimum(log2_each(1.0 + snr), network.efficiency.cap)
    bits = at_own(network.station_bandwidth_hz, seen) * network.slot_s * efficiency
    found: FloatArray = np.minimum(bits, at_own(network.station_service_bits, seen))
    there: FloatArray = np.where(seen.cells.present, found, 0.0)
    return there


def least_sent_j(network: Network, seen: GreenObservation, gain: FloatArray) -> FloatArray:
    """(R, N) J/bit of a radio that takes its time: noise ln 2 / (gain band); infinite without gain."""
    needed = LN_2 * at_own(network.noise_w / network.station_bandwidth_hz, seen)
    found: FloatArray = np.divide(needed, gain, out=np.full(gain.shape, np.inf), where=gain > 0.0)
    return found


def edge_j(network: Network, seen: GreenObservation) -> FloatArray:
    """(R, N) J/bit of the CPU of each device's station, all of it."""
    return at_own(network.epsilon_w * network.cycles_per_bit / network.station_cpu_hz, seen)
