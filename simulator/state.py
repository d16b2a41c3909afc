"""The world's columns: all that is true of the network at the start of a slot."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .core.arrays import BoolArray, FloatArray
from .core.saved_state import ALL_FIELDS
from .core.state_checks import check_amounts
from .network.cells import Cells

Columns = dict[str, NDArray[Any]]


@dataclass
class State:
    """What every world has. Struct of arrays, SI units, with a leading replication axis.

    A column is replaced, never written into, so whoever holds one holds what was true at its time.

    Attributes:
        slot: t, the slot that begins (or is being carried out).
        position_m: (R, N, 2).
        present: (R, N) False while a device is not in the network.
        path_gain: (R, N, B) r_ij^-alpha, mean power gain.
        cells: the association.
        carbon_g_per_j: (R, B) carbon intensity at each station.
        station_up: (R, B) False while a station has failed.
        power: (R, B) what stations know of their power, by name; empty where nothing is said of it.
    """

    remembers: ClassVar[tuple[str, ...]] = ALL_FIELDS

    slot: int
    position_m: FloatArray
    present: BoolArray
    path_gain: FloatArray
    cells: Cells
    carbon_g_per_j: FloatArray
    station_up: BoolArray
    power: Columns = field(default_factory=dict, kw_only=True)

    def check_state(self) -> None:
        """No column has what no network has: all are amounts."""
        for column in vars(self).values():
            if isinstance(column, np.ndarray) and column.dtype == np.float64:
                check_amounts(column)

    def device_columns(self) -> Columns:
        """What a device collects and reports."""
        return {
            "station": self.cells.station,
            "present": self.cells.present,
            "position_m": self.position_m,
        }

    def station_columns(self) -> Columns:
        """What a station knows of itself."""
        return {"carbon_g_per_j": self.carbon_g_per_j, **self.power}
