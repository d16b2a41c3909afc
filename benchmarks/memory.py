"""Peak memory of a run, which does not grow with the number of slots."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .measure import Row, end_to_end, scenario

SHORT, LONG = 20_000, 100_000
TOLERANCE_MB = 16.0
"""Caches of the file still fill after the short run. The long one writes 280 MB of columns more."""


def measure() -> Iterator[Row]:
    for level in ("summary", "slots"):
        overrides = (f"trace.level={level}",)
        short, long = (peak_mb(*overrides, slots=slots) for slots in (SHORT, LONG))
        yield Row(f"peak of {SHORT} slots, level {level}", short, "MB")
        yield Row(
            f"growth to {LONG} slots, level {level}", long - short, "MB", at_most=TOLERANCE_MB
        )


def peak_mb(*overrides: str, slots: int) -> float:
    """Peak resident memory of a process that runs this, MB. Linux only."""
    program = f"from benchmarks.memory import child; child({overrides!r}, {slots})"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
    )
    return float(done.stdout)


def child(overrides: tuple[str, ...], slots: int) -> None:
    """Run, and print this process's peak in MB; `ru_maxrss` would include its parent's."""
    end_to_end(scenario(*overrides, slots=slots))
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kilobytes = status.partition("VmHWM:")[2].split()[0]
    print(int(kilobytes) * 1024 / 1e6)
