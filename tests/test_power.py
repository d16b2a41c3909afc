"""What stations draw, asleep, idle and at work; panels, batteries, grid; and the software carbon intensity."""

import math
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import SMALL, Capture, Run, a_network, observing, simulate
from continuing import assert_same, everything, killed_at, stop_at
from trace_recording import task_table

from edgesim.experiments.run import execute, prepare, resume
from edgesim.policies.local import Local
from edgesim.policies.stream.consolidate import Consolidate
from edgesim.policies.stream.lyapunov import Lyapunov
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import load_scenario, parse_scenario
from edgesim.simulator.core.errors import RunError
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.recorder import NullRecorder
from edgesim.simulator.models.sci import Sci
from edgesim.simulator.models.solar import ClearSky, Panels, PowerSeries
from edgesim.simulator.models.station_power import (
    PowerLaw,
    SleepRule,
    SlotPower,
    StationBattery,
    StationPower,
)
from edgesim.simulator.stream.green_problem import GreenProblem
from edgesim.simulator.stream.problem import DriftPlusPenalty
from edgesim.traces.reader import open_trace
from edgesim.traces.summary import Summary

HOUR_NS = 3600 * 10**9
MBS = 'stations.mbs.power={radio="micro", server={idle="50 W", busy="90 W"}}'
SBS = 'stations.sbs.power.radio="pico"'
SERVER = 'stations.sbs.power.server={idle="10 W", busy="20 W", sleep="1 W"}'
SOLAR = (
    'stations.sbs.power.solar={peak="30 W", latitude=50, start=2021-06-21T05:00:00, clouds=0.4}',
    'stations.sbs.power.battery={capacity="20 J", initial=0.5, efficiency=0.8, power="9 W"}',
)
SLEEP = 'stations.sbs.power.sleep={wake="0.25 s", wake_energy="3 J"}'
SCI = 'sci={device={embodied="50 kg", lifespan="1000 d"}, mbs={embodied="900 kg", lifespan="3000 d", share=0.5}, sbs={embodied="20 kg", lifespan="2000 d"}}'
DAYS = 86400.0


def loads(run: Run) -> tuple[Any, Any]:
    """(R, T, B) of radios and CPUs, from the trace alone."""
    trace, network = run.trace, run.network
    sent = trace["offloaded_bits"]
    busy = np.divide(sent, trace["rate_bps"] * 0.1, out=np.zeros(sent.shape), where=sent > 0.0)
    at = trace["serving_station"][..., None] == np.arange(network.stations)
    band = ((trace["bandwidth_hz"] * busy)[..., None] * at).sum(axis=2)
    served = trace["station_served_bits"] * network.cycles_per_bit / 0.1
    return band / network.station_bandwidth_hz, served / network.station_cpu_hz


def test_the_linear_model_of_each_radio_and_server() -> None:
    run = simulate(MBS, SBS, SERVER, "policy.name=offload-all")
    band, cpu = loads(run)
    assert band.max() > 0.05 and cpu.max() > 1e-3
    radio = (
        0.1
        * np.array([2.0, 2.0, 2.0, 2.0])
        * (np.array([56.0, 6.8, 6.8, 6.8]) + np.array([2.6 * 6.3, *[4.0 * 0.13] * 3]) * band)
    )
    np.testing.assert_allclose(run.trace["station_radio_j"], radio, rtol=1e-12)
    server = 0.1 * (np.array([50.0, 10, 10, 10]) + np.array([40.0, 10, 10, 10]) * cpu)
    np.testing.assert_allclose(run.trace["station_server_j"], server, rtol=1e-12)


def test_without_a_server_it_is_what_its_tasks_take() -> None:
    trace = simulate(SBS, "policy.name=offload-all").trace
    busy_s = np.divide(
        trace["offloaded_bits"],
        trace["rate_bps"],
        out=np.zeros(trace["rate_bps"].shape),
        where=trace["offloaded_bits"] > 0.0,
    )
    edge = trace["offload_energy_j"] - trace["power_w"] * busy_s
    assert edge.max() > 0.0
    np.testing.assert_allclose(trace["station_server_j"].sum(axis=2), edge.sum(axis=2), rtol=1e-9)
    assert (trace["station_radio_j"][..., 0] == 0.0).all()


def test_nothing_else_changes_by_it() -> None:
    """Nor does anything come into the trace without keys."""
    plain, run = simulate(), simulate(MBS, SBS, SERVER)
    more = run.trace.rows[0].keys() - plain.trace.rows[0].keys()
    assert {one for one in more if "station" in one or "device" in one or "network" in one} == more
    for name in plain.trace.rows[0]:
        if name != "emission_mg":
            np.testing.assert_array_equal(run.trace[name], plain.trace[name], err_msg=name)
    np.testing.assert_allclose(run.trace["emission_mg"], plain.trace["emission_mg"], rtol=1e-12)


def test_the_published_figures() -> None:
    """Auer et al. 2011, Table II: what a station draws idle, at full load and asleep."""
    whole: dict[str, tuple[float, float, float]] = {
        "macro": (780, 1344, 450),
        "micro": (112, 144.76, 78),
    }
    whole |= {"pico": (13.6, 14.64, 8.6), "femto": (9.6, 10.4, 5.8)}
    for name, (idle, busy, asleep) in whole.items():
        run = simulate(f'stations.sbs.power.radio="{name}"', "run.slots=1")
        law = run.simulation.world.power.law  # type: ignore[union-attr]
        assert law.idle_w[1] == pytest.approx(idle)
        assert (law.radio_w[1] + law.radio_w[2])[1] == pytest.approx(busy)
        assert law.sleep_w[1] == pytest.approx(asleep)


