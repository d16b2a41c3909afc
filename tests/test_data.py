"""Data files: where they are looked up, what ships, and what it is."""

import csv
import gzip
import io
import tomllib
from collections import Counter
from configparser import ConfigParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import platformdirs
import pytest

from edgesim.scenarios.carbon_section import CarbonReading
from edgesim.scenarios.data.carbon import read_carbon
from edgesim.scenarios.data.catalogue import SHIPPED, catalogue
from edgesim.scenarios.data.lookup import data_file, named_files
from edgesim.scenarios.data.positions import read_positions
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.loading import data_folders, load_scenario
from edgesim.scenarios.sections import Rectangle
from edgesim.scenarios.shipped import shipped
from edgesim.scenarios.tables import flatten

ROOT = Path(__file__).resolve().parents[1]
NAME = "carbon_intensity_gb_2020.csv"


def rows(name: str) -> list[dict[str, str]]:
    text = gzip.decompress((SHIPPED / f"{name}.gz").read_bytes()).decode()
    return list(csv.DictReader(io.StringIO(text)))


# Where they are


def test_folders_are_looked_into_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the scenario, --data, EDGESIM_DATA, the user's folder, then what ships."""
    places = [tmp_path / name for name in ("beside", "given", "variable", "users")]
    for place in places:
        place.mkdir()
    monkeypatch.setenv("EDGESIM_DATA", str(places[2]))
    monkeypatch.setattr(platformdirs, "user_data_path", lambda *_, **__: places[3])
    (places[0] / "my.toml").write_text('title = "x"')
    scenario = load_scenario(places[0] / "my.toml", data_dir=places[1])
    assert list(scenario.folders) == places
    assert data_file(scenario, NAME, "some.key") == SHIPPED / f"{NAME}.gz"
    for place in reversed(places):
        (place / f"{NAME}.gz").touch()
        assert data_file(scenario, NAME, "some.key") == place / f"{NAME}.gz"
        (place / NAME).touch()
        assert data_file(scenario, NAME, "some.key") == place / NAME
    with pytest.raises(ScenarioError) as caught:
        data_file(scenario, "none.csv", "carbon.intensity.file")
    for place in places:
        assert str(place / "none.csv") in str(caught.value)
    assert "EDGESIM_DATA" in str(caught.value) and "`edgesim data`" in str(caught.value)


def test_without_a_variable_there_is_no_folder_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGESIM_DATA", "")
    assert data_folders(None, None) == [platformdirs.user_data_path("edgesim", appauthor=False)]


def test_missing_public_data_say_where_they_come_from(tmp_path: Path) -> None:
    scenario = load_scenario("iiot_20dev", data_dir=tmp_path)
    with pytest.raises(ScenarioError, match=r"--data.*Azure/AzurePublicDataset"):
        data_file(scenario, "AzureLLMInferenceTrace_conv_1week.csv", "tasks.file")


def test_files_that_stand_in_a_list_are_named() -> None:
    """Else a sweep would keep runs, and a resumed one go on, when such a file has been edited."""
    table = {
        "carbon": {
            "sbs": [{"file": "a.csv"}, {"file": "b.csv"}, 3.0],
            "intensity": {"file": "c.csv"},
        },
        "stations": {"mbs": {"power": {"solar": {"file": "d.csv"}}}},
        "file": 3,
    }
    assert sorted(named_files(table)) == ["a.csv", "b.csv", "c.csv", "d.csv"]


def test_no_folder_beside_the_clone_is_named_anywhere() -> None:
    beside = "shared" + "/data"
    ends = (".py", ".toml", ".md", ".cfg", ".sh")
    files = [path for path in ROOT.rglob("*") if path.suffix in ends]
    files = [one for one in files if not {".venv", ".git", "build"} & set(one.parts)]
    assert len(files) > 200
    assert [one for one in files if beside in one.read_text(encoding="utf-8")] == []


