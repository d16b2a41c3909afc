"""`edgesim data` and `edgesim data check`: what a file is, before a scenario names it."""

import gzip
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from test_carbon import ELECTRICITY_MAPS, LONDON, UK_API
from test_topologies import LINKS, gml, graphml, node_link

import edgesim
from edgesim.cli import main
from edgesim.commands.asking import DATA_KINDS
from edgesim.experiments.data_check import KINDS, check_data
from edgesim.experiments.forecast_check import forecast_facts
from edgesim.scenarios.carbon_section import CarbonForecast
from edgesim.scenarios.data.catalogue import catalogue
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.validation import validate
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.models.carbon import CarbonIntensity, Series
from edgesim.simulator.models.forecast import Forecasts


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def command(*words: str) -> Result:
    return CliRunner().invoke(main, ["data", *words])


def facts(
    content: str | dict[str, Any], kind: str, *keys: str, name: str = "f.csv"
) -> dict[str, Any]:
    Path(name).write_text(
        content if isinstance(content, str) else json.dumps(content), encoding="utf-8"
    )
    return check_data(name, kind, keys).to_dict()


def test_the_list_has_all_that_ships_and_where_the_rest_is() -> None:
    said = command().stdout
    for one in catalogue().shipped:
        assert all(text in said for text in one)
    for other in catalogue().published:
        assert other.name in said and other.where in said and other.kind in DATA_KINDS
    assert "--data" in said and "EDGESIM_DATA" in said
    assert set(KINDS) == set(DATA_KINDS)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("carbon_intensity_gb_2020.csv", "carbon"),
        ("azure_llm_code_2023.csv", "arrivals"),
        ("eua_users_melbourne_cbd.csv", "positions"),
        ("sumo_crossing_fcd.xml", "mobility"),
        ("polish_cities.json", "topology"),
    ],
)
def test_what_ships_is_checked_by_its_name(name: str, kind: str) -> None:
    told = json.loads(command("check", name, "--as", kind, "--json").stdout)
    rows = told[{"mobility": "samples", "topology": "links"}.get(kind, "rows")]
    assert rows in (21_976, 8_819, 816, 5_217, 19) and name in told["becomes"]
    assert name in command("check", name, "--as", kind).stdout


def test_a_carbon_file() -> None:
    told = facts(ELECTRICITY_MAPS, "carbon", "basis=direct")
    assert told["columns"].startswith("Datetime (UTC), Country, ")
    assert told["format of"] == "Electricity Maps"
    assert told["value column"] == "Carbon intensity gCO₂eq/kWh (direct)"
    assert told["period"] == "2025-01-01T00:00:00 to 2025-01-01T01:00:00 UTC"
    assert (told["usual step"], told["time zone"], told["unit"]) == ("1 h 0 min", "UTC", "g/kWh")
    assert (told["kind"], told["basis"]) == ("average", "direct")
    assert told["g/kWh, mean over time"] == pytest.approx(11.0)
    # What it becomes can be pasted.
    table = tomllib.loads(told["becomes"].replace("[carbon] ", "[carbon]\n"))
    scenario = edgesim.load_scenario(
        {"title": "x", "run": {"slots": 1}, "tasks": {"mean": 1.0}, **table}, data_dir="."
    )
    edgesim.validate(scenario)


def test_rows_at_one_place_are_counted() -> None:
    told = facts("lat,lon\n50,8\n51,9\n50,8\n50,10\n50,8\n", "positions")
    assert (told["rows"], told["rows at the place of another"]) == (5, 2)


def test_steps_that_differ_by_rounding_are_the_usual_one() -> None:
    rows = "".join(f"{t},a,1,1\n" for t in (0, 10_000, 20_000.001, 30_000.001, 40_001))
    assert facts(f"t,id,x,y\n{rows}", "mobility")["other steps"] == 1


def test_a_mean_over_time_is_one_over_time() -> None:
    """100 for an hour, 200 for two, and 300 for the usual hour and a half."""
    rows = "2025-01-01 00:00,100\n2025-01-01 01:00,200\n2025-01-01 03:00,300\n"
    told = facts(f"time,carbon intensity\n{rows}", "carbon")
    mean = (100.0 * 1.0 + 200.0 * 2.0 + 300.0 * 1.5) / 4.5
    assert told["g/kWh, mean over time"] == pytest.approx(mean, rel=1e-12)
    assert (told["usual step"], told["longest step"]) == ("1 h 30 min", "2 h 0 min")


