"""Movements of files: each format's values by hand, and what devices then do."""

import contextlib
import copy
import gzip
import io
import pickle
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import edgesim
from edgesim.experiments.data_check import check_data
from edgesim.experiments.run import prepare
from edgesim.scenarios.data.movement import Piece, clock_s
from edgesim.scenarios.data.movement_plane import plane
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.sections import File, Rectangle
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.saved_state import load_state, save_state
from edgesim.simulator.models.movement_xml import FcdXml
from edgesim.simulator.models.trace_mobility import TraceMobility

FCD = """<?xml version="1.0" encoding="UTF-8"?>
<!-- <vehicle id="no" x="1" y="1"/> -->
<fcd-export>
    <timestep time="0.00">
        <person id="7" x="0.00" y="-4.80" angle="90.00" speed="0.00" pos="0.00" edge="ab" slope="0.00"/>
    </timestep>
    <timestep time="1.00">
        <vehicle id="7" x="5.10" y="-1.60" angle="90.00" type="a>b" speed="13.04" lane="ab_1"/>
        <person id="7" x="1.21" y="-4.80" angle="90.00" speed="1.21" pos="1.21" edge="ab" slope="0.00"/>
    </timestep>
    <timestep time="2.00">
        <vehicle id="7" x="18.14" y="-1.60" angle="90.00" type="car" speed="13.04" lane="ab_1"/>
    </timestep>
    <timestep time="3.00"/>
</fcd-export>
"""
NS2 = """$node_(0) set X_ 10.0
$node_(0) set Y_ 20.0
$node_(0) set Z_ 0.0
$ns_ at 2.0 "$node_(0) setdest 110.0 20.0 10.0"
$ns_ at 7.0 "$node_(0) setdest 60.0 70.0 5.0"
"""
SUMO_NS2 = """$node_(a) set X_ 10
$node_(a) set Y_ 20
$ns_ at 2.0 "$node_(a) setdest 10 20 3.0"
$ns_ at 3.0 "$node_(a) setdest 14 20 4.0"
"""
BONNMOTION = "0.0 10.0 20.0 10.0 110.0 20.0 15.0 110.0 20.0 25.0 110.0 70.0\n0.0 5.0 5.0\n"
ONE = "10 20 100 300 50 250\n10 a 100 50\n10 b 110 50\n# comment\n11 a 104 53\n11 b 110 50\n12 c 300 250\n"
TABLE = "t,id,x,y\n0,a,0,0\n0,b,5,5\n1,a,3,4\n1,b,5,5\n"
LARGE = np.array([500.0, 500.0])


def write(tmp_path: Path, text: str, name: str) -> Path:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def begin(
    path: Path,
    length_s: float = 100.0,
    devices: int | None = None,
    area_m: Any = LARGE,
    rectangle: Rectangle | None = None,
    replications: int = 1,
    **keys: Any,
) -> tuple[TraceMobility, Any]:
    model = TraceMobility(path, **keys)
    count = model.survey(np.array(area_m, float), rectangle, length_s, devices)
    streams = Streams(1, replications)
    unseen = np.full((replications, count, 2), 1.0)
    return model, model.start(unseen, np.array(area_m, float), streams.generators, False)


def follow(path: Path, steps: int, dt_s: float, **keys: Any) -> tuple[Any, Any]:
    """(steps + 1, N, 2) places, (steps + 1, N) presence, of the first replication."""
    model, at = begin(path, **keys)
    places, present = [at[0]], [model.present[0]]
    for _ in range(steps):
        at = model.advance(at, dt_s)
        places.append(at[0])
        present.append(model.present[0])
    return np.array(places), np.array(present)


@pytest.mark.parametrize("name", ["f.xml", "f.xml.gz"])
def test_sumo_xml_by_hand(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, FCD, name)
    at, present = follow(path, 7, 0.5, origin=(0.0, -10.0))
    assert present.T.tolist() == [[1, 1, 1, 0, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0, 0, 0]]
    np.testing.assert_allclose(at[:3, 0, 0], [0.0, 0.605, 1.21], rtol=1e-15)
    np.testing.assert_allclose(at[2:5, 1], [[5.1, 8.4], [11.62, 8.4], [18.14, 8.4]], rtol=1e-15)
    # Who is gone is where it was, and who is to come where it will be.
    assert at[7].tolist() == [[1.21, 5.2], [18.14, 8.4]] and at[0, 1].tolist() == [5.1, 8.4]
    told = check_data(path, "mobility").to_dict()
    assert (told["objects"], told["samples"], told["first object"]) == (2, 4, "person 7")
    assert told["period"] == "0 s to 3 s" and told["y"] == "-4.8 to -1.6 m"


def test_kinds_and_which_objects_are_devices(tmp_path: Path) -> None:
    path = write(tmp_path, FCD, "f.xml")
    _, present = follow(path, 2, 1.0, origin=(0.0, -10.0), kinds=("vehicle",))
    assert present.tolist() == [[False], [True], [True]]
    _, present = follow(path, 2, 1.0, origin=(0.0, -10.0), devices=1)
    assert present.tolist() == [[True], [True], [False]]  # the person, which is the first
    _, present = follow(path, 1, 1.0, origin=(0.0, -10.0), devices=3)
    assert present.tolist() == [[True, False, False], [True, True, False]]
    # An object that is gone before the run begins is no device of it.
    model, _ = begin(path, origin=(0.0, -10.0), begin=1.5)
    assert model.present.shape == (1, 1)


