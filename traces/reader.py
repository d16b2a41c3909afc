"""The trace reader: xarray datasets and numbers of a trace, also of one that is still being written."""

import errno
import json
import os
import tomllib
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

import h5py
import numpy as np
from numpy.typing import NDArray

from ..scenarios.errors import as_toml
from ..scenarios.tables import flatten
from ..simulator.core.arrays import FloatArray
from .file_errors import TraceError, reported
from .latencies import LatencyRecord
from .lateness import late_classes
from .netcdf import decoded_attrs
from .open_file import OpenFile, read_values
from .printing import counted, spoken
from .statistics import (
    BatchTotals,
    CountedBatches,
    check_warmup,
    recorded_tasks,
    replication_values,
    sketched_tasks,
)
from .summary import WARMUP, Summary, TraceSummary, subject
from .variables import (
    SLOT_VARIABLES,
    SUMMARY_VARIABLES,
    TABLES,
    TASK_VARIABLES,
    Level,
    current_name,
    stored_name,
)

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Trace", "TraceError", "is_hdf5", "open_trace", "summarise"]

MOST_TASKS = 20_000_000
"""Quantiles of more tasks than these come from the histogram: memory is bounded."""

_EXPECTED = {
    "status": str,
    "scenario": str,
    "policy": str,
    "seed": int,
    "level": str,
    "slots": int,
    "slot_s": float,
    "devices": int,
    "stations": int,
}
"""Root attributes of every trace, and their types; numbers are positive and finite, but for the seed."""


_MOST = 1 << 53
"""More slots or devices than any run has."""


