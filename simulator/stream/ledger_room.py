"""Room for the entries of a ledger: for what there is and what one slot can add, made without a copy where numpy can."""

import numpy as np

from ..core.arrays import FloatArray, IntArray
from ..core.compiled import compiled_in_place
from .ledger_entries import HEAD, NONE, TOLERANCE, Pool

FEW = 1 << 16
"""Of so many tasks all may move on or end in one slot; of more it is counted how many can."""


def grown(pool: Pool, needed: int, free: int, counters: IntArray) -> Pool:
    """A pool with an eighth more entries, or as many as are needed, the new ones the first to be used.

    Before numpy 2.5 the system moves a large one to where there is room for it without a copy (`mremap`,
    on Linux); from 2.5 on `resize` makes one.

    Args:
        pool: (n,) entries, used up by this. Nobody may hold a view of them.
        needed: entries.
        free: which counter names the first free entry.
        counters: (COUNTERS,) of the ledger; that one is changed.
    """
    if not pool.flags.owndata:  # it is from a checkpoint
        pool = pool.copy()
    size = pool.size
    pool.resize(max(size + size // 8, needed), refcheck=False)
    pool["next"][size:] = np.arange(size + 1, pool.size + 1)
    pool["next"][-1] = counters[free]
    counters[free] = size
    return pool


def with_room(rows: Pool, used: int, needed: int) -> Pool:
    """As many rows as are needed, and some more; the used ones stay. Pages take memory once used."""
    larger = np.zeros(needed + needed // 8, rows.dtype)
    larger[:used] = rows[:used]
    return larger


@compiled_in_place
def tasks_in_front(service_bits: FloatArray, tasks: Pool, device_queues: IntArray) -> int:
    """How many tasks a service of these bits of each device (R, N) touches: as many as leave, or one more.

    `device_queues` has the shape (2, R * N), see `check_ledger`.
    """
    count = 0
    for q, psi in enumerate(service_bits.flat):
        drained, k = 0.0, device_queues[HEAD, q]
        while drained < psi and k != NONE:
            drained += tasks[k]["left_bits"]
            k = tasks[k]["next"]
            count += 1
    return count


@compiled_in_place
def parts_in_front(
    service_bits: FloatArray, tasks: Pool, parts: Pool, station_queues: IntArray
) -> int:
    """The same of the parts of tasks that lie at stations (R, B)."""
    count = 0
    for q, psi in enumerate(service_bits.flat):
        served, f = 0.0, station_queues[HEAD, q]
        while psi > 0.0 and f != NONE:
            count += 1
            bits = parts[f]["bits"]
            if bits - (psi - served) >= TOLERANCE * max(tasks[parts[f]["task"]]["bits"], psi):
                break
            served += bits
            f = parts[f]["next"]
    return count
