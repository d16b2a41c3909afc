"""Places on the Earth from tables of latitudes and longitudes."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import Mistakes
from ..sections import Rectangle
from .records import Table, normal, number, read_table, refuse

ANGLES = {"latitude": ("latitude", "lat"), "longitude": ("longitude", "lon", "lng", "long")}
"""Names of the columns of latitude and longitude."""


def read_positions(path: Path, rectangle: Rectangle) -> NDArray[np.float64]:
    """Coordinates from a CSV or JSON with columns of latitude and longitude.

    Args:
        path: the file; its other columns do not matter.
        rectangle: what lies outside is left out.

    Returns:
        (n, 2) metres from the rectangle's south-west corner, in the file's order, by local
        equirectangular projection.

    Raises:
        ScenarioError: unreadable, without such columns, or rows that are no coordinates.
    """
    degrees = coordinates(read_table(path))
    low, high = (rectangle.west, rectangle.south), (rectangle.east, rectangle.north)
    inside = ((degrees >= low) & (degrees <= high)).all(axis=1)
    metres: NDArray[np.float64] = (degrees[inside] - low) * rectangle.scale
    return metres


def _fits(table: Table) -> dict[str, list[str]]:
    """Columns that may be one, by axis."""
    return {
        axis: [column for column in table.columns if normal(column) in names]
        for axis, names in ANGLES.items()
    }


def coordinate_columns(table: Table) -> tuple[str, str]:
    """The names of the columns of latitude and longitude: these, or lat and lon, whatever their case.

    Raises:
        ScenarioError: not one of each.
    """
    fits, mistakes = _fits(table), Mistakes()
    with mistakes:
        if missing := [axis for axis, found in fits.items() if not found]:
            has = ", ".join(table.columns) or "none"
            refuse(table.path, f"no column {' nor '.join(missing)}; its columns: {has}")
    for axis, found in fits.items():
        with mistakes:
            if len(found) > 1:
                refuse(table.path, f"several columns of {axis}: {', '.join(found)}", "one")
    mistakes.tell()
    return fits["latitude"][0], fits["longitude"][0]


def coordinates(table: Table) -> NDArray[np.float64]:
    """Longitude and latitude of each row, (n, 2) degrees.

    Raises:
        ScenarioError: without such columns, or rows that are no coordinates.
    """

    def angle(value: object, most: float) -> float:
        allowed = f"an angle within ±{most:g} degrees"
        return number(value, -most, most, allowed, table.decimal_comma)

    mistakes, rows = Mistakes(), list[tuple[float, ...]]()
    with mistakes:
        coordinate_columns(table)
    # Latitude comes first; where one of them is not known, the other is looked at.
    known = {axis: found[0] for axis, found in _fits(table).items() if len(found) == 1}
    most = {"latitude": 90.0, "longitude": 180.0}
    with mistakes:
        rows = table.read(
            {column: partial(angle, most=most[axis]) for axis, column in known.items()}
        )
    mistakes.tell()
    return np.array([(row[1], row[0]) for row in rows], dtype=np.float64).reshape(-1, 2)
