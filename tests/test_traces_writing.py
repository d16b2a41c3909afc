import signal
import sys
import time
import tracemalloc
import zlib
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from forked import doing
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from trace_recording import (
    OF_EACH_KIND,
    completed,
    random_columns,
    random_tasks,
    record,
    run_info,
    write_for_ever,
    zero_columns,
)

import edgesim
from edgesim.simulator.core.arrays import read_only
from edgesim.simulator.core.columns import ColumnBlocks, Layout, Shapes
from edgesim.simulator.core.recorder import OUTCOMES, TASK_ROW
from edgesim.traces import writer as writer_module
from edgesim.traces.column_buffer import ColumnBuffer
from edgesim.traces.growing_table import GrowingTable
from edgesim.traces.reader import TraceError, open_trace
from edgesim.traces.running_totals import LATENCY_EDGES_S
from edgesim.traces.trace_file import TraceFile
from edgesim.traces.variables import SLOT_VARIABLES
from edgesim.traces.writer import TraceWriter


@pytest.fixture
def small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven slots and eleven tasks to a buffer, so a short run flushes often and unevenly."""
    monkeypatch.setattr(writer_module, "BUFFER_SLOTS", 7)
    monkeypatch.setattr(writer_module, "BUFFER_TASKS", 11)


@pytest.mark.usefixtures("small_buffers")
def test_every_column_comes_back_bit_for_bit(tmp_path: Path) -> None:
    run = run_info(replications=3, slots=60)
    record(tmp_path / "t.h5", run, level="full")
    with open_trace(tmp_path / "t.h5") as trace:
        slots = trace.slots.load()
    sizes = {"replication": 3, "slot": 60, "device": 5, "station": 3, "interferer": 5, "lead": 4}
    assert slots.sizes == sizes
    expected = [random_columns(run, slot) for slot in range(60)]
    for name, what in SLOT_VARIABLES.items():
        assert slots[name].dims == what.dims
        assert slots[name].attrs["units"] == what.units
        assert slots[name].attrs["long_name"] == what.long_name
        assert_array_equal(
            slots[name].values, np.stack([c[name] for c in expected], axis=1), strict=False
        )
        if what.dtype == "f8":
            assert slots[name].dtype == np.float64


def test_what_it_is_given_is_copied(tmp_path: Path) -> None:
    run = run_info(slots=2)
    writer = TraceWriter(tmp_path / "t.h5", run)
    columns = random_columns(run, 0)
    kept = columns["queue_bits"].copy()
    writer.slot(0, columns)
    columns["queue_bits"][:] = -1.0
    writer.slot(1, columns)
    writer.close("complete")
    with open_trace(tmp_path / "t.h5") as trace:
        assert_array_equal(trace.slots["queue_bits"].isel(slot=0), kept)


@pytest.mark.usefixtures("small_buffers")
def test_every_task_comes_back_with_its_cycles(tmp_path: Path) -> None:
    run = run_info(replications=2, slots=20)
    record(tmp_path / "t.h5", run)
    tables = [random_tasks(run, slot) for slot in range(20)]
    with open_trace(tmp_path / "t.h5") as trace:
        tasks = trace.tasks.load()
    for name in TASK_ROW.names or ():
        assert_array_equal(tasks[name], np.concatenate([table[name] for table in tables]))
    assert_array_equal(tasks["cycles"], tasks["bits"] * 100.0)
    assert tasks["outcome"].attrs["flag_meanings"].split() == list(OUTCOMES)


def test_xarray_opens_a_closed_trace_with_labels(tmp_path: Path) -> None:
    """Of each kind of variable one: xarray's time grows with the square of how many there are."""
    run = run_info(replications=2, slots=10)
    kept = {*OF_EACH_KIND.values(), "serving_station", "station_queue_bits"}
    writer = TraceWriter(tmp_path / "t.h5", run)
    for slot in range(run.slots):
        columns = random_columns(run, slot)
        writer.slot(slot, {name: columns[name] for name in columns if name in kept})
    writer.close("complete")
    with xr.open_dataset(tmp_path / "t.h5", engine="h5netcdf", group="slots") as slots:
        assert_array_equal(slots["seed"], [7, 8])
        assert_array_equal(slots["slot"], np.arange(10))
        assert_array_equal(slots["device"], np.arange(5))
        assert slots["station_name"].values.tolist() == ["mbs", "sbs1", "sbs2"]
        assert_array_equal(slots["station_x_m"], [0.0, 200.0, 400.0])
        assert slots["serving_station"].dims == ("replication", "slot", "device")
        assert slots["station_queue_bits"].sum("station").shape == (2, 10)
        assert "station_name" in slots["station_queue_bits"].coords


