"""What a policy answers: checked, and made physical, before the world carries it out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

import numpy as np

from ..core.answers import DEVICE, STATION, amounts, diagnostics
from ..core.arrays import BoolArray, FloatArray, IntArray, read_only
from ..core.compiled import compiled, compiled_in_place
from ..core.errors import AnswerError
from ..network.cells import Cells
from ..network.network import Network


@dataclass(slots=True)
class Decision:
    """The resources of one slot. A device talks to the one station it is associated with.

    Attributes:
        bandwidth_hz: (R, N) w_ij, the part of its station's band that a device gets, A(14a).
        power_w: (R, N) p_i, what it transmits with, A(14b).
        local_cpu_hz: (R, N) f_i^l, speed of its own CPU, A(14c).
        edge_cpu_hz: (R, N) f_ij^e, its part of the station's CPU, A(14d). Who is given none sends nothing.
        served_bits: (R, B) Psi_j, what each station executes of its queue in the slot, A(14e).
        diagnostics: (R,) what a policy tells the trace of how it decided, by name: iterations, failed_solves,
            lower_bound_mg, optimality_gap.
        awake: (R, B) which stations are to be awake, where `stations.sbs.power.sleep` lets them sleep;
            None: all. See docs/power.md.
    """

    bandwidth_hz: FloatArray
    power_w: FloatArray
    local_cpu_hz: FloatArray
    edge_cpu_hz: FloatArray
    served_bits: FloatArray
    diagnostics: Mapping[str, FloatArray] = field(default_factory=dict)
    awake: BoolArray | None = None

    @classmethod
    def idle(cls, network: Network) -> "Decision":
        """All zero: nothing is sent and nothing is executed."""
        device = np.zeros((network.replications, network.devices))
        station = np.zeros((network.replications, network.stations))
        return cls(device, device, device, device, station)


def check(decision: Decision, network: Network) -> Decision:
    """Refuse what no network can do; convert what is harmless (lists, integers) to float arrays.

    Raises:
        AnswerError: names the field, and the replication and device (or station) at fault.
    """
    if not isinstance(decision, Decision):
        raise AnswerError("decision", f"expected a Decision, got {type(decision).__name__}")
    converted: dict[str, Any] = {}
    for name in _FIELDS:
        values = getattr(decision, name)
        if name == "served_bits":
            checked = amounts(name, values, network.station_shape, STATION)
        else:
            checked = amounts(name, values, network.device_shape, DEVICE)
        if checked is not values:
            converted[name] = checked
    return replace(decision, **converted) if converted else decision


def fit(
    decision: Decision,
    network: Network,
    cells: Cells,
    power_max_w: FloatArray,
    station_queue_bits: FloatArray,
) -> tuple[Decision, IntArray]:
    """Check a decision, and scale down what exceeds a capacity, A(14a) to A(14e).

    Args:
        decision: as a policy answers.
        network: the capacities.
        cells: the association.
        power_max_w: (R, N) p_i,max(t).
        station_queue_bits: (R, B) Q_j; a station serves no more than it holds.

    Returns:
        The decision that the network can carry out, and (R,) how many of its entries were scaled
        down (serving less because the queue is shorter is not counted).

    Raises:
        AnswerError: nothing that a network could do, see `check`.
    """
    if isinstance(decision, Decision):
        given = diagnostics(decision.diagnostics, network.replications)
        if given is not decision.diagnostics:
            decision = replace(decision, diagnostics=given)
    if _is_plain(decision, network) and _fits(
        cells.station,
        decision.bandwidth_hz,
        network.station_bandwidth_hz,
        decision.edge_cpu_hz,
        network.station_cpu_hz,
        decision.power_w,
        power_max_w,
        decision.local_cpu_hz,
        network.device_cpu_hz,
        decision.served_bits,
        network.station_service_bits,
        station_queue_bits,
    ):
        return decision, _none_scaled(network.replications)
    decision = check(decision, network)
    shared = np.empty((4, *network.device_shape))
    served, scaled = np.empty(network.station_shape), np.zeros(network.replications, np.int64)
    _scale_down(
        cells.station,
        cells.members,
        (decision.bandwidth_hz, decision.power_w, decision.local_cpu_hz, decision.edge_cpu_hz),
        (network.station_bandwidth_hz, power_max_w, network.device_cpu_hz, network.station_cpu_hz),
        decision.served_bits,
        network.station_service_bits,
        station_queue_bits,
        shared,
        served,
        scaled,
    )
    bandwidth_hz, power_w, local_cpu_hz, edge_cpu_hz = shared
    fitted = Decision(
        bandwidth_hz,
        power_w,
        local_cpu_hz,
        edge_cpu_hz,
        served,
        diagnostics=decision.diagnostics,
        awake=decision.awake,
    )
    return fitted, read_only(scaled)


@cache
def _none_scaled(replications: int) -> IntArray:
    """(R,) the count of entries that were scaled down, as a rule."""
    return read_only(np.zeros(replications, np.int64))


def _is_plain(decision: Decision, network: Network) -> bool:
    """Whether all is in float arrays of the right shapes, as is the rule."""
    if type(decision) is not Decision:
        return False
    shape = network.device_shape
    return (
        _is_column(decision.bandwidth_hz, shape)
        and _is_column(decision.power_w, shape)
        and _is_column(decision.local_cpu_hz, shape)
        and _is_column(decision.edge_cpu_hz, shape)
        and _is_column(decision.served_bits, network.station_shape)
    )


def _is_column(values: Any, shape: tuple[int, int]) -> bool:
    return type(values) is np.ndarray and values.dtype is _FLOAT and values.shape == shape


# Rounding in a policy that divides a capacity among devices is not worth counting or correcting.
_TOLERANCE = 1.0 + 1e-9


@compiled
def _fits(
    station: IntArray,
    bandwidth_hz: FloatArray,
    station_bandwidth_hz: FloatArray,
    edge_cpu_hz: FloatArray,
    station_cpu_hz: FloatArray,
    power_w: FloatArray,
    power_max_w: FloatArray,
    local_cpu_hz: FloatArray,
    device_cpu_hz: FloatArray,
    served_bits: FloatArray,
    service_bits: FloatArray,
    queue_bits: FloatArray,
) -> bool:
    """True if all can be done, and nothing exceeds its limit by more than rounding, as is the rule."""
    stations = len(service_bits)
    bandwidth, edge_cpu = np.empty(stations), np.empty(stations)
    for r in range(len(station)):
        bandwidth[:], edge_cpu[:] = 0.0, 0.0
        for i in range(station.shape[1]):
            bandwidth[station[r, i]] += bandwidth_hz[r, i]
            edge_cpu[station[r, i]] += edge_cpu_hz[r, i]
            # Whatever is no number is no less than anything.
            if not (
                0.0 <= power_w[r, i] <= power_max_w[r, i] * _TOLERANCE
                and 0.0 <= local_cpu_hz[r, i] <= device_cpu_hz[i] * _TOLERANCE
                and 0.0 <= bandwidth_hz[r, i] < np.inf
                and 0.0 <= edge_cpu_hz[r, i] < np.inf
            ):
                return False
        for j in range(stations):
            if (
                bandwidth[j] > station_bandwidth_hz[j] * _TOLERANCE
                or edge_cpu[j] > station_cpu_hz[j] * _TOLERANCE
                or not 0.0 <= served_bits[r, j] <= service_bits[j] * _TOLERANCE
                or served_bits[r, j] > queue_bits[r, j]
            ):
                return False
    return True


@compiled
def _scale_down(
    station: IntArray,
    members: IntArray,
    asked: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    limits: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    asked_bits: FloatArray,
    service_bits: FloatArray,
    queue_bits: FloatArray,
    shared: FloatArray,
    served_bits: FloatArray,
    scaled: IntArray,
) -> None:
    """Fill (4, R, N) bandwidths, powers, local and edge CPUs, (R, B) served bits, and (R,) entries scaled down.

    Shares of a station are scaled by the same factor, all else is cut at its limit.
    """
    bandwidth_hz, power_w, local_cpu_hz, edge_cpu_hz = asked
    station_bandwidth_hz, power_max_w, device_cpu_hz, station_cpu_hz = limits
    replications, devices = station.shape
    for r in range(replications):
        scaled[r] += _shares(
            station[r], members[r], bandwidth_hz[r], station_bandwidth_hz, shared[0, r]
        )
        scaled[r] += _shares(station[r], members[r], edge_cpu_hz[r], station_cpu_hz, shared[3, r])
        for i in range(devices):
            shared[1, r, i], cut = _cut(power_w[r, i], power_max_w[r, i])
            scaled[r] += cut
            shared[2, r, i], cut = _cut(local_cpu_hz[r, i], device_cpu_hz[i])
            scaled[r] += cut
        for j in range(len(service_bits)):
            bits, cut = _cut(asked_bits[r, j], service_bits[j])
            scaled[r] += cut
            served_bits[r, j] = min(bits, queue_bits[r, j])


@compiled
def _shares(
    station: IntArray,
    members: IntArray,
    asked: FloatArray,
    capacity: FloatArray,
    shares: FloatArray,
) -> int:
    """Fill (N,) what devices get of their stations; how many of them get less than asked."""
    total, scaled = np.zeros(len(capacity)), 0
    for i in range(len(station)):
        total[station[i]] += asked[i]
    for j in range(len(capacity)):
        if total[j] > capacity[j] * _TOLERANCE:
            total[j] = capacity[j] / total[j]
            scaled += members[j]
        else:
            total[j] = 1.0
    for i in range(len(station)):
        shares[i] = asked[i] * total[station[i]]
    return scaled


@compiled_in_place
def _cut(asked: float, limit: float) -> tuple[float, int]:
    """What is asked for, within its limit, and 1 if it was beyond."""
    return (limit, 1) if asked > limit * _TOLERANCE else (asked, 0)


_FLOAT = np.dtype(np.float64)
_FIELDS = tuple(one.name for one in fields(Decision) if one.name not in ("diagnostics", "awake"))
