"""Places from tables: on the Earth, by latitude and longitude, or in the area, in metres."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import Mistakes
from ..sections import Rectangle
from .records import Table, normal, number, read_table, refuse

ANGLES = {"latitude": ("latitude", "lat"), "longitude": ("longitude", "lon", "lng", "long")}
"""Names of the columns of latitude and longitude."""

LEAST_MARGIN, MARGIN = 0.0005, 0.01
"""Degrees around the outermost places, 50 m to 1 km: a twentieth of their extent, within these."""

_METRES = {"x": ("x", "x m"), "y": ("y", "y m")}


def read_positions(
    path: Path, rectangle: Rectangle | None, size_m: tuple[float, float] = (np.inf, np.inf)
) -> NDArray[np.float64]:
    """Places from a CSV or JSON with columns of latitude and longitude, or else of metres, x and y.

    Args:
        path: the file; its other columns do not matter.
        rectangle: what lies outside is left out; None where none is given.
        size_m: width and height of the area; of metres, what lies outside is left out.

    Returns:
        (n, 2) metres from the area's south-west corner, in the file's order, of degrees by local
        equirectangular projection.

    Raises:
        ScenarioError: unreadable, without such columns, rows that are no places, or degrees without a
            rectangle.
    """
    table = read_table(path)
    if in_metres(table):
        found = plane(table)
        return found[((found >= 0.0) & (found <= size_m)).all(axis=1)]
    mistakes, degrees = Mistakes(), np.empty((0, 2))
    with mistakes:
        degrees = coordinates(table)
    if rectangle is None:
        with mistakes:
            refuse(path, "latitudes and longitudes without `area.rectangle`", _area_of(degrees))
    mistakes.tell()
    assert rectangle is not None
    low, high = (rectangle.west, rectangle.south), (rectangle.east, rectangle.north)
    inside = ((degrees >= low) & (degrees <= high)).all(axis=1)
    metres: NDArray[np.float64] = (degrees[inside] - low) * rectangle.scale
    return metres


def _area_of(degrees: NDArray[np.float64]) -> str:
    if not len(degrees):
        return "area.rectangle = {south = …, west = …, north = …, east = …}"
    return f"area.rectangle = {around(map(tuple, degrees.tolist()))}"


def in_metres(table: Table) -> bool:
    """Whether places are x and y: there are such columns, and none of latitude or longitude."""
    names = {normal(column) for column in table.columns}
    return not any(_fits(table).values()) and all(names & set(known) for known in _METRES.values())


def plane(table: Table) -> NDArray[np.float64]:
    """(n, 2) metres of each row, x and y.

    Raises:
        ScenarioError: several such columns, or rows that are no numbers.
    """
    mistakes, columns = Mistakes(), list[str]()
    for axis, known in _METRES.items():
        fits = [column for column in table.columns if normal(column) in known]
        columns += fits[:1]
        with mistakes:
            if len(fits) > 1:
                refuse(table.path, f"several columns of {axis}: {', '.join(fits)}", "one")
    mistakes.tell()

    def metres(value: object) -> float:
        return number(value, -1e9, 1e9, "a number of metres", table.decimal_comma)

    return np.array(table.read(dict.fromkeys(columns, metres)), dtype=np.float64).reshape(-1, 2)


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
            what = f"no column {' nor '.join(missing)}; its columns: {has}"
            refuse(table.path, what, "latitude and longitude, or x and y in metres")
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


def around(places: Iterable[tuple[float, float]]) -> str:
    """An area that holds all places of longitude and latitude, as a scenario writes it."""
    xs, ys = zip(*places, strict=True)
    extent = max(max(xs) - min(xs), max(ys) - min(ys))
    margin = min(max(0.05 * extent, LEAST_MARGIN), MARGIN)
    corners = (min(ys) - margin, min(xs) - margin, max(ys) + margin, max(xs) + margin)
    names = ("south", "west", "north", "east")
    inner = ", ".join(f"{name} = {value:.8g}" for name, value in zip(names, corners, strict=True))
    return f"{{{inner}}}"
