"""Sorting in linear time, for keys that lie evenly; and only as far as somebody asks."""

import numpy as np

from .arrays import FloatArray, IntArray
from .assignment import copy_vector
from .compiled import compiled, compiled_in_place


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


@compiled_in_place
def begin_ranking(value: FloatArray, order: IntArray) -> None:
    """Set (n,) an order of (n,) values, of which nothing is ranked yet: a heap, the greatest at its root."""
    count = len(order)
    for n in range(count):
        order[n] = n
    for root in range(count // 2 - 1, -1, -1):
        _sift(value, order, root, count)


@compiled_in_place
def rank(value: FloatArray, order: IntArray, ranked: int, wanted: int) -> int:
    """Rank more of an order of `begin_ranking`, until so many of the greatest stand at its end, the greatest last.

    Of equal ones those that come first are greater, as in a stable sort. Linear in the length of the order at
    first, and then logarithmic for each: cheaper than to sort it where few are wanted.

    Args:
        value: (n,) no NaN.
        order: (n,) of which the last `ranked` are there.
        ranked: how many.
        wanted: how many are to be, of n at most.

    Returns:
        How many are.
    """
    while ranked < wanted:
        last = len(order) - ranked - 1
        order[0], order[last] = order[last], order[0]
        _sift(value, order, 0, last)
        ranked += 1
    return ranked


@compiled_in_place
def _sift(value: FloatArray, heap: IntArray, place: int, count: int) -> None:
    """Let what is at a place of a heap sink below all that is greater."""
    moved = heap[place]
    while 2 * place + 1 < count:
        child = 2 * place + 1
        if child + 1 < count and _greater(value, heap[child + 1], heap[child]):
            child += 1
        if not _greater(value, heap[child], moved):
            break
        heap[place] = heap[child]
        place = child
    heap[place] = moved


@compiled_in_place
def _greater(value: FloatArray, one: int, other: int) -> bool:
    """Whether the value at one place comes before that at another."""
    return bool(value[one] > value[other] or (value[one] == value[other] and one < other))
