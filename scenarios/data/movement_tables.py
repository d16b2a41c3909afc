"""Movements as tables of a row per object and time: CSV and Parquet, SUMO's with either header, or others."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import Issue, Mistakes
from .columns import Column, amounts
from .faults import Faults
from .moments import moment
from .movement import (
    KINDS,
    MOST_METRES,
    MOST_SECONDS,
    Piece,
    Reading,
    clock_s,
    seconds_between,
)
from .positions import ANGLES
from .records import normal, refuse
from .table_reader import Piece as Part
from .table_reader import open_pieces, refusing

if TYPE_CHECKING:
    import pyarrow as pa

_PIECE_BYTES = 4 << 20
"""Of text: ids of a piece are numbered one by one, so it has each of them more than once."""

MOST_UNSORTED = 20_000_000
"""Rows of a table that are out of order, and so all in memory at once."""

_NAMES = {
    "time": ("t", "time", "timestep time", "timestamp", "time s", "datetime", "date time"),
    "id": ("id", "vehicle id", "person id", "container id", "node", "object", "object id", "name"),
    "x": ("x", "vehicle x", "person x", "container x", "x m"),
    "y": ("y", "vehicle y", "person y", "container y", "y m"),
    **ANGLES,
}
_KIND = {
    key: (key, *(f"{kind} {key}" for kind in ("vehicle", "person", "container")))
    for key in ("lane", "edge", "type")
}
_TIMES = "a time: seconds, hh:mm:ss, or a date and time"
_CONTAINER = "DEFAULT_CONTAINERTYPE"
"""What SUMO calls the type of containers that were given none."""


class _Columns(NamedTuple):
    """Names of columns; lane, edge and type are SUMO's, and tell kinds."""

    time: str
    id: str
    x: str
    y: str
    lane: str | None
    edge: str | None
    type: str | None


