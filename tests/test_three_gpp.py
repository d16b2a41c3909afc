"""TR 38.901: values of tr3gpp, which `python tests/record_tr38901.py` records, and the laws of what is random."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SMALL, simulate

import edgesim
from edgesim.experiments.run import prepare
from edgesim.scenarios.components import configure, resolve
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import parse_scenario
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.recorder import NullRecorder
from edgesim.simulator.core.saved_state import save_state
from edgesim.simulator.models.path_loss import PATH_LOSS, Links, Sites
from edgesim.simulator.models.three_gpp import (
    Factory,
    StreetCanyon,
    ThreeGpp,
    UrbanMacro,
    find_loss,
    find_sight,
)

CASES: list[dict[str, Any]] = json.loads(
    Path(__file__).with_name("tr38901.json").read_text(encoding="utf-8")
)
IDS = [f"{case['name']}{case.get('variant', '')}-{case['hUT']}" for case in CASES]


def sites(
    station_m: float = 10.0,
    device_m: float = 1.5,
    names: tuple[str, ...] = ("mbs",),
    side_m: float = 120.0,
) -> Sites:
    """Stations in the middle of a square."""
    middle = np.full((len(names), 2), side_m / 2.0)
    heights = np.full(len(names), station_m)
    return Sites(np.array([side_m, side_m]), names, middle, heights, device_m)


def links(position_m: FloatArray, at: Sites) -> Links:
    apart = position_m[:, :, None] - at.station_position_m
    return Links(position_m, np.sqrt((apart**2).sum(axis=3)))


def model_of(case: dict[str, Any], carrier_hz: float) -> ThreeGpp:
    keys = {"carrier": carrier_hz}
    if "variant" in case:
        keys |= {
            "variant": case["variant"],
            "clutter_density": case["r"],
            "clutter_size": case["dclutter"],
            "clutter_height": case["hc"],
        }
    found: ThreeGpp = configure(resolve(case["name"], "path_loss", PATH_LOSS), keys, "channel")
    return found


def losses(laws: FloatArray, distance_m: FloatArray, sees: bool) -> FloatArray:
    """(B,) dB without shadows."""
    found: FloatArray = np.empty((1, len(distance_m)))
    find_loss(laws, distance_m[None], np.full(found.shape, 1.0 if sees else -1.0), found)
    first: FloatArray = found[0]
    return first


def sight(laws: FloatArray, distance_m: FloatArray, field: float = -40.0) -> FloatArray:
    """(B,) how probable line of sight is, less Phi(field)."""
    found: FloatArray = np.empty((1, len(distance_m)))
    find_sight(laws, distance_m[None], np.full(found.shape, field), found)
    first: FloatArray = found[0]
    return first


# Values


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_losses_and_probabilities_are_those_of_tr3gpp(case: dict[str, Any]) -> None:
    for carrier_ghz in sorted({row[0] for row in case["rows"]}):
        rows = np.array([row for row in case["rows"] if row[0] == carrier_ghz])
        distance_m = rows[:, 1].copy()
        laws = model_of(case, carrier_ghz * 1e9).laws(sites(case["hBS"], case["hUT"]))
        laws = np.repeat(laws, len(rows), axis=1)
        for sees, column in ((True, 2), (False, 3)):
            np.testing.assert_allclose(losses(laws, distance_m, sees), rows[:, column], rtol=1e-13)
        np.testing.assert_allclose(sight(laws, distance_m), rows[:, 4], rtol=1e-13)


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_deviations_and_distances_of_correlation_are_those_of_tr3gpp(case: dict[str, Any]) -> None:
    model = model_of(case, 3.5e9)
    if case.get("variant") == "HH":  # never without line of sight
        assert model.sigma_db[0] == case["sigma_db"][0]
    else:
        assert list(model.sigma_db) == case["sigma_db"]
    sight_m = case["sight_m"]
    state_m = case["dclutter"] / 2.0 if sight_m == "d_clutter/2" else float(sight_m)
    assert list(model.correlation_m) == [state_m, *case["shadow_m"]]


def test_the_break_point_is_where_tr_38901_has_it() -> None:
    """4 x 9 m x 0.5 m x 3.5 GHz / c = 210 m, and the two slopes meet there."""
    law = StreetCanyon(3.5e9).law(8.5, 10.0, 1.5)
    assert law.breakpoint_m == pytest.approx(210.0, rel=1e-12)
    distance_m = np.hypot(210.0, 8.5)
    near, far = (a + b * np.log10(distance_m) for a, b in (law.near, law.far))
    assert near == pytest.approx(far, rel=1e-12)


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ("SL", (0.2, 10.0, 2.0)),
        ("SH", (0.2, 10.0, 2.0)),
        ("DL", (0.6, 2.0, 6.0)),
        ("DH", (0.6, 2.0, 6.0)),
    ],
)
def test_clutter_is_as_3gpp_calibrates_with_it(variant: Any, expected: tuple[float, ...]) -> None:
    hall = Factory(3.5e9, variant)
    assert (hall.clutter_density, hall.clutter_size, hall.clutter_height) == expected


def test_the_normal_law_of_the_sight_is_right() -> None:
    from scipy.special import ndtr

    field = np.linspace(-8.0, 8.0, 4001)
    laws = np.repeat(StreetCanyon(3.5e9).laws(sites()), len(field), axis=1)
    sees = np.empty((1, len(field)))
    find_sight(laws, np.full(sees.shape, 5.0), field[None], sees)  # so near, p = 1
    np.testing.assert_allclose(1.0 - sees[0], ndtr(field), atol=7.6e-8)
    assert (sees >= 0.0).all()


# What is random


def gains(model: ThreeGpp, at: Sites, position_m: FloatArray, replications: int) -> FloatArray:
    """(R, N, B) where (N, 2) places are the same in all replications."""
    model.start(at, Streams(1, replications).generators)
    return model.gain(links(np.repeat(position_m[None], replications, axis=0), at))


@pytest.mark.parametrize("name", ["3gpp-umi", "3gpp-uma"])
def test_as_many_links_are_in_sight_as_are_probable(name: str) -> None:
    """The share of replications whose loss is that in line of sight, where shadows are left out."""
    at, model = sites(), model_of({"name": name}, 3.5e9)
    model.sigma_db = (0.0, 0.0)
    there = np.array([25.0, 50.0])
    places = at.station_position_m + np.stack([there, np.zeros(2)], axis=1)
    loss_db = -10.0 * np.log10(gains(model, at, places, 400)[..., 0])
    laws = np.repeat(model.laws(at), 2, axis=1)
    found = [
        np.isclose(loss_db, losses(laws, there, sees), rtol=1e-9).mean(axis=0)
        for sees in (True, False)
    ]
    assert (sum(found) == 1.0).all()
    p = sight(laws, there)
    assert (abs(found[0] - p) < 4.0 * np.sqrt(p * (1.0 - p) / 400)).all()


def test_shadows_have_their_deviation_and_their_distance() -> None:
    """Above the clutter all is in line of sight: what is left is the shadow, 4.3 dB over 10 m."""
    at, model = sites(8.0, 7.0), Factory(3.5e9, "HH", clutter_size=20.0)  # so fields are small
    steps_m = np.array([0.0, 2.5, 5.0, 10.0, 20.0, 30.0])
    places = np.stack([70.0 + steps_m, np.full(6, 41.0)], axis=1)
    loss_db = -10.0 * np.log10(gains(model, at, places, 400)[..., 0])
    distance_m = links(places[None], at).distance_m[0, :, 0].copy()
    mean_db = losses(np.repeat(model.laws(at), 6, axis=1), distance_m, True)
    shadow = (loss_db - mean_db) / 4.3
    assert np.abs(shadow.mean(axis=0)).max() < 4.0 / np.sqrt(400)
    assert np.abs(shadow.var(axis=0) - 1.0).max() < 4.0 * np.sqrt(2.0 / 400)
    correlation = (shadow * shadow[:, :1]).mean(axis=0)
    assert np.abs(correlation - np.exp(-steps_m / 10.0)).max() < 0.02 + 4.0 * np.sqrt(2.0 / 400)


def test_shadows_in_sight_and_without_have_nothing_to_do_with_each_other() -> None:
    """Where all, and where nearly nothing, is in sight: one field's shadows and the other's."""
    at = sites()
    places = np.random.default_rng(2).uniform(25.0, 60.0, (40, 2))
    seen, unseen = (
        Factory(3.5e9, "DH", clutter_density=density, clutter_size=20.0)
        for density in (0.0, 1.0 - 1e-12)
    )
    shadow = []
    unseen.sigma_db = (4.3, 8.0)  # its own 4.0 dB would be hard to tell from 4.3
    for model, sees in ((seen, True), (unseen, False)):
        loss_db = -10.0 * np.log10(gains(model, at, places, 100)[..., 0])
        distance_m = links(places[None], at).distance_m[0, :, 0].copy()
        laws = np.repeat(model.laws(at), len(places), axis=1)
        shadow.append((loss_db - losses(laws, distance_m, sees)).reshape(-1))
    # Places within 35 m are some three independent ones: 300 of them.
    assert abs(np.corrcoef(shadow[0], shadow[1])[0, 1]) < 4.0 / np.sqrt(300)
    assert np.std(shadow[0]) == pytest.approx(4.3, rel=0.1)
    assert np.std(shadow[1]) == pytest.approx(8.0, rel=0.1)


def test_sight_hangs_on_a_field_of_its_own() -> None:
    """Where it is as probable as not, shadows in sight are as deep as their law has them.

    At eight places around the station, 28 m apart: over two correlation distances of a shadow.
    """
    at, model = sites(), StreetCanyon(3.5e9)
    angle = np.arange(8) * np.pi / 4.0
    places = at.station_position_m + 36.5 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    (p,) = sight(model.laws(at), np.array([36.5]))
    assert 0.55 < p < 0.75
    loss_db = -10.0 * np.log10(gains(model, at, places, 190)[..., 0])
    model.sigma_db = (0.0, 0.0)
    mean_db = -10.0 * np.log10(gains(model, at, places, 190)[..., 0])
    shadow = (loss_db - mean_db)[np.isclose(mean_db, mean_db.min())]
    assert len(shadow) > 900
    assert abs(shadow.mean()) < 4.0 * 4.0 / np.sqrt(len(shadow))
    assert shadow.std() == pytest.approx(4.0, rel=0.1)


def test_sight_and_shadow_change_with_the_place_and_with_nothing_else() -> None:
    at, rng = sites(side_m=400.0), np.random.default_rng(3)
    model = StreetCanyon(3.5e9)
    model.start(at, Streams(1, 2).generators)
    places = rng.uniform(0.0, 400.0, (2, 500, 2))
    before = model.gain(links(places, at))
    model.gain(links(rng.uniform(0.0, 400.0, (2, 500, 2)), at))
    np.testing.assert_array_equal(model.gain(links(places, at)), before)
    # A tenth of a metre on: nearly the same, but for those few that come into sight, or lose it.
    moved = 10.0 * np.abs(np.log10(model.gain(links(places + 0.07, at)) / before))
    assert (moved > 1.5).mean() < 0.01
    assert np.median(moved) < 0.3
    # Ten metres on: another shadow.
    assert np.median(10.0 * np.abs(np.log10(model.gain(links(places + 7.0, at)) / before))) > 1.0


def test_a_replication_is_what_it_is_alone() -> None:
    at, places = sites(), np.random.default_rng(4).uniform(0.0, 120.0, (30, 2))
    together = gains(StreetCanyon(3.5e9), at, places, 3)
    for r in range(3):
        alone = StreetCanyon(3.5e9)
        alone.start(at, Streams(1 + r, 1).generators)
        np.testing.assert_array_equal(alone.gain(links(places[None], at))[0], together[r])


def test_another_station_changes_no_other_and_each_has_its_own_shadows() -> None:
    places = np.random.default_rng(4).uniform(0.0, 120.0, (30, 2))
    few = gains(UrbanMacro(3.5e9), sites(names=("mbs", "sbs-1")), places, 1)
    more = gains(UrbanMacro(3.5e9), sites(names=("mbs", "sbs-0", "sbs-1")), places, 1)
    np.testing.assert_array_equal(more[..., [0, 2]], few)
    assert not np.isclose(few[..., 0], few[..., 1], rtol=1e-3, atol=0.0).any()


@pytest.mark.parametrize("model", [StreetCanyon(3.5e9), UrbanMacro(3.5e9)])
def test_the_memory_that_is_counted_is_what_the_fields_take(model: ThreeGpp) -> None:
    at = sites(names=("mbs", "sbs-0"), side_m=900.0)
    model.start(at, Streams(1, 3).generators)
    largest = max((x for x in vars(model).values() if isinstance(x, np.ndarray)), key=np.size)
    assert model.memory_bytes(at, 3) == largest.nbytes


# In a run

RADIO = ("channel.path_loss=3gpp-umi", "channel.carrier=3.5 GHz")
WALKS = ("mobility.model=random-waypoint", 'mobility.speed=["5 m/s", "5 m/s"]')


def test_a_run_goes_on_from_a_checkpoint_that_has_no_fields_in_it() -> None:
    scenario = parse_scenario(SMALL, "test", ["run.slots=40", "trace.level=full", *RADIO, *WALKS])

    def at(until: int, *saved: Any) -> Any:
        experiment = prepare(scenario)
        plan, policy, streams = experiment.blueprint, experiment.policy, Streams(1, 1)
        policy.reset(plan.problem.network, plan.problem, streams.generators("policy"))
        simulation = plan.simulation(policy.decide, NullRecorder(), streams, *saved)
        simulation.run(until)
        return simulation

    whole = at(40)
    state = save_state(at(17).parts())
    assert sum(array.nbytes for array in state.arrays) < 200_000
    resumed = at(40, state)
    np.testing.assert_array_equal(resumed.world.state.path_gain, whole.world.state.path_gain)
    np.testing.assert_array_equal(resumed.world.state.queue_bits, whole.world.state.queue_bits)


def test_a_twin_that_predicts_places_leaves_the_world_as_it_is() -> None:
    late = (
        "twin.sync=periodic",
        'twin.device.period="0.5 s"',
        "policy.name=local",
        "trace.level=full",
    )
    knows = simulate(*RADIO, *WALKS, *late, 'twin.predict=["location"]')
    plain = simulate(*RADIO, *WALKS, *late)
    for name in ("channel_gain", "x_m", "queue_bits"):
        np.testing.assert_array_equal(knows.trace[name], plain.trace[name])


@pytest.mark.parametrize("name", ["3gpp-umi", "3gpp-uma"])
def test_the_task_problem_has_it_too(name: str) -> None:
    """||h||^2 of L antennas is path gain times a sum of L exponentials; where nothing moves, its mean."""
    toml = (Path(__file__).parents[1] / "scenarios/carbon_6ue.toml").read_text(encoding="utf-8")
    run = simulate(
        f"channel.path_loss={name}",
        "channel.carrier=3.5 GHz",
        "policy.name=local",
        "run.slots=400",
        "trace.level=full",
        toml=toml,
    )
    per_antenna = run.trace["channel_gain"][0, :, :, 0].mean(axis=0) / 8.0
    path_gain = run.simulation.world.state.path_gain[0, :, 0]
    np.testing.assert_allclose(per_antenna, path_gain, rtol=4.0 / np.sqrt(8 * 400))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"channel.path_loss": "3gpp-umi"}, r"`channel.carrier`: missing; allowed: a frequency"),
        (
            {"channel.path_loss": "3gpp-umi", "channel.carrier": "0.2 GHz"},
            r"`channel.carrier` = .*too small; allowed: .*>= 500",
        ),
        (
            {"channel.path_loss": "3gpp-uma", "channel.carrier": "2 GHz", "devices.height": "20 m"},
            r"`channel.path_loss` = \"3gpp-uma\": devices.height is 20 m; allowed: 1.5 m to 13 m",
        ),
        (
            {"channel.path_loss": "3gpp-umi", "channel.carrier": "2 GHz", "devices.height": "1 m"},
            r"devices.height is 1 m; allowed: 1.5 m to 22.5 m",
        ),
        (
            {
                "channel.path_loss": "3gpp-umi",
                "channel.carrier": "2 GHz",
                "stations.sbs.height": "1 m",
            },
            r"a station's height is 1 m; allowed: >= 1.5 m",
        ),
        (
            {
                "channel.path_loss": "3gpp-inf",
                "channel.carrier": "3.5 GHz",
                "stations.sbs.height": "5 m",
            },
            r"a station's height is 5 m; allowed: above clutter_height, 6 m, with variant = \"DH\"",
        ),
        (
            {
                "channel.path_loss": "3gpp-inf",
                "channel.carrier": "3.5 GHz",
                "channel.variant": "SL",
            },
            r"a station's height is 25 m; allowed: not above clutter_height, 2 m",
        ),
        (
            {
                "channel.path_loss": "3gpp-inf",
                "channel.carrier": "3.5 GHz",
                "channel.variant": "HH",
            },
            r"heights are 25 m \(station\) and 1.5 m \(devices\); allowed: above the clutter, 2 m",
        ),
        (
            {
                "channel.path_loss": "3gpp-inf",
                "channel.carrier": "3.5 GHz",
                "devices.height": "6 m",
            },
            r"devices.height is 6 m; allowed: below clutter_height, 6 m",
        ),
        (
            {
                "channel.path_loss": "3gpp-inf",
                "channel.carrier": "3.5 GHz",
                "channel.variant": "XX",
            },
            r"`channel.variant` = \"XX\": .*allowed: \"SL\" or \"DL\"",
        ),
    ],
)
def test_what_3gpp_has_no_law_for_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        edgesim.validate(edgesim.load_scenario("iiot_20dev", given))


def test_fields_that_no_memory_holds_are_refused() -> None:
    """0.8 MB for each of 4 stations and 100,000 replications."""
    given = {"channel.carrier": 3.5e9, "run.replications": 100_000, "devices.count": 1}
    with pytest.raises(ScenarioError, match=r"devices.count.*take 315 GB of memory"):
        edgesim.validate(
            edgesim.load_scenario("iiot_20dev", given | {"channel.path_loss": "3gpp-umi"})
        )


@pytest.mark.parametrize("scenario", ["iiot_20dev", "carbon_6ue"])
def test_a_noise_figure_raises_the_noise(scenario: str) -> None:
    noise_w = [
        prepare(
            edgesim.load_scenario(scenario, {"channel.noise_figure": figure})
        ).blueprint.problem.network.noise_w
        for figure in ("0 dB", "7 dB")
    ]
    np.testing.assert_allclose(np.asarray(noise_w[1]) / noise_w[0], 10**0.7, rtol=1e-14)
    with pytest.raises(ScenarioError, match=r"`channel.noise_figure` = .*: too small"):
        edgesim.load_scenario(scenario, {"channel.noise_figure": "-1 dB"})
