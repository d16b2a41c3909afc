"""Fields correlated in space, against their law, and the constants of the interpolation."""

from functools import cache

import numpy as np
import pytest

from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.models import correlated_shadowing
from edgesim.simulator.models.correlated_shadowing import CELLS, Fields, draw_pair, nodes, values_at


def values(fields: Fields, x: FloatArray, y: FloatArray) -> FloatArray:
    """(places, F)."""
    found = np.empty((len(x), fields.shape[2]))
    values_at(fields, np.stack([x, y], axis=1), 1.0, found)
    return found


@cache
def drawn(pairs: int, count: int = 64) -> Fields:
    """(count, count, 2 pairs)."""
    rng = np.random.default_rng(5)
    return np.moveaxis(np.concatenate([draw_pair(rng, count) for _ in range(pairs)]), 0, -1).copy()


def test_the_transform_is_fouriers() -> None:
    rng = np.random.default_rng(1)
    given = rng.normal(size=(64, 64)) + 1j * rng.normal(size=(64, 64))
    found = given.copy()
    correlated_shadowing._transform(found, correlated_shadowing._roots(64))
    # Its roots are those of the inverse transform.
    np.testing.assert_allclose(found, 64**2 * np.fft.ifft2(given), atol=1e-11)


def test_the_interpolations_constants_are_the_fixed_point() -> None:
    """The lattice's covariances, mixed by the interpolation, are the exponential law's at each node."""
    count = 256
    steps = np.minimum(np.arange(count), count - np.arange(count))
    law = np.exp(-np.hypot(steps[:, None], steps) / CELLS)
    points, weights = np.polynomial.legendre.leggauss(30)
    a, b = np.meshgrid((points + 1.0) / 2.0, (points + 1.0) / 2.0, indexing="ij")
    area = np.outer(weights, weights) / 4.0
    corners = {
        (0, 0): (1 - a) * (1 - b),
        (1, 0): a * (1 - b),
        (0, 1): (1 - a) * b,
        (1, 1): a * b,
    }
    pairs = [
        ((i[0] - j[0], i[1] - j[1]), corners[i] * corners[j]) for i in corners for j in corners
    ]
    cosine = np.cos(2.0 * np.pi * np.arange(count) / count)
    lattice = law
    for _ in range(60):
        variance = sum(product * lattice[step] for step, product in pairs)
        kernel = dict.fromkeys([(0, 0), (0, 1), (1, 1)], 0.0)
        for step, product in pairs:
            if step in kernel:
                kernel[step] += float((area * product / variance).sum())
        # A step (1, 1) is one of the ways along this diagonal.
        mixed = kernel[0, 0] + 2.0 * kernel[0, 1] * (cosine[:, None] + cosine)
        mixed += 4.0 * kernel[1, 1] * cosine[:, None] * cosine
        lattice = np.fft.ifft2(np.fft.fft2(law).real / mixed).real
    np.testing.assert_allclose(correlated_shadowing._KERNEL, list(kernel.values()), rtol=1e-8)
    constants = (
        correlated_shadowing._SAME,
        correlated_shadowing._BESIDE,
        correlated_shadowing._ACROSS,
    )
    np.testing.assert_allclose(constants, [lattice[0, 0], lattice[0, 1], lattice[1, 1]], rtol=1e-8)


@pytest.mark.parametrize("place", [(0.0, 0.0), (3.5, 9.5), (12.25, 60.9), (63.5, 63.5)])
def test_everywhere_it_is_standard_normal(place: tuple[float, float]) -> None:
    fields = drawn(1500)
    found = values(fields, np.array([place[0]]), np.array([place[1]]))[0]
    assert abs(found.mean()) < 4.0 / np.sqrt(3000)
    assert abs(found.var() - 1.0) < 4.0 * np.sqrt(2.0 / 3000)
    assert abs((found**4).mean() - 3.0) < 4.0 * np.sqrt(96.0 / 3000)


@pytest.mark.parametrize("cells", [1.0, 2.0, 3.3, 4.0, 6.0, 8.0, 13.0])
def test_it_is_correlated_as_the_law_says(cells: float) -> None:
    """In every direction, from any place: within 0.01 of the law, and four standard errors."""
    fields, rng = drawn(150, 128), np.random.default_rng(6)
    x, y = rng.uniform(20.0, 84.0, (2, 2000))
    angle = rng.uniform(0.0, 2.0 * np.pi, 2000)
    there = values(fields, x + cells * np.cos(angle), y + cells * np.sin(angle))
    products = (values(fields, x, y) * there).mean(axis=0)
    error = products.std() / np.sqrt(len(products))
    assert abs(products.mean() - np.exp(-cells / CELLS)) < 0.01 + 4.0 * error


def test_it_does_not_jump() -> None:
    fields = drawn(1)
    x = np.arange(0.0, 60.0, 0.01)
    found = values(fields, x, np.full(x.shape, 7.3))
    assert np.abs(np.diff(found, axis=0)).max() < 0.05


def test_two_of_a_pair_have_nothing_to_do_with_each_other() -> None:
    fields = drawn(200)
    one, other = fields[..., 0::2], fields[..., 1::2]
    for step in (0, 1, 5):
        products = (one * np.roll(other, step, axis=0)).mean(axis=(0, 1))
        assert abs(products.mean()) < 4.0 * products.std() / np.sqrt(200)


@pytest.mark.parametrize(
    ("extent_m", "distance_m", "count"),
    [
        (100.0, 10.0, 64),
        (150.0, 10.0, 64),
        (200.0, 10.0, 128),
        (500.0, 10.0, 256),
        (9e3, 10.0, 256),
    ],
)
def test_the_lattice_covers_the_area_where_it_can(
    extent_m: float, distance_m: float, count: int
) -> None:
    assert nodes(extent_m, distance_m) == count
