"""One trace, opened in several ways at once: by edgesim, xarray and h5py, while a run writes it, after a kill."""

import os
import pickle
import re
import signal
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, suppress
from functools import partial
from itertools import permutations
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from forked import Forked, doing
from numpy.testing import assert_array_equal
from trace_recording import random_columns, random_tasks, run_info, write_for_ever

from edgesim.traces import growing_file, superblock
from edgesim.traces.open_file import PAUSES_S
from edgesim.traces.reader import TraceError, open_trace
from edgesim.traces.writer import TraceWriter

COLUMNS = ("queue_bits", "power_w", "station_queue_bits", "local_bits")
"""The fewer a trace has, the sooner xarray has opened it."""


def _record(path: Path, slots: int = 10) -> None:
    run = run_info(replications=2, slots=slots)
    writer = TraceWriter(path, run)
    for slot in range(slots):
        columns = random_columns(run, slot)
        writer.slot(slot, {name: columns[name] for name in COLUMNS})
        writer.tasks(random_tasks(run, slot))
    writer.close("complete")


def by_edgesim(path: Path, stack: ExitStack) -> Callable[[], Any]:
    trace = stack.enter_context(open_trace(path))
    return lambda: trace.slots["queue_bits"].values


def by_xarray(path: Path, stack: ExitStack) -> Callable[[], Any]:
    opened = xr.open_dataset(path, engine="h5netcdf", group="slots")
    slots = stack.enter_context(opened)
    return lambda: slots["queue_bits"].values


def labels_by_xarray(path: Path, stack: ExitStack) -> Callable[[], Any]:
    opened = xr.open_dataset(path, engine="h5netcdf", group="slots")
    slots = stack.enter_context(opened)
    return lambda: slots["slot"].values


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
    _record(tmp_path / "t.h5")
    with ExitStack() as stack:
        readers = [way(tmp_path / "t.h5", stack) for way in order]
        first, *others = [read() for read in readers]
        assert first.shape == (2, 10, 5)
        for other in others:
            assert_array_equal(first, other)


@pytest.mark.usefixtures("locking")
@pytest.mark.parametrize("order", [WAYS, WAYS[::-1]])
def test_so_it_does_in_the_process_that_writes_it(tmp_path: Path, order: Any) -> None:
    run = run_info(replications=2, slots=60)
    writer = TraceWriter(tmp_path / "t.h5", run)
    with ExitStack() as stack:
        for slot in range(60):
            columns = random_columns(run, slot)
            writer.slot(slot, {name: columns[name] for name in COLUMNS})
            if slot in (9, 19, 29):
                writer.parts()
                reads = [way(tmp_path / "t.h5", stack) for way in order]
                by_edgesim_now = by_edgesim(tmp_path / "t.h5", stack)
                assert by_edgesim_now().shape == (2, slot + 1, 5), "whatever was open before"
                for read in reads[::2]:
                    assert read().shape[1] >= 10
        writer.close("complete")
        assert by_edgesim(tmp_path / "t.h5", stack)().shape == (2, 60, 5)
    with ExitStack() as stack:
        assert by_xarray(tmp_path / "t.h5", stack)().shape == (2, 60, 5)


def _write_for_ever(path: Path) -> Forked:
    """A process that writes a trace, of which something can be read already."""
    process = doing(partial(write_for_ever, path, COLUMNS))
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(TraceError), open_trace(path) as trace:
            if trace.recorded:
                return process
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    raise AssertionError("nothing was written")


def _looked_open(path: Path) -> bool:
    """Whether it says that it is open, which it may for the moment between a flush and its mending."""
    with path.open("rb") as file:
        return superblock.says_open(file.read(superblock.SIZE))


def _patiently(way: Any, path: Path, stack: ExitStack) -> Callable[[], Any]:
    """Open again what says that it is open, or longer than it is yet, as it does within a flush.

    That takes microseconds, and longer on a busy machine.
    """
    for _ in range(20):
        try:
            return way(path, stack)  # type: ignore[no-any-return]
        except OSError as error:
            assert re.search("already open for write|truncated file", str(error))
            time.sleep(0.01)
    raise AssertionError("it stays open")


@pytest.mark.usefixtures("locking")
def test_it_opens_in_all_ways_while_another_process_writes_and_once_that_is_killed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "t.h5"
    process = _write_for_ever(path)
    try:
        for order in (WAYS, WAYS[::-1]):
            with ExitStack() as stack:
                for read in [_patiently(way, path, stack) for way in order]:
                    values = read()[0, :, 0]
                    there = np.isfinite(values)  # xarray shows NaN where a variable lags behind
                    assert_array_equal(values[there], np.arange(1.0, len(values) + 1.0)[there])
                    assert there.any()  # all of them, unless it is read within a flush
        with ExitStack() as stack:
            labels = _patiently(labels_by_xarray, path, stack)()
        assert_array_equal(labels[labels >= 0], np.arange((labels >= 0).sum()))
        assert process.poll() is None, "nobody stopped it"
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    if _looked_open(path):  # killed in these microseconds
        os.utime(path, (time.time() - 60.0,) * 2)
    with ExitStack() as stack:
        shown, *others = [way(path, stack)() for way in WAYS]
    # edgesim shows whole slots; a variable may have grown before another, by a buffer at most.
    assert shown.shape[1] > 0
    for other in others:
        assert 0 <= other.shape[1] - shown.shape[1] <= 50
        assert_array_equal(other[:, : shown.shape[1]], shown)
    assert not _looked_open(path)


