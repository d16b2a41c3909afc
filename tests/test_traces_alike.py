"""What a writer shares with others, and what it still knows of its trace."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from trace_recording import OF_EACH_KIND, random_columns, random_tasks, run_info

import edgesim
from edgesim.simulator.core.saved_state import save_state
from edgesim.traces import layout
from edgesim.traces import writer as writer_module
from edgesim.traces.reader import open_trace
from edgesim.traces.trace_file import RunInfo
from edgesim.traces.variables import SLOT_VARIABLES, Level
from edgesim.traces.writer import TraceWriter


@pytest.mark.parametrize("level", ["summary", "slots"])
@pytest.mark.parametrize("slots", [3, 130, 300])
def test_numbers_from_memory_are_those_of_the_file(
    tmp_path: Path, level: Level, slots: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "FLUSH_S", 1e9)  # on a slow machine, too
    run = run_info(replications=2, slots=300)
    writer = recorded(tmp_path / "t.h5", run, slots, level)
    values = writer.replication_values(0.1)
    assert values is not None
    with open_trace(tmp_path / "t.h5") as trace:
        expected = trace.replication_values(0.1)
    assert list(values) == list(expected)
    for name, value in expected.items():
        assert_array_equal(values[name], value)


def test_numbers_of_tasks_that_left_the_memory_are_not_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "BUFFER_TASKS", 11)
    run = run_info(slots=30)
    assert recorded(tmp_path / "t.h5", run, 30, "slots").replication_values(0.1) is None
    assert recorded(tmp_path / "t.h5", run, 30, "summary").replication_values(0.1) is not None
    assert recorded(tmp_path / "t.h5", run, 0, "summary").replication_values(0.1) is None


def test_numbers_of_a_run_that_goes_on_are_not_told(tmp_path: Path) -> None:
    run, path = run_info(slots=30), tmp_path / "t.h5"
    first = TraceWriter(path, run)
    for slot in range(30):
        if slot == 10:
            saved = save_state(first.parts())
            second = TraceWriter(path, run, earlier=saved)
            second.go_on()
        writer = first if slot < 10 else second
        writer.slot(slot, random_columns(run, slot))
        writer.tasks(random_tasks(run, slot))
    second.close("complete")
    assert second.replication_values(0.1) is None


def recorded(
    path: Path, run: RunInfo, slots: int, level: Level, names: Iterable[str] = SLOT_VARIABLES
) -> TraceWriter:
    writer = TraceWriter(path, run, level=level)
    for slot in range(slots):
        columns = random_columns(run, slot)
        writer.slot(slot, {name: columns[name] for name in names})
        writer.tasks(random_tasks(run, slot))
    writer.close("complete")
    return writer


def test_a_trace_is_the_same_whatever_was_written_before(tmp_path: Path) -> None:
    """Groups and variables are shared by runs that are alike, and nothing else is."""
    network = {
        "station_bandwidth_hz": np.arange(3.0),
        "station_cpu_hz": np.arange(3.0) + 1.0,
        "device_cpu_hz": np.arange(5.0),
        "device_power_max_w": np.arange(5.0) + 1.0,
        "link_source": np.array([0]),
        "link_target": np.array([1]),
        "link_latency_s": np.array([0.1]),
        "link_capacity_bps": np.array([np.inf]),
    }
    first = replace(run_info(seed=7, slots=6), network=network)
    others = {
        "seed": replace(run_info(seed=8, slots=6), network=network),
        "scenario": replace(first, scenario='title = "another one"\n' * 1000),
        "policy": replace(first, policy="local", inputs={"a": "b"}),
        "places": replace(first, station_position_m=np.ones((3, 2)), area_m=(1.0, 2.0)),
        "names": replace(first, station_names=["mbs", "a", "a much longer name"]),
        "network": replace(first, network={name: x + 1 for name, x in network.items()}),
        "no network": replace(first, network={}),
        "devices": replace(run_info(devices=4, slots=6)),
        "slots": replace(first, slots=500),
    }
    alone = {}
    for name, run in others.items():
        layout._skeleton.cache_clear()
        recorded(tmp_path / "alone.h5", run, 6, "slots", OF_EACH_KIND.values())
        alone[name] = _content(tmp_path / "alone.h5")
    layout._skeleton.cache_clear()
    recorded(tmp_path / "before.h5", first, 6, "slots", OF_EACH_KIND.values())
    before = _content(tmp_path / "before.h5")
    for name, run in others.items():
        recorded(tmp_path / "after.h5", run, 6, "slots", OF_EACH_KIND.values())
        assert alone[name] == _content(tmp_path / "after.h5"), name
        assert alone[name] != before, name
        with h5py.File(tmp_path / "after.h5") as file:
            for group in ("summary", "slots"):
                assert file[group]["seed"][...].tolist() == run.seeds
            assert_array_equal(file["slots/station_x_m"], run.station_position_m[:, 0])
            assert_array_equal(file["slots/station_y_m"], run.station_position_m[:, 1])
            assert_array_equal(file["slots/station_coverage_m"], run.station_coverage_m)
            assert file["slots/station_name"].asstr()[...].tolist() == list(run.station_names)
            for column, values in run.network.items():
                assert_array_equal(file["network"][column], values)
            assert ("network" in file) == bool(run.network)
            assert file.attrs["scenario"] == run.scenario


def _content(path: Path) -> dict[str, Any]:
    """All values and attributes, but for when the run was made."""
    found: dict[str, Any] = {}

    def look(name: str, item: h5py.Dataset | h5py.Group) -> None:
        for key in item.attrs:
            if key not in ("REFERENCE_LIST", "DIMENSION_LIST", "started", "ended"):
                value = item.attrs[key]
                found[f"{name}@{key}"] = type(value), np.asarray(value).tolist()
        if isinstance(item, h5py.Dataset):
            values = item[()]
            plain = values.tolist() if values.dtype.hasobject else values.tobytes()
            found[name] = item.dtype, item.shape, item.maxshape, item.chunks, plain

    with h5py.File(path) as file:
        look("", file)
        file.visititems(look)
    return found


def test_each_kind_of_run_of_a_sweep_is_laid_out_once(tmp_path: Path) -> None:
    """It takes longer than a short run; a sweep goes through its kinds again and again."""
    for _ in range(2):
        before = layout._skeleton.cache_info()
        for devices in range(2, 8):
            overrides = [f"devices.count={devices}", "policy.name=local"]
            edgesim.run("iiot_20dev", tmp_path / "t.h5", slots=2, overrides=overrides).close()
    after = layout._skeleton.cache_info()
    assert after.hits - before.hits >= 12 and after.misses == before.misses
