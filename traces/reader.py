"""The trace reader: xarray datasets of a trace, also of one that is still being written."""

from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import h5py
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from .file_errors import TraceError, reported
from .lazy_dataset import decoded_attrs, lazy_dataset
from .swmr import open_swmr
from .variables import SUMMARY_VARIABLES, Level

__all__ = ["Trace", "TraceError", "open_trace"]

_EXPECTED = {
    "status",
    "scenario",
    "policy",
    "seed",
    "level",
    "slots",
    "slot_s",
    "devices",
    "stations",
}


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
        if not is_hdf5(self.path):
            raise TraceError(f"{path}: this is not an HDF5 file")
        with reported(path):
            self._file = _open(self.path)
            if "edgesim_version" not in self._file.attrs:
                self._file.close()
                raise TraceError(f"{path}: this is an HDF5 file, but not a trace of edgesim")
            self.attrs = decoded_attrs(self._file)
            if missing := _EXPECTED - self.attrs.keys():
                raise TraceError(f"{path}: the file is torn: it lacks {', '.join(missing)}")

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
        return self._group("slots")

    @cached_property
    def network(self) -> xr.Dataset | None:
        """/network, over station, device and link; None in a trace of an earlier version.

        Raises:
            TraceError: the file is torn.
        """
        return self._group("network") if "network" in self._file else None

    @cached_property
    def tasks(self) -> xr.Dataset:
        """/tasks, one row per task that ended.

        Raises:
            TraceError: if the trace holds none.
        """
        return self._group("tasks")

    @cached_property
    def summary(self) -> xr.Dataset:
        """/summary, over replication and batch; of batches that have begun.

        Raises:
            TraceError: if no slot was recorded.
        """
        summary = self._group("summary")
        with reported(self.path):
            begun, parts = self._begun(self._file["summary"])
        return summary.isel(batch=slice(0, begun), part=slice(0, parts))

    @property
    def recorded(self) -> int:
        """Slots recorded, of one replication.

        Raises:
            TraceError: the file is torn.
        """
        with reported(self.path):
            return int(self._file["summary/slots"][...].sum()) if "summary" in self._file else 0

    def summary_arrays(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        """Variables and attributes of /summary as plain arrays, in a tenth of `summary`'s time.

        Raises:
            TraceError: if no slot was recorded.
        """
        with reported(self.path):
            if "summary" not in self._file:
                raise TraceError(f"{self.path}: no /summary here: no slot was recorded")
            group = self._file["summary"]
            begun, parts = self._begun(group)
            ends = {"batch": begun, "part": parts}
            arrays = {
                name: group[name][tuple(slice(0, ends.get(dim)) for dim in what.dims)]
                for name, what in SUMMARY_VARIABLES.items()
                if name in group
            }
            return arrays, decoded_attrs(group)

    def slot_shapes(self) -> dict[str, tuple[int, ...]]:
        """The variables of /slots and their shapes; none if the trace holds no slots.

        With `slot_values` in a hundredth of `slots`' time, where many traces are read.

        Raises:
            TraceError: the file is torn.
        """
        with reported(self.path):
            group = self._file.get("slots", {})
            return {name: item.shape for name, item in group.items()}

    def slot_values(self, name: str, part: tuple[slice, ...]) -> NDArray[Any]:
        """Values of a variable of /slots.

        Raises:
            TraceError: the file is torn.
        """
        with reported(self.path):
            dataset = self._file["slots"][name]
            is_text = h5py.check_string_dtype(dataset.dtype) is not None
            return np.asarray((dataset.asstr() if is_text else dataset)[part])

    def _begun(self, summary: h5py.Group) -> tuple[int, int]:
        """How many batches have begun, and parts."""
        begun = int(np.count_nonzero(summary["slots"][...]))
        if begun == 0:
            raise TraceError(f"{self.path}: no slot was recorded")
        return begun, -(-begun // int(summary.attrs["batches_per_part"]))

    @cached_property
    def timing(self) -> xr.Dataset:
        """/timing: wall-clock time of each decision; when the run started and ended."""
        return self._group("timing")

    def close(self) -> None:
        """Close the file; datasets that were not loaded cannot be read any more."""
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

    def _group(self, name: str) -> xr.Dataset:
        with reported(self.path):
            if name not in self._file:
                reason = (
                    f"it was recorded at level {self.level!r}"
                    if self.level == "summary" and name != "summary"
                    else "no slot was recorded"
                )
                raise TraceError(f"{self.path}: no /{name} here: {reason}")
            return lazy_dataset(self._file[name], self.path)


def is_hdf5(path: Path) -> bool:
    """Whether there is a file, and it is HDF5, as traces are."""
    return path.is_file() and bool(h5py.is_hdf5(path))


def open_trace(path: str | Path) -> Trace:
    """Open a trace of `edgesim run`, finished or still being written.

    Raises:
        TraceError: if there is no such file, or it is not a trace, or it cannot be read.
    """
    return Trace(path)


def _open(path: Path) -> h5py.File:
    """Open a finished file as such, and one that is, or was, being written in SWMR mode.

    Without a lock, so that a reader never stops a writer.
    """
    try:
        return h5py.File(path, "r", locking=False)
    except OSError:
        if not _was_being_written(path):
            raise
        file = open_swmr(path)
        # SWMR readers take any length for granted; a closed file must have its own.
        if file.attrs.get("status") != b"running":
            file.close()
            raise
        return file


def _was_being_written(path: Path) -> bool:
    """Whether nobody closed the file, by the flags of its superblock (HDF5 specification, II.A).

    In SWMR mode HDF5 would try to read a file that was closed, and then cut, again and again.
    """
    with path.open("rb") as file:
        head = file.read(36)
    open_for_swmr = len(head) == 36 and head[8] == 3 and head[11] & 0x04 != 0
    return open_for_swmr and path.stat().st_size >= int.from_bytes(head[28:36], "little")
