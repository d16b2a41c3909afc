"""Gathers the columns of consecutive slots, so that each variable is written in one piece."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..simulator.core.columns import ColumnBlocks
from ..simulator.core.recorder import SlotColumns


class ColumnBuffer:
    """Room for the columns of some slots.

    Args:
        first: the columns of a slot; those of the others have the same names and shapes.
        slots: how many it holds.
        names: of the columns that are wanted.

    Attributes:
        columns: those by name, (R, slots, …) each.
    """

    def __init__(self, first: SlotColumns, slots: int, names: Iterable[str]) -> None:
        blocks = ColumnBlocks.of(first)
        self._layout = blocks.layout
        self._others = len(blocks.others)
        self._blocks = [
            np.empty((len(block), slots, *array.shape[1:]))
            for block, array in zip(blocks.layout.blocks, blocks.arrays, strict=True)
        ]
        self._alone = {name: np.empty((slots, *x.shape)) for name, x in blocks.others.items()}
        self.columns: Mapping[str, NDArray[Any]] = {
            name: self._column(name).swapaxes(0, 1) for name in names
        }

    def _column(self, name: str) -> NDArray[Any]:
        place = self._layout.place.get(name)
        if place is None:
            return self._alone[name]
        column: NDArray[Any] = self._blocks[place[0]][place[1]]
        return column

    def put(self, place: int, columns: SlotColumns) -> None:
        """Keep a slot's columns as the buffer's slot `place`.

        Raises:
            KeyError: a column is missing.
            ValueError: there are more columns than in the first slot, or other shapes.
        """
        blocks = ColumnBlocks.of(columns)
        others = blocks.others
        if blocks.layout is not self._layout or len(others) != self._others:
            raise ValueError("the set of columns changed during the run")
        for buffer, array in zip(self._blocks, blocks.arrays, strict=True):
            buffer[:, place] = array
        for name, alone in self._alone.items():
            alone[place] = others[name]
