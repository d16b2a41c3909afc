"""Which device talks to which station, and the sums and look-ups that follow from it."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import BoolArray, FloatArray, IntArray, read_only
from ..core.compiled import compiled_in_place
from ..core.state_checks import check_present, check_stations

Record = TypeVar("Record", bound=Any)
"""A dataclass."""


class Cells:
    """An association, with the index arrays that turn device columns into station columns and back.

    Made anew only when a device changes its station, leaves or joins.

    Args:
        station: as the attribute.
        stations: B.
        present: as the attribute; by default everybody.

    Attributes:
        station: (R, N) the station of each device; 0 is the MBS. Of one that is absent, its last.
        present: (R, N) who is there.
        shape: (R, B).
        members: (R, B) how many devices of each station are there.
        complete: whether everybody is there, in all replications.
    """

    def __init__(self, station: IntArray, stations: int, present: BoolArray | None = None) -> None:
        replications, devices = station.shape
        if present is None:
            present = np.ones(station.shape, dtype=np.bool_)
        self.station = read_only(station)
        self.present: BoolArray = read_only(present)
        self.complete = bool(present.all())
        self.shape = (replications, stations)
        replication = np.arange(replications)[:, None]
        self._station_index = station + stations * replication
        self._flat_index = self._station_index.reshape(-1)
        self._link_index = station + stations * (
            np.arange(devices)[None, :] + devices * replication
        )
        self.members: IntArray = self.total(present.astype(np.float64)).astype(np.int64)

    def of_present(self, columns: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Columns (R, N), with nothing in them of devices that are absent."""
        if self.complete:
            return dict(columns)
        return {
            name: np.where(self.present, column, np.zeros((), column.dtype))
            for name, column in columns.items()
        }

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """(R, N) the association and who is there, from which all else follows."""
        return {"station": self.station, "present": self.present}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over an association of as many devices.

        Raises:
            ValueError: it is none.
        """
        station, present = state["station"], state["present"]
        check_stations(station, self.station.shape, self.shape[1])
        check_present(present, self.station.shape)
        vars(self).pop("crosses", None)
        Cells.__init__(self, station, self.shape[1], present)

    @cached_property
    def crosses(self) -> BoolArray:
        """(R, N, B): True where the station hears the device as interference, A(3).

        That is between SBS cells only: the MBS has a band of its own.
        """
        hearer = np.arange(self.shape[1])
        sender = self.station[:, :, None]
        crosses: BoolArray = (sender != hearer) & (sender > 0) & (hearer > 0)
        return crosses

    def own(self, link: FloatArray) -> FloatArray:
        """(R, N, B) -> (R, N): of each device, the entry of its own station."""
        own: FloatArray = link.reshape(-1).take(self._link_index)
        return own

    def at_station(self, column: FloatArray) -> FloatArray:
        """(R, B) -> (R, N): of each device, the value at its station."""
        spread: FloatArray = column.reshape(-1).take(self._station_index)
        return spread

    def total(self, column: FloatArray) -> FloatArray:
        """(R, N) -> (R, B): the sum over each station's devices."""
        size = self.shape[0] * self.shape[1]
        total: FloatArray = np.bincount(self._flat_index, column.reshape(-1), size)  # type: ignore[assignment]
        return total.reshape(self.shape)

    def largest(self, column: FloatArray) -> FloatArray:
        """(R, N) -> (R, B): the largest of each station's devices; minus infinity without any."""
        largest = np.full(self.shape, -np.inf)
        _raise_to(largest, column, self.station)
        return largest


def of_present(cells: Cells, record: Record, names: tuple[str, ...]) -> Record:
    """A record of columns, some of which (R, N) then have nothing in them of devices that are absent."""
    if cells.complete:
        return record
    columns = cells.of_present({name: getattr(record, name) for name in names})
    return replace(record, **columns)


@compiled_in_place
def _raise_to(largest: FloatArray, column: FloatArray, station: IntArray) -> None:
    for r in range(len(station)):
        for i in range(station.shape[1]):
            j = station[r, i]
            largest[r, j] = max(largest[r, j], column[r, i])
