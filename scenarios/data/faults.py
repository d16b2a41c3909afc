"""What is wrong in the rows of a table that is read in pieces: of each kind the first, and how many there are."""

from collections import Counter
from collections.abc import Callable
from itertools import islice

import numpy as np

from ..errors import Issue, as_toml
from .columns import Column
from .records import ISSUES
from .table_reader import MOST_MALFORMED, Piece, Pieces


class Faults:
    """Kinds of mistakes in the cells of a table.

    Args:
        table: that is read.
        allowed: of a cell as TOML writes it, what else would be right; "" if nothing.
    """

    def __init__(self, table: Pieces, allowed: Callable[[str], str] = lambda cell: "") -> None:
        self.table, self._allowed = table, allowed
        self._first: dict[tuple[str, str], tuple[int, str]] = {}
        self._count: Counter[tuple[str, str]] = Counter()

    def add(self, column: str, piece: Piece, read: Column) -> None:
        """What is wrong in a column of a piece."""
        if read.wrong is None:
            return
        kind = (column, read.allowed)
        self._count[kind] += int(np.count_nonzero(read.wrong))
        if kind not in self._first:
            row = int(np.argmax(read.wrong))
            try:
                cell = piece.columns[column][row].as_py()
            except (OverflowError, ValueError, KeyError):  # a moment of no calendar
                cell = str(piece.columns[column].type)
            self._first[kind] = piece.first + row, as_toml(cell if cell is not None else "")

    def told(self) -> list[Issue]:
        """One of each kind, and of rows of other lengths, once all of the table was read."""
        table, issues = self.table, list[Issue]()
        for kind, (row, cell) in islice(self._first.items(), ISSUES):
            column, allowed = kind
            what = f"{table.place(row)}, column {column}: {cell} is not {allowed}"
            if (more := self._count[kind] - 1) > 0:
                what += f"; and {more:,} more"
            issues.append(Issue(str(table.path), what, allowed=self._allowed(cell)))
        if table.malformed:
            row, found = table.malformed[0]
            more, least = len(table.malformed) - 1, len(table.malformed) > MOST_MALFORMED
            what = f"{table.place_of(row)}: {found} columns, not {len(table.columns)}"
            if more:
                what += f"; and {more:,} more" + ", at which reading ended" * least
            issues.append(Issue(str(table.path), what))
        return issues