def test_a_trace_that_was_killed_between_a_flush_and_its_mending_is_mended(tmp_path: Path) -> None:
    """So do those that earlier versions left."""
    path = tmp_path / "t.h5"
    _record(path)
    block = bytearray(path.read_bytes())
    block[11] = 5  # open for writing, by a single writer
    block[44:48] = superblock.lookup3(bytes(block[:44])).to_bytes(4, "little")
    path.write_bytes(block)
    with open_trace(path) as trace:
        assert trace.recorded == 10
    with pytest.raises(OSError, match="already open"):  # it may be just being flushed
        h5py.File(path, "r")
    os.utime(path, (time.time() - 60.0,) * 2)
    with open_trace(path) as trace:
        assert trace.recorded == 10
    with h5py.File(path, "r") as file:
        assert file["slots/slot"].shape == (10,)


@pytest.mark.parametrize(
    ("content", "number"),
    [(b"", 0xDEADBEEF), (b"Four score and seven years ago", 0x17770551)],
)
def test_the_checksum_is_jenkins_lookup3(content: bytes, number: int) -> None:
    """His own examples, `driver5` of lookup3.c."""
    assert superblock.lookup3(content) == number


def test_superblocks_are_those_of_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "t.h5", "w", libver=growing_file.FORMAT) as file:
        file["x"] = np.arange(1000)
    block = (tmp_path / "t.h5").read_bytes()[: superblock.SIZE]
    assert superblock.is_superblock(block) and not superblock.says_open(block)
    assert superblock.end_of(block) == (tmp_path / "t.h5").stat().st_size
    assert superblock.as_closed(block, superblock.end_of(block)) == block
    assert not superblock.is_superblock(block[:-1] + bytes([block[-1] ^ 1]))


def test_what_is_not_damaged_is_not_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.h5"
    _record(path)
    trace = open_trace(path)
    queues = trace.slots["queue_bits"]
    trace.close()
    with pytest.raises(TraceError, match=r"t\.h5: this trace was closed; open it again"):
        _ = queues.values
    with open_trace(path) as trace, monkeypatch.context() as patched:

        def too_large(self: h5py.Dataset, key: object) -> None:
            raise MemoryError("Unable to allocate 2.00 TiB")

        patched.setattr(h5py.Dataset, "__getitem__", too_large)
        with pytest.raises(
            TraceError, match=r"t\.h5: more than the memory has room for: .* 2\.00 TiB"
        ):
            _ = trace.slots["queue_bits"].values
    with monkeypatch.context() as patched:
        patched.setattr(os, "access", lambda *_: False)  # as for whom it is not readable
        with pytest.raises(TraceError, match=r"t\.h5: Permission denied"):
            open_trace(path)


def test_a_cut_file_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    _record(path)
    os.truncate(path, path.stat().st_size - 1)
    start = time.monotonic()
    with pytest.raises(TraceError, match=r"t\.h5: the file is torn: .* bytes are left"):
        open_trace(path)
    assert time.monotonic() - start < sum(PAUSES_S) + 1.0


def test_lazy_values_can_be_pickled_and_read_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    _record(path)
    with open_trace(path) as trace:
        slots = trace.slots
        copy = pickle.loads(pickle.dumps(slots))
        again = pickle.loads(pickle.dumps(trace))
        tables = trace.tasks, pickle.loads(pickle.dumps(trace.tasks))
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            elsewhere = pool.submit(_mean, slots["queue_bits"]).result()
        assert elsewhere == float(slots["queue_bits"].mean())
        assert tables[0].identical(tables[1])
    assert copy.load().sizes == {"replication": 2, "slot": 10, "device": 5, "station": 3}
    assert again.summary().slots == 10
    with open_trace(path) as trace:
        kept = pickle.dumps(trace.slots)
    _record(path, 20)
    with pytest.raises(TraceError, match=r"t\.h5: meanwhile this is the trace of another run"):
        pickle.loads(kept)["power_w"].load()


def _mean(column: xr.DataArray) -> float:
    return float(column.mean())


@pytest.mark.parametrize("harm", ["cut", "removed", "replaced"])
def test_a_writer_whose_trace_is_harmed_stops_and_says_so(tmp_path: Path, harm: str) -> None:
    path, run = tmp_path / "t.h5", run_info(slots=10_000)
    writer = TraceWriter(path, run)
    writer.slot(0, random_columns(run, 0))
    writer.parts()
    if harm == "cut":
        os.truncate(path, 5000)
    elif harm == "removed":
        path.unlink()
    else:
        (tmp_path / "other").write_bytes(path.read_bytes())
        (tmp_path / "other").replace(path)
    start = time.monotonic()
    with pytest.raises(OSError, match="cut, removed or replaced while the run wrote it") as told:
        for slot in range(1, 10_000):
            writer.slot(slot, random_columns(run, slot))
        writer.close("complete")
    assert told.value.filename == str(path) and time.monotonic() - start < 60.0
    writer.close("failed")  # as the run does; what was lost stays so
    if harm == "replaced":
        with open_trace(path) as trace:
            assert trace.recorded == 1
