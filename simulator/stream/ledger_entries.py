"""The entries of a ledger: linked lists of tasks and of parts of them, in pools, for compiled loops."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import IntArray
from ..core.compiled import compiled, compiled_in_place
from ..core.recorder import OUTCOMES

NONE = -1
"""Ends a linked list."""

Pool: TypeAlias = NDArray[Any]
"""Entries of tasks, of parts, or of rows."""

# A task in the network: `left_bits` are those still at the device, `parts` how many of its parts lie
# at stations, `next` the task behind it at the device. A free entry has no bits, and `next` is the
# next free one.
TASK = np.dtype(
    [
        ("arrival_s", "f8"),
        ("deadline_s", "f8"),
        ("bits", "f8"),
        ("left_bits", "f8"),
        ("completion_s", "f8"),
        ("queue", "i4"),
        ("station", "i4"),
        ("parts", "i4"),
        ("next", "i4"),
    ],
    align=True,
)
# What a task sent to a station in one slot, known by its end: `bits` lie between the end of the part
# in front of it and its own, whosesoever they are. Where it begins does not matter to anyone.
PART = np.dtype([("bits", "f8"), ("task", "i4"), ("next", "i4")], align=True)
HEAD, TAIL = range(2)
LIVE, WAITING, LIVE_PARTS, ENDED_COUNT, FREE_TASK, FREE_PART, COUNTERS = range(7)
DONE, LATE, QUEUED, DROPPED, LOST = (
    OUTCOMES.index(outcome) for outcome in ("done", "late", "queued", "dropped", "lost")
)


TOLERANCE = 1e-9
"""A piece of a task is no part of it, but rounding, below so much of the task, or of what its queue
serves in the slot: the queues' own sums are not the ledger's."""


@compiled_in_place
def append(pool: Pool, queues: IntArray, queue: int, entry: int) -> None:
    """Put an entry of a pool at the end of one of (2, n) linked queues."""
    pool[entry]["next"] = NONE
    if queues[HEAD, queue] == NONE:
        queues[HEAD, queue] = entry
    else:
        pool[queues[TAIL, queue]]["next"] = entry
    queues[TAIL, queue] = entry


@compiled_in_place
def add_part(
    bits: float, task: int, queue: int, parts: Pool, station_queues: IntArray, counters: IntArray
) -> None:
    """Put a part of a task, bit, at the end of one of (2, R B) stations' queues."""
    f = counters[FREE_PART]
    counters[FREE_PART] = parts[f]["next"]
    counters[LIVE_PARTS] += 1
    parts[f]["bits"] = bits
    parts[f]["task"] = task
    append(parts, station_queues, queue, f)


@compiled_in_place
def lose_queue(
    queue: int,
    devices: int,
    tasks: Pool,
    parts: Pool,
    station_queues: IntArray,
    ended: Pool,
    counters: IntArray,
) -> None:
    """Empty one of (2, R B) stations' queues: its tasks are lost, and complete at no finite time."""
    f = station_queues[HEAD, queue]
    while f != NONE:
        tasks[parts[f]["task"]]["completion_s"] = np.inf
        f = remove_part(f, devices, tasks, parts, ended, counters)
    station_queues[HEAD, queue] = f


@compiled
def leave_queue(
    queue: int,
    station: int,
    station_queue: int,
    devices: int,
    tasks: Pool,
    parts: Pool,
    device_queues: IntArray,
    station_queues: IntArray,
    ended: Pool,
    counters: IntArray,
) -> None:
    """One of (2, R N) devices' queues goes to one of (2, R B) stations', or, without one, is lost."""
    k = device_queues[HEAD, queue]
    device_queues[HEAD, queue] = NONE
    while k != NONE:
        behind = tasks[k]["next"]
        counters[WAITING] -= 1
        left_bits = tasks[k]["left_bits"]
        tasks[k]["left_bits"] = 0.0
        if station != NONE:
            tasks[k]["station"] = station
            tasks[k]["parts"] += 1
            add_part(left_bits, k, station_queue, parts, station_queues, counters)
        else:
            if tasks[k]["completion_s"] != np.inf:
                tasks[k]["station"] = NONE
                tasks[k]["completion_s"] = np.inf
            if tasks[k]["parts"] == 0:
                end_task(k, devices, tasks, ended, counters)
        k = behind


@compiled_in_place
def remove_part(
    f: int,
    devices: int,
    tasks: Pool,
    parts: Pool,
    ended: Pool,
    counters: IntArray,
) -> int:
    """Free a part's entry, and end its task if that was the last of it; gives the part behind.

    `counters` has the shape (COUNTERS,).
    """
    k = parts[f]["task"]
    tasks[k]["parts"] -= 1
    if tasks[k]["parts"] == 0 and tasks[k]["left_bits"] == 0.0:
        end_task(k, devices, tasks, ended, counters)
    behind = int(parts[f]["next"])
    parts[f]["next"] = counters[FREE_PART]
    counters[FREE_PART] = f
    counters[LIVE_PARTS] -= 1
    return behind


@compiled_in_place
def end_task(k: int, devices: int, tasks: Pool, ended: Pool, counters: IntArray) -> None:
    """Note the end of a task in `ended`, and free its entry; `counters` has the shape (COUNTERS,)."""
    row = counters[ENDED_COUNT]
    counters[ENDED_COUNT] += 1
    ended[row]["deadline_s"] = tasks[k]["deadline_s"]
    lost = tasks[k]["completion_s"] == np.inf
    late = tasks[k]["completion_s"] > ended[row]["deadline_s"]
    ended[row]["replication"] = tasks[k]["queue"] // devices
    ended[row]["device"] = tasks[k]["queue"] % devices
    ended[row]["station"] = tasks[k]["station"]
    ended[row]["outcome"] = LOST if lost else LATE if late else DONE
    ended[row]["arrival_s"] = tasks[k]["arrival_s"]
    ended[row]["completion_s"] = np.nan if lost else tasks[k]["completion_s"]
    ended[row]["bits"] = tasks[k]["bits"]
    tasks[k]["bits"] = 0.0
    tasks[k]["next"] = counters[FREE_TASK]
    counters[FREE_TASK] = k
    counters[LIVE] -= 1
