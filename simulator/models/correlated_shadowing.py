"""Gaussian random fields over the plane, correlated over a distance: what shadows do to radio.

A field is a function of the place alone: the same place has the same value whenever it is asked for. It has
mean 0 and variance 1, and correlation exp(-distance / d_cor), TR 38.901 (7.4-5). It is drawn once, exactly,
on a lattice (circulant embedding; Dietrich and Newsam, 1997), and interpolated within a cell with
the variance kept. Over less than a quarter of d_cor it changes a little less than that law says.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import FloatArray
from ..core.compiled import compiled, compiled_in_place
from ..core.elementary import exp_each, unit_vector
from ..core.randomness import standard_normal

Fields = NDArray[np.float32]

CELLS: Final = 4
"""Cells of the lattice per correlation distance."""

NODES: Final = 256
"""Most of the lattice's nodes along an axis; beyond 64 correlation distances a field repeats itself."""

_LEAST_NODES: Final = 64
"""16 correlation distances: with fewer a place would be correlated with itself around the torus."""

_SAME: Final = 1.1753403320845515
_BESIDE: Final = 0.6230574495864734
_ACROSS: Final = 0.6392614592201006
"""Covariances of a cell's corners: with itself, along a side, and along a diagonal."""

_KERNEL: Final = (0.5008089673586474, 0.1303800370976958, 0.03380541998218728)
"""How interpolation mixes the lattice's covariances: those of a step (0, 0), (0, 1) and (1, 1).

A mean over all places in a cell. The lattice has the covariances that this makes exp(-distance / d_cor), which
are those above: the fixed point that tests/test_random_field.py finds again.
"""


def nodes(extent_m: float, distance_m: float) -> int:
    """Of a lattice, along an axis, that does not repeat itself in the area if `NODES` allow it.

    Args:
        extent_m: the area's longer side.
        distance_m: d_cor.
    """
    count = _LEAST_NODES
    while count < NODES and count * distance_m < CELLS * extent_m + distance_m:
        count *= 2
    return count


def draw_pair(rng: np.random.Generator, count: int) -> Fields:
    """(2, count, count) two independent fields on the lattice; a row lies along y."""
    noise = standard_normal(rng, (count, count, 2))
    noise *= _amplitude(count)[..., None]
    spectrum = noise.reshape(count, 2 * count).view(np.complex128)
    _transform(spectrum, _roots(count))
    return np.stack([spectrum.real, spectrum.imag]).astype(np.float32)


@cache
def _roots(count: int) -> NDArray[np.complex128]:
    """(count / 2,) roots of unity."""
    return np.array([complex(*unit_vector(k, count)) for k in range(count // 2)])


@cache
def _amplitude(count: int) -> FloatArray:
    """(count, count) what white noise is multiplied with: the root of the covariance's spectrum."""
    steps = np.minimum(np.arange(count), count - np.arange(count))
    apart = np.sqrt(steps[:, None] ** 2.0 + steps**2.0) / CELLS
    spectrum = exp_each(-apart).astype(np.complex128)
    _transform(spectrum, _roots(count))
    cosine = np.array([unit_vector(k, count)[0] for k in range(count)])
    same, beside, across = _KERNEL
    mixed = same + 2.0 * beside * (cosine[:, None] + cosine)
    mixed += 4.0 * across * cosine[:, None] * cosine
    amplitude: FloatArray = np.sqrt(np.maximum(spectrum.real / mixed, 0.0)) / count
    return amplitude


@compiled
def _transform(field: NDArray[np.complex128], roots: NDArray[np.complex128]) -> None:
    """Fourier transform in place of (n, n), n a power of 2, transposed; bits do not depend on a library."""
    count = len(field)
    for _ in range(2):
        for row in range(count):
            _transform_row(field[row], roots)
        for i in range(count):
            for j in range(i):
                field[i, j], field[j, i] = field[j, i], field[i, j]


@compiled
def _transform_row(row: NDArray[np.complex128], roots: NDArray[np.complex128]) -> None:
    """Cooley and Tukey's, in place."""
    count = len(row)
    j = 0
    for i in range(1, count):
        bit = count >> 1
        while j & bit:
            j ^= bit
            bit >>= 1
        j ^= bit
        if i < j:
            row[i], row[j] = row[j], row[i]
    half = 1
    while half < count:
        stride = count // (2 * half)
        for begin in range(0, count, 2 * half):
            for k in range(half):
                upper, lower = row[begin + k], row[begin + k + half] * roots[k * stride]
                row[begin + k] = upper + lower
                row[begin + k + half] = upper - lower
        half *= 2


@compiled_in_place
def values_at(fields: Fields, place: FloatArray, per_m: float, values: FloatArray) -> None:
    """Some fields at some places.

    Args:
        fields: (count, count, F), beside each other at each node.
        place: (K, 2) m, not negative.
        per_m: cells of the lattice per metre.
        values: (K, F) what is found there.
    """
    mask, last = len(fields) - 1, fields.shape[2] - 1
    # A look at the corners of all cells first: so they come from memory at once, not one after another.
    for i in range(len(place)):
        column, row = int(place[i, 0] * per_m), int(place[i, 1] * per_m)
        here, beyond = fields[column & mask], fields[(column + 1) & mask]
        f00, f01 = here[row & mask], here[(row + 1) & mask]
        f10, f11 = beyond[row & mask], beyond[(row + 1) & mask]
        values[i, 0] = f00[0] + f01[0] + f10[0] + f11[0]
        values[i, last] = f01[last] + f11[last]
    for i in range(len(place)):
        _values_at(fields, place[i, 0] * per_m, place[i, 1] * per_m, values[i])


@compiled_in_place
def _values_at(fields: Fields, x: float, y: float, values: FloatArray) -> None:
    """(F,) the fields at a place in cells of the lattice."""
    mask = len(fields) - 1
    column, row = int(x), int(y)
    a, b = x - column, y - row
    w00, w10, w01, w11 = (1.0 - a) * (1.0 - b), a * (1.0 - b), (1.0 - a) * b, a * b
    variance = _SAME * (w00 * w00 + w10 * w10 + w01 * w01 + w11 * w11)
    variance += 2.0 * _BESIDE * (w00 + w11) * (w10 + w01)
    variance += 2.0 * _ACROSS * (w00 * w11 + w10 * w01)
    scale = 1.0 / np.sqrt(variance)
    w00, w10, w01, w11 = w00 * scale, w10 * scale, w01 * scale, w11 * scale
    here, beyond = fields[column & mask], fields[(column + 1) & mask]
    f00, f01 = here[row & mask], here[(row + 1) & mask]
    f10, f11 = beyond[row & mask], beyond[(row + 1) & mask]
    for k in range(len(values)):
        values[k] = w00 * f00[k] + w10 * f10[k] + w01 * f01[k] + w11 * f11[k]
