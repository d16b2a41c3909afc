import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.models.mobility import RandomWaypoint, Static, _uniform, mean_distance_m
from edgesim.simulator.network.topology import uniform

SQUARE = np.array([500.0, 500.0])


def begin(
    model: RandomWaypoint,
    devices: int,
    seed: int = 1,
    replications: int = 1,
    area_m: FloatArray = SQUARE,
    placed: bool = False,
) -> FloatArray:
    streams = Streams(seed, replications)
    position = uniform(devices, area_m, streams.generators("positions"))
    return model.start(position, area_m, streams.generators, placed)


def follow(model: RandomWaypoint, position: FloatArray, steps_s: list[float]) -> FloatArray:
    """(steps + 1, R, N, 2)."""
    path = [position]
    for dt in steps_s:
        path.append(model.advance(path[-1], dt))
    return np.stack(path)


def test_static_devices_stay() -> None:
    streams = Streams(1, 2)
    position = uniform(5, SQUARE, streams.generators("positions"))
    model = Static()
    start = model.start(position, SQUARE, streams.generators, placed=False)
    np.testing.assert_array_equal(start, position)
    np.testing.assert_array_equal(model.advance(start, 10.0), position)
    assert not model.moves


def test_generator_is_splitmix64() -> None:
    # Published output for seed 1234567.
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    state = np.array([[1234567]], dtype=np.uint64)
    drawn = [_uniform(state, 0, 0) for _ in expected]
    assert drawn == [(word >> 11) / 2**53 for word in expected]


@pytest.mark.parametrize("width", [1.0, 3.0])
def test_mean_distance_of_two_points(width: float) -> None:
    rng = np.random.default_rng(5)
    a, b = rng.random((2, 200_000, 2)) * [width, 1.0]
    length = np.hypot(*(a - b).T)
    error = length.std() / np.sqrt(length.size)
    assert abs(mean_distance_m(width, 1.0) - length.mean()) < 4 * error
    assert mean_distance_m(1.0, width) == pytest.approx(mean_distance_m(width, 1.0), rel=1e-12)


def test_mean_distance_in_the_unit_square() -> None:
    # (2 + sqrt 2 + 5 ln(1 + sqrt 2)) / 15.
    assert mean_distance_m(1.0, 1.0) == pytest.approx(0.5214054331647207, rel=1e-14)


@settings(max_examples=50)
@given(
    seed=st.integers(0, 1000),
    width=st.floats(1.0, 1000.0),
    height=st.floats(1.0, 1000.0),
    least=st.floats(0.1, 10.0),
    spread=st.floats(1.0, 10.0),
    pause=st.floats(0.0, 100.0),
    steps=st.lists(st.floats(0.0, 200.0), max_size=6),
)
def test_devices_stay_inside_and_keep_to_the_speed_limit(
    seed: int,
    width: float,
    height: float,
    least: float,
    spread: float,
    pause: float,
    steps: list[float],
) -> None:
    area = np.array([width, height])
    model = RandomWaypoint(speed=(least, least * spread), pause=pause)
    path = follow(model, begin(model, 10, seed, area_m=area), steps)
    assert (path >= -1e-9).all()
    assert (path <= area + 1e-9).all()
    moved = np.hypot(*np.moveaxis(np.diff(path, axis=0), -1, 0))
    limit = least * spread * np.array(steps).reshape(-1, 1, 1)
    assert (moved <= limit * (1 + 1e-9) + 1e-9).all()


@pytest.mark.parametrize("pause", [0.0, 7.0])
def test_the_path_does_not_depend_on_the_steps(pause: float) -> None:
    ends = []
    for steps in ([600.0], [0.1] * 6000, [0.0, 599.0, 1.0], [13.7] * 43 + [600 - 43 * 13.7]):
        model = RandomWaypoint(speed=(5.0, 20.0), pause=pause)
        ends.append(follow(model, begin(model, 50, area_m=SQUARE), steps)[-1])
    for end in ends[1:]:
        np.testing.assert_allclose(end, ends[0], rtol=0, atol=1e-6)