RIDES = """timestep_time;vehicle_id;vehicle_x;vehicle_y;vehicle_type;vehicle_lane;vehicle_edge
14.00;7;127.64;302.56;truck;ab_0;
14.00;7;127.64;302.56;DEFAULT_PEDTYPE;;ab
14.00;7;127.64;302.56;DEFAULT_CONTAINERTYPE;;ab
"""


def test_who_rides_is_beside_the_vehicle_and_keyed_by_its_kind(tmp_path: Path) -> None:
    """As SUMO 1.28.0 writes a truck with a person and a container, all of one id."""
    rows = [line.split(";") for line in RIDES.splitlines()[1:]]
    objects = "".join(
        f'<{kind} id="{row[1]}" x="{row[2]}" y="{row[3]}" type="{row[4]}"/>'
        for kind, row in zip(("vehicle", "person", "container"), rows, strict=True)
    )
    xml = f'<fcd-export><timestep time="14.00">{objects}</timestep></fcd-export>'
    pq.write_table(
        pa.table(dict(zip(RIDES.split("\n")[0].split(";"), zip(*rows, strict=True), strict=True))),
        tmp_path / "f.parquet",
    )
    write(tmp_path, xml, "f.xml")
    write(tmp_path, RIDES, "f.csv")
    for name in ("f.xml", "f.csv", "f.parquet"):
        model, at = begin(tmp_path / name)
        assert at[0].tolist() == [[127.64, 302.56]] * 3 and model.present.all()
        names = [model.source.name(thing) for thing in range(3)]
        assert names == ["vehicle 7", "person 7", "container 7"]
        for kind in ("vehicle", "person", "container"):
            model, at = begin(tmp_path / name, kinds=(kind,))
            assert at.shape == (1, 1, 2) and model.source.name(0) == f"{kind} 7"
    write(tmp_path, RIDES.replace("ab_0;\n", "ab_0;ab\n"), "f.csv")
    model, _ = begin(tmp_path / "f.csv")
    assert model.source.name(0) == "vehicle 7"  # who has a lane, whatever else


def test_all_replications_see_the_same(tmp_path: Path) -> None:
    model, at = begin(write(tmp_path, BONNMOTION, "f.movements"), replications=3)
    at = model.advance(at, 5.0)
    assert at.shape == (3, 2, 2) and at[:, 0].tolist() == [[60.0, 20.0]] * 3 and model.present.all()


