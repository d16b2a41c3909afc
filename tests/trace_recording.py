"""Recordings of made-up networks, for the tests of traces."""

import math
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesim.simulator.core.recorder import TASK_ROW, EndStatus, TaskTable
from edgesim.traces import writer as writer_module
from edgesim.traces.trace_file import RunInfo
from edgesim.traces.variables import SLOT_VARIABLES, STATION, Level, Variable
from edgesim.traces.writer import TraceWriter

Columns = dict[str, NDArray[Any]]

OF_EACH_KIND = {(what.dims, what.dtype, what.total): name for name, what in SLOT_VARIABLES.items()}
"""A variable of each kind; the fewer a trace has, the sooner it is made, read and compared."""


def run_info(
    replications: int = 1, devices: int = 5, stations: int = 3, slots: int = 100, seed: int = 7
) -> RunInfo:
    return RunInfo(
        scenario='title = "made up"\n',
        policy="lyapunov",
        seeds=[seed + r for r in range(replications)],
        devices=devices,
        station_names=["mbs", *(f"sbs{j}" for j in range(1, stations))],
        station_position_m=np.arange(2.0 * stations).reshape(stations, 2) * 100.0,
        station_coverage_m=np.array([np.inf, *[150.0] * (stations - 1)]),
        area_m=(500.0, 400.0),
        slots=slots,
        slot_s=0.1,
        cycles_per_bit=100.0,
        leads=4,
    )


def _sizes(run: RunInfo) -> dict[str, int]:
    return {
        "replication": len(run.seeds),
        "device": run.devices,
        "station": len(run.station_names),
        "interferer": run.devices,
        "lead": run.leads,
    }


def _shape(sizes: Mapping[str, int], what: Variable) -> tuple[int, ...]:
    return tuple(sizes[dim] for dim in what.dims if dim != "slot")


@cache
def _places(
    sizes: tuple[tuple[str, int], ...], *, whole: bool
) -> list[tuple[str, slice, tuple[int, ...]]]:
    """Where the numbers of each variable lie in a replication's row, and their shape."""
    found, first = [], 0
    for name, what in SLOT_VARIABLES.items():
        if (what.dtype != "f8") == whole:
            shape = _shape(dict(sizes), what)[1:]
            found.append((name, slice(first, first + math.prod(shape)), shape))
            first += math.prod(shape)
    return found


def random_columns(run: RunInfo, slot: int) -> Columns:
    """Every variable there is; each replication's numbers depend on its own seed alone."""
    stations = len(run.station_names)
    rngs = [np.random.default_rng([seed, slot]) for seed in run.seeds]
    columns: Columns = dict.fromkeys(SLOT_VARIABLES, np.empty(0))
    for whole in (False, True):
        places = _places(tuple(_sizes(run).items()), whole=whole)
        count = places[-1][1].stop
        rows = np.array(
            [
                rng.integers(0, stations, count) if whole else rng.lognormal(size=count) * 1e5
                for rng in rngs
            ]
        )
        for name, place, shape in places:
            columns[name] = rows[:, place].reshape(-1, *shape).copy()
    return columns


def random_tasks(run: RunInfo, slot: int, count: int = 4) -> TaskTable:
    """`count` tasks of each replication, shuffled together; seeds as in `random_columns`."""
    tables = []
    for r, seed in enumerate(run.seeds):
        rng = np.random.default_rng([seed, slot])
        outcome = rng.integers(0, 5, count)
        arrival = slot * run.slot_s - rng.random(count)
        completion = np.where(outcome <= 1, arrival + rng.lognormal(size=count), np.nan)
        device = rng.integers(0, run.devices, count)
        station = rng.integers(-1, len(run.station_names), count)
        bits, deadline = rng.random(count) * 1e6, arrival + rng.random(count)
        tables.append(
            [np.full(count, r), device, station, arrival, completion, bits, deadline, outcome]
        )
    columns = [np.stack(column, axis=1).ravel() for column in zip(*tables, strict=True)]
    return task_table(*columns)


def task_table(
    replication: Any,
    device: Any,
    station: Any,
    arrival_s: Any,
    completion_s: Any,
    bits: Any,
    deadline_s: Any,
    outcome: Any,
) -> TaskTable:
    table = np.empty(len(replication), TASK_ROW)
    table["replication"], table["device"], table["station"] = replication, device, station
    table["arrival_s"], table["completion_s"], table["bits"] = arrival_s, completion_s, bits
    table["deadline_s"], table["outcome"] = deadline_s, outcome
    return table


def completed(latency_s: NDArray[np.float64], replication: int = 0) -> TaskTable:
    """Tasks that arrived at time 0 and were done in time."""
    count = len(latency_s)
    return task_table(
        np.full(count, replication),
        np.zeros(count),
        np.full(count, -1),
        np.zeros(count),
        latency_s,
        np.full(count, 1e5),
        np.full(count, np.inf),
        np.zeros(count),
    )


def record(
    path: Path,
    run: RunInfo,
    *,
    level: Level = "slots",
    slots: int | None = None,
    status: EndStatus = "complete",
) -> None:
    """Record random columns and tasks."""
    writer = TraceWriter(path, run, level=level)
    for slot in range(run.slots if slots is None else slots):
        writer.decision_time(1e-3 * (slot + 1))
        writer.slot(slot, random_columns(run, slot))
        writer.tasks(random_tasks(run, slot))
    writer.close(status)


def zero_columns(run: RunInfo, **given: NDArray[Any]) -> Columns:
    """All columns of /slots that every level has, zero but for those given; all devices are there."""
    columns: Columns = {
        name: np.zeros(_shape(_sizes(run), what), np.int64 if what.dtype != "f8" else float)
        for name, what in SLOT_VARIABLES.items()
        if not what.full
    }
    columns["present"] += 1
    return columns | given


def write_for_ever(path: Path, names: Iterable[str] | None = None) -> None:
    """Slot after slot, each at once: in slot k devices' columns, and each task's latency, are k + 1.

    Args:
        path: of the trace.
        names: its columns, if not all.
    """
    writer_module.FLUSH_S, writer_module.BUFFER_SLOTS, writer_module.BUFFER_TASKS = 0.0, 50, 64
    run = run_info(replications=2, slots=10**7)
    trace = TraceWriter(path, run)
    for slot in range(run.slots):
        value = np.full((2, 5), slot + 1.0)
        columns = zero_columns(run, queue_bits=value, power_w=value, local_bits=value)
        trace.decision_time(slot + 1.0)
        trace.slot(slot, {name: columns[name] for name in names or columns})
        trace.tasks(completed(np.full(3, slot + 1.0)))


def record_columns(
    path: Path, run: RunInfo, series: Mapping[str, NDArray[Any]], *, level: Level = "summary"
) -> None:
    """Record series of totals, (R, slots) each, spread evenly over devices or stations."""
    spread = {}
    for name, values in series.items():
        share = len(run.station_names) if SLOT_VARIABLES[name].dims == STATION else run.devices
        spread[name] = np.repeat(values[:, :, None] / share, share, axis=2)
    zero = zero_columns(run)
    writer = TraceWriter(path, run, level=level)
    for slot in range(run.slots):
        writer.slot(slot, zero | {name: values[:, slot] for name, values in spread.items()})
    writer.close("complete")