def test_every_variable_has_a_meaning_and_every_axis_a_dimension(tmp_path: Path) -> None:
    record(tmp_path / "t.h5", run_info(), level="full")
    seen, sizes = [], set()

    def check(name: str, item: h5py.Dataset | h5py.Group) -> None:
        if not isinstance(item, h5py.Dataset):
            return
        seen.append(name)
        if item.is_scale and item.attrs["NAME"].startswith(b"This is a netCDF dimension"):
            # As netCDF-C writes it (DIM_WITHOUT_VARIABLE and "%10d", nc4hdf.c), by which it is known.
            begins = b"This is a netCDF dimension but not a netCDF variable."
            sizes.add((name, item.attrs["NAME"].removeprefix(begins)))
            return
        assert "long_name" in item.attrs, name
        if not item.is_scale:
            assert "units" in item.attrs or item.dtype.kind == "O", name
            assert all(len(dim) == 1 for dim in item.dims), name

    with h5py.File(tmp_path / "t.h5") as file:
        file.visititems(check)
        at_first = {
            name: 0 if file[name].maxshape == (None,) else len(file[name]) for name, _ in sizes
        }
    assert len(seen) > 60
    assert sizes == {(name, f"{size:10d}".encode()) for name, size in at_first.items()}


def test_root_attributes_say_what_was_run_and_with_what(tmp_path: Path) -> None:
    record(tmp_path / "t.h5", run_info(), status="interrupted")
    with open_trace(tmp_path / "t.h5") as trace:
        assert trace.status == "interrupted"
        assert trace.scenario == 'title = "made up"\n'
        assert (trace.policy, trace.attrs["seed"], trace.level) == ("lyapunov", 7, "slots")
        assert trace.attrs["edgesim_version"] == edgesim.__version__
        assert trace.attrs["numpy_version"] == np.__version__
        assert trace.attrs["python_version"] == ".".join(map(str, sys.version_info[:3]))
        assert trace.timing.attrs["started"] <= trace.timing.attrs["ended"]
        assert_allclose(trace.timing["decision_s"], 1e-3 * np.arange(1, 101))