@pytest.mark.parametrize("header", ["vehicle", "person", ""])
def test_sumo_tables_have_the_xml_s_values(tmp_path: Path, header: str) -> None:
    names = ["id", "x", "y", "lane", "edge"]
    columns = ["timestep_time" if header else "time"]
    columns += [f"{header}_{one}" if header else one for one in names]
    rows = [(0.0, "7", 0.0, -4.8, "", "ab"), (1.0, "7", 5.1, -1.6, "ab_1", "")]
    rows += [(1.0, "7", 1.21, -4.8, "", "ab"), (2.0, "7", 18.14, -1.6, "ab_1", "")]
    text = ";".join(columns) + "\n" + "".join(";".join(map(str, row)) + "\n" for row in rows)
    csv = write(tmp_path, text + "3.00;;;;;\n", "f.csv.gz")
    table = pa.table(
        {name: list(cells) for name, cells in zip(columns, zip(*rows, strict=True), strict=True)}
    )
    pq.write_table(table, tmp_path / "f.parquet")
    right = follow(write(tmp_path, FCD, "f.xml"), 4, 0.5, origin=(0.0, -10.0))
    for path in (csv, tmp_path / "f.parquet"):
        for found, expected in zip(follow(path, 4, 0.5, origin=(0.0, -10.0)), right, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_ns2_obeys_goals_and_tells_sumo_s_samples(tmp_path: Path) -> None:
    at, present = follow(write(tmp_path, NS2, "f.tcl"), 10, 2.0)
    by_hand = [(10, 20), (10, 20), (30, 20), (50, 20), (60, 25), (60, 35), (60, 45), (60, 55)]
    np.testing.assert_allclose(at[:, 0], [*by_hand, (60, 65), (60, 70), (60, 70)], atol=1e-12)
    assert present.all()
    # Where it is put first is where it begins.
    again = write(tmp_path, NS2 + "$node_(0) set X_ 99.0\n", "h.tcl")
    assert follow(again, 1, 2.0)[0][:, 0].tolist() == [[10.0, 20.0], [10.0, 20.0]]
    path = write(tmp_path, SUMO_NS2, "g.tcl")
    at, present = follow(path, 2, 0.5, begin=2.0)
    assert at[:, 0, 0].tolist() == [10.0, 12.0, 14.0] and present.all()
    at, _ = follow(path, 4, 1.0, goals=True)
    assert at[:, 0, 0].tolist() == [10.0, 10.0, 10.0, 10.0, 14.0]  # obeyed, it lags by a step


def test_bonnmotion(tmp_path: Path) -> None:
    path = write(tmp_path, BONNMOTION, "f.movements")
    at, present = follow(path, 6, 5.0)
    along = [(10, 20), (60, 20), (110, 20), (110, 20), (110, 45), (110, 70), (110, 70)]
    assert at[:, 0].tolist() == [list(map(float, one)) for one in along]
    assert present.all() and (at[:, 1] == 5.0).all()
    # However fast; and it begins again as it ends, without a step in between.
    at, _ = follow(
        write(tmp_path, "0 0 5 1 400 5 4 400 5\n", "h.movements"), 9, 0.5, at_end="repeat"
    )
    assert at[:, 0, 0].tolist() == [0.0, 200.0, *[400.0] * 6, 0.0, 200.0]
    spatial = write(tmp_path, "0 10 20 3 10 110 20 3\n", "g.movements")
    with pytest.raises(ScenarioError, match="bonnmotion-3d"):
        TraceMobility(spatial)
    at, _ = follow(spatial, 1, 5.0, format="bonnmotion-3d")
    assert at[:, 0].tolist() == [[10.0, 20.0], [60.0, 20.0]]


def test_one_subtracts_its_minima(tmp_path: Path) -> None:
    at, present = follow(write(tmp_path, ONE, "f.one"), 4, 0.5)
    assert at[:3, 0].tolist() == [[0.0, 0.0], [2.0, 1.5], [4.0, 3.0]]
    assert at[4, 2].tolist() == [200.0, 200.0] and present[4].tolist() == [False, False, True]


def test_tables_may_be_out_of_order_and_have_dates_or_clocks(tmp_path: Path) -> None:
    expected = follow(write(tmp_path, TABLE, "f.csv"), 2, 0.5)
    assert expected[0][1].tolist() == [[1.5, 2.0], [5.0, 5.0]]
    by_object = "t,id,x,y\n0,a,0,0\n1,a,3,4\n0,b,5,5\n1,b,5,5\n"
    dates = TABLE.replace("\n0,", "\n2025-01-01T00:00:00Z,").replace(
        "\n1,", "\n2025-01-01 00:00:01+00:00,"
    )
    clocks = TABLE.replace("\n0,", "\n1:00:00:00,").replace("\n1,", "\n1:00:00:01,")
    for text in (by_object, dates, clocks, TABLE.replace(",", ";")):
        for found, right in zip(
            follow(write(tmp_path, text, "g.csv"), 2, 0.5), expected, strict=True
        ):
            np.testing.assert_array_equal(found, right)
    # A run that ends early sees the objects that stand below.
    model, _ = begin(write(tmp_path, by_object, "h.csv"), length_s=0.1)
    assert model.present.tolist() == [[True, True]]
    assert clock_s("1:01:00:00.5") == 90_000.5


def test_parquet_s_moments_and_ids_of_whatever_type(tmp_path: Path) -> None:
    expected = follow(write(tmp_path, TABLE, "f.csv"), 2, 0.5)
    path = tmp_path / "f.parquet"
    places = {"x": [0, 5, 3, 5], "y": [0.0, 5.0, 4.0, 5.0]}
    ns = pa.array([1, 1, 10**9 + 1, 10**9 + 1]).cast(pa.timestamp("ns", "Europe/London"))
    day = datetime(2025, 1, 1)
    for times in (ns, ns.dictionary_encode(), ns.cast(pa.string()), pa.array([0.0, 0.0, 1.0, 1.0])):
        for ids in ([1, 2, 1, 2], [day, day.replace(2024)] * 2, ["a", "b"] * 2, [1.5, 2.5] * 2):
            coded = pa.array(ids).dictionary_encode()
            for one in (coded, coded.dictionary_decode()):
                pq.write_table(pa.table({"t": times, "id": one, **places}), path)
                for found, right in zip(follow(path, 2, 0.5), expected, strict=True):
                    np.testing.assert_allclose(found, right, atol=1e-5)
    late = pa.array([0, 0, 10**18, 10**18]).cast(pa.timestamp("us"))
    pq.write_table(pa.table({"t": late, "id": ["a", "b"] * 2, **places}), path)
    with pytest.raises(ScenarioError, match="column t: a time of no calendar"):
        begin(path)


def test_coordinates_have_a_place_on_the_earth(tmp_path: Path) -> None:
    path = write(tmp_path, "t,id,lat,lon\n0,a,50.001,8.002\n", "f.csv")
    rectangle = Rectangle(south=50.0, west=8.0, north=50.01, east=8.01)
    at, _ = follow(path, 0, 1.0, rectangle=rectangle, area_m=rectangle.size)
    metres = 6_371_008.8 * np.pi / 180
    np.testing.assert_allclose(
        at[0, 0], [0.002 * metres * np.cos(np.radians(50.005)), 0.001 * metres], rtol=1e-6
    )
    with pytest.raises(ScenarioError, match=r"degrees without a place; allowed: `area.rectangle`"):
        begin(path)
    wrong = write(tmp_path, "t,id,lat,lon\n0,a,95,8\n", "g.csv")
    with pytest.raises(ScenarioError, match="is no place on the Earth"):
        begin(wrong, rectangle=rectangle, area_m=rectangle.size)


LOCATION = (
    '<net><location netOffset="-390754.14,-5819516.05" convBoundary="0.00,0.00,1012.84,563.62" '
    'origBoundary="13.390000,52.515000,13.405000,52.520000" projParameter="+proj=utm +zone=33 '
    '+ellps=WGS84 +datum=WGS84 +units=m +no_defs"/></net>'
)
"""Of netconvert 1.28.0."""
XY = np.array([[5.305808117613196, 245.69929462019354], [946.2077139081666, 57.112139897421]])
LON_LAT = np.array(
    [[13.390077901066553, 52.51700736463943], [13.404827132987338, 52.51527188208045]]
)


def test_a_net_s_projection_is_what_sumolib_makes_of_it(tmp_path: Path) -> None:
    """Both ways; the values are those of sumolib 1.28.0, convertLonLat2XY and convertXY2LonLat."""
    pytest.importorskip("pyproj", reason="pip install 'edgesim[geo]'")
    net = File(file=str(write(tmp_path, LOCATION, "n.net.xml")))
    degrees = write(
        tmp_path, "t,id,lon,lat\n0,a,13.390078,52.517007\n0,b,13.404,52.5155\n", "f.csv"
    )
    at, _ = follow(degrees, 0, 1.0, net=net, area_m=[2000.0, 1000.0])
    np.testing.assert_allclose(at[0], XY, atol=1e-6)
    at, _ = follow(degrees, 0, 1.0, net=net, area_m=[2000.0, 1000.0], origin=(-10.0, 5.0))
    np.testing.assert_allclose(at[0], XY - [-10.0, 5.0], atol=1e-6)
    metres = write(tmp_path, "t,id,x,y\n0,a,5.30,245.74\n0,b,1001.77,30.5\n", "g.csv")
    rectangle = Rectangle(south=52.51, west=13.385, north=52.525, east=13.41)
    at, _ = follow(metres, 0, 1.0, net=net, rectangle=rectangle, area_m=rectangle.size)
    right = (LON_LAT - [rectangle.west, rectangle.south]) * rectangle.scale
    np.testing.assert_allclose(at[0], right, atol=1e-6)


def test_a_net_s_projection_needs_pyproj(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyproj", None)
    net = File(file=str(write(tmp_path, LOCATION, "n.net.xml")))
    path = write(tmp_path, "t,id,lon,lat\n0,a,13.40,52.50\n", "f.csv")
    with pytest.raises(ScenarioError, match=r"needs pyproj.*pip install 'edgesim\[geo\]'"):
        begin(path, net=net)


def test_a_projection_that_is_none(tmp_path: Path) -> None:
    pytest.importorskip("pyproj", reason="pip install 'edgesim[geo]'")
    net = write(tmp_path, LOCATION.replace("+proj=utm", "+proj=none"), "n.net.xml")
    path = write(tmp_path, "t,id,lon,lat\n0,a,13.40,52.50\n", "f.csv")
    with pytest.raises(ScenarioError, match=r"n.net.xml: projection '\+proj=none .* is not known"):
        begin(path, net=File(file=str(net)))


def test_a_net_without_a_projection(tmp_path: Path) -> None:
    net = write(
        tmp_path, '<net><location netOffset="0.00,0.00" projParameter="!"/></net>', "n.net.xml"
    )
    path = write(tmp_path, "t,id,lon,lat\n0,a,13.40,52.50\n", "f.csv")
    with pytest.raises(ScenarioError, match="its projection is '!'"):
        begin(path, net=File(file=str(net)))


def test_offsets_of_a_net_and_of_the_area_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """A net whose metres are 1,000 to a degree of longitude and 2,000 to one of latitude, and 100 and 200 more."""

    def projection(x: Any, y: Any, *, inverse: bool = False) -> Any:
        return (x / 1000.0, y / 2000.0) if inverse else (1000.0 * x, 2000.0 * y)

    located = lambda net: (100.0, 200.0, projection)
    monkeypatch.setattr("edgesim.scenarios.data.movement_plane._location", located)
    one = np.ones(1)
    place = plane(Path("f"), True, None, Path("n"), (7.0, 30.0))
    assert np.ravel(place(3.0 * one, 4.0 * one)).tolist() == [3093.0, 8170.0]
    rectangle = Rectangle(south=50.0, west=8.0, north=50.01, east=8.01)
    place = plane(Path("f"), False, rectangle, Path("n"), (7.0, 30.0))
    metres = [place(8102.0 * one, 100_206.0 * one)[k][0] / rectangle.scale[k] for k in range(2)]
    np.testing.assert_allclose(metres, [0.002, 0.003], rtol=1e-9)


def test_what_lies_outside(tmp_path: Path) -> None:
    path = write(tmp_path, "t,id,x,y\n0,a,-2,1\n1,a,2,1\n", "f.csv")
    with pytest.raises(
        ScenarioError,
        match=r"from \(-2, 1\) to \(2, 1\) m, 1 samples .* origin = \[-2, 1\] with area.size of at least \[5, 1\]",
    ):
        begin(path)
    at, present = follow(path, 4, 0.25, outside="clip")
    assert at[:, 0, 0].tolist() == [0.0, 0.0, 0.0, 1.0, 2.0] and present.all()
    at, present = follow(path, 4, 0.25, outside="absent")
    assert at[:, 0, 0].tolist() == [0.0, 0.0, 0.0, 1.0, 2.0]
    assert present[:, 0].tolist() == [False, False, True, True, True]
    # What lies there after the run is not met.
    later = write(tmp_path, "t,id,x,y\n0,a,1,1\n1,a,2,1\n9,a,700,1\n", "later.csv")
    assert follow(later, 2, 0.5, length_s=1.0)[0][:, 0, 0].tolist() == [1.0, 1.5, 2.0]
    with pytest.raises(ScenarioError, match="1 samples"):
        begin(later, length_s=9.0)
    # Of an area that is no square, beyond its far sides.
    far = write(tmp_path, "t,id,x,y\n0,a,90,10\n1,a,90,50\n2,a,110,20\n", "far.csv")
    at, present = follow(far, 4, 0.5, outside="clip", area_m=[100.0, 40.0])
    assert at[:, 0].tolist() == [[90, 10], [90, 30], [90, 40], [100, 35], [100, 20]]
    assert follow(far, 4, 0.5, outside="absent", area_m=[100.0, 40.0])[1][:, 0].tolist() == [
        True,
        True,
        False,
        True,
        False,
    ]


def test_gaps_and_jumps(tmp_path: Path) -> None:
    rows = "".join(f"{t},a,{10 * t},0\n" for t in (0, 1, 2, 3, 7, 8))
    path = write(tmp_path, "t,id,x,y\n" + rows, "f.csv")
    at, present = follow(path, 8, 1.0)
    assert present[:, 0].tolist() == [1, 1, 1, 1, 0, 0, 0, 1, 1] and at[5, 0, 0] == 30.0
    at, present = follow(path, 8, 1.0, max_gap=4.0)
    assert present.all() and at[5, 0, 0] == 50.0
    at, present = follow(path, 16, 0.5, max_gap=4.0, max_jump=20.0)
    assert present.all() and at[6:15, 0, 0].tolist() == [30.0] * 8 + [70.0]
    fast = write(tmp_path, "t,id,x,y\n0,a,0,0\n1,a,101,0\n2,a,201,0\n", "g.csv")
    assert follow(fast, 4, 0.5)[0][:, 0, 0].tolist() == [0.0, 0.0, 101.0, 151.0, 201.0]


def test_after_the_end(tmp_path: Path) -> None:
    path = write(tmp_path, TABLE.replace("1,b,5,5\n", ""), "f.csv")
    at, present = follow(path, 4, 1.0)
    assert present.T.tolist() == [[1, 1, 1, 1, 1], [1, 0, 0, 0, 0]]
    assert at[4, 0].tolist() == [3.0, 4.0]
    _, present = follow(path, 3, 1.0, at_end="absent")
    assert present.T.tolist() == [[1, 1, 0, 0], [1, 0, 0, 0]]
    at, present = follow(path, 8, 0.5, at_end="repeat")
    # The file is 1 s and a step long; to its beginning there is no way, but a jump.
    assert at[:, 0, 0].tolist() == [0.0, 1.5, 3.0, 3.0, 0.0, 1.5, 3.0, 3.0, 0.0]
    assert present[:, 0].all()


WHO = """t,id,x,y
0,still,1,1
0,early,5,5
1,early,6,5
8,slow,20,30
9,late,40,40
10,late,41,40
12,slow,24,38
20,late,50,40
"""


def test_who_is_there_without_a_sample_in_the_run_is_a_device_too(tmp_path: Path) -> None:
    """From 9.5 to 11.5 s: `slow` passes between two samples, after who has one in the run."""
    path = write(tmp_path, WHO, "f.csv")
    keys: dict[str, Any] = {"begin": 9.5, "max_gap": 4.0}
    at, present = follow(path, 2, 1.0, length_s=2.0, **keys)
    assert at[:, 1].tolist() == [[21.5, 33.0], [22.5, 35.0], [23.5, 37.0]] and present[:, 1].all()
    assert at[0, 0].tolist() == [40.5, 40.0] and present[:, 0].tolist() == [True, False, False]
    # A longer gap than that is absence; and so nobody is there without one.
    keys["max_gap"] = 3.9
    assert follow(path, 2, 1.0, length_s=2.0, **keys)[1].shape == (3, 1)
    # Who passes is held against the area as well.
    with pytest.raises(ScenarioError, match=r"\(20, 30\) to \(24, 38\) m, 1 samples"):
        begin(path, 1.5, area_m=[500.0, 37.5], begin=10.2, max_gap=4.0)
    # A file that begins again, after 20 s and an interval of 2.5 s, has all of its objects, the former ones last.
    at, present = follow(path, 24, 1.0, begin=9.5, at_end="repeat", max_gap=4.0)
    assert present.shape == (25, 4) and at[13, 3].tolist() == [5.0, 5.0]
    assert np.flatnonzero(present[:, 3]).tolist() == [13, 14]


def test_a_node_is_there_however_long_ago_it_was_told_where_to_go(tmp_path: Path) -> None:
    """In NS-2 once; a run within its way, or while it stands, has nothing else of it."""
    text = (
        "$node_(0) set X_ 10.0\n$node_(0) set Y_ 20.0\n$node_(1) set X_ 7.0\n$node_(1) set Y_ 9.0\n"
        '$ns_ at 4.0 "$node_(1) setdest 17.0 9.0 1.0"\n'
    )
    path = write(tmp_path, text, "f.tcl")
    at, present = follow(path, 2, 1.0, begin=6.0, length_s=2.0)
    assert at[:, 0].tolist() == [[10.0, 20.0]] * 3
    assert at[:, 1].tolist() == [[9.0, 9.0], [10.0, 9.0], [11.0, 9.0]]
    assert present.all() and present.shape[1] == 2


def test_who_stays_after_the_end_of_a_file_is_there_from_its_last_interval_on(
    tmp_path: Path,
) -> None:
    """A run that begins between the last samples of two objects, half a second apart, has both."""
    rows = "t,id,x,y\n0,a,0,0\n0.5,b,9,9\n1,a,1,0\n1.5,b,9,9\n2,a,2,0\n2.5,b,9,9\n"
    path = write(tmp_path, rows, "f.csv")
    at, present = follow(path, 3, 1.0, begin=2.2, length_s=3.0)
    assert present.all() and at[:, 1].tolist() == [[2.0, 0.0]] * 4
    assert follow(path, 3, 1.0, begin=2.2, length_s=3.0, at_end="absent")[1].shape == (4, 1)


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (FCD.replace('time="2.00"', 'time="0.50"'), "f.xml", "line 11: time '0.50'"),
        (FCD.replace('x="18.14"', 'x="1O"'), "f.xml", r"line 12: x = '1O' is not a number"),
        (FCD.replace("18.14", "1.8.14"), "f.xml", r"line 12: x = '1.8.14' is not a number"),
        (FCD.replace(' y="-1.60"', ""), "f.xml", "line 8: a tag lacks an attribute"),
        (FCD.replace("</fcd-export>", ""), "f.xml", "ends before </fcd-export>"),
        (
            FCD.replace("<fcd-export>", '<!DOCTYPE a [<!ENTITY b "c">]><fcd-export>'),
            "f.xml",
            "document type",
        ),
        (FCD.replace("fcd-export", "routes"), "f.xml", "XML of <routes>"),
        (
            FCD.replace('time="1.00"', 'time="0.00"'),
            "f.xml",
            r"person 7 has two places at time 0 s",
        ),
        (
            FCD.replace("-->", '<fcd-output.geo value="true"/>-->'),
            "f.xml",
            'coordinates = "degrees"',
        ),
        (NS2.replace('10.0"', 'fast"'), "f.tcl", "line 4: 'fast' is not a number"),
        (NS2 + "rm all\n", "f.tcl", "line 6: 'rm all' is no movement"),
        (NS2.replace("set X_", "set Q_"), "f.tcl", "is no movement"),
        (BONNMOTION + "1 2\n", "f.movements", "line 3: 2 numbers"),
        (ONE.replace("11 a", "9 a"), "f.one", "line 5: a time before"),
        (
            TABLE.replace("3,4", "3,four"),
            "f.csv",
            'row 4, column y: "four" is not a number within ±1e',
        ),
        (TABLE.replace("1,a", "soon,a"), "f.csv", 'row 4, column t: "soon" is not a time: sec'),
        (TABLE.replace("t,id", "t,who"), "f.csv", "no columns that may be id"),
        (TABLE + "1,a,9,9\n", "f.csv", "object a has two places at time 1 s"),
        (TABLE + "1,a,9\n", "f.csv", "row 6: 3 columns, not 4"),
        ("t,id,x,y\n", "f.csv", "empty"),
        ("", "f.csv", "empty"),
        ("a b\nc d\n", "f.txt", "movements of no known format"),
    ],
)
def test_what_is_wrong_is_one_message(tmp_path: Path, text: str, name: str, message: str) -> None:
    path = write(tmp_path, text, name)
    with pytest.raises(ScenarioError, match=message) as error:
        begin(path, origin=(0.0, -10.0))
    assert len(error.value.issues) == 1 and str(path) in str(error.value)


