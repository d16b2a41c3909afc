"""One trace, opened in several ways at once: by edgesim, xarray and h5py, while a run writes it, after a kill."""

import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import permutations
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from numpy.testing import assert_array_equal
from test_traces_writing import ENDLESS
from trace_recording import random_columns, record, run_info, zero_columns

from edgesim.simulator.core.recorder import TASK_ROW
from edgesim.traces import growing_file, superblock
from edgesim.traces.growing_file import GrowingFile
from edgesim.traces.open_file import PAUSES_S
from edgesim.traces.reader import TraceError, open_trace
from edgesim.traces.writer import TraceWriter


def by_edgesim(path: Path, stack: ExitStack) -> Callable[[], Any]:
    trace = stack.enter_context(open_trace(path))
    return lambda: trace.slots["queue_bits"].values


def by_xarray(path: Path, stack: ExitStack) -> Callable[[], Any]:
    opened = xr.open_dataset(path, engine="h5netcdf", group="slots")
    slots = stack.enter_context(opened)
    return lambda: slots["queue_bits"].values


def by_h5py(path: Path, stack: ExitStack) -> Callable[[], Any]:
    file = stack.enter_context(h5py.File(path, "r"))
    return lambda: file["slots/queue_bits"][...]


WAYS = (by_edgesim, by_xarray, by_h5py)
"""To open a trace; what each returns reads all queues, once all others are open, too."""


@pytest.fixture(params=["locks", "no locks"])
def locking(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without HDF5's locks, which its environment variable says at each opening."""
    if request.param == "no locks":
        monkeypatch.setenv("HDF5_USE_FILE_LOCKING", "FALSE")
    else:
        monkeypatch.delenv("HDF5_USE_FILE_LOCKING", raising=False)


@pytest.mark.usefixtures("locking")
@pytest.mark.parametrize("order", list(permutations(WAYS)))
def test_a_trace_opens_in_all_ways_in_any_order(tmp_path: Path, order: Any) -> None:
    record(tmp_path / "t.h5", run_info(replications=2, slots=10))
    with ExitStack() as stack:
        readers = [way(tmp_path / "t.h5", stack) for way in order]
        first, *others = [read() for read in readers]
        assert first.shape == (2, 10, 5)
        for other in others:
            assert_array_equal(first, other)


@pytest.mark.usefixtures("locking")
@pytest.mark.parametrize("order", list(permutations(WAYS)))
def test_so_it_does_in_the_process_that_writes_it(tmp_path: Path, order: Any) -> None:
    run = run_info(replications=2, slots=60)
    writer = TraceWriter(tmp_path / "t.h5", run)
    with ExitStack() as stack:
        for slot in range(60):
            writer.slot(slot, random_columns(run, slot))
            if slot in (9, 19, 29):
                writer.written()
                reads = [way(tmp_path / "t.h5", stack) for way in order]
                by_edgesim_now = by_edgesim(tmp_path / "t.h5", stack)
                assert by_edgesim_now().shape == (2, slot + 1, 5), "whatever was open before"
                for read in reads[::2]:
                    assert read().shape[1] >= 10
        writer.close("complete")
        assert by_edgesim(tmp_path / "t.h5", stack)().shape == (2, 60, 5)
    with ExitStack() as stack:
        assert by_xarray(tmp_path / "t.h5", stack)().shape == (2, 60, 5)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A trace that a process is writing, and has flushed; killed in the end."""
    path = tmp_path_factory.mktemp("killed") / "t.h5"
    process = subprocess.Popen(
        [sys.executable, "-c", ENDLESS, str(path)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    try:
        while not path.is_file() or _recorded(path) == 0:
            assert process.poll() is None
            time.sleep(0.01)
        yield path
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def _recorded(path: Path) -> int:
    with open_trace(path) as trace:
        return trace.recorded
