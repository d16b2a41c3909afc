"""What is looked at in a state that comes from a file, by several classes' `check_state`.

Compiled loops follow such numbers without a look.
"""

from typing import Any

import numpy as np

from .arrays import FloatArray


def check_amounts(column: FloatArray) -> None:
    """Look at amounts, in any shape.

    Raises:
        ValueError: one is negative, or no number.
    """
    if not (column >= 0.0).all():
        raise ValueError("an amount that is negative, or no number")


def check_stations(station: Any, shape: tuple[int, ...], stations: int, least: int = 0) -> None:
    """Look at numbers of stations.

    Args:
        station: the numbers.
        shape: that they should have.
        stations: B.
        least: of the numbers.

    Raises:
        ValueError: no whole numbers in this shape, or one of a station that there is not.
    """
    if not isinstance(station, np.ndarray) or station.dtype != np.int64 or station.shape != shape:
        raise ValueError("not a station for each device")
    if station.size and not least <= station.min() <= station.max() < stations:
        raise ValueError(f"a station that is none of {stations}")


def check_present(present: Any, shape: tuple[int, ...]) -> None:
    """Look at who is there.

    Raises:
        ValueError: no True or False in this shape.
    """
    if not isinstance(present, np.ndarray) or present.dtype != np.bool_ or present.shape != shape:
        raise ValueError("not whether each device is there")


def check_used(used: int, drawn: int) -> None:
    """Look at how much was used of what was drawn ahead.

    Raises:
        ValueError: more than was drawn, or less than nothing.
    """
    if not 0 <= used <= drawn:
        raise ValueError(f"{used} used of {drawn} that were drawn")