def test_pieces_of_whatever_size_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, FCD, "f.xml")
    whole = list(FcdXml(path).pieces())
    for size in (7, 61, 300):
        monkeypatch.setattr("edgesim.simulator.models.movement_xml._CHUNK", size)
        if size == 7:
            with pytest.raises(ScenarioError, match="without end"):
                list(FcdXml(path).pieces())
            continue
        pieces = list(FcdXml(path).pieces())
        assert len(pieces) > 1
        with pytest.raises(ScenarioError, match="line 12: x = '1O' is not a number"):
            list(FcdXml(write(tmp_path, FCD.replace('"18.14"', '"1O"'), "g.xml")).pieces())
        for column in range(4):
            joined = np.concatenate([one[column] for one in pieces])
            np.testing.assert_array_equal(joined, np.concatenate([one[column] for one in whole]))


def many_steps(ids: int = 3, steps: int = 60) -> str:
    """Vehicles on circles, each there for half of the time."""
    text = "<fcd-export>\n"
    for step in range(steps):
        text += f'<timestep time="{step}.00">\n'
        for i in range(ids):
            if (step + 17 * i) % steps < steps // 2:
                x, y = (250 + 200 * f(0.1 * step + i) for f in (np.cos, np.sin))
                text += f'<vehicle id="v{i}" x="{x:.2f}" y="{y:.2f}"/>\n'
        text += "</timestep>\n"
    return text + "</fcd-export>\n"


