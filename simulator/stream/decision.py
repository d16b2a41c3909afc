"""What a policy answers: checked, and made physical, before the world carries it out."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

import numpy as np

from ..core.answers import DEVICE, STATION, amounts, diagnostics
from ..core.arrays import BoolArray, FloatArray, IntArray, read_only
from ..core.compiled import compiled
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
    scaled = np.zeros(network.replications, np.int64)
    decision = check(decision, network)
    served = _clip(decision.served_bits, network.station_service_bits, scaled)
    fitted = Decision(
        bandwidth_hz=_share(decision.bandwidth_hz, network.station_bandwidth_hz, cells, scaled),
        power_w=_clip(decision.power_w, power_max_w, scaled),
        local_cpu_hz=_clip(decision.local_cpu_hz, network.device_cpu_hz, scaled),
        edge_cpu_hz=_share(decision.edge_cpu_hz, network.station_cpu_hz, cells, scaled),
        served_bits=np.minimum(served, station_queue_bits),
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


def _share(column: FloatArray, capacity: FloatArray, cells: Cells, scaled: IntArray) -> FloatArray:
    """Scale the shares of a station's devices down to its capacity, all by the same factor."""
    asked = cells.total(column)
    over = asked > capacity * _TOLERANCE
    factor = np.divide(capacity, asked, out=np.ones_like(asked), where=over)
    scaled += (cells.members * over).sum(axis=1)
    return column * cells.at_station(factor)


def _clip(column: FloatArray, limit: FloatArray, scaled: IntArray) -> FloatArray:
    """Cut what exceeds its limit; limits without replications hold for all of them."""
    over = column > limit * _TOLERANCE
    scaled += over.sum(axis=1)
    return np.where(over, limit, column)


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


_FLOAT = np.dtype(np.float64)
_FIELDS = tuple(one.name for one in fields(Decision) if one.name not in ("diagnostics", "awake"))
