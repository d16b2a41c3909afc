"""The slots of all runs of a sweep as one lazy dataset."""

import shutil
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr
from sweeping import make, write

import edgesim
from edgesim.experiments.sweeps.dataset import open_sweep
from edgesim.experiments.sweeps.table import SweepTable
from edgesim.traces.reader import Trace, TraceError

RAGGED = """
scenario = "base.toml"
policies = ["local", "epr"]
seeds = 3
replications = 2
[set]
trace.level = "slots"
[[points]]
devices.count = 3
run.slots = 12
[[points]]
devices.count = 5
stations.sbs.count = 1
stations.sbs.failures = { time_to_failure = "0.3 s", time_to_repair = "0.3 s" }
run.slots = 9
"""
ALIKE = RAGGED.partition("[[points]]")[0] + "run.slots = 6\n"


@pytest.fixture(scope="module")
def ragged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep whose points differ in devices, stations, slots and variables."""
    folder = tmp_path_factory.mktemp("ragged")
    assert make(write(folder, RAGGED), folder / "out", workers=1).complete == 12
    return folder / "out"


def runs_of(folder: Path) -> Iterator[tuple[dict[Hashable, Any], xr.Dataset]]:
    """Where each run is in a dataset, and what its own trace says of it."""
    where = open_sweep(folder)
    traces = {}
    for name in set(where["trace"].to_numpy().flat):
        with edgesim.open_trace(folder / "traces" / name) as trace:
            traces[name] = trace.slots.load()
    for place in np.ndindex(where["trace"].shape):
        at = dict(zip(where["trace"].dims, place, strict=True))
        own = traces[where["trace"][at].item()].isel(replication=where["replication"][at].item())
        assert own["seed"] == where["seed"][at["seed"]]
        yield at, own


def test_values_are_each_traces_own(ragged: Path) -> None:
    data = open_sweep(ragged, group="slots")
    assert dict(data.sizes) == {
        "point": 2, "policy": 2, "seed": 3, "slot": 12, "device": 5, "station": 4
    }  # fmt: skip
    names = set()
    for at, own in runs_of(ragged):
        one = data.isel(at)
        for name in own.variables.keys() - {"seed", "replication", "slot", "device", "station"}:
            assert one[name].attrs == own[name].attrs
            found, expected = one[name].values, own[name].values
            filled = tuple(slice(size) for size in expected.shape)
            np.testing.assert_array_equal(found[filled], expected, err_msg=str(name))
            rest = np.ones(found.shape, bool)
            rest[filled] = False
            missing = found[rest] == "" if found.dtype == object else np.isnan(found[rest])
            assert missing.all(), name
            names.add(name)
        for name in data.data_vars.keys() - own.variables.keys():
            assert one[name].isnull().all()
    swept = {name for name in data.variables if "." in str(name)}
    assert names == data.variables.keys() - swept - data.sizes.keys()
    assert data["station_up"].isel(point=0).isnull().all()


def test_any_selection_is_that_of_the_whole(ragged: Path) -> None:
    def fresh() -> xr.DataArray:
        return open_sweep(ragged, group="slots")["queue_bits"]

    whole, lazy = fresh().load(), fresh()
    rng = np.random.default_rng(1)
    for _ in range(25):
        at: dict[str, Any] = {}
        for dim, size in whole.sizes.items():
            kind = rng.integers(5)
            start, end = sorted(rng.integers(0, size + 1, 2).tolist())
            if kind == 0:
                at[str(dim)] = int(rng.integers(size))
            elif kind == 1:
                at[str(dim)] = rng.integers(0, size, 3)
            elif kind == 2:
                at[str(dim)] = slice(start, end, int(rng.integers(1, 4)))
            elif kind == 3:
                at[str(dim)] = slice(None, None, -1)
        xr.testing.assert_identical((lazy if at else fresh()).isel(at).load(), whole.isel(at))
    assert not lazy.variable._in_memory, "each was read from the files"
    together = {
        "seed": xr.DataArray([0, 2, 1], dims="k"),
        "slot": xr.DataArray([3, 0, 11], dims="k"),
    }
    xr.testing.assert_identical(fresh().isel(together).load(), whole.isel(together))


def test_opening_reads_no_values_and_using_reads_what_is_used(
    ragged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[tuple[Path, int]] = []
    slot_values = Trace.slot_values

    def counted(trace: Trace, name: str, part: tuple[slice, ...]) -> Any:
        values = slot_values(trace, name, part)
        read.append((trace.path, values.size))
        return values

    monkeypatch.setattr(Trace, "slot_values", counted)
    data = open_sweep(ragged, group="slots")
    repr(data)
    one = data["queue_bits"].sel(policy="epr", seed=2).isel(point=1)
    assert not read
    assert one.isel(slot=slice(2, 6), device=0).mean() > 0.0
    assert [size for _, size in read] == [4]
    # Seeds of one file are read together.
    read.clear()
    data["queue_bits"].isel(point=1, policy=0).to_numpy()
    assert sorted(size for _, size in read) == [1 * 9 * 5, 2 * 9 * 5]


def test_dask_reads_it_in_parts(ragged: Path) -> None:
    pytest.importorskip("dask.array")
    data = open_sweep(ragged, group="slots")
    lazy = data["energy_per_bit_j"].chunk(seed=1, policy=1).mean(("seed", "slot"))
    assert lazy.chunks is not None
    expected = open_sweep(ragged, group="slots")["energy_per_bit_j"].load().mean(("seed", "slot"))
    xr.testing.assert_allclose(lazy.compute(), expected)


def test_whole_numbers_stay_whole_where_nothing_is_missing(tmp_path: Path) -> None:
    make(write(tmp_path, ALIKE), tmp_path / "out", workers=1)
    data = open_sweep(tmp_path / "out", group="slots")
    assert data["serving_station"].dtype == np.int32 and data["scaled"].dtype.kind == "i"
    with SweepTable(tmp_path / "out") as table:
        table.forget([open_sweep(tmp_path / "out")["trace"].values[1, 2]])
    fewer = open_sweep(tmp_path / "out", group="slots")
    assert fewer["serving_station"].dtype == np.float64
    assert (
        fewer["serving_station"][1, 2].isnull().all()
        and fewer["serving_station"][1, 1].notnull().all()
    )
    xr.testing.assert_equal(fewer["queue_bits"][0], data["queue_bits"][0])


def test_what_cannot_be_opened_is_told(ragged: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="group is 'tasks', but must be None or 'slots'"):
        open_sweep(ragged, group="tasks")  # type: ignore[arg-type]
    shutil.copytree(ragged, tmp_path / "out")
    data = open_sweep(tmp_path / "out", group="slots")
    for path in (tmp_path / "out" / "traces").iterdir():
        with h5py.File(path, "a") as file:
            del file["slots"]  # as at level "summary"
    with pytest.raises(TraceError, match=r"no trace here holds slots; trace.level = \"slots\""):
        open_sweep(tmp_path / "out", group="slots")
    for path in (tmp_path / "out" / "traces").iterdir():
        path.write_bytes(b"no trace")
    with pytest.raises(TraceError, match="this is not an HDF5 file"):
        data["queue_bits"].load()