@pytest.mark.parametrize("slots", [1, 100, 103])
def test_summary_is_the_sum_of_the_slots(tmp_path: Path, small_buffers: None, slots: int) -> None:
    run = run_info(replications=2, slots=slots)
    record(tmp_path / "t.h5", run, level="summary")
    length = -(-slots // 100)
    expected = [random_columns(run, slot) for slot in range(slots)]
    with open_trace(tmp_path / "t.h5") as trace:
        summary = trace.batches.load()
        with pytest.raises(TraceError, match="level 'summary'"):
            _ = trace.slots
    begins = np.arange(0, slots, length)
    lengths = np.minimum(length, slots - begins)
    assert_array_equal(summary["slots"], lengths)
    for name, what in SLOT_VARIABLES.items():
        if what.total is None:
            assert name not in summary
            continue
        columns = np.stack([c[name] for c in expected], axis=1).reshape(2, slots, -1)
        sums = np.add.reduceat(columns.sum(axis=2), begins, axis=1)
        total = {
            "sum": sums,
            "level": sums / lengths,
            "mean": sums / (lengths * columns.shape[2]),
        }[what.total]
        assert_allclose(summary[name], total, rtol=1e-12)
    queues = np.stack([c["queue_bits"].sum(axis=1) for c in expected], axis=1)
    assert_allclose(summary["initial_queue_bits"], queues[:, ::length], rtol=1e-12)


def test_task_totals_agree_with_the_task_table(tmp_path: Path) -> None:
    run = run_info(replications=3, slots=103)  # two in a batch, one in the last
    record(tmp_path / "t.h5", run)
    with open_trace(tmp_path / "t.h5") as trace:
        tasks, summary = trace.tasks.load(), trace.batches.load()
    latency = (tasks["completion_s"] - tasks["arrival_s"]).values
    batch = np.repeat(np.arange(103), 12) // 2
    for r in range(3):
        mine = tasks["replication"].values == r
        for k in range(52):
            rows = mine & (batch == k)
            counts = np.bincount(tasks["outcome"].values[rows], minlength=5)
            assert_array_equal(summary["tasks"][r, k], counts)
            ended = latency[rows & (tasks["outcome"].values <= 1)]
            assert_allclose(summary["latency_sum_s"][r, k], ended.sum(), rtol=1e-12)
            assert summary["latency_min_s"][r, k] == min(ended, default=np.inf)
            assert summary["latency_max_s"][r, k] == max(ended, default=-np.inf)
        edges = np.append(summary["latency_low_s"], summary["latency_high_s"][-1])
        for part in range(11):
            rows = mine & (tasks["outcome"].values <= 1) & (batch // 5 == part)
            counts = np.histogram(latency[rows], edges)[0]
            assert_array_equal(summary["latency_tasks"][r, part], counts)
        ended = latency[mine & (tasks["outcome"].values <= 1)]
        for low, high, least, most in zip(
            edges,
            edges[1:],
            summary["latency_bin_min_s"].values[r],
            summary["latency_bin_max_s"].values[r],
            strict=False,
        ):
            inside = ended[(ended >= low) & (ended < high)]
            assert (least, most) == ((inside.min(), inside.max()) if len(inside) else (0.0, 0.0))


@given(st.floats(2.0**-20, 2.0**24, exclude_max=True))
def test_latency_bins_are_at_most_one_percent_wide(latency: float) -> None:
    bin_ = np.searchsorted(LATENCY_EDGES_S, latency, side="right") - 1
    low, high = LATENCY_EDGES_S[bin_], LATENCY_EDGES_S[bin_ + 1]
    assert low <= latency < high <= 1.01 * low


def test_latencies_outside_the_bins_are_counted_too(tmp_path: Path) -> None:
    run = run_info(slots=1)
    writer = TraceWriter(tmp_path / "t.h5", run, level="summary")
    writer.slot(0, random_columns(run, 0))
    writer.tasks(completed(np.array([0.0, 1e-9, 2.0**24, 1e12])))
    writer.close("complete")
    with open_trace(tmp_path / "t.h5") as trace:
        counts = trace.batches["latency_tasks"].values[0, 0]
    assert (counts[0], counts[-1], counts.sum()) == (2, 2, 4)


def test_totals_depend_neither_on_flushes_nor_on_other_replications(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = 15
    record(tmp_path / "together.h5", run_info(replications=3, slots=slots))
    monkeypatch.setattr(writer_module, "BUFFER_SLOTS", 7)
    monkeypatch.setattr(writer_module, "FLUSH_S", 0.0)
    with open_trace(tmp_path / "together.h5") as trace:
        together = trace.batches.load()
    for r in range(3):
        record(tmp_path / "alone.h5", run_info(slots=slots, seed=7 + r))
        with open_trace(tmp_path / "alone.h5") as trace:
            alone = trace.batches.load()
        for name, column in alone.data_vars.items():
            if "replication" in column.dims:
                assert column[0].values.tobytes() == together[name][r].values.tobytes(), name


def test_a_full_trace_alone_holds_the_links(tmp_path: Path) -> None:
    record(tmp_path / "t.h5", run_info(slots=3))
    with open_trace(tmp_path / "t.h5") as trace:
        assert not {"channel_gain", "interference_gain", "interferer"} & set(trace.slots.variables)
        assert "queue_bits" in trace.slots


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c | {"queue_bit": c["queue_bits"]}, "no trace knows a column 'queue_bit'"),
        (lambda c: c | {"power_w": c["power_w"][:, :2]}, r"power_w has shape \(1, 2\)"),
    ],
)
def test_a_column_that_cannot_be_is_refused(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    run = run_info()
    with pytest.raises(ValueError, match=message):
        TraceWriter(tmp_path / "t.h5", run).slot(0, change(random_columns(run, 0)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("power_w"), "the set of columns changed"),
        (lambda c: c.update(other=c.pop("power_w")), "column 'power_w' is missing"),
    ],
)
def test_columns_must_not_change_during_the_run(tmp_path: Path, change, message: str) -> None:  # type: ignore[no-untyped-def]
    run = run_info()
    writer = TraceWriter(tmp_path / "t.h5", run)
    writer.slot(0, random_columns(run, 0))
    columns = random_columns(run, 1)
    change(columns)
    with pytest.raises(ValueError, match=message):
        writer.slot(1, columns)
    writer.close("failed")
    with open_trace(tmp_path / "t.h5") as trace:
        assert trace.status == "failed"
        assert trace.slots.sizes["slot"] == 1


