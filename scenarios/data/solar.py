"""Power of panels over time, from a file."""

from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import Mistakes
from .records import number, read_table, refuse

COLUMNS = {"time_s": 1e12, "power_w": 1e9}
"""The greatest value of each."""


def read_solar(path: Path, until_s: float) -> NDArray[np.float64]:
    """(2, K) times from the start of a run, ascending, and watts up to the next time.

    Args:
        path: a CSV, or JSON, with the columns `time_s` and `power_w`.
        until_s: up to when it has to last.

    Raises:
        ScenarioError: unreadable, without the columns, rows that are no amounts or not in order of time,
            or it does not cover the run.
    """
    table, mistakes = read_table(path), Mistakes()
    if missing := [name for name in COLUMNS if name not in table.columns]:
        has = ", ".join(table.columns) or "none"
        refuse(path, f"no column {' nor '.join(missing)}; its columns: {has}", "time_s, power_w")
    rows: list[tuple[float, ...]] = []
    with mistakes:
        readers = {
            name: partial(
                number, low=0.0, high=most, allowed=f"a number from 0 to {most:g}",
                comma=table.decimal_comma,
            )
            for name, most in COLUMNS.items()
        }  # fmt: skip
        rows = table.read(readers)
    mistakes.tell()
    found = np.array(rows, dtype=np.float64).reshape(-1, 2).T
    if found.shape[1] < 2:
        refuse(path, f"{found.shape[1]} rows", "at least two; the last is the end")
    wrong = np.flatnonzero(np.diff(found[0]) <= 0.0)
    if len(wrong):
        where = table.places[int(wrong[0]) + 1]
        refuse(path, f"{where}, column time_s: not after the row before", "ascending times")
    if found[0, 0] > 0.0 or found[0, -1] < until_s:
        what = f"covers {found[0, 0]:g} to {found[0, -1]:g} s"
        refuse(path, what, f"0 to {until_s:g} s, the run, up to the time of the last row")
    return found
