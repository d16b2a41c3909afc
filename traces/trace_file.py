"""The HDF5 file of a trace while it is written: what is filled, published and closed in which order.

Its groups and datasets are made in `layout`; `variables` has their names and units.
"""

import errno
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec
from zlib import crc32

import h5py
import numpy as np
from numpy.typing import NDArray

from ..simulator.core.arrays import FloatArray
from ..simulator.core.outputs import check_output
from . import netcdf
from .file_errors import TraceError, error_number
from .growing_file import GrowingFile, opened
from .growing_table import GrowingTable
from .layout import Kind, Recorded, image, unfilled
from .open_file import OpenFile, read_values
from .running_totals import SlotTally, TaskTally
from .variables import (
    SLOT_VARIABLES,
    SUMMARY_VARIABLES,
    TASK_VARIABLES,
    Level,
)

TASK_CHUNK = 1 << 14
"""Rows of /tasks in a chunk."""

COPIED_BYTES, COPIED_ROWS = 1 << 24, 1 << 18
"""Copied at a time, of each variable, when a run is resumed."""


@dataclass(frozen=True)
class RunInfo:
    """The description of a run in its trace, apart from what happens in it.

    Attributes:
        scenario: the resolved scenario, TOML.
        policy: its name.
        seeds: R seeds, one per replication.
        devices: N.
        station_names: B names; station 0 is the MBS.
        station_position_m: (B, 2).
        station_coverage_m: (B,) radius of each cell; inf where it covers everything.
        area_m: size of the area along its two axes.
        slots: slots in the whole run.
        slot_s: tau.
        cycles_per_bit: c.
        network: the columns of /network by name; it is left out if there are none.
        inputs: digests of the files and classes that the scenario names, by name.
        carbon: where the carbon intensity is from, by the keys that state it: `g_per_kwh` of a constant;
            of a file its name and what it says, as in `Trace.carbon`.
        encoding: of an agent's observations and actions, as in `Trace.encoding`.
        leads: values of a forecast of carbon intensity; 0 without one.
    """

    scenario: str
    policy: str
    seeds: Sequence[int]
    devices: int
    station_names: Sequence[str]
    station_position_m: FloatArray
    station_coverage_m: FloatArray
    area_m: tuple[float, float]
    slots: int
    slot_s: float
    cycles_per_bit: float
    network: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    carbon: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    encoding: Mapping[str, Any] = field(default_factory=dict)
    leads: int = 0


@dataclass(frozen=True)
class Lengths:
    """How long the growing parts of a trace are.

    Attributes:
        slots: in /slots.
        tasks: rows of /tasks.
        decisions: rows of /timing.
        checksum: of all that.
    """

    slots: int
    tasks: int
    decisions: int
    checksum: int


P = ParamSpec("P")


def _system_errors(
    method: Callable[Concatenate["TraceFile", P], None],
) -> Callable[Concatenate["TraceFile", P], None]:
    """Where the system refuses to write: one OSError with the file's name."""

    @wraps(method)
    def wrapped(self: "TraceFile", /, *args: P.args, **kwargs: P.kwargs) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:
            number = error_number(error)
            gone = self._file is not None and not self.lost and self._file.is_lost()
            if not number and not gone:
                raise
            self.lose()
            if gone:
                what = "it was cut, removed or replaced while the run wrote it"
                raise OSError(errno.ESTALE, what, str(self.path)) from error
            raise OSError(number, os.strerror(number), str(self.path)) from error

    return wrapped


