import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from rich.console import Console
from trace_recording import completed, random_columns, record, run_info, zero_columns

import edgesim
from edgesim.simulator.core.recorder import OUTCOMES
from edgesim.traces import export as export_module
from edgesim.traces import figures
from edgesim.traces.export import export
from edgesim.traces.figures import plot
from edgesim.traces.network_map import STATION_COLOURS, NetworkMap, draw_map
from edgesim.traces.reader import TraceError, open_trace
from edgesim.traces.style import styled
from edgesim.traces.watch import watch
from edgesim.traces.writer import TraceWriter

HEADS = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("traces") / "t.h5"
    record(path, run_info(replications=2, slots=17), level="full")
    return path


@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        pytest.param("all", ".png", marks=pytest.mark.slow),
        ("series", ".pdf"),
        ("latency", ".svg"),
        ("map", ".svg"),
    ],
)
def test_every_kind_of_picture_is_drawn_and_repeatable(
    tmp_path: Path, recorded: Path, kind: Any, suffix: str
) -> None:
    first = plot(recorded, tmp_path / f"a{suffix}", kind).read_bytes()
    assert first.startswith(HEADS[suffix])
    assert len(first) > 5000
    assert plot(recorded, tmp_path / f"b{suffix}", kind).read_bytes() == first