# Where it is from


def one_station(battery: StationBattery | None, watts: float) -> StationPower:
    """It draws 10 W; its panels give so much."""
    law = PowerLaw(np.array([[0.0], [10.0], [0.0]]), np.zeros((3, 1)), np.ones(1, np.bool_))
    sun = PowerSeries(np.array([0.0, 1e6]), np.array([watts, 0.0]))
    panels = Panels([sun], np.zeros(1), 10**9, [Streams(1, 1).generators("x")])
    return StationPower(law, None, panels, battery, 1.0, 1)


def used(station: StationPower, slot: int = 0) -> tuple[float, ...]:
    """Solar, curtailed, loss, grid, and the charge after it."""
    none = np.zeros((1, 1))
    one = station.account(slot * 10**9, (none, none), none, 1.0, np.full((1, 1), 2.0))
    assert one.emission_g.item() == 2.0 * one.grid_j.item()
    after = station.reported()["station_battery_j"].item()
    return (
        one.solar_j.item(),
        one.curtailed_j.item(),
        one.loss_j.item(),
        one.grid_j.item(),
        float(after),
    )


def a_battery(capacity: float, initial: float, efficiency: float, power: float) -> StationBattery:
    return StationBattery(*(np.array([x]) for x in (capacity, initial, efficiency, power)))


def test_panels_then_battery_then_grid() -> None:
    assert used(one_station(None, 4.0)) == (4.0, 0.0, 0.0, 6.0, 0.0)
    assert used(one_station(None, 14.0)) == (14.0, 4.0, 0.0, 0.0, 0.0)
    # 6 J are short: 5 are there.
    assert used(one_station(a_battery(20, 5, 0.5, math.inf), 4.0)) == (4.0, 0.0, 0.0, 1.0, 0.0)
    # At most 3 W from the battery.
    assert used(one_station(a_battery(20, 5, 0.5, 3.0), 4.0)) == (4.0, 0.0, 0.0, 3.0, 2.0)
    # 8 J over, half of which is lost.
    assert used(one_station(a_battery(20, 5, 0.5, math.inf), 18.0)) == (18.0, 0.0, 4.0, 0.0, 9.0)
    # Room for 1 J, so for 2 before losses; and at most 3 W into it.
    assert used(one_station(a_battery(6, 5, 0.5, math.inf), 18.0)) == (18.0, 6.0, 1.0, 0.0, 6.0)
    assert used(one_station(a_battery(20, 5, 0.5, 3.0), 18.0)) == (18.0, 5.0, 1.5, 0.0, 6.5)


def test_energy_is_conserved_and_emission_follows_from_the_trace() -> None:
    run = simulate(
        MBS, SBS, SERVER, *SOLAR, SLEEP, SCI,
        "policy.name=consolidate", "run.slots=800", "run.slot=10 s", "run.replications=2",
        "stations.sbs.failures={time_to_failure=500, time_to_repair=100}", "carbon.mbs=90 g/kWh",
        'stations.sbs.power.battery={capacity="20 kJ", initial=0.5, efficiency=0.8, power="9 W"}',
        "stations.sbs.power.solar.peak=90 W", "stations.sbs.power.solar.start=2021-06-21T04:00:00",
    )  # fmt: skip
    trace = run.trace
    drawn = trace["station_radio_j"] + trace["station_server_j"] + trace["station_wake_j"]
    np.testing.assert_allclose(trace["station_energy_j"], drawn, rtol=1e-14)
    charge = trace["station_battery_j"]
    into = trace["station_solar_j"] + trace["station_grid_j"]
    out = drawn + trace["station_curtailed_j"] + trace["station_loss_j"]
    grown = np.diff(charge, axis=1)
    scale = drawn.mean()
    np.testing.assert_allclose((into - out)[:, :-1], grown, atol=1e-9 * scale)
    whole = (into - out)[:, :-1].sum(axis=1)
    np.testing.assert_allclose(whole, charge[:, -1] - charge[:, 0], atol=1e-9 * drawn.sum())
    assert charge.max() == 2e4 and charge[..., 1:].min() == 0.0
    assert trace["station_grid_j"][..., 1:].max() > 0.0 < trace["station_curtailed_j"].max()
    assert (trace["station_availability"] < 1.0).any() and not trace["station_awake"].all()

    station = trace["station_grid_j"] * trace["carbon_g_per_kwh"] / 3600.0
    np.testing.assert_allclose(trace["station_emission_mg"], station, rtol=1e-9)
    at = trace["serving_station"]
    grid = np.take_along_axis(trace["carbon_g_per_kwh"], at, axis=2) / 3600.0
    own = trace["device_energy_j"] * grid
    np.testing.assert_allclose(trace["device_emission_mg"], own, rtol=1e-9)
    share = np.divide(trace["station_grid_j"], drawn, out=np.ones(drawn.shape), where=drawn > 0)
    edge = trace["local_energy_j"] + trace["offload_energy_j"] - trace["device_energy_j"]
    tasks = own + edge * grid * np.take_along_axis(share, at, axis=2)
    np.testing.assert_allclose(trace["emission_mg"], tasks, rtol=1e-9, atol=1e-15)
    network = own.sum(axis=2) + station.sum(axis=2)
    np.testing.assert_allclose(trace["network_emission_mg"], network, rtol=1e-9)
    np.testing.assert_allclose(trace["sci_operational_mg"], network, rtol=1e-9)
    energy = trace["device_energy_j"].sum(axis=2) + drawn.sum(axis=2)
    np.testing.assert_allclose(trace["sci_energy_j"], energy, rtol=1e-9)