class TableSource:
    """A table of a row per object and time; see `movement.Source`.

    Rows may be in any order: then all are in memory at once. A row without an object is a time at which
    there is none. Of SUMO's table an object with a lane is a vehicle, one with an edge alone a person,
    unless it has the type that containers have by default: others cannot be told from persons there.

    Args:
        path: CSV with a header, separated by `,`, `;` or tabs, or Parquet.
        reading: names of columns, and kinds.
        parquet: which of them it is.

    Raises:
        ScenarioError: it cannot be read, or columns are missing or not to be told.
    """

    legs = False
    ordered = False

    def __init__(self, path: Path, reading: Reading, *, parquet: bool) -> None:
        self.path = path
        self._table = open_pieces(path, "Parquet" if parquet else "CSV")
        self._kinds = reading.kinds
        self._numbers: dict[tuple[str, str], int] = {}
        self._sorted = True
        self._dates: datetime | None = None
        self._found = self._find(reading)
        has_degrees = normal(self._found.y) in _NAMES["latitude"]
        self.degrees = True if has_degrees else None
        self.form = "Parquet" if parquet else "CSV"
        if self._found.lane:
            self.form = f"SUMO FCD, {self.form}"

    @property
    def columns(self) -> tuple[str, ...]:
        """Their names."""
        return self._table.columns

    def name(self, thing: int) -> str:
        """The kind, if there are kinds, and the id."""
        return " ".join(filter(None, list(self._numbers)[thing]))

    def pieces(self) -> Iterator[Piece]:
        """Its samples in order of time; see `movement.Source`."""
        done = 0
        if self._sorted:
            last_s = -MOST_SECONDS
            for piece in self._in_order_of_rows():
                if not piece.time_s.size:
                    yield piece
                    continue
                if piece.time_s[0] < last_s or (np.diff(piece.time_s) < 0.0).any():
                    self._sorted = False
                    break
                last_s, done = float(piece.time_s[-1]), done + piece.time_s.size
                yield piece
            else:
                return
            if done:
                # What was handed out may not have been the first: whoever asked begins anew.
                raise OutOfOrderError
        yield self._whole()

    def _whole(self) -> Piece:
        pieces, rows = [], 0
        for piece in self._in_order_of_rows():
            pieces.append(piece)
            rows += piece.time_s.size
            if rows > MOST_UNSORTED:
                refuse(
                    self.path, "rows out of order", f"at most {MOST_UNSORTED:,} of them, or sorted"
                )
        order = np.argsort(np.concatenate([one.time_s for one in pieces]), kind="stable")
        time_s, thing, x, y = (
            np.concatenate(one)[order] for one in list(zip(*pieces, strict=True))[:4]
        )
        # Numbers are by appearance in time.
        _, first, back = np.unique(thing, return_index=True, return_inverse=True)
        rank = np.empty(first.size, np.int64)
        rank[np.argsort(first, kind="stable")] = np.arange(first.size)
        names = [name for name, _ in sorted(self._numbers.items(), key=lambda one: rank[one[1]])]
        self._numbers = {name: number for number, name in enumerate(names)}
        begins_s, reaches_s = (
            min(one.begins_s for one in pieces),
            max(one.reaches_s for one in pieces),
        )
        return Piece(time_s, rank[back], x, y, begins_s, reaches_s)

    def _in_order_of_rows(self) -> Iterator[Piece]:
        self._numbers = {}
        wanted = list(dict.fromkeys(filter(None, self._found)))
        faults = Faults(self._table)
        for part in self._table.read(wanted, (self._found.id,), _PIECE_BYTES):
            with refusing(self.path):  # cells of a type that is neither number nor text
                piece = self._piece(part, faults)
            yield piece
        Mistakes(faults.told()).tell()

    def _find(self, reading: Reading) -> _Columns:
        """The columns.

        Raises:
            ScenarioError: not one of each; with what is wrong in the rows of those that are there.
        """
        columns, mistakes = self.columns, Mistakes()
        has, path = f"its columns: {self._table.listed}", self.path
        fits = {
            key: [one for one in columns if normal(one) in names] for key, names in _NAMES.items()
        }
        if not fits["x"] and not fits["y"]:
            fits["x"], fits["y"] = fits["longitude"], fits["latitude"]
        found: dict[str, str] = {}
        for key in ("time", "id", "x", "y"):
            named = getattr(reading, f"{key}_column")
            with mistakes:
                if named is not None:
                    self._table.check(named, f"{key}_column")
                elif len(fits[key]) != 1:
                    what = f"{len(fits[key]) or 'no'} columns that may be {key}; {has}"
                    refuse(path, what, f"`{key}_column`")
                found[key] = fits[key][0] if named is None else named
        with mistakes:
            if len(set(columns)) < len(columns):
                refuse(path, f"columns of the same name; {has}", "each once")
            if len(set(found.values())) < len(found):
                refuse(path, f"one column for two things; {has}")
        if mistakes:
            mistakes.extend(self._wrong_in(found))
        mistakes.tell()
        lane, edge, kind = (
            next((one for one in columns if normal(one) in names), None) for names in _KIND.values()
        )
        both = bool(lane and edge)
        return _Columns(
            **found, lane=lane, edge=edge if both else None, type=kind if both else None
        )

    def _wrong_in(self, found: Mapping[str, str]) -> list[Issue]:
        """What is wrong in the rows of the columns that are known, where others are not."""
        faults = Faults(self._table)
        known = [one for one in dict.fromkeys(found.values()) if self.columns.count(one) == 1]
        for part in self._table.read(known) if known else ():
            for key, name in found.items():
                if key != "id" and name in known:
                    keep = np.ones(len(part.columns[name]), np.bool_)
                    read = self._times if key == "time" else self._floats
                    with refusing(self.path):
                        read(part, name, keep, faults)
        return faults.told()

    def _piece(self, part: Part, faults: Faults) -> Piece:
        cells = part.columns
        keep = np.ones(len(cells[self._found.time]), np.bool_)
        time_s = self._times(part, self._found.time, keep, faults)
        begins_s, reaches_s = -MOST_SECONDS, -MOST_SECONDS
        if keep.any():
            begins_s, reaches_s = float(time_s[keep].min()), float(time_s[keep].max())
        kind = self._kind(cells, keep.size)
        ids = _dictionary(cells[self._found.id], text=True)
        values = [(one or "").strip() for one in ids.dictionary.to_pylist()]
        code = np.array(ids.indices.fill_null(-1), np.int64)
        there = np.array([*(bool(one) for one in values), False])[code]
        x, y = (
            self._floats(part, one, keep, faults, there) for one in (self._found.x, self._found.y)
        )
        keep &= there
        if self._kinds is not None:
            wanted = np.array([*(one in self._kinds for one in KINDS), True])
            keep &= wanted[kind]
        code, kind = code[keep], kind[keep]
        both, first, back = np.unique(code * 4 + kind, return_index=True, return_inverse=True)
        number = np.empty(both.size, np.int64)
        for at in np.argsort(first, kind="stable"):
            c, k = divmod(int(both[at]), 4)
            key = ((*KINDS, "")[k], values[c])
            number[at] = self._numbers.setdefault(key, len(self._numbers))
        return Piece(time_s[keep], number[back], x[keep], y[keep], begins_s, reaches_s)

    def _kind(self, cells: Mapping[str, "pa.Array"], rows: int) -> NDArray[np.int64]:
        """0 to 2: of `KINDS`; 3: none."""
        if not self._found.edge:
            return np.full(rows, 0 if self._found.lane else 3)
        from pyarrow import compute

        lane, edge = (
            np.array(compute.not_equal(cells[one].cast("string").fill_null(""), ""))
            for one in (self._found.lane, self._found.edge)
            if one
        )
        kind = np.where(edge & ~lane, 1, 0)
        if self._found.type:
            types = cells[self._found.type].cast("string").fill_null("")
            kind[np.array(compute.equal(types, _CONTAINER)) & (kind == 1)] = 2
        return kind

    def _floats(
        self,
        part: Part,
        name: str,
        keep: NDArray[np.bool_],
        faults: Faults,
        there: NDArray[np.bool_] | bool = True,
        most: float = MOST_METRES,
    ) -> NDArray[np.float64]:
        """A column of numbers, whatever where nobody is `there`; rows that have none are not kept."""
        found = amounts(part.columns[name], comma=self._table.decimal_comma, signed=True).values
        wrong = ~(np.abs(found) <= most) & there
        if wrong.any():
            faults.add(name, part, Column(found, {}, wrong, f"a number within ±{most:g}"))
            keep &= ~wrong
        return found

    def _times(
        self, part: Part, name: str, keep: NDArray[np.bool_], faults: Faults
    ) -> NDArray[np.float64]:
        """Seconds; rows that have none are not kept."""
        import pyarrow as pa

        cells = part.columns[name]
        if pa.types.is_string(cells.type):
            try:
                found = np.array(cells.cast(pa.float64()), np.float64)
            except (pa.ArrowInvalid, ValueError):
                found = np.full(1, np.nan)
            if (np.abs(found) <= MOST_SECONDS).all():
                return found
        elif not pa.types.is_temporal(cells.type):
            return self._floats(part, name, keep, faults, most=MOST_SECONDS)
        if pa.types.is_timestamp(cells.type):
            # Python's moments have microseconds.
            kind = pa.timestamp("us", cells.type.tz)
            cells = cells.cast(kind, safe=cells.type.unit != "ns")
        unique = _dictionary(cells)
        code = np.array(unique.indices.fill_null(-1), np.int64)
        try:
            values = unique.dictionary.to_pylist()
        except (OverflowError, ValueError, KeyError):
            refuse(self.path, f"column {name}: a time of no calendar, or of an unknown zone")
        read, allowed = [], _TIMES
        for value in values:
            try:
                read.append(self._time(value))
            except ValueError as error:
                read.append(np.nan)
                allowed = str(error) if "zone" in str(error) else allowed
        time_s = np.array([*read, np.nan])[code]
        if (wrong := np.isnan(time_s)).any():
            faults.add(name, part, Column(time_s, {}, wrong, allowed))
            keep &= ~wrong
        return time_s

    def _time(self, value: object) -> float:
        """Seconds; of dates those since the first one of the file."""
        if isinstance(value, str):
            try:
                return clock_s(value)
            except ValueError:
                value = moment(value)
        if not isinstance(value, datetime):
            raise ValueError("not a time")  # noqa: TRY004 - a value of a file
        if self._dates is None:
            self._dates = value
        found = seconds_between(self._dates, value)
        if abs(found) > MOST_SECONDS:
            raise ValueError("too far")
        return found


class OutOfOrderError(Exception):
    """Rows are out of order after some were handed out: go through the source anew."""


def _dictionary(cells: "pa.Array", *, text: bool = False) -> "pa.DictionaryArray":
    """Different cells, as text or, unless all are to be, as moments; and which each row has."""
    import pyarrow as pa

    if pa.types.is_dictionary(cells.type):
        if pa.types.is_string(cells.type.value_type):
            return cells
        cells = cells.dictionary_decode()
    if text or not pa.types.is_timestamp(cells.type):
        cells = cells.cast(pa.string())
    return cells.dictionary_encode()
