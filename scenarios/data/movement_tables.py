"""Movements as tables of a row per object and time: CSV and Parquet, SUMO's with either header, or others."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .columns import amounts
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
from .pieces import refusing
from .positions import ANGLES
from .records import normal, open_text, refuse, separator_of

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = 4 << 20
_BATCH_ROWS = 1 << 16

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
        self._parquet = parquet
        self._kinds = reading.kinds
        self._numbers: dict[tuple[str, str], int] = {}
        self._sorted = True
        self._dates: datetime | None = None
        self.columns, self._separator = self._header()
        self._found = self._find(reading)
        has_degrees = normal(self._found.y) in _NAMES["latitude"]
        self.degrees = True if has_degrees else None
        self.form = "Parquet" if parquet else "CSV"
        if self._found.lane:
            self.form = f"SUMO FCD, {self.form}"

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
        row = 1 if self._parquet else 2
        with refusing(self.path):
            for batch in self._batches():
                yield self._piece(batch, row)
                row += batch.num_rows

    def _batches(self) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa

        wanted = list(dict.fromkeys(filter(None, self._found)))
        if self._parquet:
            from pyarrow.parquet import ParquetFile

            with ParquetFile(self.path) as file:
                yield from file.iter_batches(_BATCH_ROWS, columns=wanted, use_threads=False)
            return
        from pyarrow import csv

        dictionary = pa.dictionary(pa.int32(), pa.string())
        kinds = {one: pa.string() for one in wanted} | {self._found.id: dictionary}
        with pa.input_stream(str(self.path), compression=self._compression()) as raw:
            reader = csv.open_csv(
                raw,
                csv.ReadOptions(use_threads=False, block_size=_BLOCK_BYTES),
                csv.ParseOptions(delimiter=self._separator),
                csv.ConvertOptions(include_columns=wanted, column_types=kinds),
            )
            with reader:
                yield from reader

    def _compression(self) -> str | None:
        return "gzip" if self.path.suffix == ".gz" else None

    def _header(self) -> tuple[list[str], str]:
        with refusing(self.path):
            if self._parquet:
                from pyarrow.parquet import ParquetFile

                with ParquetFile(self.path) as file:
                    return list(file.schema_arrow.names), ""
            with open_text(self.path) as text:
                line = text.readline(65_536).strip()
        separator, _ = separator_of(line)
        return [one.strip().strip('"') for one in line.split(separator)], separator

    def _find(self, reading: Reading) -> _Columns:
        has = ", ".join(self.columns)[:500]
        if len(set(self.columns)) < len(self.columns):
            refuse(self.path, f"columns of the same name: {has}", "each once")
        said = {
            "time": reading.time_column,
            "id": reading.id_column,
            "x": reading.x_column,
            "y": reading.y_column,
        }
        fits = {
            key: [one for one in self.columns if normal(one) in names]
            for key, names in _NAMES.items()
        }
        if not fits["x"] and not fits["y"]:
            fits["x"], fits["y"] = fits["longitude"], fits["latitude"]
        found = {}
        for key, named in said.items():
            if named is not None and named not in self.columns:
                refuse(self.path, f"no column {named!r}; its columns: {has}")
            one = [named] if named is not None else fits[key]
            if len(one) != 1:
                what = f"{len(one) or 'no'} columns that may be {key}"
                refuse(self.path, f"{what}; its columns: {has}", f"`{key}_column`")
            found[key] = one[0]
        if len(set(found.values())) < 4:
            refuse(self.path, f"one column for two things; its columns: {has}")
        lane, edge, kind = (
            next((one for one in self.columns if normal(one) in names), None)
            for names in _KIND.values()
        )
        both = bool(lane and edge)
        return _Columns(
            **found, lane=lane, edge=edge if both else None, type=kind if both else None
        )

    def _piece(self, batch: "pa.RecordBatch", row: int) -> Piece:
        time_s = self._times(batch, row)
        kind = self._kind(batch)
        ids = _dictionary(batch.column(self._found.id), text=True)
        values = [(one or "").strip() for one in ids.dictionary.to_pylist()]
        code = np.array(ids.indices.fill_null(-1), np.int64)
        blank = np.array([*(not one for one in values), True])[code]
        x, y = (
            self._floats(batch, one, row, MOST_METRES, blank)
            for one in (self._found.x, self._found.y)
        )
        keep = ~blank
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
        reaches_s = float(time_s.max()) if time_s.size else -MOST_SECONDS
        begins_s = float(time_s.min()) if time_s.size else -MOST_SECONDS
        return Piece(time_s[keep], number[back], x[keep], y[keep], begins_s, reaches_s)

    def _kind(self, batch: "pa.RecordBatch") -> NDArray[np.int64]:
        """0 to 2: of `KINDS`; 3: none."""
        if not self._found.edge:
            return np.full(batch.num_rows, 0 if self._found.lane else 3)
        from pyarrow import compute

        lane, edge = (
            np.array(compute.not_equal(batch.column(one).cast("string").fill_null(""), ""))
            for one in (self._found.lane, self._found.edge)
        )
        kind = np.where(edge & ~lane, 1, 0)
        if self._found.type:
            types = batch.column(self._found.type).cast("string").fill_null("")
            kind[np.array(compute.equal(types, _CONTAINER)) & (kind == 1)] = 2
        return kind

    def _floats(
        self, batch: "pa.RecordBatch", name: str, row: int, most: float, blank: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """A column of numbers; where `blank`, whatever."""
        comma = self._separator != ","
        found = amounts(batch.column(name), comma=comma, signed=True).values
        wrong = ~(np.abs(found) <= most) & ~blank
        if wrong.any():
            at = int(np.argmax(wrong))
            try:
                value = batch.column(name)[at].as_py()
            except (OverflowError, ValueError, KeyError):  # a moment of no calendar
                value = batch.column(name).type
            what = f"row {row + at}, column {name}: {str(value)[:60]!r} is not a number"
            refuse(self.path, what, f"within ±{most:g}")
        return found

    def _times(self, batch: "pa.RecordBatch", row: int) -> NDArray[np.float64]:
        import pyarrow as pa

        name = self._found.time
        cells = batch.column(name)
        none = np.zeros(batch.num_rows, np.bool_)
        if pa.types.is_string(cells.type):
            try:
                found = np.array(cells.cast(pa.float64()), np.float64)
            except (pa.ArrowInvalid, ValueError):
                found = np.full(1, np.nan)
            if (np.abs(found) <= MOST_SECONDS).all():
                return found
        elif not pa.types.is_temporal(cells.type):
            return self._floats(batch, name, row, MOST_SECONDS, none)
        if pa.types.is_timestamp(cells.type):
            # Python's moments have microseconds.
            kind = pa.timestamp("us", cells.type.tz)
            cells = cells.cast(kind, safe=cells.type.unit != "ns")
        unique = _dictionary(cells)
        try:
            values = unique.dictionary.to_pylist()
        except (OverflowError, ValueError, KeyError):
            refuse(self.path, f"column {name}: a time of no calendar, or of an unknown zone")
        read = []
        for at, value in enumerate(values):
            try:
                read.append(self._time(value))
            except ValueError as error:
                where = row + int(np.argmax(np.array(unique.indices.fill_null(-1)) == at))
                what = f"row {where}, column {name}: {str(value)[:60]!r} is not a time"
                known = "seconds, hh:mm:ss, or a date and time"
                refuse(self.path, what, str(error) if "zone" in str(error) else known)
        code = np.array(unique.indices.fill_null(-1), np.int64)
        if (code < 0).any():
            refuse(self.path, f"row {row + int(np.argmin(code))}, column {name}: no time")
        return np.array(read, np.float64)[code]

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
