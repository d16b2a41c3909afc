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
        # The same, a slot's values of all replications side by side; and how many one replication has.
        self._flat = [block.reshape(*block.shape[:2], -1) for block in self._blocks]
        self._width = [math.prod(block.shape[3:]) for block in self._blocks]
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
        first = replications.start or 0
        for buffer, width, array in zip(self._flat, self._width, blocks.arrays, strict=True):
            values, end = array.reshape(len(buffer), -1), replications.stop
            if values.shape[1] != (buffer.shape[2] if end is None else (end - first) * width):
                raise ValueError("the shape of columns changed during the run")
            _copy(values, buffer, place, first * width)
        for name, alone in self._alone.items():
            alone[place, replications] = others[name]


@compiled_in_place
def _copy(values: FloatArray, buffer: FloatArray, place: int, first: int) -> None:
    """(C, n) values of a slot to where they belong in (C, slots, n or more): numpy takes thrice as long."""
    for column in range(values.shape[0]):
        for k in range(values.shape[1]):
            buffer[column, place, first + k] = values[column, k]
