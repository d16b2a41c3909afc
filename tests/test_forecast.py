"""Forecasts of carbon intensity: how wrong they are, when they are issued, and what is shown and recorded."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import observing, simulate

from edgesim.api import run as run_to_file
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import parse_scenario
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.models.carbon import CarbonIntensity, Series
from edgesim.simulator.models.forecast import Forecasts
from edgesim.traces.reader import open_trace

HOUR_NS = 3600 * 10**9


def made(error: float, leads: int = 24, seeds: int = 1, hours: int = 400) -> Forecasts:
    """Of a station at 100 g/J and one that has as many as hours have passed, up to 900."""
    hour = np.arange(900, dtype=np.float64)
    steps = Series(hour * 3600.0, hour)
    return Forecasts(
        CarbonIntensity([Series.constant(100.0), steps]),
        None,
        step_s=3600.0,
        period_s=3 * 3600.0,
        leads=leads,
        error=error,
        memory_s=5 * 3600.0,
        end_s=hours * 3600.0,
        rngs=Streams(1, seeds).generators("carbon forecast"),
    )


def test_without_error_it_is_what_comes() -> None:
    found = made(0.0).at(7 * HOUR_NS + 5)
    assert found.issued_ns == 6 * HOUR_NS
    assert (found.g_per_j[0, 0] == 100.0).all()
    assert found.g_per_j[0, 1] == pytest.approx(np.arange(6.0, 30.0))


def test_errors_grow_with_the_lead_and_are_correlated_as_they_should() -> None:
    """Of lead h the variance is sigma^2 (1 - rho^2h); of neighbouring leads the covariance is rho times it."""
    forecasts = made(0.2, seeds=40)
    errors = np.concatenate(
        [forecasts.at(t * HOUR_NS).g_per_j[:, 0] - 100.0 for t in range(0, 400, 24)]
    )
    rho = np.exp(-1.0 / 5.0)
    h = np.arange(1, 25)
    expected = 20.0 * np.sqrt(1.0 - rho ** (2 * h))
    assert errors.std(axis=0) == pytest.approx(expected, rel=0.12)
    assert abs(errors.mean()) < 1.5
    near = (errors[:, 10:-1] * errors[:, 11:]).mean(axis=0) / (errors[:, 10:-1] ** 2).mean(axis=0)
    assert near.mean() == pytest.approx(rho, abs=0.05)


def test_a_moment_is_forecast_better_as_it_comes_near() -> None:
    """Issues agree in part: what is left to be wrong is what has not happened at the later one."""
    forecasts = made(0.2, seeds=60)
    first, later = (forecasts.at(t * HOUR_NS).g_per_j[:, 0] - 100.0 for t in (0, 12))
    # At hour 14, from two issues: the later one has seen the hours up to 11, three hours before it.
    known = np.exp(-3.0 / 5.0) * first[:, 11]
    assert first[:, 14] - later[:, 2] == pytest.approx(known, abs=1e-9)
    assert later[:, 2].std() < first[:, 14].std()
    assert forecasts.at(0).issued_ns == 0  # also after a later one


def test_nothing_below_zero_is_forecast() -> None:
    assert made(3.0, seeds=3).at(0).g_per_j.min() == 0.0


def test_a_replication_has_the_forecasts_of_its_seed() -> None:
    both, alone = made(0.2, seeds=2), made(0.2)
    assert (both.at(HOUR_NS).g_per_j[0] == alone.at(HOUR_NS).g_per_j[0]).all()
    assert (both.at(HOUR_NS).g_per_j[0] != both.at(HOUR_NS).g_per_j[1]).any()


def record(hour: int) -> dict[str, Any]:
    day, clock = divmod(hour, 24)
    follows = divmod(hour + 1, 24)
    return {
        "from": f"2025-01-0{1 + day}T{clock:02}:00Z",
        "to": f"2025-01-0{1 + follows[0]}T{follows[1]:02}:00Z",
        "intensity": {"forecast": 150 + 2 * hour, "actual": 140 + hour, "index": "moderate"},
    }


@pytest.fixture
def toml(tmp_path: Path) -> str:
    """Two days as the API of Great Britain gives them, with forecast and actual."""
    path = tmp_path / "gb.json"
    path.write_text(json.dumps({"data": [record(hour) for hour in range(48)]}), encoding="utf-8")
    file = f'file = "{path}", start = 2025-01-01T00:00:00Z'
    return f"""
