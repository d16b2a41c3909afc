"""Queues in bits: what is served in a slot, and the queues after it, A(5), A(6), A(8), A(10).

The rules alone: `processes.device_queues` serves all devices by them, through `outcome.serve`.
"""

from ..core.arrays import ROUNDING, FloatArray, rest
from ..core.compiled import compiled, compiled_in_place
from .slot_columns import INFLOW, NEXT_STATION_QUEUE


@compiled
def drain(queue_bits: float, local_bits: float, radio_bits: float) -> tuple[float, float]:
    """D^l and D^e of a slot: CPU and radio draw together from the head of the queue.

    Never more than is there: where both could serve more than the queue holds, each serves in
    proportion to its capacity.

    Args:
        queue_bits: Q_i.
        local_bits: tau f / c, A(8), what the CPU could serve.
        radio_bits: tau R, A(10), what the radio could.

    Returns:
        Bits executed locally, bits offloaded; their sum never exceeds the queue.
    """
    capacity = local_bits + radio_bits
    if capacity <= queue_bits:
        return local_bits, radio_bits
    local = local_bits * (queue_bits / capacity)
    sent = queue_bits - local
    return local, sent if radio_bits > 0.0 and sent > queue_bits * ROUNDING else 0.0


@compiled_in_place
def after_service(queue_bits: float, served_bits: float, arrived_bits: float) -> float:
    """Q(t+1) of A(5) and A(6): max(Q(t) - served(t), 0) and what arrived in the slot.

    What arrives during a slot can be served from the next slot on.

    Args:
        queue_bits: of a device or a station, at the start of the slot.
        served_bits: in the slot.
        arrived_bits: in the slot.

    Returns:
        Zero where only rounding is left.
    """
    return rest(queue_bits, served_bits, arrived_bits)


@compiled_in_place
def stations_after_service(
    queue_bits: FloatArray, served_bits: FloatArray, station_columns: FloatArray
) -> None:
    """`after_service` of the stations, A(6), from the inflow in a slot's columns to the next queue there.

    Args:
        queue_bits: (R, B) at the start of the slot.
        served_bits: (R, B) Psi_j.
        station_columns: (STATION_ROWS, R, B), see `slot_columns`.
    """
    for r in range(queue_bits.shape[0]):
        for b in range(queue_bits.shape[1]):
            station_columns[NEXT_STATION_QUEUE, r, b] = after_service(
                queue_bits[r, b], served_bits[r, b], station_columns[INFLOW, r, b]
            )
