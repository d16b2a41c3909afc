"""Fading that is correlated in time, for links whose ends or surroundings move at a speed.

Clarke's model: scattered waves of equal power arrive from all around in the plane, each with the Doppler shift
of its direction. The amplitude then has the autocorrelation J_0(2 pi f_D t) with f_D = speed carrier / c.
Here 32 waves from directions that are evenly spaced, turned by a random angle for each link, and random
phases (Xiao, Zheng and Beaulieu, 2006): that autocorrelation, exactly; power gains of mean 1 whose second moment
is 2 - 1/32, where an exponential law has 2.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

import numpy as np

from ...scenarios.units import (
    LIGHT_M_PER_S,
    PositiveHertz,
    PositiveMetresPerSecond,
    PositiveSeconds,
    PowerRatio,
)
from ..core.arrays import FloatArray
from ..core.compiled import compiled_in_place
from ..core.randomness import Generators

PAIRS: Final = 16
"""Of waves from opposite directions, whose Doppler shifts are opposite, too."""


@dataclass
class Clarke:
    """Rayleigh or Rician fading with Clarke's Doppler spectrum: gains of successive blocks are correlated.

    A line of sight is a wave from a direction of its own.

    Args:
        speed: of the devices, or of what moves around them.
        carrier: carrier frequency.
        k_factor: K, power of the line of sight over that of all scattered waves, a ratio; 0 is Rayleigh
            fading.
        coherence: from one gain to the next.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_block",)
    """The waves are drawn again where a run goes on, which gives the same."""

    speed: PositiveMetresPerSecond
    carrier: PositiveHertz
    k_factor: PowerRatio = 0.0
    coherence: PositiveSeconds = 0.1

    def check_state(self) -> None:
        """Blocks are counted."""
        if not 0 <= self._block < 2**53:
            raise ValueError(f"block {self._block}")

    def start(
        self,
        devices: int,
        station_names: Sequence[str],
        rngs_of: Callable[[str], Generators],
    ) -> None:
        """Begin a run; see `fading.Fading`."""
        rngs = [rngs_of(f"fading/{name}") for name in station_names]
        shape = (len(rngs[0]), PAIRS + 1, 5, devices, len(rngs))
        shifts = self.speed * self.carrier / LIGHT_M_PER_S * self.coherence
        scattered = float(np.sqrt(1.0 / (self.k_factor + 1.0) / (2 * PAIRS)))
        direct = float(np.sqrt(self.k_factor / (self.k_factor + 1.0)))
        self._waves = np.empty(shape)
        for station, of_station in enumerate(rngs):
            for replication, rng in enumerate(of_station):
                draws = rng.random((devices, 2 * PAIRS + 3))
                waves = np.empty((devices, PAIRS + 1, 5))
                _fill_waves(draws, shifts, scattered, direct, waves)
                self._waves[replication, ..., station] = np.moveaxis(waves, 0, 2)
        self._block = 0

    def next(self) -> FloatArray:
        """(R, N, B) power gains of the next coherence block; not to be written into."""
        real, imaginary = self.amplitudes()
        power: FloatArray = real * real + imaginary * imaginary
        return power

    def amplitudes(self) -> FloatArray:
        """(2, R, N, B) real and imaginary part in the next block; `next` gives the sum of their squares."""
        replications, waves, numbers, *links = self._waves.shape
        parts = np.zeros((2, replications, *links))
        flat = self._waves.reshape(replications, waves, numbers, -1)
        _fill_amplitudes(float(self._block), flat, parts.reshape(2, replications, -1))
        self._block += 1
        return parts


@compiled_in_place
def _turned(turns: float) -> tuple[float, float]:
    """Cosine and sine of so many turns, without a branch: series of a quarter of the angle, doubled twice."""
    angle = (turns - np.floor(turns + 0.5)) * 1.5707963267948966
    x = angle * angle
    tail = 1 / 40320 - x * (1 / 3628800 - x * (1 / 479001600 - x / 87178291200))
    cosine = 1.0 - x * (1 / 2 - x * (1 / 24 - x * (1 / 720 - x * tail)))
    tail = 1 / 362880 - x * (1 / 39916800 - x * (1 / 6227020800))
    sine = angle * (1.0 - x * (1 / 6 - x * (1 / 120 - x * (1 / 5040 - x * tail))))
    cosine, sine = cosine * cosine - sine * sine, 2.0 * cosine * sine
    return cosine * cosine - sine * sine, 2.0 * cosine * sine


@compiled_in_place
def _fill_waves(
    draws: FloatArray, shifts: float, scattered: float, direct: float, waves: FloatArray
) -> None:
    """From uniform draws to pairs of waves: turns per block, and what cosine and sine are multiplied with.

    Args:
        draws: (N, 2 PAIRS + 3).
        shifts: Doppler shift of a wave from ahead, in turns per block.
        scattered: amplitude of a scattered wave.
        direct: amplitude of the line of sight.
        waves: (N, PAIRS + 1, 5), the line of sight last.
    """
    for i in range(len(draws)):
        for pair in range(PAIRS):
            direction, _ = _turned((pair + draws[i, 0]) / (2 * PAIRS))
            c1, s1 = _turned(draws[i, 3 + 2 * pair])
            c2, s2 = _turned(draws[i, 4 + 2 * pair])
            waves[i, pair, 0] = shifts * direction
            waves[i, pair, 1] = scattered * (c1 + c2)
            waves[i, pair, 2] = scattered * (s2 - s1)
            waves[i, pair, 3] = scattered * (s1 + s2)
            waves[i, pair, 4] = scattered * (c1 - c2)
        direction, _ = _turned(draws[i, 1])
        c1, s1 = _turned(draws[i, 2])
        waves[i, PAIRS, 0] = shifts * direction
        waves[i, PAIRS, 1] = direct * c1
        waves[i, PAIRS, 2] = -direct * s1
        waves[i, PAIRS, 3] = direct * s1
        waves[i, PAIRS, 4] = direct * c1


@compiled_in_place
def _fill_amplitudes(block: float, waves: FloatArray, parts: FloatArray) -> None:
    """(2, R, links) real and imaginary parts in a block, from (R, PAIRS + 1, 5, links); `parts` are zero."""
    _, replications, links = parts.shape
    for r in range(replications):
        real, imaginary = parts[0, r], parts[1, r]
        for k in range(PAIRS + 1):
            wave = waves[r, k]
            for i in range(links):  # without branches, so that it is vectorised
                cosine, sine = _turned(wave[0, i] * block)
                real[i] += wave[1, i] * cosine + wave[2, i] * sine
                imaginary[i] += wave[3, i] * cosine + wave[4, i] * sine
