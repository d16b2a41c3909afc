#!/usr/bin/env bash
# Guess: ParquetFile(file, buffer_size=…).iter_batches(rows) holds about a buffer for each column and a batch.
# Truth: it holds the column chunks of a whole row group, compressed, as `pre_buffer` is True by default and
# comes before `buffer_size`, without a word; with pre_buffer=False it holds what was guessed.
# pyarrow 26.0.1, parquet.ParquetFile.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check pyarrow==26.0.1 numpy==2.4.6
cat >"$place/read.py" <<'PYTHON'
import sys

import pyarrow as pa
from pyarrow import parquet

file, own = sys.argv[1], {"pre_buffer": False} if sys.argv[2] == "False" else {}
with parquet.ParquetFile(file, buffer_size=1 << 16, **own) as table:
    rows = sum(len(batch) for batch in table.iter_batches(1 << 12, use_threads=False))
print(rows, pa.default_memory_pool().max_memory() // 10**6)
PYTHON
"$place/venv/bin/python" - "$place" <<'PYTHON'
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

place = Path(sys.argv[1])
rng = np.random.default_rng(1)
table = pa.table({name: rng.integers(0, 2**62, 4_000_000) for name in "ab"})
parquet.write_table(table, place / "one.parquet", row_group_size=len(table))
size_mb = (place / "one.parquet").stat().st_size // 10**6
print("pyarrow", pa.__version__, "- one row group of", size_mb, "MB, buffers of 64 KiB")
peak_mb = {}
for given in ("default", "False"):
    words = [sys.executable, place / "read.py", place / "one.parquet", given]
    rows, peak_mb[given] = map(int, subprocess.check_output(words, text=True).split())
    assert rows == len(table)
    print(f"pre_buffer {given}: at most {peak_mb[given]} MB held")
assert peak_mb["default"] > 0.9 * size_mb > 5 * peak_mb["False"]
PYTHON
