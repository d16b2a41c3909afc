"""Tables of any length, read in pieces: CSV of any common dialect, SWF, Parquet."""

import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..errors import Issue, ScenarioError, as_toml, nearest
from .records import UNREADABLE, open_bytes, open_text, refuse, separator_of

if TYPE_CHECKING:
    import pyarrow as pa

PIECE_BYTES = 1 << 20
"""Of text that are read at once; a row is shorter."""

PIECE_ROWS = 1 << 15
"""Of Parquet."""

MOST_MALFORMED = 1000
"""A file with more rows of other lengths is read no further."""

MOST_LISTED = 40
"""Names of columns in a message."""

_MOST_COLUMNS = 100_000


class Piece(NamedTuple):
    """Some rows.

    Attributes:
        first: how many rows without a fault come before.
        columns: cells by column; text, of Parquet whatever they are.
    """

    first: int
    columns: Mapping[str, "pa.Array"]


@dataclass
class Pieces:
    """A table that is read in pieces.

    Attributes:
        path: of the file.
        form: what it is, in words.
        columns: names, as the file has them, or "1", "2", … where it has none.
        head: the first row, which may be the header.
        separator: of columns; " " where any blanks are; "" of Parquet.
        header: whether the first row has the names of columns.
        malformed: filled as it is read: rows of another number of columns, counted from 0 without the
            header, and that number.
    """

    path: Path
    form: str
    columns: tuple[str, ...]
    head: tuple[str, ...]
    separator: str
    header: bool
    malformed: list[tuple[int, int]] = field(default_factory=list)

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers may be written as 1,5."""
        return self.separator in (";", "\t")

    @property
    def listed(self) -> str:
        """The names of the first columns."""
        shown = ", ".join(self.columns[:MOST_LISTED])
        count = len(self.columns)
        return f"{shown}, … ({count:,})" if count > MOST_LISTED else shown or "none"

    def named(self, columns: Sequence[str]) -> "Pieces":
        """The same table of a file without a header, whose columns these are."""
        form = f"{self.form}, without a header" if self.separator != " " else self.form
        return Pieces(self.path, form, tuple(columns), self.head, self.separator, header=False)

    def check(self, column: str, key: str) -> None:
        """Whether there is a column of this name, and one only.

        Args:
            column: its name.
            key: that names it.

        Raises:
            ScenarioError: there is none, or there are several.
        """
        if (count := self.columns.count(column)) != 1:
            what = f"{count} columns" if count else "no column"
            what += f" {as_toml(column)}, which `{key}` names"
            near = "" if count else nearest(column, self.columns)
            raise ScenarioError([Issue(str(self.path), what, allowed=self.listed, near=near)])

    def read(
        self, columns: Sequence[str], few: Collection[str] = (), size: int | None = None
    ) -> Iterator[Piece]:
        """Some columns of all rows.

        Args:
            columns: that are there once each, as `check` finds out.
            few: those with few different cells, which come as dictionaries.
            size: of a piece, bytes of text; `PIECE_BYTES` if not given.

        Raises:
            ScenarioError: the file is damaged.
        """
        import pyarrow as pa

        indices, size = [self.columns.index(column) for column in columns], size or PIECE_BYTES
        self.malformed.clear()
        first = 0
        with refusing(self.path):
            dictionary = pa.dictionary(pa.int32(), pa.string())
            kinds = {
                index: dictionary if column in few else pa.string()
                for index, column in zip(indices, columns, strict=True)
            }
            parquet = not self.separator
            for batch in self._parquet(columns, size) if parquet else self._csv(kinds, size):
                yield Piece(first, dict(zip(columns, batch.columns, strict=True)))
                first += batch.num_rows
        pa.default_memory_pool().release_unused()

    def place(self, row: int) -> str:
        """Where one of the rows without a fault stands: "row 3" (lines count from 1), or "record 3"."""
        for malformed, _ in self.malformed:
            row += malformed <= row
        return self.place_of(row)

    def place_of(self, row: int) -> str:
        """The same of any row, counted from 0 without the header."""
        if not self.separator:
            return f"record {row + 1}"
        with refusing(self.path), open_text(self.path) as lines:
            if self.separator == " ":
                wanted = (
                    number
                    for number, line in enumerate(lines, 1)
                    if line.strip(" \t\r\n;") != "" and not line.lstrip().startswith(";")
                )
            else:
                reader = csv.reader(lines, delimiter=self.separator)
                wanted = (reader.line_num for cells in reader if cells)
            for index, number in enumerate(wanted):
                if index == row + self.header:
                    return f"row {number}"
        return "a row"

    def _csv(self, kinds: Mapping[int, Any], size: int) -> Iterator["pa.RecordBatch"]:
        import pyarrow as pa
        from pyarrow import csv as arrow

        def skip(row: Any) -> str:
            self.malformed.append((row.number - 1 - skipped, row.actual_columns))
            return "error" if len(self.malformed) > MOST_MALFORMED else "skip"

        names = [str(number) for number in range(len(self.columns))]
        wanted = {names[index]: kind for index, kind in kinds.items()}
        skipped = _lines_before(self.path, self.separator) if self.header else 0
        with self._open() as file:
            try:
                reader = arrow.open_csv(
                    file,
                    arrow.ReadOptions(
                        # Threads would give rows no numbers, and take more memory.
                        use_threads=False,
                        block_size=size,
                        column_names=names,
                        skip_rows=skipped,
                    ),
                    arrow.ParseOptions(
                        delimiter=self.separator, newlines_in_values=True, invalid_row_handler=skip
                    ),
                    arrow.ConvertOptions(
                        column_types=wanted,
                        include_columns=list(wanted),
                        strings_can_be_null=False,
                    ),
                )
                yield from reader
            except pa.ArrowInvalid as error:
                if any(what in str(error) for what in ("Empty CSV file", "Could not skip")):
                    return  # nothing but a header
                if "straddling" in str(error):
                    refuse(self.path, f"a row is longer than {size:,} bytes")
                if len(self.malformed) <= MOST_MALFORMED:
                    raise

    @contextmanager
    def _open(self) -> Iterator[Any]:
        import pyarrow as pa

        if self.separator == " ":
            with open_bytes(self.path) as raw:
                yield io.BufferedReader(_Blanks(self.path, raw), PIECE_BYTES)
        else:
            packed = "gzip" if self.path.suffix == ".gz" else None
            with pa.input_stream(str(self.path), compression=packed) as file:
                yield file

    def _parquet(self, columns: Sequence[str], size: int) -> Iterator["pa.RecordBatch"]:
        from pyarrow import parquet

        # `pre_buffer` would hold a whole row group, whatever `buffer_size` says.
        with parquet.ParquetFile(self.path, buffer_size=PIECE_BYTES, pre_buffer=False) as file:
            rows = size * PIECE_ROWS // PIECE_BYTES
            for batch in file.iter_batches(rows, columns=list(columns), use_threads=False):
                yield batch.select(list(columns))


class _Blanks(io.RawIOBase):
    """A text of columns between any blanks, with one blank between each, and without comments."""

    _COMMENT = re.compile(rb"^ ?;[^\n]*\n?", re.MULTILINE)
    _AS_BLANKS = bytes.maketrans(b"\t\r", b"  ")

    def __init__(self, path: Path, raw: Any) -> None:
        self._path, self._raw = path, raw
        self._tail, self._ready = b"", b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            piece = self._raw.read(PIECE_BYTES)
            whole, newline, rest = (self._tail + piece).rpartition(b"\n")
            if not piece:
                whole, newline, rest = rest, b"", b""
                if not whole:
                    return 0
            self._tail = rest
            if len(rest) > PIECE_BYTES:
                refuse(self._path, f"a row is longer than {PIECE_BYTES:,} bytes")
            self._ready = self._squeezed(whole + newline)
        given = self._ready[: len(buffer)]
        buffer[: len(given)] = given
        self._ready = self._ready[len(given) :]
        return len(given)

    def _squeezed(self, text: bytes) -> bytes:
        text = text.translate(self._AS_BLANKS)
        while b"  " in text:
            text = text.replace(b"  ", b" ")
        if b";" in text:
            text = self._COMMENT.sub(b"", text)
        return text.replace(b"\n ", b"\n").replace(b" \n", b"\n").lstrip(b" ")


def open_pieces(path: Path, form: Literal["CSV", "Parquet"] | None = None) -> Pieces:
    """A table, by the file's name: Parquet (.parquet), SWF (.swf), else CSV; text may be compressed (.gz).

    Args:
        path: of the file.
        form: what it is, whatever its name.

    Raises:
        ScenarioError: it cannot be read, or is empty.
    """
    name = path.name.lower().removesuffix(".gz")
    if form == "Parquet" or (form is None and name.endswith(".parquet")):
        from pyarrow.parquet import ParquetFile

        with refusing(path), ParquetFile(path) as file:
            columns = tuple(file.schema_arrow.names)
        return Pieces(path, "Parquet", columns, columns, "", header=True)
    if form is None and name.endswith(".json"):
        refuse(path, "JSON", "CSV, .swf or .parquet")
    with refusing(path):
        with open_text(path) as lines:
            first = _first_line(path, lines)
            if form is None and (name.endswith(".swf") or first.startswith(";")):
                while first.lstrip().startswith(";"):
                    first = _first_line(path, lines)
                head = tuple(first.split())
                numbered = tuple(str(number) for number in range(1, len(head) + 1))
                return Pieces(path, "text, separated by blanks", numbered, head, " ", header=False)
        separator, words = separator_of(first)
        head = tuple(cell.strip() for cell in next(csv.reader([first], delimiter=separator), []))
        if len(head) > _MOST_COLUMNS:
            refuse(path, f"{len(head):,} columns", f"at most {_MOST_COLUMNS:,}")
        return Pieces(path, f"CSV, separated by {words}", head, head, separator, header=True)


def _first_line(path: Path, lines: io.TextIOBase | Any) -> str:
    """The next one that is not empty."""
    while line := lines.readline(PIECE_BYTES):
        if len(line) == PIECE_BYTES:
            refuse(path, f"a row is longer than {PIECE_BYTES:,} bytes")
        if line.strip():
            return str(line)
    refuse(path, "empty", "rows")


def _lines_before(path: Path, separator: str) -> int:
    """Lines up to and with the header."""
    with open_text(path) as lines:
        reader = csv.reader(lines, delimiter=separator)
        next(cells for cells in reader if cells)
        return reader.line_num


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """What cannot be read is a fault of the file, in one message."""
    import pyarrow as pa

    try:
        yield
    except (*UNREADABLE, pa.ArrowException, MemoryError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        what = " ".join(str(reason or error or type(error).__name__).split())
        refuse(path, f"cannot be read: {what}")