def test_gaps_and_doubled_hours_of_a_carbon_file() -> None:
    told = facts(UK_API, "carbon", name="uk.json")
    assert (told["rows"], told["rows without value"]) == (4, 1)
    assert (told["usual step"], told["longest step"]) == ("45 min 0 s", "1 h 0 min")
    told = facts(LONDON, "carbon", "time_zone=Europe/London")
    assert told["period"] == "2024-10-26T23:00:00 to 2024-10-27T03:00:00 UTC"
    assert (told["other steps"], told["kind"]) == (0, "not stated: `kind`")
    hours = [0, 1, 2, 6, 7]
    rows = [f"2025-01-01 0{hour}:00,100" for hour in hours]
    told = facts("\n".join(["Time,Carbon Intensity", *rows]), "carbon")
    assert (told["gaps, over 3 usual steps"], told["longest step"]) == (1, "4 h 0 min")


def both(forecast: Any, actual: Any, minutes: Any) -> dict[str, Any]:
    """As the API of Great Britain gives them."""
    begins = [np.datetime64("2025-01-01T00:00") + np.timedelta64(int(m), "m") for m in minutes]
    rows = zip(begins, forecast, actual, strict=True)
    half = np.timedelta64(30, "m")
    return {
        "data": [
            {"from": f"{at}Z", "to": f"{at + half}Z", "intensity": {"forecast": f, "actual": a}}
            for at, f, a in rows
        ]
    }


def fitted(told: dict[str, Any]) -> CarbonForecast:
    """What the fitted line becomes when it is pasted."""
    line = told["forecast becomes"].split("; ")[0]
    table = tomllib.loads(line.replace("[carbon] ", "[carbon]\n"))["carbon"]["forecast"]
    return validate(CarbonForecast, table, "f")


def test_what_forecasts_of_a_file_would_be_made_of_by_hand() -> None:
    """Errors 9, 9, 5, 5 about 7: deviation 2, the product of neighbours 4, -4, 4, so a correlation of 1/3."""
    actual, minutes = [100, 100, 100, 100], [0, 30, 60, 90]
    told = facts(both([109, 109, 105, 105], actual, minutes), "carbon", name="f.json")
    assert told["forecast column"] == "intensity.forecast"
    assert told["forecast too high by, g/kWh"] == pytest.approx(7.0)
    assert told["deviation of its errors, g/kWh"] == pytest.approx(2.0)
    made = fitted(told)
    assert made.error == 0.02 and made.memory == pytest.approx(1800.0 / np.log(3.0), rel=2e-3)
    assert "long lead" in told["assumed"]


def test_rows_without_forecast_or_value_are_left_out_of_its_errors() -> None:
    """Neighbours are those of half an hour, on whichever side of a gap: 9, -, -, 9, 9, 5, 5."""
    forecast = [109, 150, None, 109, 109, 105, 105]
    actual = [100, None, 100, 100, 100, 100, 100]
    minutes = np.arange(7) * 30
    told = facts(both(forecast, actual, minutes), "carbon", name="f.json")
    assert told["rows with forecast and value"] == 5
    wrong = np.array([9, 9, 9, 5, 5]) - 7.4
    alike = (wrong[1] * wrong[2] + wrong[2] * wrong[3] + wrong[3] * wrong[4]) / 3 / wrong.var()
    assert fitted(told).memory == pytest.approx(-1800.0 / np.log(alike), rel=2e-3)


