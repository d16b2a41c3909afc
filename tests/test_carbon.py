"""Carbon intensity from files of many sources: times, units, kinds, and what is refused by name."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import SMALL, simulate

import edgesim
from edgesim.scenarios.carbon_section import CarbonReading
from edgesim.scenarios.data import records
from edgesim.scenarios.data.carbon import CarbonSeries, longest_hold, read_carbon
from edgesim.scenarios.data.carbon_formats import of_column
from edgesim.scenarios.data.graphs import read_graph
from edgesim.scenarios.errors import ScenarioError

# Small files of the layouts of their sources, with values of our own.
ELECTRICITY_MAPS = """\
Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),\
Carbon intensity gCO₂eq/kWh (Life cycle),Carbon-free energy percentage (CFE%),\
Renewable energy percentage (RE%),Data source,Data estimated,Data estimation method
2025-01-01 00:00:00,Here,Here,HE,10.5,40.25,90.1,60.2,example.org,false,
2025-01-01 01:00:00,Here,Here,HE,11.5,41.25,90.0,60.1,example.org,true,MEASURED
"""
ELECTRICITY_MAPS_OLD = """\
Datetime (UTC),Country,Zone Name,Zone Id,Carbon Intensity gCO₂eq/kWh (direct),\
Carbon Intensity gCO₂eq/kWh (LCA),Low Carbon Percentage,Renewable Percentage,Data Source,\
Data Estimated,Data Estimation Method
2022-01-01 00:00:00,Here,Here,HE,10.5,40.25,90.1,60.2,example.org,false,
2022-01-01 01:00:00,Here,Here,HE,11.5,41.25,90.0,60.1,example.org,true,MEASURED
"""
ELECTRICITY_MAPS_JSON = {
    "zone": "HE",
    "history": [
        {
            "zone": "HE",
            "carbonIntensity": value,
            "datetime": f"2025-01-01T0{hour}:00:00.000Z",
            "updatedAt": "2025-01-02T00:00:00.000Z",
            "emissionFactorType": "lifecycle",
        }
        for hour, value in ((0, 302), (1, 305))
    ],
}
UK_API = {
    "data": [
        {
            "from": f"2025-01-01T0{hour}:{minute:02}Z",
            "to": f"2025-01-01T0{hour + minute // 30}:{(minute + 30) % 60:02}Z",
            "intensity": {"forecast": 150 + hour, "actual": actual, "index": "moderate"},
        }
        for hour, minute, actual in ((0, 0, 140), (0, 30, 141), (1, 0, None), (1, 30, 143))
    ]
}
NESO = """\
DATETIME,GAS,COAL,GENERATION,CARBON_INTENSITY,LOW_CARBON_perc
2025-01-01 00:00:00,4000,0,30000,90,70.1
2025-01-01 00:30:00,4100,0,30000,91,70.0
"""
WATT_TIME = {
    "data": [
        {"point_time": "2025-01-01T00:00:00+00:00", "value": 1000.0},
        {"point_time": "2025-01-01T00:05:00+00:00", "value": 900.0},
    ],
    "meta": {"region": "HERE", "signal_type": "co2_moer", "units": "lbs_co2_per_mwh"},
}
WATT_TIME_CSV = "point_time,value\n2025-01-01T00:00:00+00:00,1000\n2025-01-01T00:05:00+00:00,900\n"
SDK = {
    "Emissions": [
        {
            "Location": "here",
            "Time": "2025-01-01T00:00:00+00:00",
            "Rating": "65",
            "Duration": "08:00:00",
        },
        {
            "Location": "here",
            "Time": "2025-01-01T08:00:00+00:00",
            "Rating": 70.5,
            "Duration": "08:00:00",
        },
    ]
}
PLAIN = "Time,Carbon Intensity\n2025-01-01 00:00:00,360\n2025-01-01 00:30:00,180\n"
GERMAN = "Datum;CO2-Intensität in g/kWh\n01.01.2025 00:00;360,5\n01.01.2025 00:15;180\n01.01.2025 0:30;1,25\n"
TABS = "timestamp\tmarginal emissions kg CO2/kWh\n1735689600\t0.36\n1735693200\t0.18\n"


def write(folder: Path, content: str | dict[str, Any] | list[Any], name: str = "") -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    path = folder / (name or ("grid.csv" if isinstance(content, str) else "grid.json"))
    path.write_text(text, encoding="utf-8")
    return path


def read(path: Path, **keys: Any) -> CarbonSeries:
    return read_carbon(path, CarbonReading(**keys))


def refused(path: Path, **keys: Any) -> str:
    with pytest.raises(ScenarioError) as caught:
        read(path, **keys)
    assert str(path) in str(caught.value)
    return str(caught.value)


MOER = [1000 * 0.45359237, 900 * 0.45359237]


@pytest.mark.parametrize(
    ("content", "keys", "values", "about", "minutes"),
    [
        (
            ELECTRICITY_MAPS,
            {"basis": "direct"},
            [10.5, 11.5],
            ("Electricity Maps", "g/kWh", "average", "direct", "UTC"),
            [0, 60, 120],
        ),
        (
            ELECTRICITY_MAPS,
            {"value_column": "Carbon intensity gCO₂eq/kWh (Life cycle)"},
            [40.25, 41.25],
            ("Electricity Maps", "g/kWh", "average", "life-cycle", "UTC"),
            [0, 60, 120],
        ),
        (
            ELECTRICITY_MAPS_OLD,
            {"basis": "life-cycle"},
            [40.25, 41.25],
            ("Electricity Maps", "g/kWh", "average", "life-cycle", "UTC"),
            [0, 60, 120],
        ),
        (
            UK_API,
            {},
            [140, 141, 143],
            (
                "Carbon Intensity API of Great Britain",
                "g/kWh",
                "average",
                "direct",
                "offsets in the rows",
            ),
            [0, 30, 90, 120],
        ),
        (
            UK_API,
            {"value_column": "intensity.forecast", "unit": "g/kWh"},
            [150, 150, 151, 151],
            (
                "Carbon Intensity API of Great Britain",
                "g/kWh",
                "average",
                "direct",
                "offsets in the rows",
            ),
            [0, 30, 60, 90, 120],
        ),
        (NESO, {}, [90, 91], ("NESO", "g/kWh", "average", "direct", "none"), [0, 30, 60]),
        (
            WATT_TIME,
            {},
            MOER,
            ("WattTime", "lb/MWh", "marginal", None, "offsets in the rows"),
            [0, 5, 10],
        ),
        (
            WATT_TIME_CSV,
            {"unit": "lb/MWh", "kind": "average"},
            MOER,
            ("WattTime", "lb/MWh", "average", None, "offsets in the rows"),
            [0, 5, 10],
        ),
        (
            WATT_TIME | {"meta": {"signal_type": "co2_aoer", "units": "lbs_co2_per_mwh"}},
            {},
            MOER,
            ("WattTime", "lb/MWh", "average", None, "offsets in the rows"),
            [0, 5, 10],
        ),
        (
            "time,CO2 g/kWh\n2025-01-01T00:00Z,5\n2025-01-01T01:00Z, \n2025-01-01T02:00Z,7\n",
            {},
            [5, 7],
            ("CSV, separated by commas", "g/kWh", None, None, "offsets in the rows"),
            [0, 120, 240],
        ),
        (
            WATT_TIME_CSV,
            {"unit": "lb/MWh"},
            MOER,
            ("WattTime", "lb/MWh", "marginal", None, "offsets in the rows"),
            [0, 5, 10],
        ),
        (
            SDK,
            {},
            [65, 70.5],
            ("carbon-aware-sdk", "g/kWh", None, None, "offsets in the rows"),
            [0, 480, 960],
        ),
        (
            SDK["Emissions"],
            {},
            [65, 70.5],
            ("carbon-aware-sdk", "g/kWh", None, None, "offsets in the rows"),
            [0, 480, 960],
        ),
        (
            ELECTRICITY_MAPS_JSON,
            {},
            [302, 305],
            ("Electricity Maps", "g/kWh", "average", "life-cycle", "offsets in the rows"),
            [0, 60, 120],
        ),
        (
            PLAIN,
            {},
            [360, 180],
            ("CSV, separated by commas", "g/kWh", None, None, "none"),
            [0, 30, 60],
        ),
        (
            GERMAN,
            {"time_column": "Datum"},
            [360.5, 180, 1.25],
            ("CSV, separated by semicolons", "g/kWh", None, None, "none"),
            [0, 15, 30, 45],
        ),
        (
            TABS,
            {},
            [360, 180],
            ("CSV, separated by tabs", "kg/kWh", "marginal", None, "offsets in the rows"),
            [0, 60, 120],
        ),
        (
            "when,what\n2025-01-01T00:00Z,0.36\n2025-01-01T01:00Z,0.18\n",
            {"time_column": "when", "value_column": "what", "unit": "t/MWh", "kind": "average"},
            [360, 180],
            ("CSV, separated by commas", "t/MWh", "average", None, "offsets in the rows"),
            [0, 60, 120],
        ),
        (
            "time,CO2 [kg/MWh]\n2025-01-01T00:00Z,360\n2025-01-01T01:00Z,180\n",
            {"basis": "direct"},
            [360, 180],
            ("CSV, separated by commas", "kg/MWh", None, "direct", "offsets in the rows"),
            [0, 60, 120],
        ),
    ],
)
def test_files_of_many_sources_have_their_values(
    tmp_path: Path,
    content: Any,
    keys: dict[str, Any],
    values: list[float],
    about: tuple[Any, ...],
    minutes: list[int],
) -> None:
    path = write(tmp_path, content)
    series = read(path, **keys)
    np.testing.assert_allclose(series.g_per_kwh, values, rtol=1e-14)
    said = series.about
    assert (said.source, said.unit, said.kind, said.basis, said.time_zone) == about
    begin = series.times[0].astype("datetime64[D]")
    assert str(begin) in ("2025-01-01", "2022-01-01")
    ends = np.append(series.times, series.end)
    np.testing.assert_array_equal((ends - begin) / np.timedelta64(60, "s"), minutes)
    # As it is, compressed, and with a mark before it.
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + path.read_bytes()))
    np.testing.assert_array_equal(read(packed, **keys).g_per_kwh, series.g_per_kwh)


@pytest.mark.parametrize(
    ("content", "keys", "message"),
    [
        ("", {}, "empty"),
        ("Time,Carbon Intensity\n", {}, "empty; allowed: rows with times and values"),
        (
            "Time,Watts\n2025-01-01,1\n",
            {},
            "no column of carbon intensity by its name; its columns: Time, Watts",
        ),
        (
            "a,b\n1,2\n",
            {},
            "no column of times by its name; its columns: a, b; allowed: `time_column`",
        ),
        (PLAIN, {"value_column": "Carbn"}, 'no column "Carbn", which `value_column` names'),
        (PLAIN, {"time_column": "Tim"}, "did you mean `Time`?"),
        (
            "Time,Carbon Intensity\n2025-01-01,1\nnoon,2\n2025-01-02,-2\n2025-01-03\n",
            {},
            'row 3, column Time: "noon" is not a date and time',
        ),
        (
            "Time,Carbon Intensity\n2025-01-01,1\n2025-01-02,-2\n",
            {},
            'row 3, column Carbon Intensity: "-2" is not a carbon intensity in g/kWh between 0 and 3,000',
        ),
        (
            # In order of time, so nothing else tells them apart.
            json.loads(json.dumps(SDK).replace("here", "there", 1)),
            {},
            "rows of 2 places by column Location: there, here; allowed: rows of one place",
        ),
        (
            ELECTRICITY_MAPS.replace("HE,11.5", "XX,11.5"),
            {"basis": "direct"},
            "rows of 2 places by column Zone id: HE, XX; allowed: rows of one place",
        ),
        ("Time,Carbon Intensity\n2025-01-01,nan\n", {}, '"nan" is not a carbon intensity in g/kWh'),
        ("Time,Carbon Intensity\n2025-01-01,1e9\n", {}, '"1e9" is not a carbon intensity'),
        (
            "Time,Carbon Intensity\n2025-01-02,1\n2025-01-01,1\n",
            {},
            "row 3: 2025-01-01 00:00:00 does not come after 2025-01-02 00:00:00; allowed: rows in order",
        ),
        (
            "Time,Carbon Intensity\n2025-01-01T00:00,1\n2025-01-01T01:00Z,1\n",
            {},
            "row 2 has a time without a zone, row 3 one with; allowed: a zone in all rows, or in none",
        ),
        (
            ELECTRICITY_MAPS,
            {},
            '2 columns fit for the carbon intensity: .*or basis = "direct" or "life-cycle"',
        ),
        (
            "time,begin_time,carbon intensity g/kWh\n1,2,3\n",
            {"time_column": "begin"},
            'no column "begin"',
        ),
        (
            "from,date,carbon intensity g/kWh\n2025-01-01,2025-01-01,3\n",
            {},
            "2 columns fit for the time: from, date",
        ),
        (
            WATT_TIME_CSV,
            {},
            "column value: its unit is not stated; allowed: `unit`, one of g/kWh, kg/kWh",
        ),
        (
            WATT_TIME | {"meta": {"units": "percentile"}},
            {},
            "an index or a share between 0 and 100, no carbon intensity",
        ),
        (
            WATT_TIME | {"meta": {"units": "usd_per_mwh"}},
            {},
            "column value: its unit is usd_per_mwh",
        ),
        (
            "time,carbon intensity (percent)\n2025-01-01,50\n",
            {"value_column": "carbon intensity (percent)", "unit": "g/kWh"},
            "is an index or a share, no intensity",
        ),
        (UK_API, {"value_column": "intensity.index"}, "is an index or a share"),
        (
            ELECTRICITY_MAPS,
            {"basis": "direct", "unit": "lb/MWh"},
            '`unit` = "lb/MWh", and by its own words',
        ),
        (
            NESO,
            {"kind": "marginal"},
            '"marginal", and by its own words it is "average"; allowed: kind = "average", or not given',
        ),
        (
            NESO,
            {"basis": "life-cycle"},
            '`basis` = "life-cycle", and by its own words it is "direct"',
        ),
        (ELECTRICITY_MAPS, {"basis": "direct", "time_zone": "Europe/London"}, "is in UTC"),
        (
            WATT_TIME,
            {"kind": "average"},
            '`kind` = "average", and by its own words it is "marginal"',
        ),
        (WATT_TIME, {"time_zone": "UTC"}, "its times have offsets of their own"),
        (
            PLAIN,
            {"time_zone": "Europe/Nowhere"},
            '`time_zone` = "Europe/Nowhere": no such time zone',
        ),
        (PLAIN, {"time_zone": "../../etc/passwd"}, "no such time zone"),
        (
            "Time,Carbon Intensity\n2025-01-01 00:00,0.36\n2025-01-01 01:00,0.18\n",
            {},
            "all values are below 1 g/kWh, and the file does not say that it is g/kWh",
        ),
        ("time;g/kWh\n01.01.2025 00:00;1.000,5\n", {}, '"1.000,5" is not a carbon intensity'),
        ('{"data": []}', {}, ""),
        ({"a": [{"x": 1}], "b": [{"x": 1}]}, {}, "several lists: a, b"),
        ({"a": 1}, {}, "no list of records"),
        ("[" * 100_000, {}, "not valid JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    tmp_path: Path, content: Any, keys: dict[str, Any], message: str
) -> None:
    is_json = not isinstance(content, str) or content[:1] in "{["
    path = write(tmp_path, content, "grid.json" if is_json and content else "grid.csv")
    import re

    said = refused(path, **keys)
    assert re.search(re.escape(message) if ".*" not in message else message, said), said


@pytest.mark.parametrize("name", ["f.csv.gz", "f.json.gz", "f.graphml.gz"])
def test_a_small_file_without_an_end_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "MOST_CHARACTERS", 100_000)
    path = tmp_path / name
    for text in ("x" * 1_000_000, PLAIN + "2025-01-01 00:30:00,180\n" * 10_000):
        path.write_bytes(gzip.compress(text.encode()))
        read_file: Any = read_graph if "graphml" in name else read
        with pytest.raises(ScenarioError, match="too large; allowed: at most 100,000 characters"):
            read_file(path)


def test_all_malformed_rows_are_told_up_to_five(tmp_path: Path) -> None:
    path = write(tmp_path, "Time,Carbon Intensity\n" + "noon,x\n" * 9)
    with pytest.raises(ScenarioError) as caught:
        read(path)
    assert len(caught.value.issues) == 5


def test_a_file_is_read_once_as_long_as_it_is_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, PLAIN)
    first = read(path)
    assert read(path) is first and not first.g_per_kwh.flags.writeable
    assert read(path, unit="g/kWh") is not first
    write(tmp_path, PLAIN.replace("360", "361"))
    assert read(path).g_per_kwh.tolist() == [361.0, 180.0]


# Clocks


def local_clock(place: str, first: datetime, count: int, step: timedelta) -> list[str]:
    """What a clock shows at even steps, by the database of time zones."""
    from zoneinfo import ZoneInfo

    moments = [first + n * step for n in range(count)]
    return [one.astimezone(ZoneInfo(place)).strftime("%Y-%m-%d %H:%M") for one in moments]


@pytest.mark.parametrize(
    ("place", "first"),
    [
        (
            "Europe/London",
            datetime(2024, 10, 26, 22, tzinfo=UTC),
        ),  # put back: an hour is there twice
        (
            "Europe/London",
            datetime(2024, 3, 30, 22, tzinfo=UTC),
        ),  # put forward: an hour is not there
        ("Australia/Lord_Howe", datetime(2024, 4, 6, 12, tzinfo=UTC)),  # by half an hour
        ("America/New_York", datetime(2024, 11, 2, 22, tzinfo=UTC)),
        ("+05:30", datetime(2024, 3, 30, 22, tzinfo=UTC)),
    ],
)
@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_local_times_are_right_when_clocks_change(
    tmp_path: Path, place: str, first: datetime, minutes: int
) -> None:
    step, count = timedelta(minutes=minutes), 24 * 60 // minutes
    if place == "+05:30":
        offset = timedelta(hours=5, minutes=30)
        shown = [f"{first + offset + n * step:%Y-%m-%d %H:%M}" for n in range(count)]
    else:
        shown = local_clock(place, first, count, step)
    rows = [f"{text},{100 + n}" for n, text in enumerate(shown)]
    path = write(tmp_path, "\n".join(["Time,Carbon Intensity", *rows]))
    series = read(path, time_zone=place)
    begin = np.datetime64(first.replace(tzinfo=None), "us")
    np.testing.assert_array_equal(series.times, begin + np.arange(count) * np.timedelta64(step))
    assert series.about.time_zone in (place, "UTC+05:30")


def test_of_two_moments_that_a_clock_shows_the_one_after_the_row_before_is_meant(
    tmp_path: Path,
) -> None:
    """Where rows are missing, too: a quarter before two in the hour that is there twice."""
    shown = ["00:30", "00:45", "01:00", "01:00", "01:15", "02:00"]
    rows = [f"2024-10-27 {text},100" for text in shown]
    path = write(tmp_path, "\n".join(["Time,Carbon Intensity", *rows]))
    hours = (
        read(path, time_zone="Europe/London").times - np.datetime64("2024-10-27")
    ) / np.timedelta64(1, "h")
    assert hours.tolist() == [-0.5, -0.25, 0.0, 1.0, 1.25, 2.0]


@pytest.mark.parametrize("empty", range(1, 4))
def test_of_a_doubled_hour_rows_without_a_value_count(empty: int, tmp_path: Path) -> None:
    """A row that says nothing still has its turn: what comes after it is an hour later."""
    shown = ["00:00", "01:00", "01:00", "02:00", "03:00"]
    cells = [f"{20 + 10 * row}" * (row != empty) for row in range(5)]
    rows = [f"2024-10-27 {text},{cell}" for text, cell in zip(shown, cells, strict=True)]
    series = read(
        write(tmp_path, "\n".join(["Time,Carbon Intensity", *rows])), time_zone="Europe/London"
    )
    hours = (series.times - np.datetime64("2024-10-27")) / np.timedelta64(1, "h")
    assert hours.tolist() == [hour for row, hour in enumerate(range(-1, 4)) if row != empty]


def test_a_time_that_clocks_skip_is_refused(tmp_path: Path) -> None:
    """As in a file whose clock is UTC."""
    rows = [f"2024-03-31 0{hour}:00,100" for hour in range(4)]
    path = write(tmp_path, "\n".join(["Time,Carbon Intensity", *rows]))
    said = refused(path, time_zone="Europe/London")
    assert "row 3: 2024-03-31 01:00:00 is a time that clocks in Europe/London skip" in said
    assert "allowed: the `time_zone` of the file's clock; it may be UTC" in said
    read(path, time_zone="UTC")


LONDON = "Time,Carbon Intensity\n" + "".join(
    f"2024-10-27 {hour:02}:00,{100 + n}\n" for n, hour in enumerate((0, 1, 1, 2, 3))
)


@pytest.mark.parametrize(
    ("content", "keys", "start", "found"),
    [
        (NESO, {}, datetime(2025, 1, 1, 0, 10), "2025-01-01T00:10"),
        (NESO, {"time_zone": "UTC"}, datetime(2025, 1, 1, 0, 10), "2025-01-01T00:10"),
        (
            NESO,
            {"time_zone": "Europe/Berlin"},
            datetime(2025, 1, 1, 0, 10),
            "2024-12-31T23:10",
        ),
        (
            NESO,
            {"time_zone": "Europe/Berlin"},
            datetime(2024, 12, 31, 23, 10, tzinfo=UTC),
            "2024-12-31T23:10",
        ),
        (ELECTRICITY_MAPS, {"basis": "direct"}, datetime(2025, 1, 1), "2025-01-01T00:00"),
        (WATT_TIME, {}, datetime(2025, 1, 1, tzinfo=UTC), "2025-01-01T00:00"),
        (NESO, {}, datetime(2025, 1, 1, tzinfo=UTC), ValueError("the file's times have none")),
        (
            WATT_TIME,
            {},
            datetime(2025, 1, 1),
            ValueError("and the file's times have; allowed: one"),
        ),
        (
            LONDON,
            {"time_zone": "Europe/London"},
            datetime(2024, 10, 27, 1),
            ValueError("show this twice, as they are put back; allowed: a time with its offset"),
        ),
        (
            LONDON,
            {"time_zone": "Europe/London"},
            datetime(2024, 3, 31, 1, 30),
            ValueError("skip, as they are put forward; allowed: a time with its offset"),
        ),
    ],
)
def test_a_start_is_on_the_files_clock(
    tmp_path: Path, content: Any, keys: dict[str, Any], start: datetime, found: str | ValueError
) -> None:
    series = read(write(tmp_path, content), **keys)
    if isinstance(found, str):
        assert series.moment(start) == np.datetime64(found)
        return
    with pytest.raises(ValueError) as caught:
        series.moment(start)
    assert str(found) in str(caught.value)


# Runs


def scenario(path: Path, slots: int = 2, slot: str = "30 min", **keys: Any) -> edgesim.Scenario:
    keys = {"file": path.name, "start": "2025-01-01T00:00:00"} | keys
    changes = {"run.slots": slots, "run.slot": slot, "carbon.intensity": keys}
    return edgesim.load_scenario(SMALL, changes, path.parent)


def slots_of(path: Path, **keys: Any) -> list[float]:
    """Intensity of each slot at the MBS, in the trace of a run."""
    given = scenario(path, **keys)
    trace = simulate(toml=given.to_toml().replace(path.name, str(path))).trace
    found: list[float] = trace["carbon_g_per_kwh"][0, :, 0].tolist()
    return found


BOTH = (
    "time,other time,CO2 g/kWh,else\n2025-01-01 00:00,2025-01-01 00:30,300,0.1\n"
    "2025-01-01 00:30,2025-01-01 01:00,200,0.2\n2025-01-01 01:00,2025-01-01 01:30,100,0.3\n"
)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, [300, 200]),
        ({"start": "2025-01-01T00:30"}, [200, 100]),
        ({"time_column": "other time", "start": "2025-01-01T00:30"}, [300, 200]),
        ({"value_column": "else", "unit": "t/MWh"}, [100, 200]),
        ({"value_column": "else", "unit": "kg/kWh"}, [100, 200]),
        ({"value_column": "else", "unit": "kg/MWh"}, [0.1, 0.2]),
        ({"value_column": "else", "unit": "lb/MWh"}, [0.1 * 0.45359237, 0.2 * 0.45359237]),
        ({"time_zone": "+01:00", "start": "2024-12-31T23:30Z"}, [200, 100]),
        ({"time_zone": "-01:00", "start": "2025-01-01T01:30Z"}, [200, 100]),
    ],
)
def test_each_key_counts_in_a_run(
    tmp_path: Path, keys: dict[str, Any], expected: list[float]
) -> None:
    np.testing.assert_allclose(slots_of(write(tmp_path, BOTH), **keys), expected, rtol=1e-12)


def test_the_last_value_holds_for_a_usual_step(tmp_path: Path) -> None:
    path = write(tmp_path, BOTH)
    assert slots_of(path, slots=3)[2] == pytest.approx(100.0)
    with pytest.raises(ScenarioError, match=r"covers 2025-01-01T00:00:00.* to 2025-01-01T01:30:00"):
        edgesim.validate(scenario(path, slots=4))
    with pytest.raises(ScenarioError, match=r"carbon\.intensity\.start"):
        edgesim.validate(scenario(path, start="2024-12-31T23:59"))


def test_a_file_that_ends_with_the_run_is_enough(tmp_path: Path) -> None:
    """Three slots of 0.1 s are 0.3 s, and not a microsecond more."""
    rows = "".join(f"2025-01-01T00:00:00.{tenth}Z,100\n" for tenth in (0, 1, 2))
    path = write(tmp_path, f"time,g_per_kwh\n{rows}")
    keys = {"file": str(path), "start": "2025-01-01T00:00Z", "time_column": "time"}
    keys |= {"value_column": "g_per_kwh", "unit": "g/kWh"}
    given = {"carbon.intensity": keys, "run.slots": 3, "run.slot": 0.1}
    edgesim.validate(edgesim.load_scenario("iiot_20dev", given))


def test_a_gap_is_refused_by_max_gap(tmp_path: Path) -> None:
    path = write(tmp_path, UK_API)  # its third value is not there: the second holds for an hour
    start = "2025-01-01T00:00Z"
    edgesim.validate(scenario(path, slots=4, start=start))
    edgesim.validate(scenario(path, slots=4, start=start, max_gap="1 h"))
    with pytest.raises(
        ScenarioError,
        match=r"carbon\.intensity\.file.*no value between 2025-01-01T00:30.* and 2025-01-01T01:30.*"
        r"allowed: rows at most 3599 s apart",
    ):
        edgesim.validate(scenario(path, slots=4, start=start, max_gap="3599 s"))
    edgesim.validate(scenario(path, slots=1, start=start, max_gap="3599 s"))  # does not meet it
    hours = [*range(4), 8, 9, 10]
    rows = "".join(f"2025-01-01 {hour:02}:00,100\n" for hour in hours)
    path = write(tmp_path, f"Time,Carbon Intensity\n{rows}")
    with pytest.raises(
        ScenarioError, match=r"3 times their usual 3600 s apart .* longer `max_gap`"
    ):
        edgesim.validate(scenario(path, slots=12))
    edgesim.validate(scenario(path, slots=12, max_gap="5 h"))


@pytest.mark.parametrize(
    ("content", "start", "message"),
    [
        (
            NESO,
            "2025-01-01T00:00Z",
            "has a time zone, and the file's times have none; allowed: `time_zone`",
        ),
        (
            WATT_TIME,
            "2025-01-01T00:00",
            "has no time zone, and the file's times have; allowed: one with",
        ),
    ],
)
def test_a_start_of_another_kind_is_refused_by_its_key(
    tmp_path: Path, content: Any, start: str, message: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        edgesim.validate(scenario(write(tmp_path, content), start=start, slots=1, slot="1 s"))
    assert "key `carbon.intensity.start`" in str(caught.value) and message in str(caught.value)


def test_what_it_is_goes_into_trace_summary_and_report(tmp_path: Path) -> None:
    path = write(tmp_path, WATT_TIME)
    given = {"file": path.name, "start": "2025-01-01T00:00Z", "basis": "direct"}
    keys = {"run.slots": 40, "carbon.sbs": given, "carbon.mbs": "100 g/kWh"}
    with edgesim.run(SMALL, tmp_path / "t.h5", overrides=keys, data_dir=tmp_path) as trace:
        about = trace.carbon
        assert about["carbon.mbs"]["g_per_kwh"] == pytest.approx(100.0)
        assert about["carbon.sbs"] == {
            "file": "grid.json",
            "source": "WattTime",
            "time_column": "point_time",
            "value_column": "value",
            "unit": "lb/MWh",
            "kind": "marginal",
            "basis": "direct",
            "time_zone": "offsets in the rows",
            "left_out": 0,
        }
        text = str(trace.summary())
        assert "marginal, direct, lb/MWh" in text and "WattTime" in text and "100 g/kWh" in text
        assert trace.summary().to_dict()["traces"][0]["carbon"] == about
    page = edgesim.report(tmp_path / "t.h5").read_text(encoding="utf-8")
    assert "marginal, direct, lb/MWh" in page and "grid.json, WattTime" in page
    with edgesim.run(SMALL, tmp_path / "c.h5", overrides={"run.slots": 40}) as trace:
        assert trace.carbon["carbon.intensity"]["g_per_kwh"] == pytest.approx(182.0)
        assert "carbon intensity" not in str(trace.summary())


def test_a_scenario_with_all_keys_reads_back_exactly(tmp_path: Path) -> None:
    write(tmp_path, BOTH)
    given = scenario(
        tmp_path / "grid.csv",
        time_column="time",
        value_column="else",
        unit="t/MWh",
        time_zone="Europe/London",
        kind="marginal",
        basis="life-cycle",
        max_gap="2 h",
        start="2025-01-01T00:00+02:00",
    )
    again = edgesim.load_scenario(given.to_toml())
    assert again.carbon == given.carbon
    assert again.carbon.intensity.start == datetime(2024, 12, 31, 22, tzinfo=UTC)  # type: ignore[union-attr]


def test_the_longest_hold_is_that_of_the_values_that_hold_meanwhile(tmp_path: Path) -> None:
    """Rows at 0, 1, 5, 6 and 8 h; the last holds for the median step of an hour and a half."""
    hours = (0, 1, 5, 6, 8)
    text = "".join(f"2025-01-01T{hour:02}:00Z,{hour}\n" for hour in hours)
    (tmp_path / "f.csv").write_text(f"time,carbon intensity\n{text}")
    series = read_carbon(tmp_path / "f.csv", CarbonReading())
    begin = series.times[0]
    for first, last, expected in (
        (0.0, 0.5, (0, 1.0)),
        (2.0, 3.0, (1, 4.0)),
        (5.0, 9.0, (3, 2.0)),
        (6.0, 6.0, (3, 2.0)),
        (8.0, 9.0, (4, 1.5)),
    ):
        ends = (begin + np.timedelta64(round(hour * 3600), "s") for hour in (first, last))
        row, held_s = longest_hold(series, *ends)
        assert (row, held_s / 3600.0) == expected


def test_a_name_that_says_two_things_says_none() -> None:
    assert of_column("average carbon intensity, g/kWh").kind == "average"
    assert of_column("marginal (not average) intensity, g/kWh").kind is None
    assert of_column("direct and life-cycle, g/kWh").basis is None
