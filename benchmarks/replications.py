"""64 replications in lock-step beside one, in runs so long that their start does not count."""

from collections.abc import Iterator

import numpy as np

from .measure import Row, end_to_end, rounds, scenario

TOGETHER = 64
ALONE = 2_500 * 20
"""Device-slots per CPU-second that one replication is to reach; it is faster, see `slots`."""


def measure() -> Iterator[Row]:
    alone = scenario(slots=3000)
    together = scenario(f"run.replications={TOGETHER}", slots=3000)
    for plan in (alone, together):
        end_to_end(plan)
    seconds = rounds(lambda: end_to_end(alone), lambda: end_to_end(together), count=3)
    one, many = (np.array([3000, 3000 * TOGETHER]) * 20 / seconds).T
    yield Row("R = 1, N = 20, lyapunov, trace of slots", np.median(one), "device-slots/CPU-s")
    yield Row(f"R = {TOGETHER}", np.median(many), "device-slots/CPU-s")
    yield Row(f"R = {TOGETHER} over R = 1", np.median(many / one), "x", at_least=6.0)
    yield Row(
        f"R = {TOGETHER} over what R = 1 is to reach", np.median(many) / ALONE, "x", at_least=6.0
    )