def test_errors_of_the_forecasts_that_are_made_are_fitted_as_they_are_made() -> None:
    """The last values of issues a step apart, four memories ahead, in a file that is 400 memories long."""
    hours, lead = 2400, 24
    at = np.arange(hours + lead + 1, dtype=np.float64)
    actual = 100.0 + 30.0 * np.sin(at)
    forecasts = Forecasts(
        CarbonIntensity([Series(at * 3600.0, actual)]),
        None,
        step_s=3600.0,
        period_s=3600.0,
        leads=lead,
        error=0.2,
        memory_s=6 * 3600.0,
        end_s=hours * 3600.0,
        rngs=Streams(3, 1).generators("carbon forecast"),
    )
    far = [forecasts.at(t * 3600 * 10**9).g_per_j[0, 0, -1] for t in range(hours)]
    was = actual[lead - 1 : lead - 1 + hours]
    rows = zip(range(hours), far, was, strict=True)
    text = "".join(f"{1.7e9 + 3600 * t:.0f},{f + 11},{a}\n" for t, f, a in rows)
    told = facts(f"time,Forecast CO2 [g/kWh],Actual CO2 [g/kWh]\n{text}", "carbon", *ACTUAL)
    made = fitted(told)
    # Four standard errors: sqrt(m / 2T) of the deviation, and sqrt(3m / T) of the memory.
    assert made.error == pytest.approx(0.2, rel=4 * np.sqrt(1 / 800))
    assert made.memory == pytest.approx(6 * 3600.0, rel=4 * np.sqrt(3 / 400))
    assert told["forecast too high by, g/kWh"] == pytest.approx(11.0, abs=4 * 20 * np.sqrt(2 / 400))
    assert told["forecast becomes"].endswith("memory to about 9%")


ACTUAL = ("value_column=Actual CO2 [g/kWh]",)


def test_where_forecasts_tell_nothing_it_is_said() -> None:
    minutes = np.arange(4) * 30
    told = facts(both([107] * 4, [100, 90, 80, 70], minutes), "carbon", name="f.json")
    assert told["deviation of its errors, g/kWh"] > 0.0
    told = facts(both([107, 97, 87, 77], [100, 90, 80, 70], minutes), "carbon", name="f.json")
    assert fitted(told).error == 0.0 and "no memory to tell" in told["forecast becomes"]
    told = facts(both([109, 105, 109, 105], [100] * 4, minutes), "carbon", name="f.json")
    assert "error = 0.02," in told["forecast becomes"] and "no memory" in told["forecast becomes"]
    told = facts(both([109] * 4, [None, 1, None, None], minutes), "carbon", name="f.json")
    assert told["forecast becomes"].startswith("nothing")
    told = facts(both([109, -1, 109, 105], [100] * 4, minutes), "carbon", name="f.json")
    assert "intensity.forecast: -1" in told["forecast becomes"]
    # Without forecasts nothing is said of them.
    told = facts(ELECTRICITY_MAPS, "carbon", "basis=direct")
    assert list(told)[-1] == "becomes"
    keys = ("value_column=intensity.forecast", "unit=g/kWh")
    told = facts(both([109] * 2, [100] * 2, [0, 30]), "carbon", *keys, name="f.json")
    assert list(told)[-1] == "becomes"


def test_panels() -> None:
    """10 W for a quarter of an hour, 30 W for half an hour; the last row only ends it."""
    told = facts("time_s,power_w\n0,10\n900,30\n2700,99\n", "solar")
    assert (told["rows"], told["W, least"], told["W, most"]) == (3, 10.0, 30.0)
    assert told["energy, Wh"] == pytest.approx(17.5, rel=1e-12)
    assert told["W, mean over time"] == pytest.approx(17.5 / 0.75, rel=1e-12)
    assert (told["usual step"], told["period"]) == ("22 min 30 s", "0 s to 2700 s")
    keys = tomllib.loads(told["becomes"].replace("] ", "]\n"))["stations"]["sbs"]["power"]
    scenario = {"title": "x", "tasks": {"mean": 1.0}, "stations": {"sbs": {"power": keys}}}
    edgesim.validate(edgesim.load_scenario(scenario, data_dir="."))
    with pytest.raises(ScenarioError, match=r"f\.csv.*row 3, column time_s"):
        facts("time_s,power_w\n0,10\n0,30\n", "solar")
    with pytest.raises(ScenarioError, match="unknown key"):
        facts("time_s,power_w\n0,10\n9,0\n", "solar", "unit=W")