class Trace:
    """A trace, open for reading.

    The datasets are lazy: values are read when they are used, so a trace may exceed the memory. Of a
    run that goes on, each shows what there was when it was first asked for.

    Attributes:
        path: of the file.
        attrs: root attributes: versions, `seed`, `slots`, `slot_s`, `devices`, `stations`, ….

    Args:
        path: of the file.

    Raises:
        TraceError: if there is no such file, or it is not a trace, or it cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.is_dir():
            raise TraceError(f"{path}: this is a folder, not a trace")
        if not self.path.is_file():
            raise TraceError(f"{path}: there is no such file")
        if not os.access(self.path, os.R_OK):
            raise TraceError(f"{path}: {os.strerror(errno.EACCES)}")
        if not is_hdf5(self.path):
            what = (
                ", but TOML, of which `edgesim validate` tells"
                if self.path.suffix == ".toml"
                else ""
            )
            raise TraceError(f"{path}: this is not an HDF5 file{what}")
        self._file = OpenFile(self.path)
        self.attrs = self._file.read(decoded_attrs)
        if "edgesim_version" not in self.attrs:
            raise TraceError(f"{path}: this is an HDF5 file, but not a trace of edgesim")
        if missing := _EXPECTED.keys() - self.attrs.keys():
            raise TraceError(f"{path}: the file is torn: it lacks {', '.join(missing)}")
        for name, kind in _EXPECTED.items():
            value = self.attrs[name]
            right = type(value) is kind
            if right and kind is not str and name != "seed":
                right = 0 < float(str(value)) < _MOST
            if not right:
                raise TraceError(f"{path}: the file is damaged: its {name} is {as_toml(value)}")

    @property
    def status(self) -> str:
        """How the run ended; "running" if it did not yet, or if it was killed."""
        return str(self.attrs["status"])

    @property
    def scenario(self) -> str:
        """The resolved scenario, TOML."""
        return str(self.attrs["scenario"])

    @property
    def policy(self) -> str:
        """Name of the policy."""
        return str(self.attrs["policy"])

    @property
    def inputs(self) -> dict[str, str] | None:
        """Digests of the files and classes that the scenario names, by name; None in earlier versions.

        Raises:
            TraceError: it is damaged.
        """
        if "inputs" not in self.attrs:
            return None
        with reported(self.path):
            return dict(json.loads(self.attrs["inputs"]))

    @property
    def carbon(self) -> dict[str, dict[str, Any]]:
        """Where the carbon intensity is from, by the keys that state it; empty in earlier versions.

        Of a constant, `g_per_kwh`. Of a file: `file`, `source` (whose format it is), `time_column`,
        `value_column`, `unit` (in the file), `kind` ("average", "marginal" or None if nobody says),
        `basis` ("direct", "life-cycle" or None), `time_zone` (in the file), `left_out` (rows without value).

        Raises:
            TraceError: it is damaged.
        """
        with reported(self.path):
            found = json.loads(self.attrs.get("carbon", "{}"))
            return {str(key): dict(about) for key, about in found.items()}

    @property
    def encoding(self) -> dict[str, Any]:
        """What a policy that has learned is shown, and its actions; empty for others, and in earlier versions.

        `name` and `version` of the encoding, `devices`, `features` and `actions` of each,
        `observation_bounds`, `action_bounds`; of an agent `file`, its `format` and `observation_shape`.

        Raises:
            TraceError: it is damaged.
        """
        with reported(self.path):
            return dict(json.loads(self.attrs.get("encoding", "{}")))

    @cached_property
    def scenario_table(self) -> dict[str, Any]:
        """The same, parsed.

        Raises:
            TraceError: it is damaged.
        """
        with reported(self.path):
            return tomllib.loads(self.scenario)

    @property
    def title(self) -> str:
        """The scenario's, or else the file's name."""
        return str(self.scenario_table.get("title", self.path.name))

    @cached_property
    def seeds(self) -> list[int]:
        """One per replication; the first alone if no slot was recorded yet.

        Raises:
            TraceError: the file is torn.
        """

        def seeds(file: h5py.File) -> list[int]:
            if "summary" not in file:
                return [int(self.attrs["seed"])]
            known: list[int] = read_values(file, "summary/seed").tolist()
            return known

        return self._file.read(seeds)

    @property
    def level(self) -> Level:
        """How much was recorded."""
        return cast(Level, self.attrs["level"])

    @cached_property
    def slots(self) -> "xr.Dataset":
        """/slots, over replication, slot, device and station.

        Raises:
            TraceError: if the trace holds none.
        """
        return self._group("slots")

    @cached_property
    def network(self) -> "xr.Dataset | None":
        """/network, over station, device and link; None in a trace of an earlier version.

        Raises:
            TraceError: the file is torn.
        """
        return self._group("network") if self._file.read(lambda file: "network" in file) else None

    @cached_property
    def tasks(self) -> "xr.Dataset":
        """/tasks, one row per task that ended.

        Raises:
            TraceError: if the trace holds none.
        """
        return self._group("tasks")

    def table(self, name: str) -> "xr.Dataset":
        """The variables that have the same dimensions, so that a frame of them repeats nothing.

        Args:
            name: "slots" (by replication and slot), "devices" (also by device), "stations" (by station
                instead), "tasks", or, of level "full", "links", "interference" and "forecasts".

        Returns:
            A part of `slots` or `tasks`, which may be empty.

        Raises:
            TraceError: there is no such table, or the trace holds no slots.
        """
        if name not in TABLES:
            raise TraceError(f"{self.path}: no table {name!r}; there are {', '.join(TABLES)}")
        source, known = (
            (self.tasks, TASK_VARIABLES) if name == "tasks" else (self.slots, SLOT_VARIABLES)
        )
        dims = TABLES[name]
        return source[[key for key in known if key in source and source[key].dims == dims]]

    @cached_property
    def batches(self) -> "xr.Dataset":
        """/summary: totals by batch of slots and replication, of batches that have begun.

        Raises:
            TraceError: if no slot was recorded.
        """
        batches = self._group("summary")
        begun, parts = self._file.read(lambda file: self._begun(file["summary"]))
        return batches.isel(batch=slice(0, begun), part=slice(0, parts))

    @cached_property
    def timing(self) -> "xr.Dataset":
        """/timing: wall-clock time of each decision; when the run started and ended."""
        return self._group("timing")

    def summary(self, warmup: float = WARMUP) -> TraceSummary:
        """Long-run means with 95 % intervals, latency quantiles, stability: as of `edgesim summary`.

        Args:
            warmup: share of the slots to leave out at the beginning, rounded up to whole batches (a
                hundredth of the run), at level "summary" for latency quantiles to the nearest five.

        Raises:
            ValueError: if the warm-up is not in [0, 1).
            TraceError: if no slot was recorded.
        """
        check_warmup(warmup)
        totals, decision_s = self.totals, self._file.read(self._median_decision_s)
        with reported(self.path):
            counted = CountedBatches(totals, warmup)
            return TraceSummary(
                path=self.path,
                policy=self.policy,
                seeds=self.seeds,
                status=self.status,
                slots=totals.recorded,
                counted_slots=counted.slots,
                estimates=counted.estimates(self.latencies),
                growth=counted.growth(),
                decision_s=decision_s,
                warmup=warmup,
                about=subject(self.scenario_table, len(self.seeds)),
                carbon=self.carbon,
                title=self.title,
                devices=int(self.attrs["devices"]),
                stations=int(self.attrs["stations"]),
                keys=flatten(self.scenario_table),
                late_classes=self._file.read(
                    lambda file: late_classes(file, self.scenario_table, counted)
                ),
            )

    def _median_decision_s(self, file: h5py.File) -> float | None:
        self._need(file, "timing")
        group = file["timing"]
        if "decision_s" not in group:
            return None
        count = min(len(group["slot"]), len(group["decision_s"]))
        taken_s = read_values(group, "decision_s", (slice(count),))
        return float(np.median(taken_s)) if count else None

    @cached_property
    def totals(self) -> BatchTotals:
        """/summary as plain arrays, in a tenth of `batches`' time.

        Raises:
            TraceError: if no slot was recorded.
        """
        return self._file.read(self._totals)

    def _totals(self, file: h5py.File) -> BatchTotals:
        self._need(file, "summary")
        group = file["summary"]
        begun, parts = self._begun(group)
        tasks = read_values(group, "tasks")[:, :begun]
        # The histogram is the better part of what is there to read.
        sketched = "tasks" not in file or tasks.sum() > MOST_TASKS
        ends = {"batch": begun, "part": parts}
        arrays = {}
        for name, what in SUMMARY_VARIABLES.items():
            if name in group and (sketched or "latency_bin" not in what.dims):
                part = tuple(slice(0, ends.get(dim)) for dim in what.dims)
                if "latency_bin" in what.dims:
                    arrays[name] = read_values(group, name, part)
                else:  # at once, which is faster
                    arrays[name] = read_values(group, name)[part]
        about = decoded_attrs(group)
        attrs = self.attrs
        return BatchTotals(
            arrays,
            about["batch_slots"],
            about["batches_per_part"],
            attrs["slot_s"],
            attrs["devices"],
            attrs["stations"],
        )

    def replication_values(self, warmup: float = WARMUP) -> dict[str, FloatArray]:
        """The numbers of each replication alone.

        Args:
            warmup: as for `summary`.

        Returns:
            By key of `METRICS`, those that the trace has: (R,) SI; NaN where there is nothing to divide by.

        Raises:
            TraceError: if no slot was recorded.
        """
        totals = self.totals
        with reported(self.path):
            return replication_values(totals, self.latencies, warmup)

    @cached_property
    def latencies(self) -> LatencyRecord:
        """Of the completed tasks: from /tasks where the trace has them, else from its histogram.

        Raises:
            TraceError: if no slot was recorded, or the file is torn.
        """
        return self._file.read(self._latencies)

    def _latencies(self, file: h5py.File) -> LatencyRecord:
        totals = self.totals
        if "latency_tasks" in totals.arrays:
            return sketched_tasks(totals)
        group = file["tasks"]
        # A run may be writing more.
        rows = slice(0, min(int(totals.arrays["tasks"].sum()), len(group["completion_s"])))
        names = ("outcome", "replication", "arrival_s", "completion_s")
        outcome, replication, arrival_s, completion_s = (
            read_values(group, name, (rows,)) for name in names
        )
        return recorded_tasks(totals, outcome, replication, arrival_s, completion_s)

    @property
    def recorded(self) -> int:
        """Slots recorded, of one replication.

        Raises:
            TraceError: the file is torn.
        """
        return self._file.read(
            lambda file: int(read_values(file, "summary/slots").sum()) if "summary" in file else 0
        )

    def slot_shapes(self) -> dict[str, tuple[int, ...]]:
        """The variables of /slots and their shapes; none if the trace holds no slots.

        With `slot_values` in a hundredth of `slots`' time, where many traces are read.

        Raises:
            TraceError: the file is torn.
        """
        shapes: dict[str, tuple[int, ...]] = self._file.read(
            lambda file: {name: item.shape for name, item in file.get("slots", {}).items()}
        )
        return {current_name("slots", name, len(shape)): shape for name, shape in shapes.items()}

    def slot_values(self, name: str, part: tuple[slice, ...]) -> NDArray[Any]:
        """Values of a variable of /slots, read at once.

        Args:
            name: of the variable.
            part: a slice for each of its dimensions.

        Returns:
            Of the shape of the part, in the unit of the variable; texts as objects.

        Raises:
            TraceError: the file is torn.
        """

        def read(file: h5py.File) -> NDArray[Any]:
            group = file["slots"]
            return np.asarray(
                read_values(group, name if name in group else stored_name(name), part)
            )

        return self._file.read(read)

    def _begun(self, summary: h5py.Group) -> tuple[int, int]:
        """How many batches have begun, and parts."""
        begun = int(np.count_nonzero(read_values(summary, "slots")))
        if begun == 0:
            raise TraceError(f"{self.path}: no slot was recorded")
        return begun, -(-begun // int(summary.attrs["batches_per_part"]))

    def close(self) -> None:
        """Close the file; datasets that were not loaded cannot be read any more."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        facts = "".join(f"\n  {name:<9}{text}" for name, text in self.facts().items())
        return f"Trace {self.path}{facts}"

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>"
            for name, text in self.facts().items()
        )
        return f"<table><caption>Trace {escape(str(self.path))}</caption>{rows}</table>"

    def facts(self) -> dict[str, str]:
        """What a trace prints of itself, by name, also when it is closed or torn."""
        attrs = self.attrs
        title, seeds, recorded = "", f"from {attrs['seed']}", ""
        with suppress(TraceError):
            title = self.title
            seeds, recorded = spoken(self.seeds), f"{self.recorded:,} of "
        return {
            "scenario": title,
            "policy": self.policy,
            "seeds": seeds,
            "network": f"{counted(attrs['devices'], 'device')}, {counted(attrs['stations'], 'station')}",
            "slots": f"{recorded}{attrs['slots']:,} of {attrs['slot_s']:g} s, level {self.level!r}",
            "status": self.status,
        }

    def _group(self, name: str) -> "xr.Dataset":
        from .lazy_dataset import lazy_dataset

        self._file.read(lambda file: self._need(file, name))
        with reported(self.path):
            return lazy_dataset(self._file, name)

    def _need(self, file: h5py.File, group: str) -> None:
        if group in file:
            return
        reason = (
            f"it was recorded at level {self.level!r}"
            if self.level == "summary" and group != "summary"
            else "no slot was recorded"
        )
        raise TraceError(f"{self.path}: no /{group} here: {reason}")