@pytest.mark.parametrize("more", [(), ("carbon.devices=400 g/kWh",)])
def test_what_tasks_emit_at_a_station_is_of_its_share_of_the_grid(more: tuple[str, ...]) -> None:
    trace = simulate(SBS, SERVER, *SOLAR, "policy.name=offload-all", *more).trace
    at, grid = trace["serving_station"], trace["carbon_g_per_kwh"] / 3600.0
    drawn, own_j = trace["station_energy_j"], trace["device_energy_j"]
    share = np.divide(trace["station_grid_j"], drawn, out=np.ones(drawn.shape), where=drawn > 0)
    edge_j = trace["local_energy_j"] + trace["offload_energy_j"] - own_j
    own = own_j * (400.0 / 3600.0 if more else np.take_along_axis(grid, at, axis=2))
    edge = edge_j * np.take_along_axis(grid * share, at, axis=2)
    assert share.min() < 0.9 and edge.max() > 1e-3 * own.max()
    np.testing.assert_allclose(trace["emission_mg"], own + edge, rtol=1e-9, atol=1e-15)
    told = simulate(
        SBS, SERVER, *SOLAR, "policy.name=offload-all", "carbon.signal={intensity='500 g/kWh'}"
    ).trace
    by_signal = own_j + edge_j * np.take_along_axis(share, at, axis=2)
    shown = told["signal_emission_mg"] * 3600.0 / 500.0
    np.testing.assert_allclose(shown, by_signal, rtol=1e-9, atol=1e-15)


def test_a_station_that_has_failed_draws_nothing() -> None:
    trace = simulate(
        SBS, "stations.sbs.failures={time_to_failure=1, time_to_repair=0.5}", "run.slots=100"
    ).trace
    up = trace["station_availability"][..., 1:]
    assert 0.0 < up.mean() < 1.0
    radio = trace["station_radio_j"][..., 1:]
    assert (radio[up == 0.0] == 0.0).all()
    assert (radio >= 1.36 * up * (1 - 1e-12)).all() and (radio <= 1.464 * up + 1e-12).all()


@pytest.mark.parametrize("up", [1.0, 0.5, 0.25])
def test_work_takes_its_energy_however_long_a_station_is_up(up: float) -> None:
    """A load is a share of the whole slot: 0.2 of it at 100 W are 20 J in a second, if it is up for no more."""
    keys = (
        'stations.mbs.power={radio={transceivers=1, max="0 W", idle="3 W", slope=0, sleep="0 W"}, '
        'server={idle="10 W", busy="110 W"}}'
    )
    experiment = prepare(load_scenario("iiot_20dev", [keys, "stations.sbs.count=0", "run.slots=1"]))
    world: Any = experiment.blueprint.simulation(
        Local().decide, NullRecorder(), Streams(1, 1)
    ).world
    load = np.full((1, 1), 0.2)
    found = world.power.account(0, (load, load), np.zeros((1, 1)), np.full((1, 1), up), 0.0 * load)
    slot_s = experiment.blueprint.network.slot_s
    assert found.server_j.item() == pytest.approx((10.0 * up + 100.0 * 0.2) * slot_s, rel=1e-12)
    assert found.radio_j.item() == pytest.approx(3.0 * up * slot_s, rel=1e-12)


def test_the_sun() -> None:
    """By spherical astronomy: its height at noon, none at night, and a day's sum at the equator."""
    june = ClearSky(100.0, 50.0, datetime(2021, 6, 21, 18))
    noon = june.mean_w(18 * HOUR_NS - 10**9, 2 * 10**9)
    assert noon == pytest.approx(100 * math.sin(math.radians(90 - 50 + 23.44)), rel=1e-4)
    assert june.mean_w(6 * HOUR_NS, 10**9) == 0.0
    december = ClearSky(100.0, 50.0, datetime(2021, 12, 21, 12))
    low = 100 * math.sin(math.radians(90 - 50 - 23.44))
    assert december.mean_w(0, 10**9) == pytest.approx(low, rel=1e-3)
    # At an equinox the sine of its height is that of a half turn, whose mean over a day is 1 / pi.
    march = ClearSky(100.0, 0.0, datetime(2021, 3, 21))
    assert march.mean_w(0, 24 * HOUR_NS) == pytest.approx(100 / math.pi, rel=1e-3)
    # It rises at six, by a quarter of a degree in a minute, of which the middle stands for the mean.
    for minutes in (1, 3):
        rising = march.mean_w(6 * HOUR_NS, minutes * 60 * 10**9)
        assert rising == pytest.approx(100 * math.sin(math.radians(0.125 * minutes)), rel=1e-3)


def test_clouds_take_their_share() -> None:
    sun = PowerSeries(np.array([0.0, 1e9]), np.array([8.0, 0.0]))
    rngs = [Streams(1, 50).generators(name) for name in ("a", "b")]
    panels = Panels([sun, None], np.array([0.3, 0.0]), HOUR_NS, rngs)
    got = np.array([panels.energy_j(hour * HOUR_NS) for hour in range(200)]) / (8.0 * 3600.0)
    assert (got[..., 1] == 0.0).all()
    sky = got[..., 0]
    assert sky.mean() == pytest.approx(0.7, abs=0.01)
    assert sky.min() >= 0.4 and sky.max() <= 1.0
    assert sky.std() == pytest.approx(0.6 / math.sqrt(12), rel=0.02)
    # Of an hour all slots have the same.
    minute = Panels([sun], np.array([0.3]), 60 * 10**9, [Streams(1, 1).generators("a")])
    hours = [minute.energy_j(n * 60 * 10**9).item() for n in range(180)]
    assert [len(set(hours[k : k + 60])) for k in (0, 60, 120)] == [1, 1, 1]
    assert len(set(hours)) == 3


