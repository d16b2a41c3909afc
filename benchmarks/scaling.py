"""CPU time and memory against the number of devices."""

from collections.abc import Iterator

import numpy as np

from .measure import Row, end_to_end, rounds, scenario
from .memory import peak_mb

SLOTS = {100: 1000, 1_000: 200, 10_000: 40, 100_000: 10}
"""How many slots are measured with how many devices: (slots and) three times as many."""


def overrides(devices: int) -> tuple[str, ...]:
    """Paper A's network, its four stations grown with the number of devices."""
    growth = devices / 20
    return (
        f"devices.count={devices}",
        f"stations.mbs.bandwidth={growth * 10} MHz",
        f"stations.mbs.cpu={growth * 50} GHz",
        f"stations.sbs.bandwidth={growth * 5} MHz",
        f"stations.sbs.cpu={growth * 10} GHz",
        "trace.level=summary",
    )


def microseconds(devices: int) -> float:
    """CPU of a device and slot, from the difference of a short run and a longer one."""
    slots = SLOTS[devices]
    short, long = (scenario(*overrides(devices), slots=some) for some in (slots, 3 * slots))
    end_to_end(short)
    seconds = rounds(lambda: end_to_end(short), lambda: end_to_end(long), count=3)
    return float(np.median(seconds[:, 1] - seconds[:, 0])) * 1e6 / (2 * slots * devices)


def measure() -> Iterator[Row]:
    costs = {devices: microseconds(devices) for devices in SLOTS}
    for devices, cost in costs.items():
        yield Row(f"N = {devices}, lyapunov, level summary", cost, "us of CPU per device-slot")
    most = max(SLOTS)
    # 100 times the devices: linear but for the caches, which hold 1,000 of them.
    yield Row(f"N = {most} over N = 1000", costs[most] / costs[1000], "x", at_most=2.5)
    # N x N single bits: a matrix over all pairs of devices could not be smaller.
    peak = peak_mb(*overrides(most), slots=SLOTS[most])
    yield Row(f"peak at N = {most}, of N^2 bits", peak / (most**2 / 8e6), "x", at_most=1.0)
