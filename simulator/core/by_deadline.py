"""Classes of tasks, which are known by their deadlines."""

import numpy as np

from .arrays import FloatArray, IntArray


class ByDeadline:
    """Tells a task's class by its deadline from arrival, of which no two classes have the same.

    Args:
        deadline_s: (K,) of the classes; infinite without one.

    Attributes:
        between_s: (K - 1,) deadlines that part the classes.
        order: (K,) the classes by their deadlines.
    """

    def __init__(self, deadline_s: FloatArray) -> None:
        self.order: IntArray = np.argsort(deadline_s, kind="stable")
        ascending = deadline_s[self.order]
        # Between two deadlines: a sum and a difference of times are not exact.
        self.between_s: FloatArray = np.where(
            np.isinf(ascending[1:]), 2.0 * ascending[:-1], (ascending[1:] + ascending[:-1]) / 2.0
        )

    def of(self, deadline_s: FloatArray) -> IntArray:
        """(n,) classes of tasks, by their deadlines from arrival (n,)."""
        found: IntArray = self.order[np.searchsorted(self.between_s, deadline_s)]
        return found
