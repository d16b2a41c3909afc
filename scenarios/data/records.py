"""Tables of data files: CSV of any common dialect and JSON, as columns of cells with the places of rows."""

import csv
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, NoReturn, TextIO, TypeVar, cast

from isal import igzip, igzip_lib

from ..errors import Issue, ScenarioError, as_toml

T = TypeVar("T")

ISSUES = 5
"""A file with more malformed rows than this is of another kind: no use to list them all."""

MOST_CHARACTERS = 500_000_000
"""Of a file that is read as a whole: a small one may be packed that has no end."""

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs"}
_DEPTH = 4
"""Levels of a JSON file down to its list of records."""

UNREADABLE: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    zlib.error,
    cast(type[Exception], igzip_lib.IsalError),  # typed as an instance
    UnicodeDecodeError,
    csv.Error,
)
"""What is raised where a file is no text, is damaged, or cannot be opened."""


def open_bytes(path: Path) -> IO[bytes]:
    """A file as it is, but decompressed if its name ends in ".gz"; three times as fast as by zlib."""
    if path.suffix != ".gz":
        return path.open("rb")
    return cast(IO[bytes], igzip.open(path, "rb"))  # type: ignore[no-untyped-call, unused-ignore]


def open_text(path: Path) -> TextIO:
    """A file of text in UTF-8, with or without a mark before it; compressed if its name ends in ".gz"."""
    return io.TextIOWrapper(open_bytes(path), encoding="utf-8-sig", newline="")


def whole_text(path: Path) -> str:
    """All of a file's text.

    Raises:
        ScenarioError: there is more of it than any table or graph has.
        OSError: and others of `UNREADABLE`: it cannot be read.
    """
    with open_text(path) as lines:
        return "".join(_counted(path, lines))


def _counted(path: Path, lines: TextIO) -> Iterator[str]:
    """The lines of a file, as long as they are not too much of it."""
    room = MOST_CHARACTERS
    while line := lines.readline(room + 1):
        room -= len(line)
        if room < 0:
            refuse(path, "too large", f"at most {MOST_CHARACTERS:,} characters")
        yield line


def refuse(path: Path, what: str, allowed: str = "") -> NoReturn:
    """Refuse a file.

    Raises:
        ScenarioError: always.
    """
    raise ScenarioError([Issue(str(path), what, allowed=allowed)])


@dataclass(frozen=True)
class Table:
    """A file's rows.

    Attributes:
        path: of the file.
        form: what it is, in words.
        columns: names, as the file has them; of JSON with dots, "intensity.actual".
        rows: cells by column, text or what JSON has; shorter than `columns` where a row is.
        places: of each row, "row 3" (lines of a CSV count from 1) or "record 3" (from 1).
        about: what JSON says beside its records, by name with dots.
        decimal_comma: whether numbers may be written as 1,5.
    """

    path: Path
    form: str
    columns: tuple[str, ...]
    rows: Sequence[Sequence[Any]]
    places: Sequence[str]
    about: Mapping[str, Any] = field(default_factory=dict)
    decimal_comma: bool = False

    def column(self, name: str, read: Callable[[Any], T]) -> list[T]:
        """A column, each cell read.

        Args:
            name: one of `columns`.
            read: raises ValueError with what is allowed, in words.

        Raises:
            ScenarioError: cells that cannot be read; names row, column, value and what is allowed.
        """
        return [row[0] for row in self.read({name: read})]

    def read(self, columns: Mapping[str, Callable[[Any], Any]]) -> list[tuple[Any, ...]]:
        """Some columns, row by row; as `column`."""
        cells = [(self.columns.index(name), name, read) for name, read in columns.items()]
        found: list[tuple[Any, ...]] = []
        issues: list[Issue] = []
        for place, row in zip(self.places, self.rows, strict=True):
            try:
                found.append(tuple([read(row[index]) for index, _, read in cells]))
            except (ValueError, IndexError):
                issues.append(self._issue(place, row, cells))
                if len(issues) == ISSUES:
                    break
        if issues:
            raise ScenarioError(issues)
        return found

    def _issue(
        self, place: str, row: Sequence[Any], cells: list[tuple[int, str, Callable[[Any], Any]]]
    ) -> Issue:
        for index, column, read in cells:
            where = f"{place}, column {column}"
            if index >= len(row):
                return Issue(str(self.path), f"{where}: missing")
            try:
                read(row[index])
            except ValueError as error:
                what = f"{where}: {as_toml(row[index])} is not {error}"
                return Issue(str(self.path), what)
        raise AssertionError("only called for a row that cannot be read")