@pytest.mark.parametrize("held", [0, 1 << 25])
def test_pieces_are_kept_and_where_they_are_not_the_file_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: int
) -> None:
    """In memory or in a temporary file; in a copy; in a pickled one, which keeps none; without room."""
    path = write(tmp_path, many_steps(), "f.xml")
    expected = follow(path, 118, 0.5)
    monkeypatch.setattr("edgesim.simulator.models.movement_xml._CHUNK", 300)
    monkeypatch.setattr("edgesim.scenarios.data.row_store.HELD_BYTES", held)
    parsed: list[FcdXml] = []
    changes: list[tuple[float, Callable[[Any], Any], int]] = [
        (100.0, lambda model: model, 1),
        (100.0, copy.deepcopy, 1),
        (100.0, lambda model: pickle.loads(pickle.dumps(model)), 2),
        (40.0, lambda model: model, 2),
    ]
    pieces = FcdXml.pieces

    def counted(source: FcdXml) -> Iterator[Piece]:
        parsed.append(source)
        return pieces(source)

    monkeypatch.setattr(FcdXml, "pieces", counted)
    # The file may go on beyond what was looked at; who appears later is no device then.
    for length_s, changed, times in changes:
        parsed.clear()
        model = TraceMobility(path)
        count = model.survey(LARGE, None, length_s, None)
        assert count == 3 and len(model._found.kept) > 10
        model = changed(model)
        at = model.start(np.full((1, count, 2), 1.0), LARGE, Streams(1, 1).generators, False)
        for step in range(119):
            np.testing.assert_array_equal(model.present[0], expected[1][step])
            np.testing.assert_array_equal(at[0], expected[0][step])
            at = model.advance(at, 0.5)
        assert len(parsed) == times, length_s
        for one, other in zip(model._pieces(), FcdXml(path, ("vehicle",)).pieces(), strict=True):
            for found, right in zip(one[1], other, strict=True):
                np.testing.assert_array_equal(found, right)
    with monkeypatch.context() as full:
        full.setattr("edgesim.scenarios.data.row_store.RowStore.append", no_room)
        for found, right in zip(follow(path, 118, 0.5), expected, strict=True):
            np.testing.assert_array_equal(found, right)