def test_arrivals() -> None:
    rows = ["t,size,name", "2025-01-01T00:00:10Z,5,a", "2025-01-01T00:00:00Z,1,b"]
    rows += ["2025-01-01T00:00:10Z,3,c"]
    told = facts("\n".join(rows), "arrivals", "time_column=t")
    assert (told["rows out of order"], told["rows at the time of another"]) == (1, 1)
    assert told["period"] == "2025-01-01T00:00:00 to 2025-01-01T00:00:10 UTC"
    assert told["size"] == "1 to 5, mean 3" and "name" not in told
    assert 'time_column = "t", bits = {size = "… bit"}' in told["becomes"]
    told = facts("when_ms,prompt_tokens,total_tokens,cpu\n500,1,2,3\n2500,1,2,3\n", "arrivals")
    assert (told["time column"], told["period"]) == ("when_ms", "0.5 s to 2.5 s")
    assert told["becomes"].endswith('time_column = "when_ms", bits = {prompt_tokens = "… bit"}')
    assert told["cpu"] == "3 to 3, mean 3"
    told = facts("t,cpu\n0.5,1\n2.5,1\n", "arrivals")
    assert told["time column"] == "t" and told["becomes"].endswith('bits = "… bit"')
    told = facts("time,size\n0.5,1\n2.5,1\n", "arrivals")
    assert (told["period"], told["usual step"]) == ("0.5 s to 2.5 s", "2 s")
    counts = (
        "HashOwner,HashApp,HashFunction,Trigger,1,2,3,4\no,a,f,http,0,5,2,0\no,a,g,timer,0,1,1,0\n"
    )
    told = facts(counts, "arrivals")
    assert (told["requests"], told["period"]) == (9, "minute 2 to 3")
    assert told["usual step"] == "1 min 0 s"


def test_movements() -> None:
    told = facts("t,id,x,y\n0,a,0,0\n0,b,5,5\n1,a,3,4\n1,b,5,5\n", "mobility", "time_column=t")
    assert (told["objects"], told["largest jump"]) == (2, "5 m")
    assert (told["x"], told["usual step"]) == ("0 to 5 m", "1 s")
    told = facts("time;id;lat;lon\n0;a;50;8\n60;a;51;8\n", "mobility")
    assert told["y"] == "50 to 51 degrees" and told["longest step"] == "1 min 0 s"
    # What it becomes holds all places, also those at the edges.
    told = facts("t,id,x,y\n0,a,-2.5,1\n1,a,2,4\n3,a,3,6.5\n", "mobility")
    assert told["becomes"].endswith("origin = [-3, 1], with [area] size = [7, 6]")
    assert (told["usual step"], told["longest step"]) == ("1.5 s", "2 s")


def test_topologies() -> None:
    told = facts(graphml(), "topology", name="n.graphml")
    assert (told["nodes"], told["nodes with coordinates"], told["links"]) == (5, 3, 4)
    assert (told["nodes with `Internal` = 1"], told["node of most links"]) == (3, "2")
    assert told["links without `LinkSpeedRaw`"] == 3
    assert told["area"] == "{south = 49.99, west = 7.99, north = 52.01, east = 8.01}"
    told = facts(node_link(), "topology", name="n.json")
    assert (told["coordinates"], told["attributes of links"]) == ("`pos`", "dist")
    told = facts(node_link(10.0), "topology", name="drawing.json")
    assert (told["x"], told["coordinates that are no degrees"]) == ("80 to 80", 3)
    assert 'coordinates = "…"' in told["becomes"] and "area" not in told


BESIDE = [*LINKS, ("1", "0", {})]


@pytest.mark.parametrize(
    ("content", "name", "keys", "inner"),
    [
        (graphml(), "n.graphml", (), 'stations = "internal", mbs = "2"'),
        (gml(links=BESIDE), "n.gml.gz", (), 'stations = "internal", mbs = "1", parallel = "join"'),
        (
            graphml(links=LINKS[1:]),
            "n.graphml",
            ("fibre_index=1.5",),
            'stations = ["1", "2"], mbs = "2", fibre_index = 1.5',
        ),
        (
            graphml(),
            "n.graphml",
            ('stations=["Beta", "2"]',),
            'mbs = "2", stations = ["Beta", "2"]',
        ),
        (node_link(), "n.json", (), 'mbs = "1", coordinates = "degrees"'),
    ],
)
def test_what_a_topology_becomes_is_right_as_it_stands(
    content: Any, name: str, keys: tuple[str, ...], inner: str
) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    Path("x.toml").write_text('title = "x"\n[tasks]\nmean = "1 kbit"\n')
    path = Path(name)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    becomes = str(check_data(path, "topology", keys).facts["becomes"])
    found = re.fullmatch(r"\[topology\] (.*), with \[area\] (.*), \[twin\] (.*)", becomes)
    assert found is not None, becomes
    file = f'file = "{name.removesuffix(".gz")}"'
    assert found[1] == f"{file}, {inner}"
    overrides = [f"topology={{{found[1]}}}", f"area={{{found[2]}}}", f"twin={{{found[3]}}}"]
    edgesim.validate(edgesim.load_scenario("x.toml", overrides))