def read_table(path: Path, most: int | None = None) -> Table:
    """The table of a CSV with a header, or of JSON, by the file's name; each may be compressed, ".gz".

    A CSV's columns are separated by commas, semicolons or tabs, whichever its header has most.

    Args:
        path: the file.
        most: rows of a CSV that are read; all if not given.

    Raises:
        ScenarioError: it cannot be read, or is no table.
    """
    is_json = path.name.lower().removesuffix(".gz").endswith(".json")
    try:
        if is_json:
            return _json(path, whole_text(path))
        with open_text(path) as lines:
            return _csv(path, _counted(path, lines), most)
    except UNREADABLE as error:
        reason = error.strerror if isinstance(error, OSError) else None
        refuse(path, f"cannot be read: {reason or error}")


def _csv(path: Path, lines: Iterator[str], most: int | None) -> Table:
    first = next(lines, "")
    separator, words = separator_of(first)
    reader = csv.reader(chain([first], lines), delimiter=separator)
    header = tuple(name.strip() for name in next(reader, []))
    rows, places = [], []
    for row in islice(reader, most):
        if row:
            rows.append(row)
            places.append(f"row {reader.line_num}")
    form = f"CSV, separated by {words}"
    return Table(path, form, header, rows, places, decimal_comma=separator != ",")


def separator_of(header: str) -> tuple[str, str]:
    """What separates the columns of a CSV, by its header, and its name."""
    separator = max(_SEPARATORS, key=header.count)
    return separator, _SEPARATORS[separator]


def _json(path: Path, text: str) -> Table:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        refuse(path, f"not valid JSON: {error or 'nested too deeply'}")
    found = list(_lists(value, ""))
    if len(found) != 1:
        what = (
            "no list of records"
            if not found
            else f"several lists: {', '.join(n for n, _ in found)}"
        )
        refuse(path, what, "one list of objects, at the top or in an object")
    name, records = found[0]
    flat = [_flat(record, "") for record in records]
    columns = tuple(dict.fromkeys(key for record in flat for key in record))
    about = _flat(value, "") if isinstance(value, dict) else {}
    return Table(
        path,
        f"JSON, {len(records):,} records" + f" in `{name}`" * bool(name),
        columns,
        [[record.get(column) for column in columns] for record in flat],
        [f"record {number}" for number in range(1, len(records) + 1)],
        about,
    )


def _lists(value: Any, name: str, depth: int = 0) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Lists of objects in an object, by name with dots."""
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        yield name, value
    elif isinstance(value, dict) and depth < _DEPTH:
        for key, inner in value.items():
            yield from _lists(inner, f"{name}.{key}".strip("."), depth + 1)


def _flat(record: Mapping[str, Any], prefix: str, depth: int = 0) -> dict[str, Any]:
    """Values by names with dots; lists, and what lies deeper than any format has it, are left out."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            if depth < _DEPTH:
                flat |= _flat(value, f"{prefix}{key}.", depth + 1)
        elif not isinstance(value, list):
            flat[f"{prefix}{key}"] = value
    return flat


def normal(name: str) -> str:
    """A column's name as names are compared: lower case, words with a space, CO2 in plain digits."""
    return " ".join(name.replace("₂", "2").replace("_", " ").lower().split())


def number(value: Any, low: float, high: float, allowed: str, comma: bool = False) -> float:
    """The number that a cell is.

    Args:
        value: text, or what JSON has.
        low: least.
        high: greatest.
        allowed: what is allowed, in words.
        comma: whether 1,5 is a number.

    Raises:
        ValueError: with `allowed`, where it is none, or not between `low` and `high`.
    """
    if isinstance(value, str):
        value = value.strip()
        if comma and "." not in value:
            value = value.replace(",", ".")
    try:
        found = float("nan" if isinstance(value, bool) or value is None else value)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(allowed) from None
    if not low <= found <= high:
        raise ValueError(allowed)
    return found