title = "test"
[run]
slots = 24
slot = "30 min"
[devices]
count = 2
[stations.sbs]
count = 1
[tasks]
mean = "1 Gbit"
[carbon]
intensity = {{{file}}}
[carbon.forecast]
horizon = "6 h"
step = "1 h"
period = "2 h"
[carbon.forecast.replay]
intensity = {{{file}, value_column = "intensity.forecast", unit = "g/kWh"}}
[policy]
penalty = "carbon"
V = 1e23
"""


def test_recorded_forecasts_are_replayed_beside_what_came(toml: str) -> None:
    seen: list[Any] = []
    run = observing(seen, toml=toml)
    for t, (one, _) in enumerate(seen):
        issued = t // 4 * 2  # hours
        assert one.forecast_g_per_j[0, 1] * 3.6e6 == pytest.approx(
            150.0 + 2 * (issued + np.arange(6))
        )
        assert one.forecast_age_s == (t % 4) * 1800.0 and one.forecast_step_s == 3600.0
        assert one.carbon_g_per_j[0] * 3.6e6 == pytest.approx(140.0 + t // 2)
    trace = run.trace
    assert trace["forecast_g_per_kwh"][0, :, 0] == pytest.approx(150.0 + 2 * (np.arange(24) // 2))
    assert trace["forecast_age_s"][0].tolist() == [(t % 4) * 1800.0 for t in range(24)]
    assert trace["forecast_horizon_g_per_kwh"].shape == (1, 24, 2, 6)


def test_a_forecast_moves_no_decision_that_needs_none(toml: str) -> None:
    without, _, rest = toml.partition("[carbon.forecast]")
    bare = simulate(toml=without + rest[rest.index("[policy]") :]).trace
    trace = simulate(toml=toml).trace
    assert all((trace[name] == bare[name]).all() for name in bare.rows[0])


def test_a_trace_has_the_forecast_and_where_it_is_from(toml: str, tmp_path: Path) -> None:
    scenario = tmp_path / "s.toml"
    scenario.write_text(toml, encoding="utf-8")
    path = tmp_path / "t.h5"
    run_to_file(scenario, output=path, overrides={"trace.level": "full"})
    with open_trace(path) as trace:
        found = trace.slots["forecast_horizon_g_per_kwh"]
        assert found.dims == ("replication", "slot", "station", "lead")
        assert found.isel(replication=0, slot=5, station=0).values == pytest.approx(
            154.0 + 2 * np.arange(6)
        )
        about = trace.carbon["carbon.forecast.replay.intensity"]
        assert about["value_column"] == "intensity.forecast"
        assert trace.carbon["carbon.intensity"]["value_column"] == "intensity.actual"


WRONG = [
    ("carbon.forecast={period='90 min', step='1 h'}", "period.*not a whole number of steps"),
    (
        "carbon.forecast={horizon='30 min', step='30 min', period='1 h'}",
        "ends before the next issue",
    ),
    ("carbon.forecast.error=0.1", "error.*no effect on recorded ones"),
    ("carbon.forecast.horizon='40 h'", "the forecast's horizon among them"),
]


@pytest.mark.parametrize(("override", "says"), WRONG)
def test_what_is_wrong_is_told(toml: str, override: str, says: str) -> None:
    with pytest.raises(ScenarioError, match=says):
        simulate(override, toml=toml)
    assert parse_scenario(toml, "test").carbon.forecast is not None


def test_a_forecast_may_end_where_the_next_one_begins(toml: str) -> None:
    simulate("carbon.forecast={horizon='1 h', step='30 min', period='1 h'}", toml=toml)
