"""The results of a sweep as one labelled dataset."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...traces.metrics import METRICS
from ...traces.summary import WARMUP
from .results import SweepResults, load_results
from .table import TRACES

if TYPE_CHECKING:
    import xarray as xr

UNITS = {
    "": "1",
    "%": "1",
    "mg/Mbit": "mg/bit",
    "nJ/bit": "J/bit",
    "Mbit": "bit",
    "bit²": "bit2",
}
"""SI units of `METRICS`, where they are not the table's."""


def open_sweep(
    folder: str | Path, warmup: float = WARMUP, *, group: Literal["slots"] | None = None
) -> "xr.Dataset":
    """The results of a sweep as one labelled dataset.

    Its dimensions are the keys of the grid, `point` if points were listed (their keys are labels of
    it), `policy` and `seed`; its variables are the numbers of `edgesim summary`, SI, NaN where a run
    is missing, and `trace` and `replication`, which lead to the rest of a run:
    `edgesim.open_trace(folder / "traces" / name)`.

    With `group="slots"` they are those of a trace's `slots` instead, over the same dimensions and
    `slot`, `device` or `station`. They are read when they are used, run by run, so a sweep may exceed
    the memory; `.chunk(seed=1)` hands them to dask. Where runs differ in a size, the largest counts;
    what a run does not have is NaN.

    Args:
        folder: of the sweep, which may still be running.
        warmup: share of the slots that the numbers leave out first.
        group: of the traces.

    Raises:
        TraceError: there is no sweep, or it cannot be read, or its traces hold no slots.
        ValueError: the warm-up is not in [0, 1), or there is no such group.
    """
    import xarray as xr

    if group not in (None, "slots"):
        raise ValueError(f"group is {group!r}, but must be None or 'slots'")
    results = load_results(folder, warmup if group is None else WARMUP)
    dims = [*(axis.dim for axis in results.axes), "policy", "seed"]
    shape = [*(axis.places for axis in results.axes), len(results.policies), len(results.seeds)]
    coords: dict[str, Any] = {"policy": list(results.policies), "seed": list(results.seeds)}
    for number, axis in enumerate(results.axes):
        # The cases in which all other axes are at their first place.
        step = math.prod(shape[number + 1 : -1])
        first = slice(0, axis.places * step, step)
        for key in axis.keys:
            coords[key] = (axis.dim, *_coordinate(results, key, first))
        if axis.where == "points":
            coords["point"] = np.arange(axis.places)
    if group is None:
        variables = _numbers(results, dims, shape)
        return xr.Dataset(variables, coords, {"title": results.title, "warmup": warmup})
    from .dataset_slots import slot_variables

    slots, labels = slot_variables(results.folder / TRACES, results.runs, dims, shape)
    return xr.Dataset(slots, coords, {"title": results.title}).set_coords(labels)


def _numbers(results: SweepResults, dims: list[str], shape: list[int]) -> dict[str, Any]:
    """One number per run, and where its trace is."""
    runs = [row for case in results.runs for row in case]
    traces = np.array([row.trace or "" for row in runs], object)
    places = np.array([-1 if row.replication is None else row.replication for row in runs])
    found: dict[str, Any] = {}
    for key, values in results.numbers.items():
        unit = UNITS.get(METRICS[key].unit, METRICS[key].unit)
        found[key] = values, {"long_name": METRICS[key].label, "units": unit}
    found["trace"] = traces, {"long_name": "file in traces/; empty if there is none"}
    found["replication"] = places, {"long_name": "place in the trace"}
    return {key: (dims, values.reshape(shape), attrs) for key, (values, attrs) in found.items()}


def _coordinate(
    results: SweepResults, key: str, cases: slice
) -> tuple[NDArray[Any], dict[str, str]]:
    """Values of a key in these cases, SI where they are quantities, and attributes."""
    raw = [case.keys.get(key) for case in results.cases[cases]]
    if all(isinstance(value, int) for value in raw):  # bool, too
        return np.array(raw), {}
    if (found := results.values(key)) is not None:
        values, unit = found
        return values[cases], {"units": unit or "1"}
    return np.array(results.labels(key)[cases], object), {}