@pytest.mark.parametrize(
    "text",
    [
        # As OpenCellID has it, as ACMA's register has it, and with decimal commas.
        "radio,mcc,net,area,cell,unit,lon,lat,range,samples,changeable,created,updated,averageSignal\n"
        + "LTE,505,2,1,1,0,8.25,50.5,0,1,1,1,1,0\nLTE,505,2,1,2,0,8.25,50.5,0,1,1,1,1,0\n",
        "SITE_ID,LATITUDE,LONGITUDE,NAME\n1,50.5,8.25,a\n2,50.5,8.25,b\n",
        "Name;Latitude;Longitude\na;50,5;8,25\nb;50,5;8,25\n",
    ],
)
def test_places_of_other_sources(tmp_path: Path, text: str) -> None:
    path = tmp_path / "sites.csv"
    path.write_text(text, encoding="utf-8")
    rectangle = Rectangle(south=50.0, west=8.0, north=51.0, east=9.0)
    metres = read_positions(path, rectangle)
    np.testing.assert_allclose(metres, [[0.25 * rectangle.scale[0], 0.5 * rectangle.scale[1]]] * 2)
    path.write_text("lat,latitude,lon\n1,1,1\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match="several columns of latitude: lat, latitude"):
        read_positions(path, rectangle)


def test_places_in_metres(tmp_path: Path) -> None:
    """What lies outside of the area is left out; degrees count before metres, and need a rectangle."""
    path = tmp_path / "sites.csv"
    path.write_text("name;Y_m;X\na;20,5;10\nb;20;100,5\nc;-1;5\nd;200;100\n", encoding="utf-8")
    inside = read_positions(path, None, (100.0, 200.0))
    np.testing.assert_array_equal(inside, [[10.0, 20.5], [100.0, 200.0]])
    path.write_text("x,y,x_m\n1,2,3\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match="several columns of x: x, x_m"):
        read_positions(path, None)
    path.write_text("x,y\n1,north\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match='row 2, column y: "north" is not a number of metres'):
        read_positions(path, None)
    path.write_text("x,y,lat,lon\n1,2,50.5,8.25\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"without `area.rectangle`; .*south = 50.4995, west"):
        read_positions(path, None)


# What ships


def test_what_ships_is_all_that_shipped_scenarios_need() -> None:
    named = set()
    for scenario in shipped():
        table = tomllib.loads(scenario.path.read_text(encoding="utf-8"))
        named |= {value for key, value in flatten(table).items() if key.endswith(".file")}
    assert named == {one.file for one in catalogue().shipped}
    licences = SHIPPED / "LICENCES.txt"
    packed = {path.name for path in SHIPPED.iterdir()} - {licences.name}
    assert packed == {f"{name}.gz" for name in named}
    assert all(name in licences.read_text(encoding="utf-8") for name in packed)
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 3_000_000
    for one in catalogue().shipped:
        assert all(len(text) > 3 for text in one) and one.path.is_file()


def test_what_ships_is_in_the_wheel() -> None:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert "edgesim.scenarios.data" in setup["options"]["packages"].split()
    patterns = setup["options.package_data"]["edgesim.scenarios.data"].split(", ")
    packed = {path for pattern in patterns for path in SHIPPED.parent.glob(pattern)}
    files = {path for path in SHIPPED.parent.rglob("*") if path.is_file()}
    assert packed == {path for path in files if path.suffix not in (".py", ".pyc")}


def test_the_shipped_places_are_as_described() -> None:
    melbourne = load_scenario("melbourne_cbd")
    rectangle = melbourne.area.rectangle
    assert rectangle is not None
    assert melbourne.area.size == pytest.approx((500, 500), rel=0.01)
    users = read_positions(SHIPPED / "eua_users_melbourne_cbd.csv.gz", rectangle)
    sites = read_positions(SHIPPED / "eua_stations_melbourne_cbd.csv.gz", rectangle)
    assert len(sites) == 12 and len(users) == 128
    assert melbourne.devices.count == 60
    for metres in (users, sites):
        assert (metres >= 0).all() and (metres <= melbourne.area.size).all()

    def generated(row: dict[str, str]) -> bool:
        """With so many decimals as no one measures or publishes."""
        return all(len(text.partition(".")[2]) >= 12 for text in row.values())

    places = rows("eua_users_melbourne_cbd.csv")
    inside = [
        row
        for row in places
        if rectangle.south <= float(row["Latitude"]) <= rectangle.north
        and rectangle.west <= float(row["Longitude"]) <= rectangle.east
    ]
    rounded = [row for row in places if len(row["Latitude"].partition(".")[2]) < 8]
    assert (len(places), len(rounded)) == (816, 31)
    assert sum(map(generated, inside[:60])) == 59
    described = {one.file: one for one in catalogue().shipped}
    assert "785 of 816" in described["eua_users_melbourne_cbd.csv"].basis
    assert rows("eua_stations_melbourne_cbd.csv")[0].keys() == {"SITE_ID", "LATITUDE", "LONGITUDE"}


def test_the_shipped_movements_are_as_described() -> None:
    with gzip.open(SHIPPED / "sumo_crossing_fcd.xml.gz") as text:
        steps = list(ElementTree.parse(text).getroot())
    rows = [(step.get("time"), one) for step in steps for one in step]
    objects = dict.fromkeys((one.tag, str(one.get("id"))) for _, one in rows)
    kinds = Counter(kind for kind, _ in objects)
    names = Counter(name.split(".")[0] for _, name in objects)
    assert (len(rows), kinds) == (5217, {"vehicle": 59, "person": 26})
    assert (names["bus"], names["rider"]) == (3, 10)
    assert [step.get("time") for step in steps] == [f"{second}.00" for second in range(60, 361)]
    places = np.array([[float(one.get(axis, "nan")) for axis in "xy"] for _, one in rows])
    assert places.min() >= 0.0 and places.max() <= 300.0
    # Who rides is listed beside the bus, and at its place.
    at: dict[tuple[str, ...], list[str]] = {}
    for time, one in rows:
        at.setdefault((str(time), one.get("x", ""), one.get("y", "")), []).append(
            str(one.get("id"))
        )
    assert {"bus.1", "rider.0", "rider.1", "rider.2"} in [set(one) for one in at.values()]
    described = {one.file: one for one in catalogue().shipped}["sumo_crossing_fcd.xml"]
    assert "59 vehicles, three of them buses, and 26 persons, ten of whom" in described.basis
    assert "5,217 rows" in described.cut
    script = (ROOT / "docs" / "examples" / "sumo_crossing.sh").read_text(encoding="utf-8")
    for command in described.cut.partition("; without")[0].split("; "):
        program, *words = command.split()
        assert program in script and all(word in script for word in words)


def test_the_shipped_grid_is_as_described() -> None:
    series = read_carbon(SHIPPED / f"{NAME}.gz", CarbonReading())
    about = series.about
    assert (about.kind, about.basis, about.unit, about.time_zone) == (
        "average",
        "life-cycle",
        "g/kWh",
        "UTC",
    )
    steps = Counter((np.diff(series.times) / np.timedelta64(60, "s")).tolist())
    change = np.datetime64("2020-10-30T23:00")
    before = series.times[:-1] < change
    minutes = np.diff(series.times) / np.timedelta64(60, "s")
    assert set(minutes[before]) == {30.0, 60.0} and (minutes[before] == 60.0).sum() == 1
    # A row that lacked imports is left out: the value before it holds for two steps.
    assert Counter(minutes[~before].tolist()).most_common(1)[0][0] == 15.0
    assert sum(steps.values()) == len(series.times) - 1 == 21_975
    held = np.append(np.diff(series.times), series.times[-1] - series.times[-2])
    mean = float((series.g_per_kwh * (held / held.sum())).sum())
    assert mean == pytest.approx(214.5, abs=0.1)
    assert series.g_per_kwh.mean() == pytest.approx(217.6, abs=0.05)
    assert series.g_per_kwh.min() == pytest.approx(63.7, abs=0.05)
    # UTC, as the sun stands highest over Great Britain a little after noon: gas is then least needed.
    june = (series.times >= np.datetime64("2020-05-01")) & (
        series.times < np.datetime64("2020-07-01")
    )
    hour = (series.times[june] - series.times[june].astype("datetime64[D]")) / np.timedelta64(
        1, "h"
    )
    by_hour = [series.g_per_kwh[june][hour == h].mean() for h in np.arange(8, 18)]
    assert 11 <= 8 + int(np.argmin(by_hour)) <= 15


def test_the_shipped_requests_are_as_described() -> None:
    requests = rows("azure_llm_code_2023.csv")
    assert len(requests) == 8_819
    assert requests[0]["TIMESTAMP"].startswith("2023-11-16 18:17")
    assert requests[-1]["TIMESTAMP"].startswith("2023-11-16 19:14")
