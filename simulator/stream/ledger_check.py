"""Whether a ledger that comes from a file is one: compiled loops follow its numbers without a look."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import IntArray
from ..core.compiled import compiled
from ..core.recorder import OUTCOMES, TaskTable


def check_ledger(
    devices: int,
    tasks: NDArray[Any],
    parts: NDArray[Any],
    device_queues: IntArray,
    station_queues: IntArray,
    ended: TaskTable,
    counters: IntArray,
) -> None:
    """Look at the lists and counters of a `TaskLedger`.

    Args:
        devices: N.
        tasks: (n,) all entries for tasks.
        parts: (k,) all entries for parts of them that lie at stations.
        device_queues: (2, R * N) the first and the last task of each.
        station_queues: (2, R * B) the first and the last part of each.
        ended: rows of tasks that have ended.
        counters: (COUNTERS,) tasks in the network, tasks that wait at devices, parts, rows of `ended`,
            and the first free entry for a task and for a part.

    Raises:
        ValueError: an entry that there is not, one that is in two lists, or a wrong count.
    """
    live, waiting, live_parts, rows, free_task, free_part = counters.tolist()
    if not 0 <= rows <= len(ended):
        raise ValueError("a wrong count of ended tasks")
    ended, replications = ended[:rows], device_queues.shape[1] // devices
    for name, count in (
        ("replication", replications),
        ("device", devices),
        ("outcome", len(OUTCOMES)),
    ):
        if not ((ended[name] >= 0) & (ended[name] < count)).all():
            raise ValueError(f"a task with a {name} that there is not")
    if not (np.isfinite(parts["bits"]).all() and (tasks["left_bits"] >= 0.0).all()):
        raise ValueError("a task of less than no bits")
    stations = station_queues.shape[1] // replications
    at = ((tasks["queue"] >= 0) & (tasks["queue"] < device_queues.shape[1])) | (
        tasks["bits"] == 0.0
    )
    if not (at & (tasks["station"] >= -1) & (tasks["station"] < stations)).all():
        raise ValueError("a task at a place that there is not")
    queued = _followed(tasks["next"], device_queues, free_task)
    sent = _followed(parts["next"], station_queues, free_part)
    owner = parts["task"][sent == 1]
    if (owner < 0).any() or (owner >= len(tasks)).any():
        raise ValueError("a part of a task that there is not")
    shares = np.bincount(owner, minlength=len(tasks))
    counted = (queued == 2) | (shares == tasks["parts"]) & ((queued == 1) | (shares > 0))
    if not (counted.all() and (shares[queued == 2] == 0).all() and (sent > 0).all()):
        raise ValueError("a task whose parts are not where they should be")
    found = int((queued != 2).sum()), int((queued == 1).sum()), len(owner)
    if (live, waiting, live_parts) != found:
        raise ValueError("a wrong count of tasks")


def _followed(following: IntArray, queues: IntArray, free: int) -> IntArray:
    """Of each entry, 1 if it is in a queue, 2 if it is free, and 0.

    Raises:
        ValueError: a list leads nowhere or ends elsewhere than it says, or an entry is in two.
    """
    place = np.zeros(len(following), np.int64)
    if not _follow(following.astype(np.int64), queues, free, place):
        raise ValueError("a list that leads nowhere")
    return place


@compiled
def _follow(following: IntArray, queues: IntArray, free: int, place: IntArray) -> bool:
    size = following.size
    for q in range(queues.shape[1] + 1):
        k = queues[0, q] if q < queues.shape[1] else free
        last = -1
        while k != -1:
            if not 0 <= k < size or place[k] != 0:
                return False
            place[k] = 1 if q < queues.shape[1] else 2
            last, k = k, following[k]
        if q < queues.shape[1] and last != -1 and queues[1, q] != last:
            return False
    return True