def test_a_path_depends_on_seed_and_device_only() -> None:
    model = RandomWaypoint(pause=3.0)
    together = follow(model, begin(model, 9, seed=3, replications=4), [50.0] * 20)
    for r in range(4):
        alone = RandomWaypoint(pause=3.0)
        path = follow(alone, begin(alone, 6, seed=3 + r), [50.0] * 20)
        np.testing.assert_array_equal(path[:, 0], together[:, r, :6])
    assert len(np.unique(together[-1, ..., 0])) == 36


def test_a_pickled_model_goes_on_where_it_was_and_old_columns_stay() -> None:
    model = RandomWaypoint(speed=(5.0, 20.0), pause=3.0)
    here = follow(model, begin(model, 20), [7.0] * 20)[-1]
    kept = here.copy()
    copy = pickle.loads(pickle.dumps(model))
    there = follow(model, here, [7.0] * 20)
    np.testing.assert_array_equal(follow(copy, here, [7.0] * 20), there)
    np.testing.assert_array_equal(here, kept)


def test_walks_are_straight_at_one_speed_and_pauses_last_as_long_as_they_should() -> None:
    model = RandomWaypoint(speed=(2.0, 2.0), pause=5.0)
    dt = 0.5
    path = follow(model, begin(model, 30), [dt] * 2000)[:, 0]
    step = np.diff(path, axis=0)
    length = np.hypot(step[..., 0], step[..., 1])
    full, still = np.isclose(length, 2.0 * dt, atol=1e-9), length < 1e-9
    turns = 0
    for i in range(30):
        both = full[:-1, i] & full[1:, i]
        bend = np.cross(
            np.pad(step[:-1, i], ((0, 0), (0, 1))), np.pad(step[1:, i], ((0, 0), (0, 1)))
        )
        assert np.abs(bend[both]).max() < 1e-6
        # A pause of 5 s holds 9 or 10 whole steps of 0.5 s; the steps at its ends are cut short.
        edges = np.flatnonzero(np.diff(np.concatenate([[0], still[:, i], [0]]).astype(int)))
        begins, ends = edges[::2], edges[1::2]
        whole = (begins > 0) & (ends < len(still))
        assert set((ends - begins)[whole]) <= {9, 10}
        turns += whole.sum()
        cut_short = ~full[:, i] & ~still[:, i]
        assert cut_short.sum() <= 2 * len(begins)
    # 30 devices for 1000 s, a leg and a pause take 260.7 / 2 + 5 s in the mean.
    assert turns == pytest.approx(30 * 1000 / 135.35, rel=0.15)


def speeds(model: RandomWaypoint, position: FloatArray) -> FloatArray:
    """(N,) m/s over the next millisecond."""
    step = (model.advance(position, 0.001) - position)[0]
    speed: FloatArray = np.hypot(step[:, 0], step[:, 1]) / 0.001
    return speed


@pytest.mark.parametrize("time_s", [0.0, 400.0])
def test_speed_has_its_stationary_law_from_the_start(time_s: float) -> None:
    model = RandomWaypoint(speed=(0.5, 2.0))
    position = begin(model, 20_000, seed=2)
    speed = speeds(model, model.advance(position, time_s))
    # Density proportional to 1 / v, because slow legs take longer.
    law = stats.loguniform(0.5, 2.0)
    assert stats.kstest(speed, law.cdf).pvalue > 0.01


@pytest.mark.parametrize("time_s", [0.0, 10.0, 90.0])
def test_share_of_pausing_devices_is_stationary(time_s: float) -> None:
    model = RandomWaypoint(speed=(2.0, 8.0), pause=20.0)
    position = begin(model, 20_000, seed=3)
    pausing = speeds(model, model.advance(position, time_s)) < 1e-6
    walk_s = 0.5214054331647207 * 500.0 * np.log(4.0) / 6.0
    expected = 20.0 / (20.0 + walk_s)  # a quarter
    assert abs(pausing.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / 20_000)


