"""The tasks that are left in a ledger, as rows, some at a time: there may be more than memory has room for."""

from collections.abc import Iterator

import numpy as np

from ..core.arrays import IntArray
from ..core.compiled import compiled
from ..core.recorder import TASK_ROW, TaskTable
from .ledger_entries import LOST, QUEUED, Pool

ROWS = 1 << 14
"""At a time: their entries stay in the processor's cache from one column to the next."""


def pending_rows(tasks: Pool, live: int, queues: int, devices: int) -> Iterator[TaskTable]:
    """By replication, device and arrival; of two alike in these, by size and station.

    Args:
        tasks: all entries for tasks.
        live: how many are in use.
        queues: R * N.
        devices: N.
    """
    if live > ROWS:
        order, starts = _by_queue(tasks, queues)
    else:
        order = np.flatnonzero(tasks["bits"] > 0.0)
        starts = np.array([0, live])
    plain = tasks.view(np.dtype((np.void, tasks.itemsize)))  # numpy copies rows field by field
    group = 0
    while group < len(starts) - 1:
        # As many groups as have so many tasks in all, or one that has more.
        end = max(int(np.searchsorted(starts, starts[group] + ROWS, "right")) - 1, group + 1)
        entries = _arranged(tasks, order[starts[group] : starts[end]])
        for first in range(0, len(entries), ROWS):
            some = plain.take(entries[first : first + ROWS], mode="clip").view(tasks.dtype)
            yield _rows(some, devices)
        group = end


def _arranged(tasks: Pool, entries: IntArray) -> IntArray:
    """The same entries, in order."""
    queue, arrival_s = (tasks[name][entries] for name in ("queue", "arrival_s"))
    order = np.lexsort((arrival_s, queue))
    queue, arrival_s = queue[order], arrival_s[order]
    if ((queue[1:] == queue[:-1]) & (arrival_s[1:] == arrival_s[:-1])).any():
        # Of two alike in all of these, the order cannot be seen.
        names = ("station", "bits", "arrival_s", "queue")
        order = np.lexsort([tasks[name][entries] for name in names])
    return entries[order]


def _rows(tasks: Pool, devices: int) -> TaskTable:
    rows = np.zeros(len(tasks), TASK_ROW)
    rows["replication"], rows["device"] = np.divmod(tasks["queue"], devices)
    rows["completion_s"] = np.nan
    rows["outcome"] = np.where(tasks["completion_s"] == np.inf, LOST, QUEUED)
    for name in ("station", "arrival_s", "bits", "deadline_s"):
        rows[name] = tasks[name]
    return rows


@compiled
def _by_queue(tasks: Pool, queues: int) -> tuple[IntArray, IntArray]:
    """The entries in use, queue after queue, and (queues + 1,) where each begins among them."""
    starts = np.zeros(queues + 1, np.int64)
    for k in range(tasks.size):
        if tasks[k]["bits"] > 0.0:
            starts[tasks[k]["queue"] + 1] += 1
    for q in range(queues):
        starts[q + 1] += starts[q]
    place = starts[:-1].copy()
    order = np.empty(starts[-1], np.int32)
    for k in range(tasks.size):
        if tasks[k]["bits"] > 0.0:
            q = tasks[k]["queue"]
            order[place[q]] = k
            place[q] += 1
    return order, starts
