import pickle
from collections.abc import Callable

import numpy as np
import pytest
from conftest import simulate
from scipy import stats

from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.models import fading
from edgesim.simulator.models.fading import Fading, NoFading, Rayleigh, Rician
from edgesim.simulator.models.path_loss import LogDistance

NAMES = ("mbs", "sbs-1", "sbs-2")
MODELS: list[Callable[[], Fading]] = [Rayleigh, Rician]


def draw(
    model: Fading,
    blocks: int,
    seed: int = 7,
    replications: int = 1,
    devices: int = 5,
    names: tuple[str, ...] = NAMES,
) -> FloatArray:
    """(blocks, R, N, B)."""
    model.start(devices, names, Streams(seed, replications).generators)
    return np.stack([model.next() for _ in range(blocks)])


def test_log_distance_by_hand() -> None:
    distance = np.array([[10.0, 100.0], [1.0, 0.0]])
    expected = [[1e-4, 1e-8], [1 / 625, 1 / 625]]
    np.testing.assert_allclose(LogDistance().gain(distance), expected, rtol=1e-14)


def test_log_distance_in_decibels() -> None:
    # Paper C: -35.3 - 37.6 log10 d.
    model = LogDistance(path_loss_exponent=3.76, reference_gain=10**-3.53, min_distance=1.0)
    distance = np.array([1.0, 2.0, 30.0, 141.0])
    decibel = 10.0 * np.log10(model.gain(distance))
    np.testing.assert_allclose(decibel, -35.3 - 37.6 * np.log10(distance), rtol=1e-13)


def test_rayleigh_gains_are_exponential() -> None:
    gains = draw(Rayleigh(), 400, devices=20)
    assert stats.kstest(gains.reshape(-1), stats.expon.cdf).pvalue > 0.01


@pytest.mark.parametrize("k_factor", [0.0, 0.5, 4.0, 100.0])
def test_rician_gains_are_noncentral_chi_square(k_factor: float) -> None:
    gains = draw(Rician(k_factor), 400, devices=20).reshape(-1)
    scaled = 2.0 * (k_factor + 1.0) * gains
    law = stats.ncx2(2, 2.0 * k_factor).cdf if k_factor else stats.chi2(2).cdf
    assert stats.kstest(scaled, law).pvalue > 0.01
    assert abs(gains.mean() - 1.0) < 4.0 * gains.std() / np.sqrt(gains.size)


def test_no_fading_is_one() -> None:
    gains = draw(NoFading(), 3, replications=2)
    assert gains.shape == (3, 2, 5, 3)
    assert (gains == 1.0).all()


@pytest.mark.parametrize("model", MODELS)
def test_links_blocks_and_replications_are_independent(model: Callable[[], Fading]) -> None:
    gains = draw(model(), 4000, replications=2, devices=3)
    links = gains.reshape(4000, -1)
    now_and_next = np.concatenate([links[:-1], links[1:]], axis=1)
    correlation = np.corrcoef(now_and_next.T)
    np.fill_diagonal(correlation, 0.0)
    # 630 pairs: 4.5 standard deviations; the pairs within each half are shifted copies.
    assert np.abs(correlation).max() < 4.5 / np.sqrt(4000)


@pytest.mark.parametrize("model", MODELS)
def test_a_replication_is_a_run_of_its_own(model: Callable[[], Fading]) -> None:
    together = draw(model(), 150, seed=7, replications=3)
    for r in range(3):
        alone = draw(model(), 150, seed=7 + r)
        np.testing.assert_array_equal(alone[:, 0], together[:, r])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_how_many_are_drawn_at_once_changes_nothing(
    model: Callable[[], Fading], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = draw(model(), 150)
    monkeypatch.setattr(fading, "BLOCKS_AT_ONCE", at_once)
    np.testing.assert_array_equal(draw(model(), 150), expected)


def test_a_large_network_is_drawn_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = draw(Rayleigh(), 3, devices=1000)
    monkeypatch.setattr(fading, "BYTES_AT_ONCE", 1000)  # less than one block takes
    model = Rayleigh()
    np.testing.assert_array_equal(draw(model, 3, devices=1000), expected)
    assert len(pickle.dumps(model)) < 2 * expected[0].nbytes


@pytest.mark.parametrize("model", MODELS)
def test_another_station_changes_no_other(model: Callable[[], Fading]) -> None:
    expected = draw(model(), 100)
    more = draw(model(), 100, names=("mbs", "sbs-0", "sbs-1", "sbs-2"))
    np.testing.assert_array_equal(more[..., [0, 2, 3]], expected)


def test_a_station_draws_from_the_stream_of_its_name() -> None:
    gains = draw(Rayleigh(), 100, seed=3, devices=8)
    rng = Streams(3, 1).generators("fading/sbs-2")[0]
    np.testing.assert_array_equal(gains[:, 0, :, 2], rng.standard_exponential((100, 8)))


def test_a_run_begins_with_the_first_gains_of_its_stream() -> None:
    """Six devices 100 m east of the MBS: (100 m)^-4, times one draw after another, slot by slot."""
    there = f"devices.positions={[[350.0, 250.0]] * 6}"
    trace = simulate("policy.name=local", "run.slots=3", there).trace
    rng = Streams(1, 1).generators("fading/mbs")[0]
    expected = 1e-8 * rng.standard_exponential((3, 6))
    np.testing.assert_allclose(trace["channel_gain"][0, :, :, 0], expected, rtol=1e-12)


@pytest.mark.parametrize("model", [*MODELS, NoFading])
def test_a_pickled_model_goes_on_where_it_was(model: Callable[[], Fading]) -> None:
    expected = draw(model(), 200)
    halfway = model()
    draw(halfway, 90)
    copy = pickle.loads(pickle.dumps(halfway))
    rest = np.stack([copy.next() for _ in range(110)])
    np.testing.assert_array_equal(rest, expected[90:])


@pytest.mark.parametrize("model", MODELS)
def test_gains_that_were_handed_out_stay(model: Callable[[], Fading]) -> None:
    instance = model()
    instance.start(5, NAMES, Streams(7, 1).generators)
    first = instance.next()
    kept = first.copy()
    for _ in range(200):
        instance.next()
    np.testing.assert_array_equal(first, kept)