def stationary_law(
    area_m: FloatArray, cells: int = 100
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Where a walking device is, by quadrature: f(x) ~ int a1 a2 (a1 + a2) dphi.

    a1 and a2 are the distances from x to the border, in direction phi and against it (Hyytiä,
    Lassila and Virtamo, 2006).

    Returns:
        x, y and probability of the cells of a grid.
    """
    centres = [(np.arange(cells) + 0.5) / cells * side for side in area_m]
    x, y = (grid.reshape(-1) for grid in np.meshgrid(*centres, indexing="ij"))
    weight = np.zeros(len(x))
    for phi in (np.arange(120) + 0.5) / 120 * np.pi:
        chord = []
        for cos, sin in ((np.cos(phi), np.sin(phi)), (-np.cos(phi), -np.sin(phi))):
            to_side = (area_m[0] - x if cos > 0 else x) / abs(cos)
            to_top = (area_m[1] - y if sin > 0 else y) / abs(sin)
            chord.append(np.minimum(to_side, to_top))
        weight += chord[0] * chord[1] * (chord[0] + chord[1])
    return x, y, weight / weight.sum()


def assert_stationary(position_m: FloatArray, area_m: FloatArray, walking: float = 1.0) -> None:
    """Compare second moments and the share in the middle ninth with the known law."""
    x, y, probability = stationary_law(area_m)
    even = np.full(len(x), 1.0 / len(x))
    probability = walking * probability + (1.0 - walking) * even
    for axis, grid in enumerate((x, y)):
        squared = (position_m[:, axis] - area_m[axis] / 2) ** 2
        expected = probability @ (grid - area_m[axis] / 2) ** 2
        assert abs(squared.mean() - expected) < 4 * squared.std() / np.sqrt(len(squared))
    in_middle = (np.abs(position_m / area_m - 0.5) < 1 / 6).all(axis=1).mean()
    grid_middle = (np.abs(x / area_m[0] - 0.5) < 1 / 6) & (np.abs(y / area_m[1] - 0.5) < 1 / 6)
    share = probability[grid_middle].sum()
    assert share > walking * 0.15 + (1 - walking) / 9  # far from the 1/9 of uniform places
    tolerance = 4 * np.sqrt(share * (1 - share) / len(position_m)) + 0.005  # the grid's
    assert abs(in_middle - share) < tolerance


@pytest.mark.parametrize("time_s", [0.0, 60.0, 1000.0])
@pytest.mark.parametrize("area", [(500.0, 500.0), (900.0, 300.0)])
def test_places_have_their_stationary_law_from_the_start(
    time_s: float, area: tuple[float, float]
) -> None:
    model = RandomWaypoint(speed=(2.0, 8.0))
    area_m = np.array(area)
    position = begin(model, 20_000, seed=4, area_m=area_m)
    assert_stationary(model.advance(position, time_s)[0], area_m)


def test_pausing_devices_are_spread_evenly() -> None:
    model = RandomWaypoint(speed=(2.0, 8.0), pause=60.0)
    walk_s = 0.5214054331647207 * 500.0 * np.log(4.0) / 6.0
    walking = walk_s / (walk_s + 60.0)
    position = begin(model, 20_000, seed=6)
    for time_s in (0.0, 500.0):
        assert_stationary(model.advance(position, time_s)[0], SQUARE, walking)


def test_placed_devices_begin_where_they_are_and_end_up_stationary() -> None:
    streams = Streams(5, 1)
    given_m = np.full((1, 20_000, 2), 7.0)
    model = RandomWaypoint(speed=(2.0, 8.0), pause=1.0)
    start = model.start(given_m, SQUARE, streams.generators, placed=True)
    np.testing.assert_array_equal(start, given_m)
    walk_s = 0.5214054331647207 * 500.0 * np.log(4.0) / 6.0
    assert_stationary(model.advance(start, 5000.0)[0], SQUARE, walk_s / (walk_s + 1.0))


@pytest.mark.parametrize("placed", [True, False])
def test_the_places_that_it_is_given_stay_as_they_are(placed: bool) -> None:
    streams = Streams(5, 2)
    given_m = np.full((2, 9, 2), 7.0)
    start = RandomWaypoint(pause=30.0).start(given_m, SQUARE, streams.generators, placed)
    assert start is not given_m
    assert (given_m == 7.0).all()


@pytest.mark.parametrize("speed", [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_speeds_that_are_not_an_interval(speed: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="0 < least <= largest"):
        RandomWaypoint(speed=speed)
