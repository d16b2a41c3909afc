"""Columns that lie side by side: a slot leaves many, and whoever keeps them copies a block at a time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, final

from numpy.typing import DTypeLike, NDArray


class Layout:
    """Which column is which row of which block.

    Args:
        blocks: the names in each block, in the order of its rows.
        kinds: of columns that are not floats, though they lie among some.
    """

    def __init__(self, *blocks: Sequence[str], kinds: Mapping[str, DTypeLike]) -> None:
        self.kinds = kinds
        self.blocks = tuple(tuple(block) for block in blocks)
        self.place = {
            name: (number, row)
            for number, block in enumerate(self.blocks)
            for row, name in enumerate(block)
        }


_NO_BLOCKS = Layout(kinds={})


@final
class ColumnBlocks(Mapping[str, NDArray[Any]]):
    """Columns by name, most of them rows of a few arrays.

    Args:
        layout: of the arrays.
        arrays: a block each, its columns along the first axis.
        others: columns that lie alone.
    """

    __slots__ = ("arrays", "layout", "others")

    def __init__(
        self,
        layout: Layout,
        arrays: Sequence[NDArray[Any]],
        others: Mapping[str, NDArray[Any]],
    ) -> None:
        self.layout = layout
        self.arrays = arrays
        self.others = others

    @classmethod
    def of(cls, columns: Mapping[str, NDArray[Any]]) -> "ColumnBlocks":
        """Columns of any shapes as they are, in blocks or each alone."""
        return columns if type(columns) is cls else cls(_NO_BLOCKS, (), columns)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """The column of that name."""
        place = self.layout.place.get(name)
        if place is None:
            return self.others[name]
        column: NDArray[Any] = self.arrays[place[0]][place[1]]
        return column.astype(self.layout.kinds[name]) if name in self.layout.kinds else column

    def __iter__(self) -> Iterator[str]:
        """Names, those in blocks first."""
        yield from self.layout.place
        yield from self.others

    def __len__(self) -> int:
        """How many columns there are."""
        return len(self.layout.place) + len(self.others)
