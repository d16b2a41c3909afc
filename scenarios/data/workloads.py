"""Recorded requests of a file: when each arrived, how large it is, and whose it is."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import Issue, Mistakes, as_toml
from ..workload_section import WorkloadReading
from .carbon_formats import time_columns
from .columns import AMOUNT, PER_SECOND, STAMP, Clock, Column, amounts
from .faults import Faults
from .moments import zone
from .records import refuse
from .row_store import Rows, RowStore
from .table_reader import Piece, Pieces, open_pieces, refusing
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

_MOST_BITS = 1e308
"""Of a request; sums beyond may have no number."""


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
        self.faults = Faults(table, lambda cell: _SAID if cell in _EMPTY else "")
        self.mistakes = Mistakes()
        self.ids: dict[str, int] = {}
        self.rows = self.behind = self.first_behind = 0
        self.last_s = -np.inf
        self.left_out: Counter[str] = Counter()
        self.time_column, self.clock = "", Clock("")
        fields = [("time_s", "f8"), ("bits", "f8")]
        if format_.minutes:
            with self.mistakes:
                self._no_keys_of_columns()
            fields.append(("count", "i8"))
            self.minutes = [name for name in table.columns if name.isdecimal()]
            self.sizes = {}
            self.duration = self.cycles = self.deadline = None
        else:
            with self.mistakes:
                self._find_times()
            duration = keys.duration_column
            if duration is None and self.time_column == format_.time_column:
                duration = format_.duration_column
            self.duration = self._there("duration_column", duration)
            self.cycles = self._there("cycles_column", keys.cycles_column)
            self.deadline = self._there("deadline_column", keys.deadline_column)
        self.device = self._there("device_column", keys.device_column)
        self.sizes = {
            column: factor for column, factor in self.sizes.items() if self._there("bits", column)
        }
        for name, kind, column in (
            ("device", "i4", self.device),
            ("cycles", "f8", self.cycles),
            ("deadline_s", "f8", self.deadline),
        ):
            if column is not None:
                fields.append((name, kind))
        self.store = RowStore(fields)

    def _there(self, key: str, column: str | None) -> str | None:
        """A column that the file has; of another it is kept that it has not, and the others are read."""
        with self.mistakes:
            if column is not None:
                self.table.check(column, key)
            return column
        return None

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
        column = self._there("time_column", keys.time_column)
        if keys.time_column is None:
            fits = [format_.time_column] if format_.time_column else time_columns(table.columns)
            if len(fits) != 1:
                what = f"several columns of times: {', '.join(fits)}"
                what = what if fits else "no column of times by its name"
                refuse(table.path, f"{what}; its columns: {table.listed}", "`time_column`")
            column = fits[0]
        if column is None:
            return
        known = column == format_.time_column
        place: tzinfo | None = None
        if keys.time_zone is not None:
            try:
                place = zone(keys.time_zone)
            except ValueError:
                what, allowed = "no such time zone", '"UTC", "Europe/London", "+10:00", …'
                self.mistakes.append(
                    Issue(str(table.path), what, "time_zone", as_toml(keys.time_zone), allowed)
                )
        unit = keys.time_unit or (format_.time_unit if known else None)
        self.time_column = column
        self.clock = Clock(column, unit, place, self._unknown_in(column), self.table.decimal_comma)

    def _unknown_in(self, column: str) -> Collection[str]:
        given = self.keys.unknown
        return given if given is not None else self.format.unknown_in(column)

    def read(self) -> None:
        """All of the table.

        Raises:
            ScenarioError: with all kinds of mistakes, in rows also of the columns that are there.
        """
        first = self.minutes if self.format.minutes else [self.time_column]
        others = (self.duration, self.device, self.cycles, self.deadline)
        columns = list(dict.fromkeys(filter(None, (*first, *self.sizes, *others))))
        for piece in self.table.read(columns) if columns else ():
            self.rows = piece.first + len(piece.columns[columns[0]])
            # What numbers come to is looked at; cells may be of a type that is neither number nor text.
            with np.errstate(over="ignore", invalid="ignore"), refusing(self.table.path):
                if self.format.minutes:
                    self._counts(piece)
                else:
                    self._requests(piece)
        self.mistakes.extend(self.faults.told())
        self.mistakes.tell()
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
        kept = np.ones(len(next(iter(piece.columns.values()))), np.bool_)
        time_s = self._times(piece, kept)
        rows: Rows = np.empty(kept.size, self.store.dtype)
        rows["time_s"], rows["bits"] = time_s, self._bits(piece, kept)
        if (column := self.cycles) is not None:
            rows["cycles"] = self._amounts(column, piece, kept)
            self._leave_out(rows["cycles"] == 0.0, f"0 in {column}", kept)
        if (column := self.deadline) is not None:
            read = amounts(
                piece.columns[column], self._unknown_in(column), self.table.decimal_comma
            )
            read = read.but(read.values == 0.0)._replace(allowed="a positive number of seconds")
            self.faults.add(column, piece, read)
            rows["deadline_s"] = read.values
        self._leave_out(rows["bits"] == 0.0, "of no bits", kept)
        if self.device is not None:
            rows["device"] = self._devices(self.device, piece, kept)
        if not self.mistakes:
            self._keep(rows, kept, piece.first)

    def _times(self, piece: Piece, kept: NDArray[np.bool_]) -> Any:
        """(K,) seconds at which requests arrive."""
        time_s: Any = np.zeros(kept.size)
        if self.time_column:
            try:
                time = self.clock.seconds(piece.columns[self.time_column])
            except ValueError as error:
                what, allowed = error.args
                what = f"column {self.time_column}: {what}"
                self.mistakes.append(Issue(str(self.table.path), what, allowed=allowed))
                self.time_column = ""  # the others are read on
            else:
                time = time.but(np.abs(time.values) > _LATEST_S, f"within ±{_LATEST_S:g} s")
                time_s = self._known(self.time_column, piece, time, kept)
        if self.duration is not None:
            per_second = 1.0
            if self.clock.kind == "numbers":
                per_second = PER_SECOND.get(self.clock.unit or "s", 1.0)
            lasts = self._amounts(self.duration, piece, kept, _LATEST_S * per_second)
            time_s = time_s - lasts / per_second
        return time_s

    def _counts(self, piece: Piece) -> None:
        """Of a function in each row, how many requests it had in each minute."""
        rows = len(next(iter(piece.columns.values())))
        kept = np.ones(rows, np.bool_)
        device = self._devices(self.device, piece, kept) if self.device is not None else None
        for minute in self.minutes:
            here = kept.copy()
            count = self._amounts(minute, piece, here, MOST_IN_A_MINUTE)
            whole = np.floor(count) == count
            if not whole[here].all():
                wrong = Column(count, {}, here & ~whole, "a whole number")
                self.faults.add(minute, piece, wrong)
            here &= (count > 0.0) & whole
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
            most = _MOST_BITS / len(self.sizes) / factor if factor else np.inf
            bits = bits + factor * self._amounts(column, piece, kept, most)
        return bits

    def _amounts(
        self, column: str, piece: Piece, kept: NDArray[np.bool_], most: float = np.inf
    ) -> Any:
        read = amounts(piece.columns[column], self._unknown_in(column), self.table.decimal_comma)
        read = read.but(read.values > most, f"{AMOUNT}, and at most {most:,.3g}")
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
