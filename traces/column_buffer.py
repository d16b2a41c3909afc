"""Gathers the columns of consecutive slots, so that each variable is written in one piece."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..simulator.core.arrays import FloatArray
from ..simulator.core.columns import ColumnBlocks, Shapes
from ..simulator.core.compiled import compiled_in_place
from ..simulator.core.recorder import SlotColumns


class ColumnBuffer:
    """Room for the columns of some slots.

    Args:
        shapes: of the columns of each slot, with all replications.
        slots: how many it holds.
        names: of the columns that are wanted.
        room: gives an array of a shape; one that several processes share, perhaps.

    Attributes:
        columns: those by name, (R, slots, …) each.
    """

    def __init__(
        self,
        shapes: Shapes,
        slots: int,
        names: Iterable[str] = (),
        room: Callable[[tuple[int, ...]], FloatArray] = np.empty,
    ) -> None:
        self._layout = shapes.layout
        self._blocks = [room((columns, slots, *more)) for columns, *more in shapes.blocks]
        # The same, a slot's values of all replications side by side; and how many values one has.
        self._flat = tuple(block.reshape(*block.shape[:2], -1) for block in self._blocks)
        self._sizes = tuple(math.prod(block.shape[3:]) for block in self._blocks)
        self._replications = self._blocks[0].shape[2] if self._blocks else 0
        self._alone = {name: room((slots, *shape)) for name, shape in shapes.others.items()}
        self.columns: Mapping[str, NDArray[Any]] = {
            name: self._column(name).swapaxes(0, 1) for name in names
        }

    def _column(self, name: str) -> NDArray[Any]:
        place = self._layout.place.get(name)
        if place is None:
            return self._alone[name]
        column: NDArray[Any] = self._blocks[place[0]][place[1]]
        return column

    def put(self, place: int, columns: SlotColumns, replications: slice = slice(None)) -> None:
        """Keep a slot's columns as the buffer's slot `place`.

        Args:
            place: of the slot.
            columns: of these replications.
            replications: all by default.

        Raises:
            KeyError: a column is missing.
            ValueError: there are more columns than in the first slot, or other shapes.
        """
        blocks = ColumnBlocks.of(columns)
        others = blocks.others
        if blocks.layout is not self._layout or len(others) != len(self._alone):
            raise ValueError("the set of columns changed during the run")
        first, end = replications.start or 0, replications.stop
        count = (self._replications if end is None else end) - first
        values = tuple([array.reshape(-1) for array in blocks.arrays])
        if self._flat and not _copy(values, self._flat, self._sizes, place, first, count):
            raise ValueError("the shape of columns changed during the run")
        for name, alone in self._alone.items():
            alone[place, replications] = others[name]


@compiled_in_place
def _copy(
    blocks: tuple[FloatArray, ...],
    buffers: tuple[FloatArray, ...],
    sizes: tuple[int, ...],
    place: int,
    first: int,
    count: int,
) -> bool:
    """Blocks of a slot to where they belong in (C, slots, R n): numpy takes thrice as long.

    Each, (C r n,), has r = `count` replications, from `first` on, of n = `sizes` values; False if not.
    """
    for b in range(len(blocks)):
        values, buffer = blocks[b], buffers[b]
        start, width = first * sizes[b], count * sizes[b]
        if len(values) != len(buffer) * width:
            return False
        for column in range(len(buffer)):
            for k in range(width):
                buffer[column, place, start + k] = values[column * width + k]
    return True