@pytest.mark.parametrize(
    ("content", "kind", "keys", "message"),
    [
        (ELECTRICITY_MAPS, "carbon", (), "2 columns fit for the carbon intensity"),
        (ELECTRICITY_MAPS, "carbon", ("unit=stone/kWh",), 'key `unit` = "stone/kWh": '),
        (ELECTRICITY_MAPS, "carbon", ("untit=g/kWh",), "did you mean `unit`?"),
        ("a,b\n1,2\n", "arrivals", (), "no column of times by its name; its columns: a, b"),
        (
            "a,b\n1,2\n",
            "arrivals",
            ("time_column=c",),
            'no column "c", which `time_column` names; allowed: a, b',
        ),
        ("time,b\n2025-01-01,2\n2025-01-01T00:00Z,2\n", "arrivals", (), "without a zone"),
        (
            "time,b\nx,2\n",
            "arrivals",
            (),
            'row 2, column time: "x" is not a number or a date and time',
        ),
        ("a,b\n1,2\n", "positions", (), "no column latitude nor longitude; its columns: a, b"),
        ("lat,lon\n", "positions", (), "empty"),
        ("lat,lon\n1,200\n", "positions", (), "is not an angle within ±180 degrees"),
        ("lat,lon\n1,2\n", "positions", ("unit=m",), "key `unit`: unknown key"),
        ("t,x,y\n1,2,3\n", "mobility", ("time_column=t",), "no columns that may be id"),
        ("a", "topology", (), "of another format"),
    ],
)
def test_what_is_no_such_file_is_told_in_one_message(
    content: str, kind: str, keys: tuple[str, ...], message: str
) -> None:
    Path("f.csv").write_text(content, encoding="utf-8")
    given = [word for key in keys for word in ("--set", key)]
    result = command("check", "f.csv", "--as", kind, *given)
    assert result.exit_code == 2 and message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_file_that_there_is_not() -> None:
    result = command("check", "nix.csv", "--as", "carbon")
    assert result.exit_code == 2 and "nix.csv: no such data file" in result.stderr
    with pytest.raises(ScenarioError, match="no such data file"):
        check_data("nix.csv", "carbon")
    assert command("check", "nix.csv", "--as", "grid").exit_code == 2


def test_the_memory_of_errors_is_in_the_usual_step_of_the_rows() -> None:
    """Rows half an hour apart but for one, ten minutes after the first: no step of its own, and no other step."""
    errors, rng = np.zeros(400), np.random.default_rng(6)
    for k in range(1, 400):
        errors[k] = 0.9 * errors[k - 1] + rng.standard_normal()
    minutes = np.insert(30 * np.arange(400), 1, 10)
    times = np.datetime64("2024-01-01", "s") + minutes.astype("timedelta64[m]")
    wrong, actual = np.insert(errors, 1, errors[0]), np.full(401, 200.0)
    told = str(forecast_facts(actual + wrong, actual, times)["forecast becomes"])
    centred = errors - wrong.mean()
    # The lags' logarithms on a line through zero, up to the first below 1 / e, by hand.
    alike = [(centred[k:] * centred[: 400 - k]).mean() / (centred**2).mean() for k in range(1, 100)]
    logs = np.log(alike[: int(np.argmax(np.array(alike) <= np.exp(-1.0)))])
    lags = np.arange(1.0, len(logs) + 1.0)
    hours = -0.5 * (lags @ lags) / (lags @ logs)
    assert f'memory = "{hours:.3g} h"' in told and f"error = {wrong.std() / 200.0:.3g}" in told