def test_panels_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "panels.csv"
    file.write_text("time_s,power_w\n0,10\n0.25,30\n9,0\n")
    key = f'stations.sbs.power={{radio="pico", solar={{file="{file}"}}}}'
    solar = simulate(key, "run.slots=4").trace["station_solar_j"]
    np.testing.assert_allclose(solar[0, :, 1], [1.0, 1.0, 2.0, 3.0])
    assert (solar[..., 0] == 0.0).all()
    for text, says in (
        ("time_s,power_w\n0,10\n0.25,30\n", "covers 0 to 0.25 s"),
        ("time_s,power_w\n0,10\n0,30\n9,0\n", "row 3, column time_s"),
        ("time_s,power_w\n0,-1\n9,0\n", '"-1" is not a number from 0'),
        ("time,power\n0,1\n", "no column time_s nor power_w"),
        ("time_s,power_w\n0,10\n", "1 rows"),
    ):
        file.write_text(text)
        with pytest.raises(ScenarioError) as caught:
            prepare(parse_scenario('title="x"\ntasks.mean=1e5\n', "x.toml", [key]))
        assert says in str(caught.value) and "panels.csv" in str(caught.value)


@pytest.mark.parametrize("slots", [700, 1400, 1900, 2300])
def test_panels_that_end_with_the_run_are_enough(slots: int, tmp_path: Path) -> None:
    """Of slots whose length is no sum of halves: 1900 times 1 ms is more than 1.9 s in floats."""
    file = tmp_path / "panels.csv"
    file.write_text(f"time_s,power_w\n0,10\n{slots / 1000},0\n")
    key = f'stations.sbs.power={{radio="pico", solar={{file="{file}"}}}}'
    prepare(load_scenario("iiot_20dev", [key, f"run.slots={slots}", 'run.slot="1 ms"']))


def test_each_key_of_a_battery_counts(tmp_path: Path) -> None:
    """100 W of panels in slots of 0.1 s: at most 3 W go into a battery of 6 J, a quarter full, and 80 % stay."""
    file = tmp_path / "panels.csv"
    file.write_text("time_s,power_w\n0,100\n3,0\n9,0\n")
    battery = 'battery={capacity="6 J", initial=0.25, efficiency=0.8, power="3 W"}'
    key = f'stations.sbs.power={{radio="pico", solar={{file="{file}"}}, {battery}}}'
    charge = simulate(key, "run.slots=50").trace["station_battery_j"]
    filled = np.minimum(1.5 + 0.8 * 0.3 * np.arange(31), 6.0)
    np.testing.assert_allclose(charge[0, :31, 1:], np.repeat(filled[:, None], 3, axis=1))
    # In the dark it gives 3 W of the 13.6 W and more that a station draws.
    emptied = np.maximum(filled[30] - 0.3 * np.arange(20), 0.0)
    np.testing.assert_allclose(
        charge[0, 30:, 1:], np.repeat(emptied[:, None], 3, axis=1), atol=1e-12
    )
    assert not charge[..., 0].any()


def test_the_penalty_of_emission_sees_the_electricity_of_the_site() -> None:
    seen: list[Any] = []
    run = observing(
        seen, SBS, SERVER, *SOLAR, "policy.penalty=carbon", "policy.V=1e18", "run.slots=20"
    )
    problem = run.simulation.world.problem  # type: ignore[attr-defined]
    assert isinstance(problem, GreenProblem)
    shares = []
    for slot, (observation, _) in enumerate(seen):
        cost = problem.joule_costs(observation)[1]
        expected = 1e18 * observation.carbon_g_per_j * observation.power.grid_share
        np.testing.assert_allclose(cost, np.maximum(expected, 1e18 * 1e-3 / 3.6e6), rtol=1e-12)
        shares.append(observation.power.grid_share[0, 1])
        if slot:
            trace = run.trace
            last = (0, slot - 1, slice(1, None))
            grid = trace["station_grid_j"][last] / trace["station_energy_j"][last]
            np.testing.assert_allclose(observation.power.grid_share[0, 1:], grid, rtol=1e-12)
    assert min(shares) < 1.0


def test_who_draws_nothing_would_draw_from_its_panels_first() -> None:
    """Asleep at 0 W: a joule is of the grid where the sun does not shine; awake at 8 W, 3 W of them are."""
    zero, one = np.zeros((1, 3)), np.array([[0.0, 0.0, 8.0]])
    solar, flag = np.array([[0.0, 5.0, 5.0]]), np.zeros((1, 3), np.bool_)
    grid = np.maximum(one - solar, 0.0)
    slot = SlotPower(one, zero, zero, solar, zero, zero, grid, zero, flag, flag, zero)
    assert slot.grid_share.tolist() == [[1.0, 0.0, 3.0 / 8.0]]


def test_a_budget_counts_idle_stations() -> None:
    trace = simulate(
        SBS, "policy.penalty=carbon", 'carbon.budget={mass="1 mg", period="1 h"}', "run.slots=10"
    ).trace
    spent = np.cumsum(trace["network_emission_mg"][0, :-1] - 0.1 / 3600.0)
    np.testing.assert_allclose(trace["budget_debt_mg"][0, 1:], spent, rtol=1e-9)


# Sleep


