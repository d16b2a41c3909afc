"""The N + 1 sets of offloaders among which there is an optimum of C(10), each within the next.

What a device costs if it stays local depends on nobody else, and whoever can stay local within a
level should (`solver` has the proof). So the k devices offload that would cost most if they stayed,
for some k: what the offloaders cost grows with k, what the others cost falls, and bisection finds
where they cross.
"""

from collections.abc import Callable

import numpy as np

from ....simulator.core.arrays import FloatArray, IntArray


def worst_alone_first(*costs: FloatArray) -> IntArray:
    """The order in which devices begin to offload: the k-th set is its first k.

    Args:
        costs: (…, N) of a device that stays local, any unit; the first decides, then the second, and
            at last the device's number.

    Returns:
        (…, N) device numbers.
    """
    return np.lexsort([-cost for cost in reversed(costs)], axis=-1)


def crossing(
    low: int, high: int, crossed: Callable[[int], bool], expired: Callable[[], bool] = lambda: False
) -> tuple[int, int]:
    """The least k from `low` to `high` that is `crossed`, or `high`; by bisection.

    Args:
        low: the least k that comes into question.
        high: the largest, of which is known that it is crossed.
        crossed: whether the offloaders of the k-th set cost no less than those who stay.
        expired: ends the bisection early.

    Returns:
        Between which k it lies: they are equal unless the bisection was ended.
    """
    while low < high and not expired():
        middle = (low + high) // 2
        if crossed(middle):
            high = middle
        else:
            low = middle + 1
    return low, high
