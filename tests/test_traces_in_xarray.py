"""What users of xarray, pandas, dask and other readers of tables do with traces."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
import xarray as xr
from numpy.testing import assert_allclose, assert_array_equal
from trace_recording import completed, random_columns, random_tasks, run_info

from edgesim.simulator.core.recorder import OUTCOMES
from edgesim.traces.export import export, write_tables
from edgesim.traces.reader import TraceError, open_trace, summarise
from edgesim.traces.writer import TraceWriter

R, T, N, B = 2, 6, 5, 3
COLUMNS = ("queue_bits", "dropped_bits", "serving_station", "station_queue_bits", "objective")


def write(path: Path, seed: int = 7) -> Path:
    run = run_info(replications=R, slots=T, seed=seed)
    writer = TraceWriter(path, run)
    for slot in range(T):
        columns = random_columns(run, slot)
        writer.slot(slot, {name: columns[name] for name in COLUMNS})
        writer.tasks(random_tasks(run, slot))
        writer.decision_time(1.0)
    writer.close("complete")
    return path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("xarray") / "t.h5")


@pytest.fixture(params=["edgesim", "xarray"])
def slots(request: pytest.FixtureRequest, recorded: Path) -> xr.Dataset:
    """/slots, in both ways."""
    if request.param == "edgesim":
        return open_trace(recorded).slots
    return xr.open_dataset(recorded, engine="h5netcdf", group="slots")


def test_stations_are_selected_and_grouped_by_their_number(slots: xr.Dataset) -> None:
    queues = slots["station_queue_bits"]
    assert_array_equal(queues.sel(station=2), queues.values[..., 2])
    assert_array_equal(slots.sel(station=[2, 0])["station_name"], ["sbs2", "mbs"])
    grouped = queues.groupby("station").mean(...)
    assert_allclose(grouped, queues.values.mean(axis=(0, 1)))
    served = slots["queue_bits"].groupby(slots["serving_station"]).sum()
    values, station = slots["queue_bits"].values, slots["serving_station"].values
    assert_array_equal(served["serving_station"], np.unique(station))
    for j in np.unique(station):
        assert served.sel(serving_station=j) == pytest.approx(values[station == j].sum())


def test_frames_have_a_row_for_each_place(recorded: Path, slots: xr.Dataset) -> None:
    frame = slots.to_dataframe().reset_index()
    assert len(frame) == R * T * N * B
    with open_trace(recorded) as trace:
        devices = trace.table("devices").to_dataframe().reset_index()
        stations = trace.table("stations").to_dataframe().reset_index()
        network, tasks = trace.table("slots").to_dataframe(), trace.table("tasks").to_dataframe()
        assert not trace.table("links").data_vars
        with pytest.raises(TraceError, match="no table 'device'; there are slots, devices"):
            trace.table("device")
        own = trace.slots
        assert (len(devices), len(stations), len(network)) == (R * T * N, R * T * B, R * T)
        assert len(tasks) == trace.tasks.sizes["task"]
        for row in devices.sample(5, random_state=1).itertuples():
            at = {"replication": row.replication, "slot": row.slot, "device": row.device}
            assert own["queue_bits"].sel(at) == row.queue_bits
    assert set(devices) == {"replication", "slot", "device", "seed", *COLUMNS[:3]}
    assert set(stations) >= {"station", "station_queue_bits", "station_name"}


@pytest.mark.parametrize("parallel", [False, True])
def test_several_traces_become_one_dataset(tmp_path: Path, parallel: bool) -> None:
    paths = [write(tmp_path / f"{seed}.h5", seed) for seed in (1, 3)]
    with xr.open_mfdataset(
        paths,
        engine="h5netcdf",
        group="slots",
        combine="nested",
        concat_dim="run",
        parallel=parallel,
        join="outer",
        compat="no_conflicts",
        data_vars="all",
    ) as both:
        assert both["queue_bits"].shape == (2, R, T, N)
        assert both["station_queue_bits"].sel(station=1).shape == (2, R, T)
        assert both["queue_bits"].chunks is not None


def test_chunks_are_computed_in_other_processes(recorded: Path) -> None:
    import dask

    with open_trace(recorded) as trace:
        lazy = trace.slots.chunk({"slot": 2})["queue_bits"].sum()
        expected = float(trace.slots["queue_bits"].sum())
        with (
            ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
            dask.config.set(scheduler="processes", pool=pool),
        ):
            assert float(lazy.compute()) == pytest.approx(expected)
            assert float(lazy.compute(scheduler="threads")) == pytest.approx(expected)


def test_names_of_earlier_versions_are_read_as_those_of_today(
    recorded: Path, tmp_path: Path
) -> None:
    """Then the station that serves a device had the name of the dimension, which had no labels."""
    old = tmp_path / "old.h5"
    old.write_bytes(recorded.read_bytes())
    with h5py.File(old, "r+") as file:
        slots = file["slots"]
        by_station = [slots[name] for name in slots if "station_" in name and "serving" not in name]
        for dataset in by_station:
            dataset.dims[dataset.ndim - 1].detach_scale(slots["station"])
        del slots["station"]
        scale = file.create_dataset("station", (B,), "i1")
        scale.make_scale("This is a netCDF dimension but not a netCDF variable.         3")
        for dataset in by_station:
            dataset.dims[dataset.ndim - 1].attach_scale(scale)
        slots.move("serving_station", "station")
    with open_trace(recorded) as today, open_trace(old) as then:
        assert then.slots.identical(today.slots) or then.slots.equals(today.slots)
        assert then.slot_shapes()["serving_station"] == (R, T, N)
        assert_array_equal(
            then.slot_values("serving_station", (slice(None),) * 3), today.slots["serving_station"]
        )


def test_csv_says_of_each_column_what_it_is(tmp_path: Path) -> None:
    """As polars, DuckDB and pandas guess types; the first two were tried by hand."""
    whole = np.array([0.0, -0.0, 3.0, 1e22, 0.1])
    endless = np.array([np.inf, -np.inf, np.nan, 2.0**-1074, 1.0])
    names = np.array(["plain", 'a "quoted" one', "with, comma", "", "last"])
    pieces = [{"n": np.arange(5), "whole": whole, "endless": endless, "name": names}]
    write_tables(tmp_path / "t.csv", iter(pieces), "csv")
    lines = (tmp_path / "t.csv").read_text().splitlines()
    assert lines == [
        '"n","whole","endless","name"',
        '0,0.0,1e999,"plain"',
        '1,-0.0,-1e999,"a ""quoted"" one"',
        '2,3.0,NaN,"with, comma"',
        '3,1e+22,5e-324,""',
        '4,0.1,1.0,"last"',
    ]
    frame = pd.read_csv(tmp_path / "t.csv")
    assert frame.dtypes.astype(str).tolist()[:3] == ["int64", "float64", "float64"]
    assert_array_equal(frame["endless"], endless)
    assert_array_equal(frame["whole"], whole)


def test_deadlines_that_never_come_are_numbers(tmp_path: Path) -> None:
    run = run_info(slots=1)
    writer = TraceWriter(tmp_path / "t.h5", run)
    writer.slot(0, {"queue_bits": np.zeros((1, N))})
    writer.tasks(completed(np.array([0.5, 1.0])))
    writer.close("complete")
    export(tmp_path / "t.h5", tmp_path, "csv")
    header, *rows = (tmp_path / "tasks.csv").read_text().splitlines()
    place = header.split(",").index('"deadline_s"')
    assert [row.split(",")[place] for row in rows] == ["1e999"] * 2
    assert '"done"' in rows[0] and OUTCOMES[0] == "done"


def test_a_column_for_each_trace_whatever_its_name(tmp_path: Path) -> None:
    """rich takes what is in brackets for a style."""
    paths = [write(tmp_path / name) for name in ("run[1].h5", "run[2].h5", "run[bold].h5")]
    text = str(summarise(paths))
    assert all(path.name in text for path in paths)
