"""The trace reader: xarray datasets of a trace, also of one that is still being written."""

from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import h5py
import numpy as np
import xarray as xr

from .variables import Level


class TraceError(Exception):
    """A trace that cannot be read; the message says which and why."""


class Trace:
    """A trace, open for reading. What it shows of a running run is what there was when it was opened.

    The datasets are lazy: values are read when they are used, so a trace may exceed the memory.

    Attributes:
        path: of the file.
        attrs: root attributes: versions, `seed`, `slots`, `slot_s`, `devices`, `stations`, ….

    Args:
        path: of the file.

    Raises:
        TraceError: if there is no such file, or it is not a trace, or it cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        import h5netcdf  # type: ignore[import-untyped]

        self.path = Path(path)
        if not self.path.is_file():
            raise TraceError(f"{path}: there is no such file")
        if not h5py.is_hdf5(self.path):
            raise TraceError(f"{path}: this is not an HDF5 file")
        try:
            # SWMR also opens what a killed writer left; no lock, so a reader never stops a writer.
            self._file = h5py.File(self.path, "r", swmr=True, locking=False)
        except OSError as error:
            raise TraceError(
                f"{path}: the file is torn: it was damaged, or its writer was killed while it laid "
                f"out the file ({error})"
            ) from None
        if "edgesim_version" not in self._file.attrs:
            self._file.close()
            raise TraceError(f"{path}: this is an HDF5 file, but not a trace of edgesim")
        self.attrs: dict[str, Any] = {
            name: value.decode()
            if isinstance(value, np.bytes_)
            else value.tolist()
            if isinstance(value, np.ndarray | np.generic)
            else value
            for name, value in self._file.attrs.items()
        }
        # The lengths are taken before anything else is read, and everything else is at least as long.
        self._lengths = {
            (group, dim): self._file[group][dim].shape[0]
            for group, dim in (("slots", "slot"), ("tasks", "task"), ("timing", "slot"))
            if group in self._file and dim in self._file[group]
        }
        self._netcdf = h5netcdf.File(self._file, "r")

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
    def level(self) -> Level:
        """How much was recorded."""
        return cast(Level, self.attrs["level"])

    @cached_property
    def slots(self) -> xr.Dataset:
        """/slots, over replication, slot, device and station.

        Raises:
            TraceError: if the trace holds none.
        """
        return self._group("slots", "slot")

    @cached_property
    def tasks(self) -> xr.Dataset:
        """/tasks, one row per task that ended.

        Raises:
            TraceError: if the trace holds none.
        """
        return self._group("tasks", "task")

    @cached_property
    def summary(self) -> xr.Dataset:
        """/summary, over replication and batch; of batches that have begun.

        Raises:
            TraceError: if no slot was recorded.
        """
        summary = self._group("summary")
        begun = int(np.count_nonzero(summary["slots"].values))
        if begun == 0:
            raise TraceError(f"{self.path}: no slot was recorded")
        parts = -(-begun // int(summary.attrs["batches_per_part"]))
        return summary.isel(batch=slice(0, begun), part=slice(0, parts))

    @cached_property
    def timing(self) -> xr.Dataset:
        """/timing: wall-clock time of each decision; when the run started and ended."""
        return self._group("timing", "slot")

    def close(self) -> None:
        """Close the file; datasets that were not loaded cannot be read any more."""
        self._netcdf.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _group(self, name: str, growing: str = "") -> xr.Dataset:
        if name not in self._file:
            reason = (
                f"it was recorded at level {self.level!r}"
                if self.level == "summary" and name != "summary"
                else "no slot was recorded"
            )
            raise TraceError(f"{self.path}: no /{name} here: {reason}")
        store = xr.backends.H5NetCDFStore(self._netcdf, group=name)
        dataset = xr.open_dataset(store)
        length = self._lengths.get((name, growing))
        return dataset if length is None else dataset.isel({growing: slice(0, length)})


def open_trace(path: str | Path) -> Trace:
    """Open a trace of `edgesim run`, finished or still being written.

    Raises:
        TraceError: if there is no such file, or it is not a trace, or it cannot be read.
    """
    return Trace(path)
