"""Movements of a file: an FCD trace of SUMO of 10,000 vehicles over an hour, and runs over it."""

import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgesim.experiments.run import execute, prepare
from edgesim.scenarios.schema import Scenario
from edgesim.simulator.core.arrays import IntArray
from edgesim.simulator.models.trace_mobility import TraceMobility

from .measure import Row, cpu_s, end_to_end, scenario
from .scaling import overrides

VEHICLES, SECONDS, SHORT = 10_000, 3600, 900
MOST_S = 60.0
TOLERANCE_MB = 16.0
SIZE_M = 9000.0
CORNER_M = 1000
"""The least coordinate: so all have as many digits."""

SLOTS = (20, 220)
"""Of a short run and a long one: their difference has no start in it."""


def measure() -> Iterator[Row]:
    with TemporaryDirectory() as folder:
        file, short, run = (Path(folder, f"{name}.xml") for name in ("fcd", "short", "run"))
        write(file, SECONDS)
        write(short, SHORT)
        write(run, SLOTS[1] + 1)  # no more than is run: each run digests its file first
        read(short)  # compiles
        (took_s, peak), (_, least) = read(file), read(short)
        what = f"{VEHICLES:,} vehicles x {SECONDS:,} s"
        yield Row(f"{what}, read as a run does", took_s, "CPU-s", at_most=MOST_S)
        yield Row(f"{what}, peak memory", peak, "MB")
        yield Row(f"growth of it from {SHORT} s", peak - least, "MB", at_most=TOLERANCE_MB)
        for slot in ("100 ms", "1 s"):
            what = f"run with slots of {slot}, over random waypoint"
            yield Row(what, over_random_waypoint(run, slot), "x per device-slot", at_most=1.2)


def over_random_waypoint(file: Path, slot: str) -> float:
    """CPU of a device-slot of a run over a file, as a share of one in which devices walk at random."""
    common = (*overrides(VEHICLES), f"area.size=[{SIZE_M}, {SIZE_M}]", f"run.slot={slot}")
    moves = (
        f'{{model="trace", file="{file}", origin=[{CORNER_M}, {CORNER_M}]}}',
        '{model="random-waypoint", speed=["1 m/s", "30 m/s"]}',
    )
    cases = [
        scenario(*common, "policy.name=local", f"mobility={one}", slots=slots)
        for one in moves
        for slots in SLOTS
    ]
    for case in cases[::2]:
        end_to_end(case)
    # The least of each: what comes before the first slot varies by half of what is measured.
    seconds = np.array([[run_s(case) for case in cases] for _ in range(9)]).min(axis=0)
    took = seconds[1::2] - seconds[::2]
    return float(took[0] / took[1])


def run_s(case: Scenario) -> float:
    """CPU seconds of a run, without what comes before it: the file is read once by then."""
    experiment = prepare(case)
    with TemporaryDirectory() as folder:
        return cpu_s(partial(execute, experiment, Path(folder, "trace.h5")))


_ROW = (
    b'        <vehicle id="veh0000" x="0000.00" y="0000.00" angle="90.00" type="DEFAULT_VEHTYPE"'
    b' speed="00.00" pos="100.00" lane="A0B0_0" slope="0.00"/>\n'
)


def write(file: Path, seconds: int) -> None:
    """As SUMO writes it: each vehicle to and fro on a way of its own, at up to 30 m/s."""
    rng = np.random.default_rng(1)
    start, velocity = rng.uniform(0, SIZE_M, (2, VEHICLES)), rng.uniform(-21, 21, (2, VEHICLES))
    rows = np.tile(np.frombuffer(_ROW, np.uint8), (VEHICLES, 1))
    digits(rows, _ROW.index(b'"veh') + 4, 4, np.arange(VEHICLES))
    speed_cm = (np.hypot(*velocity) * 100).astype(np.int64)
    decimal(rows, _ROW.index(b'speed="') + 7, 2, speed_cm)
    with file.open("wb") as out:
        out.write(b'<?xml version="1.0" encoding="UTF-8"?>\n\n<fcd-export>\n')
        for second in range(seconds):
            # A triangular wave keeps it within.
            way = (start + second * velocity) % (2 * SIZE_M)
            at_cm = ((CORNER_M + SIZE_M - np.abs(way - SIZE_M)) * 100).astype(np.int64)
            at_cm = np.minimum(at_cm, 999_999)
            for axis, name in enumerate((b' x="', b' y="')):
                decimal(rows, _ROW.index(name) + 4, 4, at_cm[axis])
            out.write(b'    <timestep time="%d.00">\n' % second)
            out.write(rows.data)
            out.write(b"    </timestep>\n")
        out.write(b"</fcd-export>\n")


def decimal(rows: np.ndarray, at: int, whole: int, hundredths: IntArray) -> None:
    """Write (N,) hundredths into the rows, with so many digits before the point."""
    digits(rows, at, whole, hundredths // 100)
    digits(rows, at + whole + 1, 2, hundredths % 100)


def digits(rows: np.ndarray, at: int, count: int, numbers: IntArray) -> None:
    """Write (N,) whole numbers into the rows, with so many digits."""
    for place in reversed(range(count)):
        numbers, digit = np.divmod(numbers, 10)
        rows[:, at + place] = 48 + digit


def read(file: Path) -> tuple[float, float]:
    """CPU seconds and peak memory in MB of a process that goes through a file."""
    program = f"from benchmarks.movements import child; child({str(file)!r})"
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
    )
    took_s, peak = map(float, done.stdout.split())
    return took_s, peak


def child(file: str) -> None:
    """Go through it as a run does, looking on before it and second by second, and print both numbers."""
    began = time.process_time()
    model = TraceMobility(Path(file), origin=(CORNER_M, CORNER_M))
    area_m = np.array([SIZE_M, SIZE_M])
    count = model.survey(area_m, None, 1e6, None)
    at = model.start(np.zeros((1, count, 2)), area_m, lambda name: (), False)
    for _ in range(SECONDS):
        at = model.advance(at, 1.0)
    took_s = time.process_time() - began
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    print(took_s, int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6)