class Ordered(Lyapunov):
    """Has the SBSs sleep in slots 3 to 9."""

    def decide(self, observation: Any) -> Any:
        awake = np.ones(observation.station_up.shape, np.bool_)
        if 3 <= observation.slot < 10:
            awake[:, 1:] = False
        return replace(super().decide(observation), awake=awake)


def ordered(*keys: str) -> Any:
    scenario = parse_scenario(
        'title="x"\n[tasks]\nmean="50 kbit"\n[devices]\ncount=8\n[run]\nslots=20\n', "x", [*keys]
    )
    experiment = prepare(scenario, Ordered())
    plan, streams = experiment.blueprint, Streams(1, 1)
    policy = experiment.policy
    policy.reset(plan.problem.network, plan.problem, streams.generators("policy"))
    trace = Capture()
    plan.simulation(policy.decide, trace, streams).run()
    return trace


def test_a_station_closes_drains_sleeps_wakes_and_opens() -> None:
    trace = ordered(SBS, SERVER, SLEEP)
    is_open, awake = trace["station_open"][0], trace["station_awake"][0]
    queue, radio = trace["station_queue_bits"][0], trace["station_radio_j"][0]
    station = trace["serving_station"][0]
    # Decided in slot 3, it takes no devices from 4 on; woken in 10, it takes 0.25 s, so it opens in 13.
    assert is_open[:, 1].tolist() == [True] * 4 + [False] * 9 + [True] * 7
    assert set(station[4:13].ravel()) == {0} and len(set(station[13:].ravel())) > 1
    for j in (1, 2, 3):
        asleep = np.flatnonzero(~awake[:, j])
        first = next(t for t in range(4, 10) if queue[t, j] == 0.0)
        assert asleep.tolist() == list(range(first, 10))
        np.testing.assert_allclose(radio[asleep, j], 0.1 * 2 * 4.3)
        np.testing.assert_allclose(trace["station_server_j"][0, asleep, j], 0.1)
        assert (radio[10:13, j] == 0.1 * 2 * 6.8).all()
        assert np.flatnonzero(trace["station_wake_j"][0, :, j]).tolist() == [10]
    assert trace["station_wake_j"].max() == 3.0
    assert awake[:, 0].all() and is_open[:, 0].all()


def test_each_replication_has_its_own_sleepers() -> None:
    """Station 1 is to sleep in the first, 2 in the second; the one that drains sleeps a slot later."""
    law = PowerLaw(np.zeros((3, 3)), np.zeros((3, 3)), np.ones(3, np.bool_))
    rule = SleepRule(np.array([False, True, True]), "decided", 0, 3.0)
    power = StationPower(law, rule, None, None, 1.0, 2)
    none = np.zeros((2, 3))

    def slot(number: int, wanted: list[list[int]], queue: list[list[float]]) -> tuple[Any, ...]:
        power.begin_slot(np.array(wanted, np.bool_), None, number * 10**9)
        wake_j = power.account(number * 10**9, (none, none), none, 1.0, none).wake_j
        chosen_anew = power.end_slot((number + 1) * 10**9, np.array(queue))
        return wake_j.tolist(), chosen_anew.tolist(), power.awake.tolist(), power.open.tolist()

    on, off, still = [True] * 3, [False] * 2, [[0.0] * 3] * 2
    first, second = [True, False, True], [True, True, False]
    busy = [[0.0, 5.0, 4.0], [0.0] * 3]
    assert slot(0, [[1, 0, 1], [1, 1, 0]], busy) == (
        still,
        [True] * 2,
        [on, second],
        [first, second],
    )
    wakes = [[0.0] * 3, [0.0, 0.0, 3.0]]
    assert slot(1, [[1, 0, 1], [1, 1, 1]], still) == (
        wakes,
        [False, True],
        [first, on],
        [first, on],
    )
    assert slot(2, [[1, 0, 1], [0, 1, 1]], still) == (still, off, [first, on], [first, on])


@pytest.mark.parametrize(("sleep", "opens"), [("{}", 11), ('{wake="0.2 s"}', 12)])
def test_who_is_awake_as_a_slot_begins_is_open_in_it(sleep: str, opens: int) -> None:
    """Woken in slot 10, which begins at 1 s: without a wake time, and awake at 1.2 s, as slot 12 begins."""
    is_open = ordered(SBS, f"stations.sbs.power.sleep={sleep}")["station_open"][0, :, 1]
    assert is_open.tolist() == [t < 4 or t >= opens for t in range(20)]


def test_a_station_without_devices_in_its_coverage_sleeps_by_itself() -> None:
    keys = (SBS, 'stations.sbs.power.sleep={when="empty"}', "devices.count=1", "run.slots=4")
    near = simulate(*keys, "devices.positions=[[400.0, 250.0]]", toml=ONE).trace
    assert near["station_awake"][0, -1].tolist() == [True, True, False, False]
    assert set(near["serving_station"].ravel()) == {1}
    decided = simulate(SBS, "stations.sbs.power.sleep={}", "run.slots=4").trace
    assert decided["station_awake"].all()
    # Who is away in slots 2 to 4 covers nobody then: the station sleeps in 3 and 4, and wakes in 5.
    shifts = ("mobility.model=shifts:Shifts", "mobility.absent=[[0, 2, 3]]", "run.slots=8")
    place = "devices.positions=[[400.0, 250.0]]"
    awake = simulate(*keys, place, *shifts, toml=ONE).trace["station_awake"][0, :, 1]
    assert awake.tolist() == [True] * 3 + [False] * 2 + [True] * 3


ONE = 'title = "x"\n[tasks]\nmean = "50 kbit"\n[stations.sbs]\ncoverage = "100 m"\n'