def test_blocks_of_some_replications_lie_where_they_belong() -> None:
    layout = Layout(["a", "b"], ["c"], kinds={})
    rng = np.random.default_rng(5)
    devices, network = rng.random((2, 3, 4)), rng.random((1, 3))

    def columns(of: slice) -> ColumnBlocks:
        parts = devices[:, of].copy(), network[:, of].copy()
        return ColumnBlocks(layout, [read_only(part) for part in parts], {})

    whole = slice(0, 3)
    buffer = ColumnBuffer(Shapes.of(columns(whole)), 2, ("a", "b", "c"))
    for part in (slice(0, 1), slice(1, 3)):
        buffer.put(1, columns(part), part)
    buffer.put(0, columns(whole))
    for slot in range(2):
        assert_array_equal(buffer.columns["a"][:, slot], devices[0])
        assert_array_equal(buffer.columns["b"][:, slot], devices[1])
        assert_array_equal(buffer.columns["c"][:, slot], network[0])
    with pytest.raises(ValueError, match="the shape of columns changed"):
        buffer.put(0, columns(whole), slice(0, 2))


def test_a_run_that_fails_before_its_first_slot_leaves_a_readable_trace(tmp_path: Path) -> None:
    TraceWriter(tmp_path / "t.h5", run_info()).close("failed")
    with open_trace(tmp_path / "t.h5") as trace:
        assert trace.status == "failed"
        with pytest.raises(TraceError, match="no slot was recorded"):
            _ = trace.slots
        with pytest.raises(TraceError, match="no slot was recorded"):
            _ = trace.batches


def test_memory_does_not_grow_with_the_slots(tmp_path: Path) -> None:
    run = run_info(devices=10, slots=4_200)  # just more than two buffers
    columns, tasks = random_columns(run, 0), random_tasks(run, 0)
    writer = TraceWriter(tmp_path / "t.h5", run)
    peaks = []
    tracemalloc.start()
    try:
        for begin in range(0, run.slots, 2_100):
            tracemalloc.reset_peak()
            for slot in range(begin, begin + 2_100):
                writer.decision_time(1e-3)
                writer.slot(slot, columns)
                writer.tasks(tasks)
            peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    writer.close("complete")
    assert peaks[1] < 1.02 * peaks[0]
    assert peaks[1] < 30e6


def test_a_hundred_thousand_devices(tmp_path: Path) -> None:
    run = run_info(devices=100_000, slots=3)
    rng = np.random.default_rng(1)
    writer = TraceWriter(tmp_path / "t.h5", run)
    queues = rng.random((3, 1, 100_000))
    for slot in range(3):
        writer.slot(slot, zero_columns(run, queue_bits=queues[slot]))
        writer.tasks(completed(rng.random(100_000)))
    writer.close("complete")
    with open_trace(tmp_path / "t.h5") as trace:
        assert_array_equal(trace.slots["queue_bits"].values[0], queues[:, 0])
        assert trace.tasks.sizes["task"] == 300_000
        assert trace.batches["tasks"].sum() == 300_000


