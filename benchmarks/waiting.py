"""A network in overload: memory of a task that waits, and CPU time of a task beside a stable network's.

The same tasks arrive at both, 100,000 in a slot, but in overload they are larger, or the stations slower.
"""

from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

from .checkouts import Checkout, Comparison, checkouts
from .measure import Row
from .peers import LARGE, LARGE_DEVICES

RATE, PER_SLOT = 1000, 100 * LARGE_DEVICES
COMPARED_SLOTS, SLOTS = 30, 225
MILLIONS = 20
STABLE = ("tasks.mean=2 kbit",)
OVERLOADED = {
    "at devices": ("tasks.mean=200 kbit",),
    "at stations": (
        "tasks.mean=1 kbit",
        "policy.name=offload-all",
        "stations.mbs.cpu=1 GHz",
        "stations.sbs.cpu=1 GHz",
    ),
}

PROGRAM = """
import time
from pathlib import Path
from tempfile import TemporaryDirectory
import h5py
from edgesim.experiments.run import execute, prepare
from edgesim.scenarios.loading import load_scenario

def peak():
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])

def run(slots):
    scenario = load_scenario("iiot_20dev", [*{overrides!r}, f"run.slots={{slots}}"])
    with TemporaryDirectory() as folder:
        path = Path(folder, "trace.h5")
        execute(prepare(scenario), path)
        with h5py.File(path) as file:
            return int(file["summary/tasks"][...].sum(axis=(0, 1))[2])

run(3)
before, begin = peak(), time.process_time()
waiting = run({slots})
print(waiting, time.process_time() - begin, peak() - before, peak())
"""


class Result(NamedTuple):
    """Of a run.

    Attributes:
        waiting: tasks at the end.
        cpu_s: of the whole run.
        grown_bytes: the peak of its resident memory over that of a run of three slots.
        peak_bytes: of all of the process's resident memory.
    """

    waiting: float
    cpu_s: float
    grown_bytes: float
    peak_bytes: float


def run(one: Checkout, slots: int, *overrides: str) -> Result:
    """A run, in a process of its own."""
    keys = (*LARGE, "trace.level=summary", f"tasks.rate={RATE}", *overrides)
    printed = one.spent("-c", PROGRAM.format(overrides=keys, slots=slots)).printed
    return Result(*map(float, printed.split()))


def compare(base: Path | None) -> Iterator[Comparison]:
    with checkouts(base) as each:
        for where, overrides in OVERLOADED.items():
            # In turn, a stable run and a full one of each checkout.
            pairs = [
                [
                    (run(one, COMPARED_SLOTS, *STABLE), run(one, COMPARED_SLOTS, *overrides))
                    for one in each
                ]
                for _ in range(3)
            ]
            by_checkout = list(zip(*pairs, strict=True))
            memory = [
                median(full.grown_bytes / full.waiting for _, full in one) for one in by_checkout
            ]
            cost = [
                median(full.cpu_s / stable.cpu_s for stable, full in one) for one in by_checkout
            ]
            for what, values, unit, most in (
                (f"a task that waits {where}", memory, "B", 120.0),
                ("CPU of it over one in a stable network", cost, "x", 1.5),
            ):
                earlier = values[0] if base else None
                yield Comparison(what, earlier, values[-1], unit, this_at_most=most)


def measure() -> Iterator[Row]:
    with checkouts(None) as (this,):
        for where, overrides in OVERLOADED.items():
            stable, full = run(this, SLOTS, *STABLE), run(this, SLOTS, *overrides)
            assert full.waiting > 0.99 * MILLIONS * 1e6
            yield Row(
                f"peak, {MILLIONS} million wait {where}",
                full.peak_bytes / 1e6,
                "MB",
                at_most=3000.0,
            )
            over = full.cpu_s / stable.cpu_s
            yield Row(f"a task over a stable one, they wait {where}", over, "x", at_most=1.5)
