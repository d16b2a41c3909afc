"""Data files that a scenario names: looked up, and read in SI."""

import csv
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .errors import Issue, ScenarioError, as_toml
from .schema import Scenario
from .sections import Rectangle, utc
from .tables import flatten

_ISSUES = 5
"""A file with more malformed rows than this is of another kind: no use to list them all."""

_PUBLIC = {
    "carbon_intensity_gb_2020.csv": (
        "half-hourly carbon intensity of Great Britain's grid, published with dos-group/"
        "lets-wait-awhile on GitHub, computed from the ENTSO-E Transparency Platform"
    ),
    "eua_stations_melbourne_cbd.csv": (
        "base-station sites, published with PhuLai/eua-dataset on GitHub (MIT), site data by the "
        "Australian ACMA"
    ),
    "eua_users_melbourne_cbd.csv": (
        "user positions, published with PhuLai/eua-dataset on GitHub (MIT)"
    ),
    "azure_llm_code_2023.csv": (
        "inference requests, published with Azure/AzurePublicDataset on GitHub (CC-BY)"
    ),
}


def data_file(scenario: Scenario, name: str, key: str) -> Path:
    """Where a data file lies: beside the scenario, or in the data folder.

    Args:
        scenario: knows its folders.
        name: as the scenario names it.
        key: the key that names it, for messages.

    Raises:
        ScenarioError: it is nowhere; with the places that were searched, and the origin of public data.
            Or a trace names it, and it lies in none of them.
    """
    if found := look_up(name, scenario.folders):
        check_inside(scenario, *found, key, name)
        return found[0]
    candidates = dict.fromkeys(str(folder / name) for folder in scenario.folders)
    what = f"no such data file; looked for {', '.join(candidates)}"
    allowed = "a file beside the scenario, or in a folder given with --data"
    if origin := _PUBLIC.get(Path(name).name):
        allowed += f". This one is {origin}"
    raise ScenarioError([Issue(scenario.source, what, key, as_toml(name), allowed)])


def look_up(name: str, folders: Iterable[Path]) -> tuple[Path, Path] | None:
    """The first file of this name in the folders, and its folder; None if there is none."""
    return next(((folder / name, folder) for folder in folders if (folder / name).is_file()), None)


def named_files(table: Mapping[str, Any]) -> list[str]:
    """The data files that a scenario names, which is given as a table."""
    named = flatten(table).items()
    return [name for key, name in named if key.endswith(".file") and isinstance(name, str)]


def check_inside(scenario: Scenario, path: Path, folder: Path, key: str, name: str) -> None:
    """Refuse a path that a trace names, and that leads out of the folder where it is looked up.

    Args:
        scenario: the trace's, or one whose files may lie anywhere.
        path: that it leads to.
        folder: where it was looked up.
        key: that names it.
        name: as the scenario has it.

    Raises:
        ScenarioError: it does.
    """
    if scenario.code.may_leave(key) or path.resolve().is_relative_to(folder.resolve()):
        return
    what = f"leads out of {folder}, and a trace names it"
    allowed = f"--set {key}=… or, if you know what it reads, --trust (in Python `trust=True`)"
    raise ScenarioError([Issue(scenario.source, what, key, as_toml(name), allowed)])


class Series(NamedTuple):
    """A step function of a file's clock: a value holds from its time to the next.

    Attributes:
        times: (n,) datetime64[us], increasing; UTC where the file gives a time zone.
        values: (n,)
    """

    times: NDArray[np.datetime64]
    values: NDArray[np.float64]


def read_positions(path: Path, rectangle: Rectangle) -> NDArray[np.float64]:
    """Coordinates from a CSV with columns latitude and longitude, whatever their case.

    Args:
        path: the file; its other columns do not matter.
        rectangle: what lies outside is left out.

    Returns:
        (n, 2) metres from the rectangle's south-west corner, in the file's order, by local
        equirectangular projection.

    Raises:
        ScenarioError: unreadable, without such columns, or rows that are no coordinates.
    """
    rows = _read(path, {"latitude": _within(90.0), "longitude": _within(180.0)})
    degrees = np.array([(row[1], row[0]) for row in rows], dtype=np.float64).reshape(-1, 2)
    low, high = (rectangle.west, rectangle.south), (rectangle.east, rectangle.north)
    inside = ((degrees >= low) & (degrees <= high)).all(axis=1)
    metres: NDArray[np.float64] = (degrees[inside] - low) * rectangle.scale
    return metres


def read_series(path: Path) -> Series:
    """Carbon intensity over time from a CSV with columns `Time` and `Carbon Intensity`, gCO2/kWh.

    Args:
        path: the file; its other columns do not matter.

    Returns:
        The series, in g/J.

    Raises:
        ScenarioError: unreadable, without such columns or rows, malformed, or not in order of time.
    """
    rows = _read(path, {"time": _moment, "carbon intensity": _intensity})
    times = np.array([row[0] for row in rows], dtype="datetime64[us]")
    back = np.flatnonzero(np.diff(times) <= np.timedelta64(0))
    if len(rows) == 0 or back.size:
        what = (
            f"{times[back[0] + 1]} does not come after {times[back[0]]}" if back.size else "empty"
        )
        raise ScenarioError([Issue(str(path), what, allowed="rows in order of time")])
    return Series(times, np.array([row[1] for row in rows], dtype=np.float64) / 3.6e6)


def _read(path: Path, columns: Mapping[str, Callable[[str], Any]]) -> list[tuple[Any, ...]]:
    """Some columns of a CSV with a header, each cell read by its column's function."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines)
            header = next(reader, [])
            names = [name.strip().lower() for name in header]
            missing = [column for column in columns if column not in names]
            if missing:
                has = ", ".join(header) or "none"
                what = f"no column {' nor '.join(missing)}; its columns: {has}"
                raise ScenarioError([Issue(str(path), what)])
            cells = [(names.index(column), column, read) for column, read in columns.items()]
            rows, issues = [], []
            for row in reader:
                if not row:
                    continue
                try:
                    rows.append(tuple([read(row[index]) for index, _, read in cells]))
                except (ValueError, IndexError):
                    issues.append(_row_issue(path, reader.line_num, row, cells))
                    if len(issues) == _ISSUES:
                        break
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ScenarioError([Issue(str(path), f"cannot be read: {error}")]) from None
    if issues:
        raise ScenarioError(issues)
    return rows


def _row_issue(
    path: Path, line: int, row: list[str], cells: list[tuple[int, str, Callable[[str], Any]]]
) -> Issue:
    for index, column, read in cells:
        where = f"row {line}, column {column}"
        if index >= len(row):
            return Issue(str(path), f"{where}: missing")
        try:
            read(row[index])
        except ValueError as error:
            return Issue(str(path), f"{where}: {as_toml(row[index])} is not {error}")
    raise AssertionError("only called for a row that cannot be read")


def _number(text: str, low: float, high: float, allowed: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(allowed) from None
    if not low <= number <= high:
        raise ValueError(allowed)
    return number


def _within(degrees: float) -> Callable[[str], float]:
    return lambda text: _number(text, -degrees, degrees, f"an angle within ±{degrees:g} degrees")


def _intensity(text: str) -> float:
    return _number(text, 0.0, 1e6, "a carbon intensity in g/kWh")


def _moment(text: str) -> datetime:
    try:
        return utc(datetime.fromisoformat(text.strip()))
    except (ValueError, OverflowError):
        raise ValueError('a date and time such as "2020-06-01 00:00:00"') from None