def test_a_trace_is_whole_while_it_grows_and_after_the_writer_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    process = doing(partial(write_for_ever, path))
    try:
        lengths = [0]
        deadline = time.monotonic() + 60.0
        while len(lengths) < 6:
            assert time.monotonic() < deadline and process.poll() is None
            try:
                with open_trace(path) as trace:
                    slots = _whole(trace)
            except TraceError:
                assert lengths == [0], "readable once, readable ever after"
                time.sleep(0.01)
                continue
            if slots > lengths[-1]:
                lengths.append(slots)
            assert slots >= lengths[-1]
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with open_trace(path) as trace:
        assert _whole(trace) >= lengths[-1]
        assert trace.status == "running"
        assert trace.batches["local_bits"].isel(batch=0).values.min() > 0.0


def _whole(trace) -> int:  # type: ignore[no-untyped-def]
    """Check that each slot and task that the trace spans is there; how many slots."""
    slots = trace.slots
    count = int(slots.sizes["slot"])
    expected = np.arange(1.0, count + 1.0)
    for name in ("queue_bits", "power_w"):
        assert_array_equal(slots[name].values, np.tile(expected[None, :, None], (2, 1, 5)))
    assert_array_equal(slots["slot"].values, expected - 1.0)
    tasks = trace.tasks
    for name in ("completion_s",):
        rows = tasks[name].values
        assert_array_equal(rows, 1.0 + np.arange(len(rows)) // 3)
    assert_array_equal(tasks["bits"].values, 1e5)
    decisions = trace.timing["decision_s"].values
    assert_array_equal(decisions, np.arange(1.0, len(decisions) + 1.0))
    return count


def test_no_fixed_storage_is_left_to_be_allocated_while_readers_look_in(tmp_path: Path) -> None:
    """HDF5 does so by rewriting a header that a reader may be reading: "likely file corruption"."""
    run = run_info()
    writer = TraceWriter(tmp_path / "t.h5", run)
    writer.slot(0, random_columns(run, 0))  # laid out, and nothing flushed yet
    unallocated = []

    def check(name: str, item: h5py.Dataset | h5py.Group) -> None:
        fixed = isinstance(item, h5py.Dataset) and item.chunks is None
        # The dimensions without values have no storage, and never get any.
        without_values = item.attrs.get("NAME", b"").startswith(b"This is a netCDF dimension")
        if fixed and not without_values and item.id.get_offset() is None:
            unallocated.append(name)

    with h5py.File(tmp_path / "t.h5", "r", swmr=True, locking=False) as file:
        file.visititems(check)
    writer.close("complete")
    assert unallocated == []


def test_what_is_not_a_trace_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="there is no such file"):
        open_trace(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("hello")
    with pytest.raises(TraceError, match="not an HDF5 file"):
        open_trace(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1.0
    with pytest.raises(TraceError, match="not a trace of edgesim"):
        open_trace(tmp_path / "other.h5")
    record(tmp_path / "t.h5", run_info())
    whole = (tmp_path / "t.h5").read_bytes()
    (tmp_path / "torn.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(TraceError, match="torn"):
        open_trace(tmp_path / "torn.h5")


@pytest.mark.parametrize("slots", [19, 20, 21, 53])
def test_a_trace_has_no_room_that_nobody_uses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slots: int
) -> None:
    """Who watches a slow run sees each slot; the file is then as long as if nobody had watched."""
    run = run_info(slots=slots)
    monkeypatch.setattr(writer_module, "BUFFER_SLOTS", 20)
    monkeypatch.setattr("edgesim.traces.trace_file.TASK_CHUNK", 64)
    sizes = []
    for name, flush_s in (("fast.h5", 1e9), ("slow.h5", 0.0)):
        monkeypatch.setattr(writer_module, "FLUSH_S", flush_s)
        record(tmp_path / name, run)
        sizes.append((tmp_path / name).stat().st_size)
    assert sizes[1] < 1.15 * sizes[0]
    with open_trace(tmp_path / "fast.h5") as fast, open_trace(tmp_path / "slow.h5") as slow:
        assert fast.status == slow.status == "complete"
        xr.testing.assert_identical(fast.slots.load(), slow.slots.load())
        xr.testing.assert_identical(fast.tasks.load(), slow.tasks.load())


def test_what_cannot_be_written_anew_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "FLUSH_S", 0.0)

    def full(self: TraceFile) -> TraceFile:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(TraceFile, "again", full)
    run = run_info(slots=30)
    record(tmp_path / "t.h5", run)
    with open_trace(tmp_path / "t.h5") as trace:
        assert trace.status == "complete"
        assert trace.slots.sizes["slot"] == 30


def test_deflated_chunks_of_any_length_are_read_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HDF5 2.0 would read one that is as long as it was undeflated as other numbers."""

    class Longer:
        @staticmethod
        def compress(data: bytes, level: int) -> bytes:
            return zlib.compress(data, level).ljust(len(data), b"\0")

    monkeypatch.setattr("edgesim.traces.growing_table.isal_zlib", Longer)
    monkeypatch.setattr(writer_module, "FLUSH_S", 0.0)
    monkeypatch.setattr(writer_module, "BUFFER_SLOTS", 10)
    run = run_info(slots=20)
    queues = np.arange(100.0).reshape(20, 1, 5)
    writer = TraceWriter(tmp_path / "t.h5", run)
    for slot in range(20):
        writer.slot(slot, zero_columns(run, queue_bits=queues[slot]))
    writer.close("complete")
    with open_trace(tmp_path / "t.h5") as trace:
        assert_array_equal(trace.slots["queue_bits"].values, queues.swapaxes(0, 1))


def test_slots_take_a_third_of_their_bytes(tmp_path: Path) -> None:
    """Of the shipped flagship: random numbers stay what they are, zeros and high bytes go."""
    edgesim.run("iiot_20dev", tmp_path / "t.h5", slots=2048)
    with h5py.File(tmp_path / "t.h5") as file:
        columns = [
            (column.size * column.dtype.itemsize, column.id.get_storage_size())
            for group in ("slots", "tasks")
            for column in file[group].values()
            if column.compression
        ]
    plain, stored = np.sum(columns, axis=0)
    assert len(columns) > 25
    assert stored < plain / 3.2


@pytest.mark.parametrize("step", [1, 2, 3, 4, 7])
def test_chunks_like_the_one_before_come_back_like_all_others(tmp_path: Path, step: int) -> None:
    """Those that differ in their last row, in a zero's sign, or in nothing, however they are filled."""
    values = np.full((28, 2), 5.0)
    values[11, 1] = values[12, 0] = 6.0
    values[16:24] = 0.0
    values[21, 1] = -0.0
    counts = np.arange(28) // 8 % 2
    with h5py.File(tmp_path / "t.h5", "w", libver="latest") as file:
        packed = {"shuffle": True, "compression": 1}
        made = {
            "values": file.create_dataset(
                "values", (0, 2), "f8", maxshape=(None, 2), chunks=(4, 2), **packed
            ),
            "counts": file.create_dataset(
                "counts", (0,), "i4", maxshape=(None,), chunks=(4,), **packed
            ),
        }
        table = GrowingTable(made, 0)
        for first in range(0, 28, step):
            rows = slice(first, min(first + step, 28))
            columns = {"values": values[rows], "counts": counts[rows].astype(np.float64)}
            table.append(columns, rows.stop - first)
            if first % 3 == 0:
                table.publish(0.0)
        table.end()
        assert file["values"][:].tobytes() == values.tobytes()
        assert_array_equal(file["counts"][:], counts)
