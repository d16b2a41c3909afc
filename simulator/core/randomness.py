"""One seed, many independent streams, each known by its name; and two laws with the same bits everywhere.

NumPy's normal and exponential draws call exp and log1p of the C library, whose last bits differ between
processors and systems. Those below are the same draws (Marsaglia and Tsang, 2000, with the tables that
numba has from NumPy), on `elementary`.
"""

from collections.abc import Sequence
from ctypes import c_void_p, cast
from hashlib import sha256
from typing import Any

import numpy as np

from . import ziggurat
from .arrays import FloatArray, IntArray
from .compiled import compiled
from .elementary import exp, log1p

Generators = Sequence[np.random.Generator]
"""One generator per replication."""


class Streams:
    """Named random streams, one generator per replication.

    A stream depends on its name and on its replication's seed, and on nothing else: neither on which
    other streams exist, nor on how many replications run beside it. Replication r of seed s is the
    run with seed s + r.

    Args:
        seed: of the first replication, or of each.
        replications: R.
    """

    def __init__(self, seed: int | Sequence[int], replications: int) -> None:
        self.seeds = (
            [seed + r for r in range(replications)] if isinstance(seed, int) else list(seed)
        )

    def generators(self, name: str) -> list[np.random.Generator]:
        """The stream `name`: one generator per replication, each at its beginning."""
        key = int.from_bytes(sha256(name.encode()).digest()[:16], "little")
        return [
            np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence([seed, key])))
            for seed in self.seeds
        ]


def standard_exponential(rng: np.random.Generator, shape: int | tuple[int, ...]) -> FloatArray:
    """Exponential draws of mean 1, as `rng.standard_exponential(shape)`."""
    draws = np.empty(shape)
    _fill_exponential(*_source(rng), draws.reshape(-1))
    return draws


def standard_normal(rng: np.random.Generator, shape: int | tuple[int, ...]) -> FloatArray:
    """Normal draws of mean 0 and variance 1, as `rng.standard_normal(shape)`."""
    draws = np.empty(shape)
    _fill_normal(*_sources([rng]), draws.reshape(1, -1))
    return draws


def standard_normal_each(rngs: Generators, shape: tuple[int, ...]) -> FloatArray:
    """(R, …) `standard_normal` of every replication, in one call: the calls take longer than the draws."""
    draws = np.empty((len(rngs), *shape))
    _fill_normal(*_sources(rngs), draws.reshape(len(rngs), -1))
    return draws


def random_each(rngs: Generators, shape: tuple[int, ...]) -> FloatArray:
    """(R, …) uniform on [0, 1), as `rng.random(shape)` of every replication."""
    draws = np.empty((len(rngs), *shape))
    _fill_uniform(*_sources(rngs), draws.reshape(len(rngs), -1))
    return draws


def _source(rng: np.random.Generator) -> tuple[int, int, int]:
    """Arguments of `bits_at` for a generator that the caller keeps alive."""
    bits: Any = rng.bit_generator.ctypes
    functions = bits.next_uint64, bits.next_double
    state, (uint64, double) = bits.state_address, (cast(one, c_void_p).value for one in functions)
    return state, uint64 or 0, double or 0


def _sources(rngs: Generators) -> tuple[IntArray, int, int]:
    """Likewise, with (R,) states; generators of one kind have their functions in common."""
    states: list[Any] = [rng.bit_generator.ctypes for rng in rngs]
    _, uint64, double = _source(rngs[0])
    return np.array([bits.state_address for bits in states]), uint64, double


_LAYER, _SIGN, _BEYOND = np.uint64(0xFF), np.uint64(0x100), np.uint64(0x20000)


@compiled
def exponential_draw(bits: Any) -> float:
    """One exponential draw of mean 1, for compiled callers, from a bit generator as `bits_at` gives it."""
    while True:
        drawn = ziggurat.next_uint64(bits) >> np.uint64(3)
        layer = int(drawn & _LAYER)
        within = drawn >> np.uint64(8)
        x = within * ziggurat.we_double[layer]
        if within < ziggurat.ke_double[layer]:
            return float(x)
        if layer == 0:
            return float(ziggurat.ziggurat_exp_r - log1p(-ziggurat.next_double(bits)))
        top, bottom = ziggurat.fe_double[layer - 1], ziggurat.fe_double[layer]
        if (top - bottom) * ziggurat.next_double(bits) + bottom < exp(-x):
            return float(x)


@compiled
def _normal_draw(bits: Any) -> float:
    while True:
        drawn = ziggurat.next_uint64(bits)
        layer = int(drawn & _LAYER)
        within = (drawn >> np.uint64(9)) & np.uint64(0x000FFFFFFFFFFFFF)
        x = within * ziggurat.wi_double[layer]
        if drawn & _SIGN:
            x = -x
        if within < ziggurat.ki_double[layer]:
            return float(x)
        if layer == 0:
            while True:
                beyond = -ziggurat.ziggurat_nor_inv_r * log1p(-ziggurat.next_double(bits))
                height = -log1p(-ziggurat.next_double(bits))
                if height + height > beyond * beyond:
                    end = float(ziggurat.ziggurat_nor_r + beyond)
                    return -end if drawn & _BEYOND else end
        top, bottom = ziggurat.fi_double[layer - 1], ziggurat.fi_double[layer]
        if (top - bottom) * ziggurat.next_double(bits) + bottom < exp(-0.5 * x * x):
            return float(x)


@compiled
def _fill_exponential(state: int, uint64: int, double: int, draws: FloatArray) -> None:
    bits = ziggurat.bits_at(state, uint64, double)
    for i in range(draws.size):
        draws[i] = exponential_draw(bits)


@compiled
def _fill_normal(states: IntArray, uint64: int, double: int, draws: FloatArray) -> None:
    for r in range(len(states)):
        bits = ziggurat.bits_at(states[r], uint64, double)
        for i in range(draws.shape[1]):
            draws[r, i] = _normal_draw(bits)


@compiled
def _fill_uniform(states: IntArray, uint64: int, double: int, draws: FloatArray) -> None:
    for r in range(len(states)):
        bits = ziggurat.bits_at(states[r], uint64, double)
        for i in range(draws.shape[1]):
            draws[r, i] = ziggurat.next_double(bits)
