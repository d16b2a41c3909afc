"""Columns that lie side by side: a slot leaves many, and whoever keeps them copies a block at a time."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Shapes:
    """What the columns of a slot look like.

    Attributes:
        layout: of those in blocks.
        blocks: (columns, R, …) shape of each block.
        others: (R, …) shapes of columns that lie alone, by name.
    """

    layout: Layout
    blocks: tuple[tuple[int, ...], ...]
    others: Mapping[str, tuple[int, ...]]

    @classmethod
    def of(cls, columns: Mapping[str, NDArray[Any]]) -> "Shapes":
        """Those of a slot's columns, (R,), (R, N), (R, B), … each."""
        found = ColumnBlocks.of(columns)
        blocks = tuple(
            (len(names), *array.shape[1:])
            for names, array in zip(found.layout.blocks, found.arrays, strict=True)
        )
        return cls(found.layout, blocks, {name: x.shape for name, x in found.others.items()})

    def of_replications(self, count: int) -> "Shapes":
        """The same with another number of replications."""
        blocks = tuple((columns, count, *more) for columns, _, *more in self.blocks)
        others = {name: (count, *more) for name, (_, *more) in self.others.items()}
        return Shapes(self.layout, blocks, others)

    @property
    def numbers(self) -> int:
        """In all columns of a slot."""
        return sum(math.prod(shape) for shape in (*self.blocks, *self.others.values()))

    def by_name(self) -> dict[str, tuple[int, ...]]:
        """Of each column, those in blocks first."""
        place = self.layout.place
        return {name: self.blocks[place[name][0]][1:] for name in place} | dict(self.others)


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
