"""From the coordinates of a file of movements to metres from the area's south-west corner."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..errors import Issue, ScenarioError
from ..sections import Rectangle
from .records import UNREADABLE, open_text, refuse

Column: TypeAlias = NDArray[np.float64]


_HEAD = 1 << 20
"""Characters of a net file, within which its <location> stands."""

_LOCATION = re.compile(r"<location\s([^>]*)>")


@dataclass(frozen=True)
class Plane:
    """How places of a file become places in the area.

    Attributes:
        degrees: whether x and y are longitude and latitude; else metres.
        rectangle: the area's piece of the Earth, if it is used.
        net: offset to the east and to the north, and projection, of SUMO's net, if it is used.
        origin: of metres, which are the area's south-west corner.
    """

    degrees: bool
    rectangle: Rectangle | None
    net: tuple[float, float, Any] | None
    origin: tuple[float, float]

    def __call__(self, x: Column, y: Column) -> tuple[Column, Column]:
        """Places of the file, (K,) each, to places in the area, metres; NaN for what is none."""
        if self.degrees:
            x, y = _degrees(x, y)
        if self.net is not None:
            east, north, projection = self.net
            if self.degrees:
                x, y = projection(x, y)
                x, y = x + east, y + north
            else:
                x, y = _degrees(*projection(x - east, y - north, inverse=True))
        if self.rectangle is None:
            return x - self.origin[0], y - self.origin[1]
        per_x, per_y = self.rectangle.scale
        return (x - self.rectangle.west) * per_x, (y - self.rectangle.south) * per_y


def plane(
    path: Path,
    degrees: bool,
    rectangle: Rectangle | None,
    net: Path | None,
    origin: tuple[float, float],
) -> Plane:
    """How places of a file become places in the area.

    Args:
        path: of the movements, for messages.
        degrees: whether x and y are longitude and latitude; else metres.
        rectangle: the area's piece of the Earth, if it is one.
        net: SUMO's, with the projection of its metres.
        origin: of metres, which are the area's south-west corner.

    Raises:
        ScenarioError: they do not fit together, `pyproj` is needed and not installed, or the net has no
            projection.
    """
    if net is None:
        if degrees and rectangle is None:
            refuse(path, "degrees without a place", "`area.rectangle`, or the `net` of SUMO")
        return Plane(degrees, rectangle if degrees else None, None, origin)
    if degrees and rectangle is not None:
        refuse(path, "`net` has no effect on degrees with `area.rectangle`", "one of the two")
    if rectangle is None and not degrees:
        refuse(path, "`net` has no effect on metres without `area.rectangle`", "both, or none")
    return Plane(degrees, rectangle, _location(net), origin)


def _degrees(longitude: Column, latitude: Column) -> tuple[Column, Column]:
    """The same, NaN where they are no angles."""
    right = (np.abs(longitude) <= 180.0) & (np.abs(latitude) <= 90.0)
    return np.where(right, longitude, np.nan), np.where(right, latitude, np.nan)


def _location(net: Path) -> tuple[float, float, Any]:
    """Offset and projection of a net."""
    try:
        with open_text(net) as text:
            found = _LOCATION.search(text.read(_HEAD))
    except UNREADABLE as error:
        refuse(net, f"cannot be read: {error}")
    said = dict(re.findall(r'(\w+)="([^"]*)"', found[1])) if found else {}
    projection = said.get("projParameter", "")
    try:
        east, north = (float(one) for one in said["netOffset"].split(","))
    except (KeyError, ValueError):
        refuse(net, "no <location netOffset=…>", "a .net.xml of SUMO")
    if not projection.startswith(("+", "EPSG:")):
        what = f"its projection is {projection!r}, so its metres have no place on the Earth"
        refuse(net, what, 'a net with projParameter="+proj=…"')
    try:
        from pyproj import Proj  # type: ignore[import-not-found, unused-ignore]
        from pyproj.exceptions import (  # type: ignore[import-not-found, unused-ignore]
            ProjError,
        )
    except ImportError:
        what = "`net` needs pyproj, which is not installed"
        raise ScenarioError([Issue(str(net), what, allowed="pip install 'edgesim[geo]'")]) from None
    try:
        return east, north, Proj(projection)
    except ProjError as error:
        refuse(net, f"projection {projection!r} is not known: {error}")
