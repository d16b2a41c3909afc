"""Queues in bits: what is served in a slot, and the queues after it, A(5), A(6), A(8), A(10)."""

import numpy as np

from .arrays import FloatArray


def drain(
    queue_bits: FloatArray, local_capacity_bits: FloatArray, radio_capacity_bits: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """D^l and D^e of a slot: CPU and radio draw together from the head of the queue.

    Never more than is there: where both could serve more than the queue holds, each serves in
    proportion to its capacity.

    Args:
        queue_bits: (R, N) Q_i.
        local_capacity_bits: (R, N) tau f / c, A(8).
        radio_capacity_bits: (R, N) tau R, A(10).

    Returns:
        (R, N) bits executed locally, (R, N) bits offloaded; their sum never exceeds the queue.
    """
    capacity = local_capacity_bits + radio_capacity_bits
    emptied = capacity > queue_bits
    share = np.where(emptied, queue_bits / np.where(emptied, capacity, 1.0), 1.0)
    local = local_capacity_bits * share
    sent = np.where(emptied & (radio_capacity_bits > 0.0), queue_bits - local, radio_capacity_bits)
    return local, sent


def after_slot(
    queue_bits: FloatArray, served_bits: FloatArray, arrived_bits: FloatArray
) -> FloatArray:
    """A(5) and A(6): Q(t+1) = max(Q(t) - served(t), 0) + arrived(t).

    What arrives during a slot can be served from the next slot on.

    Args:
        queue_bits: (R, N) or (R, B).
        served_bits: same shape.
        arrived_bits: same shape.

    Returns:
        The queues at the start of the next slot, bits.
    """
    return np.maximum(queue_bits - served_bits, 0.0) + arrived_bits
