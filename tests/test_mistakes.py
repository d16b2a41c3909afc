"""All mistakes of a scenario come at once: of its keys, files, models and policy; and none that is none."""

import json
from pathlib import Path
from typing import Any

import pytest
import test_fuzz
import test_scenarios
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import edgesim
from edgesim.experiments.run import load
from edgesim.scenarios.errors import ScenarioError

MANY = """
title = "many mistakes"
[run]
slots = 100
slto = "1 ms"
[devices]
count = -3
power_max = "100 mW"
positions = { file = "sites.csv" }
[area]
rectangle = { south = 0.0, west = 0.0, north = 1.0, east = 1.0 }
[mobility]
model = "random-waypint"
[tasks]
mean = "0.6 Mbitt"
deadlin = 3
[carbon]
intensity = { file = "grid.csv", start = "2025-01-01T00:00Z" }
[policy]
name = "lyapunov"
depht = 3
[trace]
levle = "slots"
"""


def mistakes(text: str, folder: Path) -> list[str]:
    (folder / "my.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        edgesim.validate(folder / "my.toml")
    return [str(issue).replace(f"{folder}/", "") for issue in caught.value.issues]


def test_keys_files_models_and_policy_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "grid.csv").write_text("Time,Carbon Intensity\n2025-01-01,abc\nnoon,5\n")
    found = mistakes(MANY, tmp_path)
    expected = [
        'my.toml: key `run.slto` = "1 ms": unknown key',
        "my.toml: key `devices.count` = -3: too small; allowed: a whole number, >= 1",
        'my.toml: key `trace.levle` = "slots": unknown key; allowed: level; did you mean `level`?',
        "my.toml: key `policy.depht` = 3: unknown key for Lyapunov; allowed: optimise",
        'my.toml: key `mobility.model` = "random-waypint": not known',
        "my.toml: key `tasks.deadlin` = 3: unknown key for Uniform",
        "my.toml: key `tasks.mean` = \"0.6 Mbitt\": unknown unit 'Mbitt'",
        'my.toml: key `devices.positions.file` = "sites.csv": no such data file',
        'grid.csv: row 2, column Carbon Intensity: "abc" is not a carbon intensity in g/kWh',
        'grid.csv: row 3, column Time: "noon" is not a date and time',
    ]
    assert len(found) == len(expected), found
    for one, begin in zip(found, expected, strict=True):
        assert one.startswith(begin), one


FILES = """
title = "a file of each kind, with mistakes"
[run]
slots = 20
[devices]
positions = { file = "places.csv" }
[mobility]
model = "trace"
file = "move.csv"
[tasks]
arrivals = "replay"
file = "requests.csv"
bits = { n = "512 bit" }
[carbon]
intensity = { file = "grid.csv", start = "2025-01-01T00:00" }
mbs = { file = "mbs.csv", start = "2025-01-01T00:00Z" }
[topology]
file = "net.json"
[policy]
name = "lyapunov"
depht = 3
"""
CONTENTS = {
    "places.csv": "lat,lon\n1,2\nx,4\n3,400\n",
    "move.csv": "t,id,x,y\n0,a,-5,zero\n1,a,1,1\n",
    "requests.csv": "time,n\n0,5\nsoon,6\n2,-1\n",
    "grid.csv": "Time,Carbon Intensity\n2025-01-01,abc\nnoon,5\n",
    "mbs.csv": "Time,Carbon Intensity\n2025-01-01T00:00Z,5\n2025-01-02,7\n",
    "net.json": '{"nodes": [{"id": 0, "pos": [1, 2]}, {"id": 1}], "edges": []}',
}
WRONG_IN_FILES = [
    "my.toml: key `policy.depht` = 3: unknown key for Lyapunov",
    'requests.csv: row 3, column time: "soon" is not a number',
    'requests.csv: row 4, column n: "-1" is not a number that is finite and not negative',
    "net.json: no node says that it is the MBS",
    "net.json: nothing says whether `pos` are degrees",
    "net.json: 2 parts that no link joins",
    'grid.csv: row 2, column Carbon Intensity: "abc" is not a carbon intensity in g/kWh',
    'grid.csv: row 3, column Time: "noon" is not a date and time',
    "mbs.csv: row 3 has a time without a zone, row 2 one with",
    'places.csv: row 3, column lat: "x" is not an angle within ±90 degrees',
    'places.csv: row 4, column lon: "400" is not an angle within ±180 degrees',
    "move.csv: row 2, column y: 'zero' is not a number",
]