class TraceFile:
    """An HDF5 file in netCDF-4 layout, in SWMR mode from `begin` on.

    Variables grow one after the other, and their labels first: a reader that goes by the shortest sees
    whole slots and tasks, whenever the writer is killed. For readers that know no writers, such as those
    of netCDF, the file looks closed at any time, and longer than it is by what comes next.

    Args:
        path: the file; an earlier one is overwritten.
        run: the run's description.
        level: how much of the run is kept.
        resumes: the trace that is there stays until `begin` has taken from it what it is given, and
            that was published.

    Attributes:
        lost: whether the system refused to write it; it is closed.

    Raises:
        OSError: if the file cannot be written; so do all methods that write.
        OutputError: it would replace a link, a device or a folder.
    """

    def __init__(self, path: Path, run: RunInfo, level: Level, *, resumes: bool = False) -> None:
        self.path = path
        self.run = run
        self.level = level
        self._file: GrowingFile | None = None
        self.lost = False
        self._started = _now()
        self._resumes = resumes
        self._goes_on = True
        check_output(path)
        if not resumes:
            self._begin_anew()

    @_system_errors
    def _begin_anew(self) -> None:
        self._put(self._filled(None))
        self.appear()

    def again(self) -> "TraceFile":
        """The same trace once more, whole; `begin` copies what is there, and nothing follows but totals."""
        other = TraceFile(self.path, self.run, self.level, resumes=True)
        other._started, other._goes_on = self._started, False
        return other

    @_system_errors
    def begin(
        self,
        first: int,
        columns: Sequence[str],
        chunk_slots: int,
        tally: SlotTally,
        earlier: Lengths | None = None,
    ) -> None:
        """Make the datasets for these columns. Readers find the file after `appear`.

        Args:
            first: the first slot.
            columns: names of the columns that will be appended.
            chunk_slots: slots in a chunk.
            tally: the totals that will be written.
            earlier: how much to take over of the trace that is there, but for its totals.

        Raises:
            OSError: the trace that is there is shorter, or cannot be read.
        """
        self._first = first
        self._checksums: dict[str, tuple[int, int]] = {}
        recorded = Recorded(tuple(columns), chunk_slots, tally.batch_slots, tally.batches)
        self._put(self._filled(recorded))
        self._open()
        if self.level != "summary" and (earlier is not None or not self._goes_on):
            try:
                if earlier is None:
                    self._copy()
                else:
                    self._take_over(earlier)
            except TraceError:
                self.lose()
                raise

    def appear(self) -> None:
        """Let readers find the file: it replaces an earlier one, with all that was published."""
        if self._resumes:  # the earlier file is worth something
            sync(self._hidden())
        self._hidden().replace(self.path)
        if self._file is not None:
            self._file.path = self.path

    @property
    def wasted(self) -> bool:
        """Whether an eighth of the file or more is in places that are no longer used."""
        assert self._file is not None
        wasted_bytes = sum(table.wasted_bytes for table in self._tables.values())
        return 8 * wasted_bytes > self._file.end

    @_system_errors
    def _copy(self) -> None:
        """Copy all of the trace that is there, its chunks as they are."""

        def copy(file: h5py.File) -> None:
            for group, table in self._tables.items():
                table.copy(file[group])

        old = OpenFile(self.path)
        old.read(copy)
        old.close()

    def _take_over(self, earlier: Lengths) -> None:
        """Copy the beginning of the trace that is there."""
        old = OpenFile(self.path)
        block = max(COPIED_BYTES // max(8 * self.run.devices * len(self.run.seeds), 1), 1)
        for group, rows, at_once in (
            ("slots", earlier.slots, block),
            ("tasks", earlier.tasks, COPIED_ROWS),
            ("timing", earlier.decisions, COPIED_ROWS),
        ):
            for start in range(0, rows, at_once):
                end = min(start + at_once, rows)
                names = self._tables[group].datasets
                part = old.read(self._part(group, slice(start, end), names))
                self.append(group, part, end - start)
        old.close()
        self.publish()
        if self._lengths() != earlier:
            raise TraceError(
                f"{self.path}: this is not the trace of its checkpoint, or it was changed"
            )

    def _part(
        self, group: str, rows: slice, names: Iterable[str]
    ) -> Callable[[h5py.File], dict[str, NDArray[Any]]]:
        """Reads these slots, tasks or decisions, of some variables."""
        part = (slice(None), rows) if group == "slots" else (rows,)
        return lambda file: {name: read_values(file[group], name, part) for name in names}

    def sync(self) -> Lengths:
        """Have what was published survive a loss of power; its lengths, where all was."""
        sync(self.path)
        return self._lengths()

    def _lengths(self) -> Lengths:
        """How long it is, with a checksum of each variable's values in the order of slots, or of tasks."""
        assert self._file is not None
        # Who writes a chunk as it is cannot read it: HDF5 2.0 looks for the filters that it has not.
        file = OpenFile(self._file.path)
        rows = {"slots": 0, "tasks": 0, "timing": 0}
        for group, table in self._tables.items():
            rows[group] = table.rows
            for name, dataset in table.datasets.items():
                self._check(file, dataset, group, name, table.rows)
        file.close()
        checksums = sorted((name, checksum) for name, (_, checksum) in self._checksums.items())
        checksum = crc32(repr(checksums).encode())
        return Lengths(rows["slots"], rows["tasks"], rows["timing"], checksum)

    def _check(
        self, file: OpenFile, dataset: h5py.Dataset, group: str, name: str, rows: int
    ) -> None:
        """Take what was appended to a variable since the last time into its checksum."""
        begin, checksum = self._checksums.get(f"{group}/{name}", (0, 0))
        at_once = max(COPIED_BYTES * rows // max(dataset.size * dataset.dtype.itemsize, 1), 1)
        for start in range(begin, rows, at_once):
            part = slice(start, min(start + at_once, rows))
            values = file.read(self._part(group, part, [name]))[name]
            if group == "slots":
                values = values.swapaxes(0, 1)
            checksum = crc32(np.ascontiguousarray(values).data, checksum)
        if rows:
            self._checksums[f"{group}/{name}"] = rows, checksum

    @_system_errors
    def append(self, group: str, columns: Mapping[str, NDArray[Any]], rows: int) -> None:
        """Append to the variables of a group.

        Args:
            group: "slots", "tasks" or "timing".
            columns: by name, (R, >= rows, …) of slots, (>= rows,) of tasks and decisions.
            rows: how many of them.
        """
        self._tables[group].append(columns, rows)

    @_system_errors
    def write_summary(self, slots: SlotTally, tasks: TaskTally, parts: slice) -> None:
        """Write all totals, and these parts of the latency histogram."""
        summary = self._summary
        for name, values in (slots.totals() | slots.initial).items():
            netcdf.overwrite(summary[name], values)
        for name in ("tasks", "latency_sum_s", "latency_min_s", "latency_max_s"):
            netcdf.overwrite(summary[name], getattr(tasks, name))
        for part in range(parts.start, parts.stop):
            bins = _hit(tasks.histogram[:, part])
            if bins is not None:
                summary["latency_tasks"][:, part, bins] = tasks.histogram[:, part, bins]
        bins = _hit(np.asarray(tasks.histogram[:, parts].any(axis=1)))
        if bins is not None:
            summary["latency_bin_min_s"][:, bins] = tasks.bin_min_s[:, bins]
            summary["latency_bin_max_s"][:, bins] = tasks.bin_max_s[:, bins]
        netcdf.overwrite(summary["slots"], slots.slots)

    @_system_errors
    def end(self) -> None:
        """Write all that was appended; nothing may follow but totals."""
        for table in self._tables.values():
            table.end()

    @_system_errors
    def publish(self, waited_s: float = 0.0) -> None:
        """Let readers see what was written so far, and what has waited for as long as that."""
        assert self._file is not None
        if self._file.is_lost():
            raise ValueError("the file is not what was written")
        for table in self._tables.values():
            table.publish(waited_s)
        self._label()
        self._file.flush()

    def _label(self) -> None:
        for name, table in self._tables.items():
            if name == "tasks":
                self._task.resize(table.written, axis=0)
            else:
                scale = self._slots[name]
                _extend(scale, self._first, table.written)
                scale.flush()

    @_system_errors
    def close(self, status: str) -> None:
        """Note how the run ended, and close the file; not of one that is lost."""
        if self.lost:
            return
        file = self._file.hdf5 if self._file is not None else opened(self.path)
        netcdf.set_fixed_text(file, "status", status)
        netcdf.set_fixed_text(file["timing"], "ended", _now())
        (self._file or file).close()

    def lose(self) -> None:
        """Let go of a file that cannot be written: it stays as after a kill."""
        self.lost = True
        if self._file is not None:
            self._file.abandon()
        with suppress(OSError):
            self._hidden().unlink(missing_ok=True)

    def _filled(self, recorded: Recorded | None) -> h5py.File:
        """The beginning of the file, in memory, with the run's own."""
        run = self.run
        about = {
            "policy": run.policy,
            "inputs": json.dumps(dict(run.inputs)),
            "carbon": json.dumps({key: dict(about) for key, about in run.carbon.items()}),
            "encoding": json.dumps(dict(run.encoding)),
            "slots": run.slots,
            "slot_s": run.slot_s,
            "area_m": tuple(run.area_m),
        }
        links = len(run.network["link_source"]) if run.network else None
        kind = Kind(
            self.level,
            tuple(about.items()),
            len(run.seeds),
            run.devices,
            tuple(run.station_names),
            links,
            TASK_CHUNK,
            run.leads,
            recorded,
        )
        file = unfilled(kind)
        file.attrs["scenario"] = run.scenario
        file.attrs["seed"] = run.seeds[0]
        netcdf.set_fixed_text(file["timing"], "started", self._started)
        if recorded is not None:
            netcdf.overwrite(file["summary/seed"], run.seeds)
            if self.level != "summary":
                self._fill(file)
        return file

    def _fill(self, file: h5py.File) -> None:
        run = self.run
        group = file["slots"]
        for name, values in (
            ("seed", run.seeds),
            ("station_x_m", run.station_position_m[:, 0]),
            ("station_y_m", run.station_position_m[:, 1]),
            ("station_coverage_m", run.station_coverage_m),
        ):
            netcdf.overwrite(group[name], values)
        for name, values in run.network.items():
            netcdf.overwrite(file["network"][name], values)

    def _put(self, file: h5py.File) -> None:
        """Write a file in memory under another name: no reader meets one that is half made."""
        content = image(file)
        self._hidden().unlink(missing_ok=True)  # who follows a link there would write elsewhere
        self._hidden().write_bytes(content)

    def _open(self) -> None:
        """Open what `_put` wrote, with all that will be written."""
        self._file = GrowingFile(self._hidden())
        file = self._file.hdf5
        self._summary = _variables(file["summary"], SUMMARY_VARIABLES)
        self._tables: dict[str, GrowingTable] = {}
        if self.level != "summary":
            self._task = file["tasks/task"]
            self._slots = {name: file[name]["slot"] for name in ("slots", "timing")}
            for name, known, axis in (
                ("slots", SLOT_VARIABLES, 1),
                ("tasks", TASK_VARIABLES, 0),
                ("timing", ("decision_s",), 0),
            ):
                self._tables[name] = GrowingTable(_variables(file[name], known), axis)

    def _hidden(self) -> Path:
        return self.path.with_name(f".{self.path.name}.new")


def _variables(group: h5py.Group, known: Iterable[str]) -> dict[str, h5py.Dataset]:
    """Those of the group that are known, by name."""
    there = set(group)
    return {
        name: h5py.Dataset(h5py.h5d.open(group.id, name.encode()))
        for name in known
        if name in there
    }


def _hit(counts: NDArray[Any]) -> slice | None:
    """From the first bin to the last one that a replication has something in; None if there is none."""
    bins = np.flatnonzero(counts.any(axis=0))
    return slice(bins[0], bins[-1] + 1) if len(bins) else None


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, survive a loss of power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _extend(scale: h5py.Dataset, first: int, size: int) -> None:
    """Let a growing coordinate count on to `size` places, from `first`."""
    old = scale.shape[0]
    scale.resize(size, axis=0)
    scale[old:] = np.arange(first + old, first + size)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
