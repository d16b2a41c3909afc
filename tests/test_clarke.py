"""Fading correlated in time, against Clarke's closed forms."""

from pathlib import Path

import numpy as np
import pytest
from conftest import simulate
from numpy.typing import NDArray
from scipy import stats
from scipy.special import j0

import edgesim
from edgesim.experiments.run import prepare
from edgesim.scenarios.errors import ScenarioError
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.core.compiled import compiled_in_place
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.saved_state import load_state, save_state
from edgesim.simulator.models.clarke import PAIRS, Clarke, _turned

SPEED, CARRIER, STEP = 1.5, 3.5e9, 0.004
SHIFT = SPEED * CARRIER / 299_792_458.0
"""f_D: 17.5 Hz."""


def begun(
    k_factor: float = 0.0,
    devices: int = 3000,
    names: tuple[str, ...] = ("mbs",),
    seed: int = 1,
    replications: int = 1,
) -> Clarke:
    model = Clarke(SPEED, CARRIER, k_factor, STEP)
    model.start(devices, names, Streams(seed, replications).generators)
    return model


def amplitudes(model: Clarke, blocks: int) -> NDArray[np.complex128]:
    """(blocks, R, N, B)."""
    parts = np.stack([model.amplitudes() for _ in range(blocks)])
    return parts[:, 0] + 1j * parts[:, 1]


def test_cosine_and_sine_are_right() -> None:
    @compiled_in_place
    def fill(turns: FloatArray, found: FloatArray) -> None:
        for i in range(len(turns)):
            found[0, i], found[1, i] = _turned(turns[i])

    turns = np.linspace(-3.0, 1e4, 100_001)
    found = np.empty((2, len(turns)))
    fill(turns, found)
    angle = 2.0 * np.pi * (turns - np.round(turns))
    np.testing.assert_allclose(found, [np.cos(angle), np.sin(angle)], atol=2e-13)


@pytest.mark.parametrize("k_factor", [0.0, 3.0])
def test_amplitudes_are_correlated_as_bessels_function_says(k_factor: float) -> None:
    """Over links: scattered waves and the line of sight, whose direction is random, have the same law."""
    h = amplitudes(begun(k_factor), 60)[:, 0, :, 0]
    for lag in (0, 1, 3, 5, 9, 17, 30, 59):
        products = np.conj(h[0]) * h[lag]
        error = products.std() / np.sqrt(h.shape[1])
        assert abs(products.mean() - j0(2.0 * np.pi * SHIFT * lag * STEP)) < 4.5 * error + 1e-12


def test_in_time_each_link_is_correlated_so_too() -> None:
    """Over time, of one link: its waves come from all around."""
    h = amplitudes(begun(devices=5), 6000)[:, 0, :, 0]
    for lag in (1, 4, 7, 12):
        found = (np.conj(h[:-lag]) * h[lag:]).mean(axis=0).real
        assert np.abs(found - j0(2.0 * np.pi * SHIFT * lag * STEP)).max() < 0.06


def test_powers_are_exponential_but_for_the_number_of_waves() -> None:
    gains = begun(devices=20_000).next().reshape(-1)
    assert abs(gains.mean() - 1.0) < 4.0 / np.sqrt(20_000)
    second = 2.0 - 1.0 / (2 * PAIRS)
    assert abs((gains**2).mean() - second) < 4.0 * np.sqrt(20.0 / 20_000)
    assert stats.kstest(gains[:6000], stats.expon.cdf).pvalue > 0.01


@pytest.mark.parametrize("k_factor", [0.5, 4.0, 100.0])
def test_with_a_line_of_sight_powers_are_noncentral_chi_square(k_factor: float) -> None:
    gains = begun(k_factor, 6000).next().reshape(-1)
    law = stats.ncx2(2, 2.0 * k_factor).cdf
    assert stats.kstest(2.0 * (k_factor + 1.0) * gains, law).pvalue > 0.01