def no_room(*_: Any) -> None:
    raise OSError(28, "No space left on device")


def test_a_line_is_that_of_the_file_wherever_pieces_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgesim.simulator.models.movement_xml._CHUNK", 300)
    lines = many_steps().splitlines()
    for number in (len(lines) // 2, len(lines) - 4):
        wrong = [*lines[:number], "<vehicle id='x' x='1'/>", *lines[number:]]
        for name in ("f.xml", "f.xml.gz"):
            path = write(tmp_path, "\n".join(wrong), name)
            with pytest.raises(ScenarioError, match=f"line {number + 1}: a tag lacks"):
                begin(path)
    path = write(tmp_path, "\n".join(lines[:-1]), "f.xml")
    with pytest.raises(ScenarioError, match=f"line {len(lines) - 1}: ends before"):
        begin(path)


def test_as_much_of_a_file_is_looked_at_as_a_run_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three seconds and, as an object may be without a sample so long, four more."""
    monkeypatch.setattr("edgesim.simulator.models.movement_xml._CHUNK", 200)

    def text(wrong_at: int) -> str:
        steps = "".join(
            f'<timestep time="{t}">'
            + "".join(
                f'<vehicle id="v{i}" x="{t}{"O" * (t == wrong_at)}" y="{i}"/>' for i in range(5)
            )
            + "</timestep>\n"
            for t in range(30)
        )
        return f"<fcd-export>{steps}</fcd-export>"

    with pytest.raises(ScenarioError, match="line 8: x = '7O'"):
        begin(write(tmp_path, text(7), "f.xml"), 3.0, max_gap=4.0)
    begin(write(tmp_path, text(20), "f.xml"), 3.0, max_gap=4.0)
    told = check_data(write(tmp_path, text(-1), "f.xml"), "mobility").to_dict()
    assert (told["samples"], told["most samples at one time"]) == (150, 5)


def test_numbers_are_as_exact_as_python_s(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    numbers = [f"{one:.{digits}f}" for digits in range(17) for one in rng.uniform(-9, 9, 20)]
    numbers += ["1e2", "+3.5", ".5", "7.", "123456789012345.0e-9", "1e-320"]
    rows = "".join(f'<vehicle id="v{i}" x="{one}" y="0"/>' for i, one in enumerate(numbers))
    text = f'<fcd-export><timestep time="0">{rows}</timestep></fcd-export>'
    (piece,) = FcdXml(write(tmp_path, text, "f.xml")).pieces()
    assert piece.x.tolist() == [float(one) for one in numbers]


def test_many_ids_keep_their_numbers(tmp_path: Path) -> None:
    ids = [f"{'x' * (i % 50)}{i}" for i in range(20_000)]
    step = "".join(f"<vehicle id='{one}' x='{i}' y='0'/>" for i, one in enumerate(ids))
    step += "".join(f"<person id='{one}' x='1' y='0'/>" for one in ids[:5000])
    steps = "".join(f'<timestep time="{t}">{step}</timestep>' for t in range(2))
    source = FcdXml(write(tmp_path, f"<fcd-export>{steps}</fcd-export>", "f.xml"))
    thing = np.concatenate([one.thing for one in source.pieces()])
    np.testing.assert_array_equal(thing, np.tile(np.arange(25_000), 2))
    assert source.name(19_999) == f"vehicle {ids[-1]}" and source.name(20_000) == f"person {ids[0]}"


SCENARIO = """
title = "t"
run = {slots = 40, slot = "100 ms"}
tasks.mean = "0.1 Mbit"
policy.name = "local"
[mobility]
model = "trace"
file = "f.xml"
origin = [-10, -10]
"""


def test_a_run_goes_on_from_what_is_saved_and_a_copy_too(tmp_path: Path) -> None:
    path = write(tmp_path, BONNMOTION, "f.movements")
    model, at = begin(path, at_end="repeat")
    for _ in range(7):
        at = model.advance(at, 4.0)
    saved, copied = save_state({"m": model}), copy.deepcopy(model)
    assert sum(one.nbytes for one in saved.arrays) < 100
    other, _ = begin(path, at_end="repeat")
    load_state(saved, {"m": other})
    following = model.advance(at, 4.0)
    for one in (other, copied):
        np.testing.assert_array_equal(one.advance(at, 4.0), following)
        np.testing.assert_array_equal(one.present, model.present)
    # Also one that had got further in the meantime: it reads the file anew.
    model.advance(at, 4.0)
    load_state(saved, {"m": model})
    np.testing.assert_array_equal(model.advance(at, 4.0), following)


def test_a_scenario_has_as_many_devices_as_its_file(tmp_path: Path) -> None:
    write(tmp_path, FCD, "f.xml")
    (tmp_path / "s.toml").write_text(SCENARIO)
    scenario = edgesim.load_scenario(str(tmp_path / "s.toml"))
    assert scenario.devices.count is None
    assert prepare(scenario).blueprint.network.devices == 2
    with pytest.raises(ScenarioError, match="places the devices; allowed: not given"):
        prepare(edgesim.load_scenario(str(tmp_path / "s.toml"), {"devices.positions": [[1, 1]]}))


def test_what_has_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(SCENARIO)
    with pytest.raises(ScenarioError, match=r"mobility.file.*no such data file"):
        prepare(edgesim.load_scenario(str(tmp_path / "s.toml")))


DAMAGED = {
    "f.xml": FCD.encode(),
    "f.tcl": NS2.encode(),
    "f.movements": BONNMOTION.encode(),
    "f.one": ONE.encode(),
    "f.csv": TABLE.encode(),
    "g.csv": RIDES.encode(),
    "f.xml.gz": gzip.compress(FCD.encode(), mtime=0),
    "f.parquet": b"",
}
ODD: list[Any] = [
    0,
    1.5,
    -1,
    2**62,
    1e300,
    float("nan"),
    float("inf"),
    None,
    "1",
    "",
    "a",
    "1:02:03",
]
ODD += [
    datetime(2025, 1, 1),
    datetime(2025, 1, 1, tzinfo=UTC),
    date(2025, 1, 1),
    time(1),
    timedelta(1),
]
ODD += [b"1", True, [1.0], {"a": 1}, Decimal("1.5"), "2025-01-01"]


def parquet(rng: np.random.Generator) -> bytes:
    """A table of Parquet: columns of any type, most of them right, with some odd cells."""
    columns: dict[str, pa.Array] = {}
    right: dict[str, list[Any]] = {"t": [0, 0, 1, 1], "id": [*"abab"], "x": [0, 5, 3, 5]}
    for name, cells in (right | {"y": [0, 5, 4, 5]}).items():
        mixed: list[Any] = list(cells)
        if rng.random() < 0.3:
            mixed = [ODD[int(rng.integers(len(ODD)))]] * 4
            mixed[int(rng.integers(4))] = None if rng.random() < 0.5 else mixed[0]
        column = pa.array(mixed)
        if rng.random() < 0.3:
            to = [
                pa.float32(),
                pa.int8(),
                pa.string(),
                pa.large_string(),
                pa.timestamp("ms", "UTC"),
            ]
            with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
                column = column.cast(to[int(rng.integers(5))])
        if rng.random() < 0.2 and not pa.types.is_null(column.type):
            with contextlib.suppress(pa.ArrowInvalid, pa.ArrowNotImplementedError):
                column = column.dictionary_encode()
        columns[name] = column
    if rng.random() < 0.1:
        columns["lane"], columns["edge"] = pa.array([1, 2, 3, 4]), pa.array(["", None, "a", "b"])
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """A file with some bytes changed, cut out or doubled."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        at = int(rng.integers(len(data)))
        match rng.integers(5):
            case 0:
                data[at] = int(rng.integers(256))
            case 1:
                del data[at : at + int(rng.integers(1, 30))]
            case 2:
                digits = [k for k, byte in enumerate(data) if 48 <= byte <= 57] or [0]
                data[int(rng.choice(digits))] = int(rng.integers(48, 58))
            case 3:
                data[at:at] = data[at : at + int(rng.integers(1, 60))]
            case _:
                data[at:at] = rng.choice(
                    [b"1e999", b"-", b"nan", b'"', b"<", b">", b",", b"\n", b"9" * 30]
                )
        if not data:
            return b""
    return bytes(data)


def try_damaged(tmp_path: Path, name: str, count: int, seed: int) -> None:
    rng, path, ended = np.random.default_rng(seed), tmp_path / name, 0
    for _ in range(count):
        if content := DAMAGED[name]:
            content = damaged(content, rng)
        else:
            content = parquet(rng)
            content = damaged(content, rng) if rng.random() < 0.3 else content
        path.write_bytes(content)
        try:
            at, present = follow(path, 3, 1.0, outside="clip", length_s=3.0)
        except ScenarioError as error:
            told = str(error).splitlines()
            assert 0 < len(error.issues) < 8 and all(one.startswith(str(path)) for one in told)
            continue
        ended += 1
        assert ((at >= 0.0) & (at <= 500.0)).all() and present.dtype == np.bool_
    assert 0 < ended < count


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files(tmp_path: Path, name: str) -> None:
    try_damaged(tmp_path, name, 60, 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", DAMAGED)
def test_many_damaged_files(tmp_path: Path, name: str) -> None:
    try_damaged(tmp_path, name, 2_000, 2)