class Wrong(Local):
    """Orders what it may not."""

    answer: Any = None

    def decide(self, observation: Any) -> Any:
        return replace(super().decide(observation), awake=self.answer)


@pytest.mark.parametrize(
    ("keys", "answer", "says"),
    [
        ((), np.ones((1, 4), np.bool_), "no station may sleep"),
        ((SBS,), np.zeros((1, 4), np.bool_), "is to sleep, and may not"),
        ((SBS, SLEEP), np.array([[False, True, True, True]]), "station 0 is to sleep"),
        ((SBS, SLEEP), np.ones((1, 3), np.bool_), "shape (1, 3), expected (1, 4)"),
        ((SBS, SLEEP), np.ones((1, 4)), "not an array of True or False"),
    ],
)
def test_an_order_that_cannot_be_is_refused(
    keys: tuple[str, ...], answer: Any, says: str, tmp_path: Path
) -> None:
    policy = Wrong()
    policy.answer = answer
    scenario = parse_scenario('title="x"\n[tasks]\nmean="50 kbit"\n[run]\nslots=2\n', "x", [*keys])
    with pytest.raises(RunError, match="awake") as caught:
        execute(prepare(scenario, policy), tmp_path / "x.h5")
    assert says in str(caught.value)


@dataclass
class Decided:
    """What a decision has of orders."""

    awake: Any


IDLE = (
    'stations.sbs.power.radio={transceivers=1, max="0 W", idle="1 W", slope=0, sleep="0 W"}',
    "stations.sbs.power.sleep={}",
    "policy.name=consolidate",
    "run.slots=400",
    # A macro cell that is too weak for all.
    "stations.mbs.cpu=0.6 GHz",
    "stations.mbs.bandwidth=0.5 MHz",
    "tasks.mean=60 kbit",
    "devices.cpu=50 MHz",
    "policy.V=1e12",
    "devices.count=12",
)


@pytest.mark.parametrize("penalty", ["energy", pytest.param("carbon", marks=pytest.mark.slow)])
def test_idle_power_makes_consolidation_pay_and_none_does_not(penalty: str) -> None:
    V = 1e12 if penalty == "energy" else 1e12 / (182 / 3.6e6)

    def awake(idle: str) -> float:
        radio = IDLE[0].replace("1 W", idle)
        keys = (*IDLE[1:], f"policy.V={V}", f"policy.penalty={penalty}")
        return float(simulate(radio, *keys).trace["station_awake"][:, 200:, 1:].mean())

    # So little is not worth what their devices lose; so much is, and in between some of them sleep.
    assert [awake("0 W"), awake("0.01 W"), awake("10 W")] == [1.0, 1.0, 0.0]
    assert 0.2 < awake("0.1 W") < 0.9


@pytest.mark.parametrize(
    ("awake", "wake_j", "lost", "then"),
    [
        (True, 3.0, 0.0, True),
        (True, 1.0, 0.0, False),
        (False, 3.0, 2.0, False),
        (False, 1.0, 2.0, True),
        (True, 2.0, 0.0, True),  # nothing saved: awake
        (False, 2.0, 2.0, True),
    ],
)
def test_a_wake_up_has_to_pay_before_a_station_sleeps_and_before_it_wakes(
    awake: bool, wake_j: float, lost: float, then: bool
) -> None:
    """Two looks at what saves 1 J a slot: a wake-up costs wake_j / 2 of each; waking must be worth as much.

    At 3 bit^2 a joule.
    """
    policy: Any = Consolidate(trials=2)
    network = a_network(stations=2, devices=1)
    policy.reset(network, DriftPlusPenalty(network, 1e13), [])
    policy._awake = np.array([[True, awake]])
    policy._joule_cost = lambda seen: np.full((1, 2), 3.0)
    policy._value = lambda seen, power, is_open: np.where(is_open[:, 1], 0.0, 3.0 * lost)
    power: Any = SimpleNamespace(
        open=np.array([[True, awake]]),
        law=SimpleNamespace(idle_w=np.array([0.0, 12.0]), sleep_w=np.array([0.0, 2.0])),
        sleep=SimpleNamespace(wake_j=wake_j),
    )
    for _ in range(2):
        assert policy._awake[0, 1] == awake
        policy._look(None, power, 1, 1)
    assert policy._awake.tolist() == [[True, then]]


def test_stations_that_may_sleep_and_would_save_are_looked_at_in_turn() -> None:
    network = a_network(stations=5, devices=1)
    policy, looks = Consolidate(), list[int]()
    policy.reset(network, DriftPlusPenalty(network, 1e13), [])
    anything: Any = policy
    anything._look = lambda seen, power, j, turns: looks.append(j)
    anything._lyapunov = SimpleNamespace(decide=lambda seen: Decided(None))
    law = SimpleNamespace(idle_w=np.full(5, 2.0), sleep_w=np.array([1.0, 1.0, 2.0, 1.0, 1.0]))
    sleep = SimpleNamespace(may=np.array([False, True, True, True, True]))
    seen: Any = SimpleNamespace(power=SimpleNamespace(law=law, sleep=sleep))
    assert all(policy.decide(seen).awake is policy._awake for _ in range(5))
    assert looks == [1, 3, 4, 1, 3]


# The software carbon intensity