def test_powers_are_the_squares_of_the_amplitudes() -> None:
    np.testing.assert_allclose(
        begun(2.0, 20).next(), np.abs(amplitudes(begun(2.0, 20), 1)[0]) ** 2, rtol=1e-13
    )


def test_a_replication_is_what_it_is_alone_and_a_station_what_it_is_without_others() -> None:
    names = ("mbs", "sbs-1")
    together = amplitudes(begun(1.0, 7, names, replications=3), 5)
    for r in range(3):
        np.testing.assert_array_equal(
            amplitudes(begun(1.0, 7, names, seed=1 + r), 5)[:, 0], together[:, r]
        )
    more = amplitudes(begun(1.0, 7, ("mbs", "sbs-0", "sbs-1"), replications=3), 5)
    np.testing.assert_array_equal(more[..., [0, 2]], together)
    products = (np.conj(together[0, ..., 0]) * together[0, ..., 1]).mean()
    assert abs(products) < 0.9


def test_it_goes_on_from_its_count_of_blocks() -> None:
    whole, model = amplitudes(begun(1.0, 7), 30), begun(1.0, 7)
    amplitudes(model, 11)
    saved = save_state({"model": model})
    assert not saved.arrays
    other = begun(1.0, 7)
    load_state(saved, {"model": other})
    np.testing.assert_array_equal(amplitudes(other, 19), whole[11:])


FADES = ("channel.fading=clarke", 'channel.speed="1.5 m/s"', 'channel.carrier="3.5 GHz"')


def test_a_run_has_the_time_of_its_slots() -> None:
    """A slot of 4 ms: successive gains of a link are correlated as 4 ms are; of 100 ms, hardly."""
    for slot, lowest, highest in (("4 ms", 0.8, 1.0), ("100 ms", -0.4, 0.4)):
        run = simulate(*FADES, f'run.slot="{slot}"', "run.slots=400", "policy.name=local")
        gain = run.trace["channel_gain"][0].reshape(400, -1)
        both = [np.corrcoef(link[:-1], link[1:])[0, 1] for link in gain.T]
        assert lowest < np.mean(both) < highest
    model = prepare(
        edgesim.load_scenario(
            "iiot_20dev",
            {
                "channel.fading": "clarke",
                "channel.speed": 1.0,
                "channel.carrier": 1e9,
                "channel.coherence": "300 ms",
            },
        )
    ).blueprint.fading
    assert model == Clarke(1.0, 1e9, 0.0, 0.3)


def test_the_task_problem_has_it_antenna_by_antenna() -> None:
    toml = (Path(__file__).parents[1] / "scenarios/carbon_6ue.toml").read_text(encoding="utf-8")
    common = ("policy.name=local", "run.slots=300", 'run.slot="4 ms"')
    run = simulate(*FADES, *common, toml=toml)
    gain = run.trace["channel_gain"][0, :, :, 0]
    path_gain = run.simulation.world.state.path_gain[0, :, 0]
    ratio = gain / path_gain
    # A sum over 8 antennas of mean 8, and nearly what it was 4 ms before.
    np.testing.assert_allclose(ratio.mean(axis=0), 8.0, rtol=0.35)
    assert min(np.corrcoef(one[:-1], one[1:])[0, 1] for one in ratio.T) > 0.7
    with pytest.raises(ScenarioError, match=r"channel.k_factor.*does not go with .*allowed: 0"):
        simulate(*FADES, "channel.k_factor=2.0", *common, toml=toml)
    with pytest.raises(ScenarioError, match=r'fading` = "none".*allowed: "rayleigh" or "clarke"'):
        simulate("channel.fading=none", *common, toml=toml)


@pytest.mark.parametrize("missing", ["speed", "carrier"])
def test_what_it_needs_is_asked_for(missing: str) -> None:
    given = {"channel.fading": "clarke", "channel.speed": 1.0, "channel.carrier": 1e9}
    del given[f"channel.{missing}"]
    with pytest.raises(ScenarioError, match=rf"`channel.{missing}`: missing"):
        edgesim.validate(edgesim.load_scenario("iiot_20dev", given))