@pytest.mark.parametrize(
    ("more", "first"),
    [
        ("", 'my.toml: key `devices.positions` = {file = "places.csv"}: a file of coordinates nee'),
        ("[area]\nsize = 3", "my.toml: key `area.size` = 3: not a list"),
        ('[stations.mbs]\ncpu = "x"', 'my.toml: key `stations.mbs.cpu` = "x": not a freq'),
    ],
)
def test_the_rows_of_all_files_are_told_together(tmp_path: Path, more: str, first: str) -> None:
    """Whatever else is wrong: that no area is known for places does not hide what is wrong with them."""
    for name, content in CONTENTS.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    found = mistakes(f"{FILES}{more}\n", tmp_path)
    assert any(one.startswith(first) for one in found), found
    own = [one for one in found if not one.startswith("my.toml") or "depht" in one]
    assert len(own) == len(WRONG_IN_FILES), own
    for begin in WRONG_IN_FILES:
        assert sum(one.startswith(begin) for one in own) == 1, (begin, own)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # The misspelt `slots` and the file that does not cover the default's 1,000 s: not its fault.
        (
            '[run]\nslos = 1\n[carbon]\nintensity = {file = "g.csv", start = "2025-01-01T00:00"}',
            ["run.slos"],
        ),
        # How many devices there are is not known, so neither is whether the list has as many.
        ('[devices]\ncout = 2\npower_max = ["1 mW", "2 mW"]', ["devices.cout"]),
        # What the model takes is not known.
        ("[mobility]\nmodel = 3\nspeed = 4", ["mobility.model"]),
        ("[policy]\nname = 3\ndepth = 4", ["policy.name"]),
        ('[run]\nproblem = "tsk"\n[policy]\nname = "no such"', ["run.problem"]),
        # But these are known, each by itself, and that they do not go together.
        ('[trace]\nlevle = 1\n[channel]\naccess = "mrc"', ["trace.levle", "channel.access"]),
        (
            "[policy]\nV = -1\nhow = 2\n[energy]\nepsilon = 'x'",
            ["energy.epsilon", "policy.V", "policy.how"],
        ),
        (
            "[carbon]\nintensity = {file = 'none.csv'}\n[tasks]\nmeen = 1",
            ["carbon.intensity.start", "tasks.meen", "tasks.mean", "carbon.intensity.file"],
        ),
        # A list for as many SBSs as a broken topology would have: its file is looked at all the same.
        (
            "[topology]\nfile = 'none.json'\n[carbon]\nmbs = {file = 'none.csv', start = 2025-01-01T00:00:00}",
            ["topology.file", "carbon.mbs.file"],
        ),
        # What a graph lacks does not hang on what another file lacks.
        (
            "[topology]\nfile = 'g.json'\n[carbon]\nmbs = {file = 'none.csv', start = 2025-01-01T00:00:00}",
            ["topology.mbs", "pos", "carbon.mbs.file"],
        ),
    ],
)
def test_what_follows_from_a_mistake_is_none(
    tmp_path: Path, text: str, expected: list[str]
) -> None:
    (tmp_path / "g.csv").write_text("Time,Carbon Intensity\n2025-01-01,5\n2025-01-02,5\n")
    graph = {
        "nodes": [{"id": 1, "pos": [8, 50]}],
        "edges": [],
        "multigraph": False,
        "directed": False,
    }
    (tmp_path / "g.json").write_text(json.dumps(graph))
    mean = "" if "[tasks]" in text else "[tasks]\nmean = 1e6\n"
    found = mistakes(f'title = "x"\n{mean}{text}\n', tmp_path)
    assert [one.partition("`")[2].partition("`")[0] for one in found] == expected, found


def test_a_class_of_the_file_is_not_imported_for_it(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("raise RuntimeError('imported')\n")
    found = mistakes(
        'title = "x"\n[run]\nslos = 1\n[tasks]\nmean = 1e6\n[policy]\nname = "own:Own"\n', tmp_path
    )
    assert len(found) == 1 and "run.slos" in found[0]


def check(table: dict[str, Any]) -> None:
    """Whatever is wrong, it is told, once."""
    try:
        load(table)
    except ScenarioError as error:
        assert error.issues
        texts = [str(issue) for issue in error.issues]
        assert all(text.strip() for text in texts)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_mutated_scenarios_are_told_all_that_is_wrong(data: st.DataObject) -> None:
    check(test_scenarios.mutated(data))


@pytest.mark.slow
@settings(test_fuzz.thousands, max_examples=1000)
@given(st.data())
def test_a_thousand_mutated_scenarios_are_told_all_that_is_wrong(data: st.DataObject) -> None:
    check(test_scenarios.mutated(data))