def _curve(ax: Axes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The first line of a diagram."""
    line = ax.lines[0]
    return np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)


def test_a_series_shows_the_totals_of_the_slots(tmp_path: Path) -> None:
    run = run_info(replications=2, devices=4, slots=50)
    writer = TraceWriter(tmp_path / "t.h5", run)
    for slot in range(50):
        level = np.array([[1.0], [3.0]]) * (1.0 + slot) * 1e6
        writer.slot(
            slot,
            zero_columns(
                run,
                queue_bits=np.repeat(level, 4, axis=1),
                local_bits=np.full((2, 4), 3e6),
                offloaded_bits=np.full((2, 4), 1e6),
                local_energy_j=np.full((2, 4), 0.02),
                emission_mg=np.full((2, 4), 0.5),
            ),
        )
    writer.close("complete")
    with open_trace(tmp_path / "t.h5") as trace, styled("screen"):
        queues, energy, share, emission = figures.draw(trace, "series").axes
        time_s, device = _curve(queues)
        assert_allclose(time_s, 0.1 * (np.arange(50) + 0.5))
        assert_allclose(device, 2.0 * (1.0 + np.arange(50)))
        low_high = np.asarray(queues.collections[0].get_paths()[0].vertices)
        assert low_high[:, 1].min() == 1.0
        assert low_high[:, 1].max() == 150.0
        assert_allclose(_curve(energy)[1], 5.0)
        assert_allclose(_curve(share)[1], 25.0)
        assert_allclose(_curve(emission)[1], 20.0)
        assert all(
            unit in ax.get_title("left") for ax, unit in ((queues, "Mbit"), (energy, "nJ/bit"))
        )


def test_the_latency_curve_is_the_distribution_function(tmp_path: Path) -> None:
    run = run_info(slots=1)
    latency = np.random.default_rng(1).lognormal(size=5000)
    writer = TraceWriter(tmp_path / "t.h5", run, level="summary")
    writer.slot(0, random_columns(run, 0))
    writer.tasks(completed(latency))
    writer.close("complete")
    with open_trace(tmp_path / "t.h5") as trace:
        (ax,) = figures.draw(trace, "latency").axes
    at, below = _curve(ax)
    assert_allclose(at, np.quantile(latency, below), rtol=1.0 / 128.0)
    assert ax.get_xlabel() == "latency, s"


def test_the_map_shows_the_last_slot(recorded: Path) -> None:
    with open_trace(recorded) as trace:
        (ax,) = figures.draw(trace, "map").axes
        last = trace.slots.isel(replication=0, slot=-1).load()
    present = last["present"].values > 0
    assert present.any() and not present.all()
    last = last.isel(device=np.flatnonzero(present))
    (links,) = (c for c in ax.collections if isinstance(c, LineCollection))
    ends = np.array(links.get_segments())
    assert_array_equal(ends[:, 0], np.column_stack([last["x_m"], last["y_m"]]))
    station = np.column_stack([last["station_x_m"], last["station_y_m"]])
    assert_array_equal(ends[:, 1], station[last["serving_station"].values])
    # The MBS covers everything: no circle.
    assert [p.radius for p in ax.patches if isinstance(p, Circle)] == [150.0, 150.0]
    assert {"mbs", "sbs1", "sbs2"} <= {text.get_text() for text in ax.texts}


@pytest.mark.parametrize(("side", "unit", "tick"), [(9000.0, "m", "6000"), (20_000.0, "km", "10")])
def test_large_areas_are_told_in_kilometres(side: float, unit: str, tick: str) -> None:
    at = np.array([[0.5 * side, 0.5 * side], [0.1 * side, side]])
    names, wide = ["mbs", "north"], np.full(2, np.inf)
    seen = NetworkMap([side, side], at, np.array([0, 1]), at, names, wide, [(0, 1)])
    figure = Figure()
    ax = figure.add_subplot()
    draw_map(seen, ax)
    figure.draw_without_rendering()
    assert (ax.get_xlabel(), ax.get_ylabel()) == (f"x, {unit}", f"y, {unit}")
    assert tick in [label.get_text() for label in ax.get_xticklabels()]
    # A name is beneath its station where the title would be on it.
    assert [text.xyann[1] > 0.0 for text in ax.texts] == [True, False]  # type: ignore[attr-defined]


def test_stations_at_one_place_share_a_label() -> None:
    at = np.array([[50.0, 50.0], [50.0, 50.5], [90.0, 50.0]])
    seen = NetworkMap(
        [100.0, 100.0], at, np.arange(3), at, ["mbs", "a", "b"], np.full(3, np.inf), []
    )
    ax = Figure().add_subplot()
    draw_map(seen, ax)
    assert [text.get_text() for text in ax.texts] == ["mbs, a", "b"]


def test_what_a_trace_does_not_hold_is_not_drawn(tmp_path: Path) -> None:
    record(tmp_path / "t.h5", run_info(slots=5), level="summary")
    with pytest.raises(TraceError, match="no positions"):
        plot(tmp_path / "t.h5", tmp_path / "map.png", "map")
    assert plot(tmp_path / "t.h5", tmp_path / "all.png").exists()
    with pytest.raises(ValueError, match="a picture ends in"):
        plot(tmp_path / "t.h5", tmp_path / "all.bmp")


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_exported_tables_hold_the_same_numbers(
    tmp_path: Path, recorded: Path, monkeypatch: pytest.MonkeyPatch, file_format: Any
) -> None:
    monkeypatch.setattr(export_module, "CHUNK_ROWS", 33)  # several pieces, the last one short
    paths = export(recorded, tmp_path / "out", file_format)
    assert [path.name for path in paths] == [
        f"{name}.{file_format}"
        for name in ("slots", "devices", "stations", "links", "interference", "forecasts", "tasks")
    ]
    with open_trace(recorded) as trace:
        slots, tasks = trace.slots.load(), trace.tasks.load()
    for path in paths:
        if file_format == "csv":
            table = pyarrow.csv.read_csv(path)
        else:
            table = pyarrow.parquet.read_table(path)
        columns = {name: table[name].to_numpy() for name in table.column_names}
        if path.stem == "tasks":
            outcome = columns.pop("outcome")
            assert_array_equal(outcome, np.array(OUTCOMES)[tasks["outcome"].values])
            assert set(columns) == set(tasks.data_vars) - {"outcome"}
            for name, column in columns.items():
                assert_array_equal(column, tasks[name].values)
            continue
        dims = ["replication", "slot"]
        dims += {
            "devices": ["device"],
            "stations": ["station"],
            "links": ["device", "station"],
            "interference": ["device", "interferer"],
            "forecasts": ["station", "lead"],
        }.get(path.stem, [])
        index = tuple(columns[dim] for dim in dims)
        assert len(set(zip(*index, strict=True))) == np.prod([slots.sizes[dim] for dim in dims])
        expected = {name for name, v in slots.variables.items() if list(v.dims) == dims}
        assert set(columns) - set(dims) - {"station_name"} == expected
        for name in expected:
            assert_array_equal(columns[name], slots[name].values[index])
        if "station" in dims:
            names = slots["station_name"].values
            assert_array_equal(columns["station_name"], names[columns["station"]])


def test_a_summary_cannot_be_exported(tmp_path: Path) -> None:
    record(tmp_path / "t.h5", run_info(slots=5), level="summary")
    with pytest.raises(TraceError, match="no slots or tasks"):
        export(tmp_path / "t.h5", tmp_path / "out")


def test_watch_shows_a_finished_run_and_returns(tmp_path: Path) -> None:
    run = run_info(slots=20)
    writer = TraceWriter(tmp_path / "t.h5", run)
    for slot in range(20):
        writer.slot(
            slot,
            zero_columns(
                run,
                queue_bits=np.full((1, 5), 2e6),
                local_bits=np.full((1, 5), 1e6),
                local_energy_j=np.full((1, 5), 0.0125),
                emission_mg=np.full((1, 5), 0.25),
            ),
        )
        writer.tasks(completed(np.ones(3)))
    writer.close("complete")
    out = io.StringIO()
    console = Console(file=out, width=140, force_terminal=False)
    assert watch(tmp_path / "t.h5", console=console) == "complete"
    text = " ".join(out.getvalue().split())
    for part in (
        "20 of 20 slots complete",
        "queue of a device 2 Mbit queue of a station 0 Mbit energy per bit 12.5 nJ/bit",
        "worst-case emission 0 mg slots feasible 0 %",
        "emission so far 25 mg tasks completed 60",
    ):
        assert part in text
    assert not any(part in text for part in ("slots/s", " left", "nothing new"))


def test_what_is_told_of_several_replications_is_of_one(tmp_path: Path) -> None:
    """As the summary has it: tasks, too."""
    path = tmp_path / "t.h5"
    edgesim.run("iiot_20dev", path, overrides={"run.slots": 40, "run.replications": 3})
    out = io.StringIO()
    watch(path, console=Console(file=out, width=140, force_terminal=False))
    counted = edgesim.open_trace(path).summary(warmup=0.0).estimates["completed_tasks"].value
    assert f"tasks completed {counted:,.0f} " in " ".join(out.getvalue().split()) + " "


UNTIL_TOLD = """
import sys, time
from pathlib import Path
from edgesim.traces import writer as w
from trace_recording import run_info, zero_columns
w.FLUSH_S = 0.0
run = run_info(slots=10**6)
trace = w.TraceWriter(sys.argv[1], run)
slot = 0
while not Path(sys.argv[2]).exists():
    trace.slot(slot, zero_columns(run))
    slot += 1
    time.sleep(0.02)
trace.close("complete")
"""


def _writing(path: Path, stop: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", UNTIL_TOLD, str(path), str(stop)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )


def _await(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _has_begun(path: Path) -> bool:
    try:
        with open_trace(path) as trace:
            return bool(trace.batches.sizes["batch"] > 0)
    except TraceError:
        return False


def test_watch_follows_a_run_until_it_ends(tmp_path: Path) -> None:
    path, stop = tmp_path / "t.h5", tmp_path / "stop"
    out, statuses = io.StringIO(), []
    console = Console(file=out, width=140, force_terminal=True)
    watcher = threading.Thread(
        target=lambda: statuses.append(watch(path, 0.05, patience_s=600.0, console=console))
    )
    watcher.start()
    _await(lambda: "waiting for" in out.getvalue())
    process = _writing(path, stop)
    try:
        _await(lambda: "slots/s" in out.getvalue())
        assert not statuses
        stop.touch()
        watcher.join(timeout=120.0)
        assert statuses == ["complete"]
        assert " left" in out.getvalue()
    finally:
        stop.touch()
        process.wait()


class Steps:
    """In the place of `time`: a clock that goes on by what is listed, and does something each time."""

    def __init__(self, *steps: tuple[float, Callable[[], object]]) -> None:
        self.now, self.steps = 100.0, list(steps)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert self.steps, "it looks once more"
        passed, do = self.steps.pop(0)
        self.now += passed
        do()


@pytest.fixture
def growing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Two replications of 4,000 slots, in batches of 40, of which so many more are written."""
    monkeypatch.setattr("edgesim.traces.writer.FLUSH_S", 0.0)
    run = run_info(replications=2, slots=4000)
    writer = TraceWriter(tmp_path / "t.h5", run)
    slots = iter(range(4000))

    def grow(count: int) -> None:
        for slot in islice(slots, count):
            queued = np.full((2, 5), 1e6 if slot < 80 else 3e6)
            emitted = np.full((2, 5), 0.25)
            writer.slot(slot, zero_columns(run, queue_bits=queued, emission_mg=emitted))
        writer.parts()

    return grow


def watched(path: Path, clock: Any, monkeypatch: pytest.MonkeyPatch, **how: Any) -> tuple[str, str]:
    """The status that `watch` tells, and all that it showed."""
    out = io.StringIO()
    monkeypatch.setattr("edgesim.traces.watch.time", clock)
    console = Console(file=out, width=140, force_terminal=True, color_system=None)
    status = watch(path, console=console, **how)
    return status, " ".join(out.getvalue().split())


def test_watch_shows_the_newest_batch_and_what_is_left(
    growing: Callable[[int], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing(50)
    clock = Steps((1.0, lambda: growing(50)), (11.0, lambda: None), (50.0, lambda: None))
    status, text = watched(tmp_path / "t.h5", clock, monkeypatch)
    assert status == "running" and not clock.steps, "dead after a minute without a slot"
    assert "100 of 4,000 slots 50 slots/s 1:18 left" in text
    assert "3 Mbit" in text, "of slots 80 to 99 alone"
    assert "emission so far 125 mg" in text and "250 mg" not in text, "of a replication"
    assert "nothing new for 11 s" in text and "nothing new for 0 s" not in text


def test_watch_says_how_a_run_ended(
    growing: Callable[[int], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its second look, when it knows how fast it was."""
    run = run_info(slots=40)
    writer, slots = TraceWriter(tmp_path / "e.h5", run), iter(range(40))

    def grow() -> None:
        for slot in islice(slots, 20):
            writer.slot(slot, zero_columns(run))
        writer.parts()

    def end() -> None:
        grow()
        writer.close("complete")

    grow()
    status, text = watched(tmp_path / "e.h5", Steps((1.0, end)), monkeypatch)
    assert status == "complete" and "40 of 40 slots complete" in text


def test_watch_has_patience_with_slow_runs(
    growing: Callable[[int], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty slots' time; of one slot each ten seconds 200 s, and 4,000 slots take eleven hours."""
    growing(50)
    more, none = lambda: growing(1), lambda: None
    clock = Steps((10.0, more), (100.0, none), (10.0, more), (1201.0, none))
    _, text = watched(tmp_path / "t.h5", clock, monkeypatch)
    assert not clock.steps and "10:58:10 left" in text


def test_watch_ends_at_once(
    growing: Callable[[int], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    growing(50)
    assert watched(tmp_path / "t.h5", Steps(), monkeypatch, once=True)[0] == "running"
    record(tmp_path / "i.h5", run_info(slots=20), slots=9, status="interrupted")
    status, text = watched(tmp_path / "i.h5", Steps(), monkeypatch)
    assert status == "interrupted" and "9 of 20 slots interrupted" in text
    with pytest.raises(TraceError):
        watched(tmp_path, Steps(), monkeypatch)  # no run will make a file of it
    for interval_s in (0.0, 86_401.0):
        with pytest.raises(ValueError, match="interval_s"):
            watch(tmp_path / "t.h5", interval_s)


def test_watch_ends_when_the_writer_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "t.h5"
    process = _writing(path, tmp_path / "stop")
    try:
        _await(lambda: _has_begun(path))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    out = io.StringIO()
    assert watch(path, 0.02, patience_s=0.2, console=Console(file=out)) == "running"


def test_watch_says_what_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="there is no such file"):
        watch(tmp_path / "none.h5", 0.02, patience_s=0.1)
    with pytest.raises(TraceError, match="there is no such file"):
        watch(tmp_path / "none" / "none.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1.0
    with pytest.raises(TraceError, match="not a trace"):
        watch(tmp_path / "other.h5", once=True)


def test_small_cells_take_colours_in_turn_and_never_the_macro_stations() -> None:
    first, *others = STATION_COLOURS
    stations = 2 * len(others) + 2
    nobody = np.zeros((0, 2)), np.zeros(0, np.int64)
    places, names = np.zeros((stations, 2)), [str(j) for j in range(stations)]
    seen = NetworkMap((1.0, 1.0), *nobody, places, names, np.full(stations, np.inf), [])
    assert seen.station_colours.tolist() == [first, *others, *others, others[0]]