@pytest.mark.parametrize("per", ["task", "Mbit"])
def test_sci_is_operational_and_embodied_emission_per_unit(per: str, tmp_path: Path) -> None:
    path = tmp_path / "sci.h5"
    scenario = parse_scenario(
        'title="x"\n[tasks]\nmean="50 kbit"\n[run]\nslots=200\n',
        "x",
        [MBS, SBS, SCI, f"sci.per={per}"],
    )
    execute(prepare(scenario), path)
    trace = open_trace(path)
    estimates = {key: one.value for key, one in trace.summary(warmup=0.0).estimates.items()}
    embodied = 20 * 50e6 / (1000 * DAYS) + 0.5 * 900e6 / (3000 * DAYS) + 3 * 20e6 / (2000 * DAYS)
    embodied *= 20.0  # the run's seconds
    tasks = trace.tasks
    done = (tasks["outcome"].values <= 1) & (tasks["completion_s"].values <= 20.0)
    units = done.sum() if per == "task" else tasks["bits"].values[done].sum() / 1e6
    operational = trace.slots["network_emission_mg"].values.sum()
    energy = trace.slots["sci_energy_j"].values.sum()
    assert estimates["functional_units"] == pytest.approx(units, rel=1e-9)
    assert estimates["sci_mg"] == pytest.approx((operational + embodied) / units, rel=1e-9)
    assert estimates["sci_embodied_mg"] == pytest.approx(embodied / units, rel=1e-9)
    assert estimates["sci_energy_j"] == pytest.approx(energy / units, rel=1e-9)
    assert estimates["sci_intensity_mg_per_j"] == pytest.approx(operational / energy, rel=1e-9)


def test_without_stations_power_sci_is_of_the_tasks() -> None:
    trace = simulate(SCI).trace
    emission, energy = trace["emission_mg"], trace["local_energy_j"] + trace["offload_energy_j"]
    np.testing.assert_allclose(trace["sci_operational_mg"], emission.sum(axis=2), rtol=1e-12)
    np.testing.assert_allclose(trace["sci_energy_j"], energy.sum(axis=2), rtol=1e-12)


def test_functional_units_and_embodied_emission_by_hand() -> None:
    """Late tasks are completed, lost ones are not; 2 ug/s for each device there, and 30 for the stations."""
    rows, none = np.zeros(5), np.full(5, np.nan)
    ended = task_table(
        [0, 1, 1, 1, 0], rows, rows, rows, none, 1e5 * 2.0 ** np.arange(5), rows, [0, 1, 0, 4, 3]
    )
    energy, emission = np.array([3.0, 4.0]), np.array([5.0, 7.0])
    for per_bit, units in ((False, [1.0, 2.0]), (True, [0.1, 0.6])):
        sci = Sci(2e-6, 3e-5, per_bit)
        found = sci.columns(0.5, np.array([3, 5]), energy, emission, ended)
        assert found["functional_units"].tolist() == pytest.approx(units)
        assert found["sci_embodied_mg"].tolist() == pytest.approx([0.018, 0.02])
        assert found["sci_operational_mg"].tolist() == [5e3, 7e3]
        assert found["sci_energy_j"].tolist() == [3.0, 4.0]


# The task problem


def test_without_power_the_task_problems_sci_is_of_devices_and_server() -> None:
    text = load_scenario("carbon_6ue").to_toml()
    keys = ("run.slots=4", "energy.theta_0=1e-27", "run.replications=2", "policy.name=offload-all")
    trace = simulate(*keys, SCI.split(", mbs")[0] + "}", toml=text).trace
    assert trace["server_energy_j"].any()
    energy = (trace["energy_j"] + trace["server_energy_j"]).sum(axis=2)
    np.testing.assert_allclose(trace["sci_energy_j"], energy, rtol=1e-12)
    np.testing.assert_allclose(trace["sci_operational_mg"], trace["emission_mg"].sum(axis=2))


def test_the_task_problem_has_idle_power_panels_and_sci() -> None:
    scenario = load_scenario("carbon_6ue")
    slot_s = scenario.run.slot
    text = scenario.to_toml()
    run = simulate(
        "run.slots=30",
        'stations.mbs.power={radio="pico", server={idle="5 W", busy="9 W"},'
        'solar={peak="20 W", latitude=0, start=2021-03-21T12:00:00}, battery={capacity="3 J"}}',
        'sci={device={embodied="1 kg", lifespan="10 d"}}',
        "policy.name=offload-all",
        toml=text,
    )
    trace = run.trace
    sends = np.where(trace["offload"], trace["task_bits"] / trace["rate_bps"], 0.0)
    assert sends.max() > 0.0
    radio = np.minimum(sends / slot_s, 1.0).max(axis=2)
    expected = slot_s * 2 * (6.8 + 4.0 * 0.13 * radio)
    np.testing.assert_allclose(trace["station_radio_j"][..., 0], expected, rtol=1e-9)
    hertz = np.where(trace["offload"], trace["edge_cpu_hz"], 0.0)
    runs = np.divide(
        trace["task_cycles"], hertz * slot_s, out=np.zeros(hertz.shape), where=hertz > 0
    )
    cpu = (hertz * np.minimum(runs, 1.0)).sum(axis=2) / run.network.station_cpu_hz[0]
    np.testing.assert_allclose(
        trace["station_server_j"][..., 0], slot_s * (5.0 + 4.0 * np.minimum(cpu, 1.0)), rtol=1e-9
    )
    grid = trace["carbon_g_per_kwh"] / 3600.0
    share = trace["station_grid_j"] / trace["station_energy_j"]
    assert share.min() < 1.0
    each = grid * trace["energy_j"] + grid * share * trace["server_energy_j"]
    np.testing.assert_allclose(trace["emission_mg"], each, rtol=1e-9)
    np.testing.assert_allclose(trace["worst_emission_mg"], each.max(axis=2), rtol=1e-9)
    both = (grid * trace["energy_j"]).sum(axis=2) + (grid * trace["station_grid_j"]).sum(axis=2)
    np.testing.assert_allclose(trace["network_emission_mg"], both, rtol=1e-9)
    assert trace["functional_units"].sum() == np.isfinite(trace["delay_s"]).sum()


