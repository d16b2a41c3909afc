"""The layout of a trace: groups, variables without values, and attributes, as runs that are alike have in common.

HDF5 takes some 10 ms to make them one by one. So they are made once for all runs of a process that are alike,
as those of a sweep are, and kept as the bytes of a file, into which each trace puts what is its own.
"""

import platform
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import h5py
import numpy as np
from threadpoolctl import ThreadpoolController

from .. import __version__
from ..simulator.core.recorder import OUTCOMES
from . import netcdf
from .growing_file import FORMAT
from .running_totals import BATCHES_PER_PART, LATENCY_EDGES_S
from .superblock import SIZE, as_closed, end_of
from .variables import (
    DECISION_S,
    NETWORK_VARIABLES,
    SLOT_COORDINATES,
    SLOT_VARIABLES,
    SUMMARY_VARIABLES,
    TASK_VARIABLES,
    Level,
    Variable,
    columns_of,
)

KEPT = 32
"""Skeletons, of 10 to 200 kB: two of each kind of run, before its first slot and from then on. A sweep has many kinds."""

_LIBRARIES = ("numpy", "scipy", "h5py", "simpy", "numba", "cvxpy", "clarabel", "torch")


@dataclass(frozen=True)
class Recorded:
    """What is recorded, once the first slot has told it.

    Attributes:
        columns: of /slots.
        chunk_slots: slots in a chunk of them.
        batch_slots: slots in a batch.
        batches: K.
    """

    columns: tuple[str, ...]
    chunk_slots: int
    batch_slots: int
    batches: int


@dataclass(frozen=True)
class Kind:
    """All that a skeleton depends on.

    Attributes:
        level: how much is kept.
        attributes: root attributes that are the same, by name.
        replications: R.
        devices: N.
        station_names: B names.
        links: of the backhaul; None without /network.
        task_chunk: rows of /tasks in a chunk.
        leads: values of a forecast.
        recorded: None before the first slot.
    """

    level: Level
    attributes: tuple[tuple[str, Any], ...]
    replications: int
    devices: int
    station_names: tuple[str, ...]
    links: int | None
    task_chunk: int
    leads: int
    recorded: Recorded | None


def unfilled(kind: Kind) -> h5py.File:
    """The file of a trace in memory, without what is a run's own."""
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_fapl_core(backing_store=False)
    access.set_file_image(_skeleton(kind))
    return h5py.File(h5py.h5f.open(b"trace", h5py.h5f.ACC_RDWR, access))


def image(file: h5py.File) -> bytes:
    """The bytes of a file in memory, which is closed."""
    with file:
        file.flush()
        content: bytes = file.id.get_file_image()
    head = content[:SIZE]
    # HDF5 before 2.0 clears a mark in it, and leaves the checksum of before.
    return as_closed(head, end_of(head)) + content[SIZE:]


@lru_cache(KEPT)
def _skeleton(kind: Kind) -> bytes:
    # In memory: HDF5 would crash the process, now or at its end, if the system refused to write what it closes.
    file = h5py.File("trace", "w", driver="core", backing_store=False, libver=FORMAT)
    file.attrs.update(
        {
            "edgesim_version": __version__,
            "level": kind.level,
            "devices": kind.devices,
            "stations": len(kind.station_names),
            "python_version": platform.python_version(),
        }
        | dict(kind.attributes)
        | _library_versions()
        | _machine()
    )
    netcdf.fixed_text(file, "status", "running", 16)
    timing = file.create_group("timing")
    netcdf.fixed_text(timing, "started", "", 40)
    netcdf.fixed_text(timing, "ended", "", 40)
    if kind.recorded is not None:
        _make_summary(file.create_group("summary"), kind, kind.recorded)
        if kind.level != "summary":
            _make_slots(file, kind, kind.recorded)
            if kind.links is not None:
                _make_network(file.create_group("network"), kind, kind.links)
            _make_tasks(file.create_group("tasks"), kind.task_chunk)
            _make_decisions(timing)
    return image(file)


def _replication(group: h5py.Group, kind: Kind) -> h5py.Dataset:
    """The dimension of replications, labelled with number and seed."""
    numbers = range(kind.replications)
    scale = netcdf.coordinate(group, "replication", numbers, long_name="replication")
    netcdf.variable(group, "seed", SLOT_COORDINATES["seed"], {"replication": scale})
    return scale


def _station(group: h5py.Group, kind: Kind) -> h5py.Dataset:
    """The dimension of stations, labelled with their numbers."""
    numbers = range(len(kind.station_names))
    return netcdf.coordinate(group, "station", numbers, long_name="station")


