"""Models for tests: devices that come and go, by a list or at random; arrivals without chance."""

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgesim.scenarios.units import Bits
from edgesim.simulator.core.randomness import Generators
from edgesim.simulator.models.arrivals import Tasks


class Shifts:
    """Devices stand where they are put.

    Args:
        absent: [device, first slot, slots] each, of devices that are away for these slots.
        change: else, the probability with which a device leaves, or is back, from slot to slot.
    """

    moves: ClassVar[bool] = True

    def __init__(self, absent: tuple[tuple[int, int, int], ...] = (), change: float = 0.0) -> None:
        self._absent = absent
        self._change = change
        self._slot = 0

    def start(
        self,
        position_m: NDArray[np.float64],
        area_m: NDArray[np.float64],
        rngs_of: Callable[[str], Generators],
        placed: bool,
    ) -> NDArray[np.float64]:
        self._rngs = rngs_of("shifts")
        self.present: NDArray[np.bool_] = np.ones(position_m.shape[:2], np.bool_)
        self._work()
        return position_m

    def advance(self, position_m: NDArray[np.float64], dt_s: float) -> NDArray[np.float64]:
        self._slot += 1
        self._work()
        return position_m

    def _work(self) -> None:
        if self._change:
            draws: Any = [rng.random(self.present.shape[1]) for rng in self._rngs]
            self.present = self.present ^ (np.stack(draws) < self._change)
            return
        self.present[:] = True
        for device, first, slots in self._absent:
            if first <= self._slot < first + slots:
                self.present[:, device] = False


class Steady:
    """A task for each device in each slot, as large as all others of the slot.

    Args:
        mean: of the sizes, which take turns.
    """

    def __init__(self, mean: Bits) -> None:
        self._mean = mean

    def start(self, devices: int, slot_s: float, rngs_of: Callable[[str], Generators]) -> None:
        self._devices, self._slot_s = devices, slot_s

    def slot(self, slot: int) -> Tasks:
        every = np.arange(self._devices)
        bits = np.full(self._devices, 0.5 * self._mean * (1 + slot % 3))
        return Tasks(np.zeros_like(every), every, np.full(bits.shape, slot * self._slot_s), bits)