# Lateness by class


def test_the_summary_has_a_row_for_each_class_of_tasks(tmp_path: Path) -> None:
    path = tmp_path / "classes.h5"
    classes = (
        'tasks.classes=[{share=0.3, deadline="0.25 s"}, {share=0.5, deadline="0.4 s"}, {share=0.2}]'
    )
    keys = [classes, "run.slots=200", "policy.name=offload-all", "run.replications=2"]
    execute(prepare(parse_scenario(SMALL, "x", keys)), path)
    trace = open_trace(path)
    tasks = trace.tasks.to_dataframe()
    done = tasks[tasks["outcome"] <= 1]
    done = done[done["completion_s"] > 2.0 + 1e-9]  # a warm-up of 10 %
    spans = (done["deadline_s"] - done["arrival_s"]).round(6)
    summary = trace.summary()
    for one, deadline_s in zip(summary.late_classes, (0.25, 0.4, math.inf), strict=True):
        of = done[spans == deadline_s]
        assert one.deadline_s == deadline_s and len(of) > 50
        assert one.late.value == pytest.approx((of["outcome"] == 1).mean(), rel=1e-9)
    shares = [one.late.value for one in summary.late_classes]
    assert shares[0] > shares[1] > 0.0 == shares[2]
    labels = [label for section in Summary([summary], 0.1).sections() for label, _ in section]
    assert [one for one in labels if one.startswith("late of class")] == [
        "late of class, deadline 0.25 s [%]",
        "late of class, deadline 0.4 s [%]",
        "late of class, deadline none [%]",
    ]
    assert [one["deadline_s"] for one in summary.to_dict()["traces"][0]["late_classes"]] == [
        0.25,
        0.4,
        None,
    ]


# Saved, and in several processes


@pytest.mark.parametrize("problem", [pytest.param("stream", marks=pytest.mark.slow), "green"])
def test_it_goes_on_from_a_checkpoint_and_in_processes_as_if_alone(
    problem: str, tmp_path: Path
) -> None:
    keys = (MBS, SBS, SERVER, *SOLAR, SLEEP, SCI, "policy.trials=2", "run.slots=20")
    what = everything(problem, "consolidate", tmp_path, *keys, "run.replications=2")
    whole, path = tmp_path / "whole.h5", tmp_path / "parts.h5"
    execute(prepare(what), whole)
    with open_trace(whole) as trace:
        assert not trace.slots["station_awake"].values.all()
    assert execute(prepare(what), path, stop_at(8), 5) == "interrupted"
    assert resume(prepare(what), path) == "complete"
    assert_same(path, whole)
    (kept := tmp_path / "kept").mkdir()
    killed_at(what, tmp_path / "killed.h5", 13, kept, 5)
    assert resume(prepare(what), kept / "killed.h5") == "complete"
    assert_same(kept / "killed.h5", whole)
    execute(prepare(what), tmp_path / "two.h5", workers=2)
    assert_same(tmp_path / "two.h5", whole)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ('stations.mbs.power={radio="micro", sleep={}}', "stations.mbs.power.sleep"),
        ('stations.sbs.power.radio="nano"', '"macro" or "micro" or "pico" or "femto"'),
        ('stations.sbs.power.server={idle="9 W", busy="5 W"}', "busy it draws less than idle"),
        ('stations.sbs.power.server={idle="9 W", busy="10 W", sleep="12 W"}', "asleep it draws more"),
        ('stations.sbs.power.battery={capacity="9 J"}', "nothing charges it"),
        ('stations.sbs.power.solar={peak="9 W"}', "stations.sbs.power.solar.latitude"),
        ('stations.sbs.power.solar={file="x.csv", peak="9 W"}', "is of the model, not of a file"),
        ('sci={per="byte"}', '"task" or "Mbit"'),
        (
            'stations.sbs.power.radio={transceivers=1, max="1 W", idle="1 W", slope=1, sleep="2 W"}',
            "asleep it draws more than idle",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(key: str, says: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario('title="x"\n[tasks]\nmean=1e5\n', "x.toml", [key])
    assert says in str(caught.value)


def test_a_network_of_one_station_has_no_sbs_to_sleep() -> None:
    with pytest.raises(ScenarioError, match=r"worst-case-emission"):
        load_scenario("carbon_6ue", ["stations.sbs.power.sleep={}"])


def test_a_certificate_of_the_grids_electricity_is_not_given_beside_panels() -> None:
    with pytest.raises(ScenarioError, match=r"without `stations\.\*\.power\.solar`"):
        prepare(load_scenario("green_shift_gb", [SBS, *SOLAR, "policy.name=clairvoyant"]))
    # `exact` goes on without one: 0 to 90 % of its server's joules are from panels here.
    panels = (
        'stations.mbs.power={server={idle="5 W", busy="9 W"}, '
        'solar={peak="20 W", latitude=0, start=2021-03-21T12:00:00}}'
    )
    text = load_scenario("carbon_6ue").to_toml()
    for power, certified in (((), True), ((panels,), False)):
        trace = simulate("run.slots=5", "policy.name=exact", *power, toml=text).trace
        assert np.isfinite(trace["lower_bound_mg"]).any() == certified
        assert np.isfinite(trace["optimality_gap"]).any() == certified
        below = trace["worst_emission_mg"] < 0.99 * trace["lower_bound_mg"]
        assert not (below & (trace["feasible"] > 0)).any()
