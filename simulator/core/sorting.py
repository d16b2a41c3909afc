"""Sorting in linear time, for keys that lie evenly."""

import numpy as np

from .arrays import FloatArray, IntArray
from .assignment import copy_vector
from .compiled import compiled


@compiled
def by_group_and_phase(
    group: IntArray, phase: FloatArray, groups: int
) -> tuple[IntArray, IntArray]:
    """A stable sorting order, and (groups + 1,) where each group begins in it.

    Phases are near uniform on [0, 1], often 1: as many buckets as there are entries leave next to
    nothing to sort within one, so the cost is linear.
    """
    count = group.size
    starts = np.zeros(groups + 1, np.int64)
    for n in range(count):
        starts[group[n] + 1] += 1
    for j in range(groups):
        starts[j + 1] += starts[j]
    bucket = np.empty(count, np.int64)
    place = np.zeros(count + groups + 1, np.int64)
    for n in range(count):
        j = group[n]
        # A group has one bucket more than it has entries: those at phase 1 have their own.
        bucket[n] = starts[j] + j + int(phase[n] * (starts[j + 1] - starts[j]))
        place[bucket[n] + 1] += 1
    for b in range(count + groups):
        place[b + 1] += place[b]
    order = np.empty(count, np.int64)
    for n in range(count):
        order[place[bucket[n]]] = n
        place[bucket[n]] += 1
    # Now place[b] is where bucket b ends.
    start = 0
    for b in range(count + groups):
        end = place[b]
        if end - start > _SMALL_BUCKET:
            members = order[start:end].copy()
            within = np.argsort(phase[members], kind="mergesort")
            copy_vector(order[start:end], members[within])
        else:
            for m in range(start + 1, end):
                n = order[m]
                while m > start and phase[order[m - 1]] > phase[n]:
                    order[m] = order[m - 1]
                    m -= 1
                order[m] = n
        start = end
    return order, starts


_SMALL_BUCKET = 32
"""Up to so many entries are sorted by insertion."""