def is_hdf5(path: Path) -> bool:
    """Whether there is a file, and it is HDF5, as traces are."""
    return path.is_file() and bool(h5py.is_hdf5(path))


def open_trace(path: str | Path) -> Trace:
    """Open a trace of `edgesim run`, finished or still being written.

    Raises:
        TraceError: if there is no such file, or it is not a trace, or it cannot be read.
    """
    return Trace(path)


def ended(path: Path) -> tuple[str, str]:
    """Status and scenario of a trace, in a third of the time of `open_trace`.

    Raises:
        TraceError: it is not a trace, or it cannot be read.
    """
    file = OpenFile(path)
    try:
        return file.read(lambda opened: (_text(opened, "status"), _text(opened, "scenario")))
    finally:
        file.close()


def _text(file: h5py.File, name: str) -> str:
    value = file.attrs[name]
    return value.decode() if isinstance(value, bytes) else str(value)


def summarise(paths: Iterable[str | Path], warmup: float = WARMUP) -> Summary:
    """The summaries of traces, side by side.

    Args:
        paths: of the traces; they may still be running.
        warmup: as for `Trace.summary`.

    Raises:
        ValueError: if the warm-up is not in [0, 1).
        TraceError: if a trace cannot be read or holds no slot.
    """
    check_warmup(warmup)
    summaries = []
    for path in paths:
        with open_trace(path) as trace:
            summaries.append(trace.summary(warmup))
    return Summary(summaries, warmup)