def _make_slots(file: h5py.File, kind: Kind, recorded: Recorded) -> None:
    group, devices = file.create_group("slots"), range(kind.devices)
    scales = {
        "replication": _replication(group, kind),
        "slot": netcdf.growing_coordinate(group, "slot", recorded.chunk_slots, long_name="slot"),
        "device": netcdf.coordinate(group, "device", devices, long_name="device"),
        "station": _station(group, kind),
    }
    if any("interferer" in SLOT_VARIABLES[name].dims for name in recorded.columns):
        scales["interferer"] = netcdf.coordinate(
            group, "interferer", devices, long_name="device that interferes"
        )
    if any("lead" in SLOT_VARIABLES[name].dims for name in recorded.columns):
        scales["lead"] = netcdf.coordinate(
            group, "lead", range(kind.leads), long_name="steps of a forecast after its issue"
        )
    for name in ("station_name", "station_x_m", "station_y_m", "station_coverage_m"):
        netcdf.variable(group, name, SLOT_COORDINATES[name], scales)
    group["station_name"][...] = kind.station_names
    group.attrs["coordinates"] = " ".join(SLOT_COORDINATES)
    for name in recorded.columns:
        what = SLOT_VARIABLES[name]
        shape = {dim: scale.shape[0] for dim, scale in scales.items()}
        shape["slot"] = recorded.chunk_slots
        chunks = [shape[dim] for dim in what.dims]
        netcdf.variable(group, name, what, scales, chunks, _missing(what), compressed=True)


def _make_network(group: h5py.Group, kind: Kind, links: int) -> None:
    scales = {
        "station": _station(group, kind),
        "device": netcdf.coordinate(group, "device", range(kind.devices), long_name="device"),
        "link": netcdf.coordinate(group, "link", range(links), long_name="backhaul link"),
    }
    for name, what in NETWORK_VARIABLES.items():
        netcdf.variable(group, name, what, scales)


def _make_tasks(group: h5py.Group, chunk: int) -> None:
    task = netcdf.dimension(group, "task", 0, unlimited=True)
    for name, what in TASK_VARIABLES.items():
        scales = {"task": task}
        netcdf.variable(group, name, what, scales, (chunk,), _missing(what), compressed=True)
    outcome = group["outcome"]
    outcome.attrs["flag_values"] = np.arange(len(OUTCOMES), dtype=np.uint8)
    outcome.attrs["flag_meanings"] = " ".join(OUTCOMES)


def _make_decisions(group: h5py.Group) -> None:
    slot = netcdf.growing_coordinate(group, "slot", 1024, long_name="slot")
    netcdf.variable(group, "decision_s", DECISION_S, {"slot": slot}, (1024,), compressed=True)


def _make_summary(group: h5py.Group, kind: Kind, recorded: Recorded) -> None:
    group.attrs["batch_slots"] = recorded.batch_slots
    group.attrs["batches_per_part"] = BATCHES_PER_PART
    group.attrs["coordinates"] = "seed latency_low_s latency_high_s"
    first_slots = np.arange(recorded.batches) * recorded.batch_slots
    parts = first_slots[::BATCHES_PER_PART]
    scales = {
        "replication": _replication(group, kind),
        "batch": netcdf.coordinate(
            group, "batch", first_slots, long_name="first slot of the batch"
        ),
        "outcome": netcdf.coordinate(group, "outcome", OUTCOMES, long_name="end of the task"),
        "part": netcdf.coordinate(group, "part", parts, long_name="first slot of the part"),
        "latency_bin": netcdf.dimension(group, "latency_bin", len(LATENCY_EDGES_S) - 1),
    }
    for name, what in SUMMARY_VARIABLES.items():
        if not set(columns_of(name)) <= set(recorded.columns):
            continue
        chunks: Sequence[int] | None = None
        fill = np.nan if what.dtype == "f8" else 0
        if name in ("latency_tasks", "latency_bin_min_s", "latency_bin_max_s"):
            # Few bins are hit, so only their chunks are written.
            chunks = (min(kind.replications, 64), 1, 128)
            chunks = chunks[:: 1 if name == "latency_tasks" else 2]
            fill = 0
        dataset = netcdf.variable(group, name, what, scales, chunks, fill)
        if chunks is None:
            # Storage that is allocated in SWMR mode shows readers a header of the wrong size.
            netcdf.overwrite(dataset, np.full(dataset.shape, fill))
    netcdf.overwrite(group["latency_low_s"], LATENCY_EDGES_S[:-1])
    netcdf.overwrite(group["latency_high_s"], LATENCY_EDGES_S[1:])


def _missing(what: Variable) -> Any:
    """What a reader sees of a variable that has not yet grown as far as others."""
    kind = np.dtype(what.dtype).kind
    return np.nan if kind == "f" else -1 if kind == "i" else np.iinfo(what.dtype).max


@cache
def _library_versions() -> dict[str, str]:
    """Of those that are installed; looked up once, as it takes longer than the rest of the header."""
    found = {}
    for library in _LIBRARIES:
        with suppress(PackageNotFoundError):  # torch, where nothing learns
            found[f"{library}_version"] = version(library)
    return found


@cache
def _machine() -> dict[str, str]:
    """What the last bits of solvers and learners may hang on."""
    import llvmlite.binding as llvm

    config: Any = np.show_config(mode="dicts")
    blas = ThreadpoolController().select(user_api="blas").info()
    kernels = {f"{one['internal_api']} {one['version']} {one.get('architecture')}" for one in blas}
    return {
        "processor": f"{platform.machine()} {llvm.get_host_cpu_name()}",
        "processor_vectors": " ".join(config["SIMD Extensions"].get("found", ())),
        "c_library": " ".join(platform.libc_ver()),
        "blas": ", ".join(sorted(kernels)),
    }
