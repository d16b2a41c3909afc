"""Fading around the path loss: together they are the power gains h_ij r_ij^-alpha of A(3).

Of the stream problem; the task problem draws its own in `tasks/channel.py`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from ...scenarios.units import PowerRatio
from ..core.answers import numbers
from ..core.arrays import FloatArray
from ..core.randomness import Generators, standard_exponential, standard_normal
from ..core.state_checks import check_used

FADING = {
    "rayleigh": f"{__package__}.fading:Rayleigh",
    "rician": f"{__package__}.fading:Rician",
    "clarke": f"{__package__}.clarke:Clarke",
    "none": f"{__package__}.fading:NoFading",
}
"""Fading models by the name that a scenario gives."""

BLOCKS_AT_ONCE = 64
"""Coherence blocks that are drawn together, if they fit into `BYTES_AT_ONCE`."""

BYTES_AT_ONCE = 4 * 2**20
"""Keeps what is drawn ahead in the cache, and a checkpoint that holds it small."""


class Fading(Protocol):
    """Small-scale fading, constant for a coherence time, with power gains h_ij of mean 1.

    A model's constructor keywords are its keys of the scenario's [channel] section. All that it
    knows between two blocks lies in its attributes, as numbers, text, arrays and generators, so that
    it can be saved (core/saved_state.py). A model whose links and blocks are independent is most easily
    written as a subclass of `IndependentFading`.
    """

    def start(
        self,
        devices: int,
        station_names: Sequence[str],
        rngs_of: Callable[[str], Generators],
    ) -> None:
        """Begin a run.

        Args:
            devices: N.
            station_names: B names. A station draws from a stream of its own, which bears its name,
                so that another station changes nothing for it.
            rngs_of: the random streams of a name, one generator per replication.
        """

    def next(self) -> FloatArray:
        """(R, N, B) power gains of the next coherence block; not to be written into."""


class IndependentFading:
    """Gains drawn anew for every link and coherence block. A subclass says from which law.

    A station's stream is consumed block after block and, within a block, device after device;
    how many blocks are drawn at once changes nothing but the time it takes.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_rngs", "_drawn", "_used")
    grows: ClassVar[tuple[str, ...]] = ("_drawn",)

    def check_state(self) -> None:
        """Whole blocks were drawn ahead, and some of them used."""
        if self._drawn.shape[1:] != self._shape[1:]:
            raise ValueError("gains of other links")
        check_used(self._used, len(self._drawn))

    def sample(self, rng: np.random.Generator, blocks: int, devices: int) -> FloatArray:
        """(blocks, devices) gains of mean 1, drawn from `rng` in this order."""
        raise NotImplementedError

    def start(
        self,
        devices: int,
        station_names: Sequence[str],
        rngs_of: Callable[[str], Generators],
    ) -> None:
        """Begin a run; see `Fading`."""
        self._rngs = [rngs_of(f"fading/{name}") for name in station_names]
        stations, replications = len(self._rngs), len(self._rngs[0])
        gains = replications * devices * stations
        at_once = min(BLOCKS_AT_ONCE, BYTES_AT_ONCE // (8 * gains))
        self._shape = (max(at_once, 1), replications, devices, stations)
        self._drawn = np.empty((0, *self._shape[1:]))
        self._used = 0

    def next(self) -> FloatArray:
        """(R, N, B) power gains of the next coherence block; not to be written into."""
        if self._used == len(self._drawn):
            self._draw()
        self._used += 1
        gains: FloatArray = self._drawn[self._used - 1]
        return gains

    def _draw(self) -> None:
        blocks, _, devices, _ = self._shape
        # A new array each time: whoever still holds gains of the last one keeps them.
        self._drawn = np.empty(self._shape)
        for station, rngs in enumerate(self._rngs):
            for replication, rng in enumerate(rngs):
                gains = numbers("fading", self.sample(rng, blocks, devices), (blocks, devices))
                self._drawn[:, replication, :, station] = gains
        self._used = 0


@dataclass
class Rayleigh(IndependentFading):
    """No line of sight: h = |CN(0, 1)|^2, which is exponential with mean 1."""

    def sample(self, rng: np.random.Generator, blocks: int, devices: int) -> FloatArray:
        """(blocks, devices) gains of mean 1, drawn from `rng` in this order."""
        return standard_exponential(rng, (blocks, devices))


@dataclass
class Rician(IndependentFading):
    """A line of sight among scattered paths: h = |sqrt(K / (K+1)) + CN(0, 1 / (K+1))|^2.

    Args:
        k_factor: K, power of the line of sight over that of all scattered paths, a ratio;
            0 is Rayleigh fading in law.
    """

    k_factor: PowerRatio = 4.0

    def sample(self, rng: np.random.Generator, blocks: int, devices: int) -> FloatArray:
        """(blocks, devices) gains of mean 1, drawn from `rng` in this order."""
        in_phase_quadrature = standard_normal(rng, (blocks, devices, 2))
        in_phase_quadrature *= np.sqrt(0.5 / (self.k_factor + 1.0))
        in_phase_quadrature[..., 0] += np.sqrt(self.k_factor / (self.k_factor + 1.0))
        in_phase_quadrature *= in_phase_quadrature
        gain: FloatArray = in_phase_quadrature[..., 0] + in_phase_quadrature[..., 1]
        return gain


@dataclass
class NoFading:
    """h = 1: path loss only."""

    def start(
        self,
        devices: int,
        station_names: Sequence[str],
        rngs_of: Callable[[str], Generators],
    ) -> None:
        """Begin a run; see `Fading`."""
        replications = len(rngs_of(f"fading/{station_names[0]}"))
        self._ones = np.ones((replications, devices, len(station_names)))

    def next(self) -> FloatArray:
        """(R, N, B) ones; not to be written into."""
        return self._ones
