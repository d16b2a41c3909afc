"""Recorded requests, read: rows per CPU-second and peak memory, of a file of 20 million rows."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgesim.simulator.models.replay import Replay

from .measure import Row

ROWS = 20_000_000
ROWS_PER_S = 1e6
PEAK_MB = 400.0
AT_ONCE = 1_000_000


def measure() -> Iterator[Row]:
    with TemporaryDirectory() as folder:
        file = Path(folder, "requests.csv")
        for order in ("sorted", "shuffled"):
            write(file, ordered=order == "sorted")
            program = f"from benchmarks.workloads import child; child({str(file)!r})"
            done = subprocess.run(
                [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
            )
            rows_per_s, peak_mb = map(float, done.stdout.split())
            what = f"{ROWS:,} {order} rows"
            yield Row(what, rows_per_s, "rows/CPU-s", at_least=ROWS_PER_S)
            yield Row(f"{what}, peak memory", peak_mb, "MB", at_most=PEAK_MB)


def write(file: Path, *, ordered: bool) -> None:
    """A file as the Azure LLM inference trace of 2024: dates with a zone, two columns of tokens."""
    import pyarrow as pa
    from pyarrow import compute, csv

    rng = np.random.default_rng(1)
    names = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
    at_us, begin = 0, np.datetime64("2024-05-10T00:00:00", "us")
    with file.open("wb") as out:
        out.write(f"{','.join(names)}\n".encode())
        for _ in range(0, ROWS, AT_ONCE):
            since_us = at_us + np.cumsum(rng.integers(1, 60_000, AT_ONCE))
            at_us = int(since_us[-1])
            if not ordered:
                since_us = rng.integers(0, 600 * 10**9, AT_ONCE)
            moments = pa.array(begin + since_us.astype("timedelta64[us]")).cast(pa.string())
            columns = [
                compute.binary_join_element_wise(moments, "+00:00", ""),
                rng.integers(1, 5000, AT_ONCE),
                rng.integers(1, 900, AT_ONCE),
            ]
            options = csv.WriteOptions(include_header=False, quoting_style="none")
            csv.write_csv(pa.table(columns, names=names), out, options)


def child(file: str) -> None:
    """Read, and print rows per CPU-second and this process's peak in MB; see `memory.child`."""
    began = time.process_time()
    model = Replay(file=Path(file), bits={"ContextTokens": 512.0, "GeneratedTokens": 512.0})
    took_s = time.process_time() - began
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    kilobytes = status.partition("VmHWM:")[2].split()[0]
    print(model.workload.rows / took_s, int(kilobytes) * 1024 / 1e6)
