"""Recorded requests of a file: when each arrived, how large it is, and whose it is."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Issue, ScenarioError, as_toml
from ..workload_section import WorkloadReading
from .carbon_formats import time_columns
from .columns import PER_SECOND, STAMP, Clock, Column, amounts
from .moments import zone
from .pieces import MOST_MALFORMED, Piece, Pieces, open_pieces
from .records import ISSUES, refuse
from .row_store import Rows, RowStore
from .workload_formats import Format, format_of

MOST_IDS = 1_000_000
"""Of a column of devices."""

MINUTE_S = 60.0

MOST_IN_A_MINUTE = 10_000_000
"""Requests that are drawn within it."""

_BEGUN_S = 6.3e8
"""Seconds since 1970 are more, from 1990 on."""

_LATEST_S = 1e15
"""Times beyond have no fractions of a second."""


@dataclass
class Workload:
    """The requests of a file.

    Attributes:
        path: of the file.
        form: what it is, in words.
        format: whose it is; "" if nobody's that is known.
        columns: its columns, in words.
        time_column: of the arrivals; "" where a column counts those of a minute.
        times: what they are, in words.
        since: from when `time_s` counts, if that is known.
        requests: by their times: `time_s`, from whatever origin, and `bits`; `device`, `cycles` and
            `deadline_s` (NaN if unknown), where there is a column of them; `count` of a whole minute.
        ids: what the devices are called, in the order of their first appearance in the file.
        rows: how many the file has.
        left_out: rows without a request, by the reason.
        out_of_order: requests that stand behind a later one, and which row is the first of them, from 1 without a header.
    """

    path: Path
    form: str
    format: str
    columns: str
    time_column: str = ""
    times: str = ""
    since: np.datetime64 | None = None
    requests: RowStore = field(default_factory=lambda: RowStore([]))
    ids: tuple[str, ...] = ()
    rows: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    out_of_order: tuple[int, int] = (0, 0)

    @property
    def minutes(self) -> bool:
        """Whether requests are counted by the minute."""
        return "count" in (self.requests.dtype.names or ())


def read_workload(
    path: Path, keys: WorkloadReading, sizes: Mapping[str, float] | float
) -> Workload:
    """Read a file of recorded requests once, whatever its length, in bounded memory.

    Args:
        path: CSV, SWF or Parquet; text may be compressed, ".gz".
        keys: how it is read, where it does not say so itself.
        sizes: by column, how many bits one unit of it stands for; or the bits of every request.

    Raises:
        ScenarioError: it cannot be read; with all kinds of mistakes, and the first row of each.
        OSError: there is no room for the temporary file.
    """
    format_, table = format_of(open_pieces(path))
    reader = _Reader(table, format_, keys, sizes)
    reader.read()
    return reader.workload()


class _Faults:
    """Kinds of mistakes: how many there are of each, and the first."""

    def __init__(self, table: Pieces) -> None:
        self.table = table
        self.first: dict[tuple[str, str], tuple[int, str]] = {}
        self.count: Counter[tuple[str, str]] = Counter()

    def add(self, column: str, piece: Piece, read: Column) -> None:
        if read.wrong is None:
            return
        kind = (column, read.allowed)
        self.count[kind] += int(np.count_nonzero(read.wrong))
        if kind not in self.first:
            row = int(np.argmax(read.wrong))
            try:
                cell = piece.columns[column][row].as_py()
            except (OverflowError, ValueError, KeyError):  # a moment of no calendar
                cell = str(piece.columns[column].type)
            self.first[kind] = piece.first + row, as_toml(cell if cell is not None else "")

    def raise_all(self) -> None:
        table, issues = self.table, list[Issue]()
        for kind, (row, cell) in islice(self.first.items(), ISSUES):
            column, allowed = kind
            what = f"{table.place(row)}, column {column}: {cell} is not {allowed}"
            if (more := self.count[kind] - 1) > 0:
                what += f"; and {more:,} more"
            issues.append(Issue(str(table.path), what, allowed=_SAID if cell in _EMPTY else ""))
        if table.malformed:
            row, found = table.malformed[0]
            more, least = len(table.malformed) - 1, len(table.malformed) > MOST_MALFORMED
            what = f"{table.place_of(row)}: {found} columns, not {len(table.columns)}"
            if more:
                what += f"; and {more:,} more" + ", at which reading ended" * least
            issues.append(Issue(str(table.path), what))
        if issues:
            raise ScenarioError(issues)


_SAID = 'or `unknown`, what stands for unknown, as in ["", "-1"]'
_EMPTY = ('""', '"-1"', '"-1.0"', "-1", "-1.0", '"101"')


class _Reader:
    """Reads a table piece by piece into a `RowStore`."""

    def __init__(
        self,
        table: Pieces,
        format_: Format,
        keys: WorkloadReading,
        sizes: Mapping[str, float] | float,
    ) -> None:
        self.table, self.format, self.keys = table, format_, keys
        self.sizes = sizes if isinstance(sizes, Mapping) else {}
        self.constant = 0.0 if isinstance(sizes, Mapping) else sizes
        self.faults = _Faults(table)
        self.ids: dict[str, int] = {}
        self.rows = self.behind = self.first_behind = 0
        self.last_s = -np.inf
        self.left_out: Counter[str] = Counter()
        self.time_column, self.clock = "", Clock("")
        self.duration = keys.duration_column
        fields = [("time_s", "f8"), ("bits", "f8")]
        if format_.minutes:
            self._no_keys_of_columns()
            fields.append(("count", "i8"))
            self.minutes = [name for name in table.columns if name.isdecimal()]
        else:
            self._find_times()
        for name, kind, column in (
            ("device", "i4", keys.device_column),
            ("cycles", "f8", keys.cycles_column),
            ("deadline_s", "f8", keys.deadline_column),
        ):
            if column is not None:
                fields.append((name, kind))
        self.store = RowStore(fields)

    def _no_keys_of_columns(self) -> None:
        of_rows = ("time_column", "time_unit", "time_zone", "duration_column")
        given = [
            key for key in (*of_rows, "cycles_column", "deadline_column") if getattr(self.keys, key)
        ]
        if given:
            what = f"{self.format.name} counts requests by the minute"
            refuse(self.table.path, what, f"no {', '.join(f'`{key}`' for key in sorted(given))}")
        if self.sizes:
            what = f"{self.format.name} has no column of sizes"
            refuse(self.table.path, what, '`bits` of every request, as in "1 Mbit"')

    def _find_times(self) -> None:
        keys, format_, table = self.keys, self.format, self.table
        column = keys.time_column
        if column is None:
            fits = [format_.time_column] if format_.time_column else time_columns(table.columns)
            if len(fits) != 1:
                what = f"several columns of times: {', '.join(fits)}"
                what = what if fits else "no column of times by its name"
                refuse(table.path, f"{what}; its columns: {table.listed}", "`time_column`")
            column = fits[0]
        known = column == format_.time_column
        if known and keys.duration_column is None:
            self.duration = format_.duration_column
        place: tzinfo | None = None
        if keys.time_zone is not None:
            try:
                place = zone(keys.time_zone)
            except ValueError:
                what, allowed = "no such time zone", '"UTC", "Europe/London", "+10:00", …'
                issue = Issue(str(table.path), what, "time_zone", as_toml(keys.time_zone), allowed)
                raise ScenarioError([issue]) from None
        unit = keys.time_unit or (format_.time_unit if known else None)
        self.time_column = column
        self.clock = Clock(column, unit, place, self._unknown_in(column), self.table.decimal_comma)

    def _unknown_in(self, column: str) -> Collection[str]:
        given = self.keys.unknown
        return given if given is not None else self.format.unknown_in(column)

    def read(self) -> None:
        """All of the table."""
        columns = dict.fromkeys(self.minutes if self.format.minutes else [self.time_column])
        for column in (
            self.duration,
            *self.sizes,
            self.keys.device_column,
            self.keys.cycles_column,
            self.keys.deadline_column,
        ):
            if column is not None:
                columns[column] = None
        for piece in self.table.read(list(columns)):
            self.rows = piece.first + len(next(iter(piece.columns.values())))
            with np.errstate(over="ignore", invalid="ignore"):  # what it comes to is looked at
                if self.format.minutes:
                    self._counts(piece)
                else:
                    self._requests(piece)
        self.faults.raise_all()
        if self.store.size == 0:
            refuse(self.table.path, "no request that has any bits")

    def workload(self) -> Workload:
        """What was read."""
        ordered = self.store.sorted("time_s") if self.behind or self.format.minutes else self.store
        since: np.datetime64 | None = None
        times: str = self.clock.kind or "counted in each minute"
        if self.clock.kind == "numbers":
            times = f"numbers, {self.clock.unit}"
            if self.clock.unit != STAMP and ordered.read(0, 1)["time_s"][0] >= _BEGUN_S:
                since, times = np.datetime64("1970-01-01", "us"), f"{times} since 1970"
        if self.clock.kind.startswith("dates") or self.clock.unit == STAMP:
            since = np.datetime64("2000-01-01", "us")
        return Workload(
            self.table.path,
            self.table.form,
            self.format.name,
            self.table.listed,
            self.time_column,
            times,
            since,
            ordered,
            tuple(self.ids),
            self.rows,
            dict(self.left_out),
            (self.behind, self.first_behind),
        )

    def _requests(self, piece: Piece) -> None:
        kept = np.ones(len(piece.columns[self.time_column]), np.bool_)
        try:
            time = self.clock.seconds(piece.columns[self.time_column])
        except ValueError as error:
            what, allowed = error.args
            refuse(self.table.path, f"column {self.time_column}: {what}", allowed)
        time_s = self._known(self.time_column, piece, time, kept)
        if self.duration is not None:
            per_second = 1.0
            if self.clock.kind == "numbers":
                per_second = PER_SECOND.get(self.clock.unit or "s", 1.0)
            time_s = time_s - self._amounts(self.duration, piece, kept) / per_second
        rows: Rows = np.empty(kept.size, self.store.dtype)
        rows["time_s"], rows["bits"] = time_s, self._bits(piece, kept)
        if (column := self.keys.cycles_column) is not None:
            rows["cycles"] = self._amounts(column, piece, kept)
            self._leave_out(rows["cycles"] == 0.0, f"0 in {column}", kept)
        if (column := self.keys.deadline_column) is not None:
            read = amounts(
                piece.columns[column], self._unknown_in(column), self.table.decimal_comma
            )
            nothing = read.values == 0.0
            if nothing.any():
                read = read._replace(wrong=nothing if read.wrong is None else read.wrong | nothing)
            self.faults.add(column, piece, read._replace(allowed="a positive number of seconds"))
            rows["deadline_s"] = read.values
        self._leave_out(rows["bits"] == 0.0, "of no bits", kept)
        if (column := self.keys.device_column) is not None:
            rows["device"] = self._devices(column, piece, kept)
        if not np.all(np.abs(time_s[kept]) < _LATEST_S):
            refuse(self.table.path, f"column {self.time_column}: times beyond {_LATEST_S:g} s")
        self._keep(rows, kept, piece.first)

    def _counts(self, piece: Piece) -> None:
        """Of a function in each row, how many requests it had in each minute."""
        rows = len(next(iter(piece.columns.values())))
        kept = np.ones(rows, np.bool_)
        column = self.keys.device_column
        device = self._devices(column, piece, kept) if column is not None else None
        for minute in self.minutes:
            here = kept.copy()
            count = self._amounts(minute, piece, here)
            whole = np.floor(count) == count
            if not whole[here].all():
                wrong = Column(count, {}, here & ~whole, "a whole number")
                self.faults.add(minute, piece, wrong)
            here &= (count > 0.0) & whole
            if (most := float(count[here].max(initial=0.0))) > MOST_IN_A_MINUTE:
                what = f"column {minute}: {most:,.0f} requests of one function"
                refuse(self.table.path, what, f"at most {MOST_IN_A_MINUTE:,}")
            some: Rows = np.empty(int(here.sum()), self.store.dtype)
            some["time_s"] = (int(minute) - 1) * MINUTE_S
            some["bits"], some["count"] = self.constant, count[here]
            if device is not None:
                some["device"] = device[here]
            self.store.append(some)

    def _bits(self, piece: Piece, kept: NDArray[np.bool_]) -> Any:
        if not self.sizes:
            return np.full(kept.size, self.constant)
        # Column by column from nothing, as a sum adds up.
        bits = np.zeros(kept.size)
        for column, factor in self.sizes.items():
            bits = bits + factor * self._amounts(column, piece, kept)
        if np.isinf(bits[kept]).any():
            refuse(self.table.path, f"requests of infinitely many bits, by {', '.join(self.sizes)}")
        return bits

    def _amounts(self, column: str, piece: Piece, kept: NDArray[np.bool_]) -> Any:
        read = amounts(piece.columns[column], self._unknown_in(column), self.table.decimal_comma)
        return self._known(column, piece, read, kept)

    def _known(self, column: str, piece: Piece, read: Column, kept: NDArray[np.bool_]) -> Any:
        """The values; where there is none, the row is not kept."""
        self.faults.add(column, piece, read)
        if read.wrong is not None:
            kept &= ~read.wrong
        for marker, found in read.unknown.items():
            self._leave_out(found, f"{as_toml(marker) if marker else 'nothing'} in {column}", kept)
        return read.values

    def _leave_out(self, found: NDArray[np.bool_], reason: str, kept: NDArray[np.bool_]) -> None:
        if count := int(np.count_nonzero(found & kept)):
            self.left_out[reason] += count
            kept &= ~found

    def _devices(self, column: str, piece: Piece, kept: NDArray[np.bool_]) -> NDArray[np.int32]:
        """(K,) devices by number, in the order in which their ids appear."""
        import pyarrow as pa

        cells = piece.columns[column]
        text = cells if pa.types.is_string(cells.type) else cells.cast(pa.string())
        unknown = self._unknown_in(column)
        coded = text.fill_null("").dictionary_encode()
        codes, names = np.array(coded.indices), coded.dictionary.to_pylist()
        for marker in unknown:
            for code in [code for code, name in enumerate(names) if name.strip() == marker]:
                reason = f"{as_toml(marker) if marker else 'nothing'} in {column}"
                self._leave_out(codes == code, reason, kept)
        # Ids of rows that are left out are none: they would take the place of a device.
        seen, first = np.unique(codes[kept], return_index=True)
        numbers = np.full(len(names), -1, np.int32)
        for code in seen[np.argsort(first)].tolist():
            numbers[code] = self.ids.setdefault(names[code].strip(), len(self.ids))
        if len(self.ids) > MOST_IDS:
            what = f"column {column}: over {MOST_IDS:,} devices"
            refuse(self.table.path, what, "a column of the devices' ids")
        devices: NDArray[np.int32] = numbers[codes]
        return devices

    def _keep(self, rows: Rows, kept: NDArray[np.bool_], first: int) -> None:
        if not kept.all():
            rows = rows[kept]
        if not rows.size:
            return
        time_s = rows["time_s"]
        before = np.concatenate(([self.last_s], time_s[:-1]))
        behind = time_s < before
        if behind.any():
            if not self.behind:
                self.first_behind = first + int(np.flatnonzero(kept)[np.argmax(behind)]) + 1
            self.behind += int(np.count_nonzero(behind))
        self.last_s = float(time_s[-1])
        self.store.append(rows)
