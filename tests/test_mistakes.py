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
        'grid.csv (`carbon.intensity.file`): row 2, column Carbon Intensity: "abc" is not a carbon intensity in g/kWh',
        'grid.csv (`carbon.intensity.file`): row 3, column Time: "noon" is not a date and time',
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
    'requests.csv (`tasks.file`): row 3, column time: "soon" is not a number',
    'requests.csv (`tasks.file`): row 4, column n: "-1" is not a number that is finite and not negative',
    "net.json (`topology.file`): no node says that it is the MBS",
    "net.json (`topology.file`): nothing says whether `pos` are degrees",
    "net.json (`topology.file`): 2 parts that no link joins",
    'grid.csv (`carbon.intensity.file`): row 2, column Carbon Intensity: "abc" is not a carbon intensity in g/kWh',
    'grid.csv (`carbon.intensity.file`): row 3, column Time: "noon" is not a date and time',
    "mbs.csv (`carbon.mbs.file`): row 3 has a time without a zone, row 2 one with",
    'places.csv (`devices.positions.file`): row 3, column lat: "x" is not an angle within ±90 degrees',
    'places.csv (`devices.positions.file`): row 4, column lon: "400" is not an angle within ±180 degrees',
    'move.csv (`mobility.file`): row 2, column y: "zero" is not a number',
]

ROWS = {
    "replay": [
        'requests.csv (`tasks.file`): row 3, column time: "soon" is not a number',
        'requests.csv (`tasks.file`): row 4, column n: "-1" is not a number that is finite and no',
    ],
    "move": ['move.csv (`mobility.file`): row 2, column y: "zero" is not a number'],
    "carbon": [
        'grid.csv (`carbon.intensity.file`): row 2, column Carbon Intensity: "abc" is not a carb',
        'grid.csv (`carbon.intensity.file`): row 3, column Time: "noon" is not a date and time',
    ],
    "places": [
        'places.csv (`devices.positions.file`): row 3, column lat: "x" is not an angle within',
        'places.csv (`devices.positions.file`): row 4, column lon: "400" is not an angle within',
    ],
    "net": ["own.json (`topology.file`): key `node 1.cpu_hz` = -1: without a unit this is"],
}
REPLAY = '[tasks]\narrivals = "replay"\nfile = "requests.csv"\n'
MOVE = '[mobility]\nmodel = "trace"\nfile = "move.csv"\n'
OF_TASKS = """deadline = 1
[run]
problem = "worst-case-emission"
[stations.sbs]
count = 0
[channel]
access = "mrc"
"""
NET = '[topology]\nfile = "own.json"\n'


@pytest.mark.parametrize(
    ("text", "wrong", "rows"),
    [
        # What the model does not know, and what is out of range, beside how its file is read.
        (f"{REPLAY}bits = {{n = 1}}\nlopp = 3", ["tasks.lopp"], "replay"),
        (f"{REPLAY}bits = {{n = 1}}\nspeedup = -1", ["tasks.speedup"], "replay"),
        (f'{REPLAY}bits = {{n = 1}}\ncycles_column = "c"', ["tasks.cycles_column"], "replay"),
        (f"{REPLAY}bits = {{n = 1}}\nrepaet = true", ["tasks.repaet"], "replay"),
        # In the task problem a file needs a column of cycles, which says nothing of its others.
        (f"{REPLAY}bits = {{n = 1}}\n{OF_TASKS}", ["tasks.cycles_column"], "replay"),
        (
            f"{REPLAY}bits = {{n = 1}}\ncycles_column = 3\n{OF_TASKS}",
            ["tasks.cycles_column"],
            "replay",
        ),
        (
            f"{REPLAY}bits = {{n = 1}}\ncycles_colum = 'n'\n{OF_TASKS}",
            ["tasks.cycles_colum", "tasks.cycles_column"],
            "replay",
        ),
        (f"{REPLAY}bist = {{n = 1}}", ["tasks.bist", "tasks.bits"], "replay"),
        (f'{REPLAY}bits = {{n = "1 bitt"}}', ["tasks.bits.n"], "replay"),
        (f'{REPLAY}bits = {{n = 1}}\ntime_colum = "time"', ["tasks.time_colum"], "replay"),
        (f'{REPLAY}bits = {{n = 1}}\nmore_ids = "wrp"', ["tasks.more_ids"], "replay"),
        (
            REPLAY.replace("file", "fil") + "bits = {n = 1}",
            ["tasks.fil", "tasks.file"],
            "replay",
        ),
        (f'{MOVE}outside = "away"', ["mobility.outside"], "move"),
        (f"{MOVE}orgin = [1, 2]", ["mobility.orgin"], "move"),
        (f"{MOVE}orgin = [1, 2]\n[run]\nslos = 3", ["run.slos", "mobility.orgin"], "move"),
        (f'{MOVE}begin = "1 metre"\nspeed = 3', ["mobility.speed", "mobility.begin"], "move"),
        (f'{MOVE}y_colum = "y"\nmax_gap = -1', ["mobility.y_colum", "mobility.max_gap"], "move"),
        (
            '[carbon]\nintensity = {file = "grid.csv", strat = "2025-01-01T00:00"}',
            ["carbon.intensity.start", "carbon.intensity.strat"],
            "carbon",
        ),
        ('[carbon]\nintensity = {file = "grid.csv"}', ["carbon.intensity.start"], "carbon"),
        (
            '[carbon]\nintensity = {file = "grid.csv", start = "2025-01-01T00:00", max_gap = -1}',
            ["carbon.intensity.max_gap"],
            "carbon",
        ),
        (
            '[carbon]\nintensity = {file = "grid.csv", start = "2025-01-01T00:00", unit = "g/kWH"}',
            ["carbon.intensity.unit"],
            "carbon",
        ),
        (
            '[devices]\npositions = {file = "places.csv", east = 2}',
            ["devices.positions.east"],
            "places",
        ),
        (f'{NET}paralell = "join"', ["topology.paralell"], "net"),
        (f"{NET}[area]\nsize = 3", ["area.size"], "net"),
        (f"{NET}[run]\nslos = 3", ["run.slos"], "net"),
    ],
)
def test_a_wrong_key_of_a_model_does_not_hide_its_file(
    tmp_path: Path, text: str, wrong: list[str], rows: str
) -> None:
    own = '{"nodes": [{"id": 0, "kind": "mbs", "position_m": [1, 1]}, {"id": 1, "kind": "sbs", '
    own += '"position_m": [9, 9], "cpu_hz": -1}], "edges": [{"source": 0, "target": 1}]}'
    for name, content in (CONTENTS | {"own.json": own}).items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    mean = "" if "[tasks]" in text else "[tasks]\nmean = 1e6\n"
    found = mistakes(f'title = "x"\n{mean}{text}\n', tmp_path)
    keys = [one.partition("`")[2].partition("`")[0] for one in found if one.startswith("my.")]
    assert keys == wrong, found
    in_file = [one for one in found if not one.startswith("my.")]
    assert len(in_file) == len(ROWS[rows]), found
    for one, begin in zip(in_file, ROWS[rows], strict=True):
        assert one.startswith(begin), one


def test_a_column_of_cycles_is_not_none(tmp_path: Path) -> None:
    """In Python's tables a key may be None."""
    (tmp_path / "requests.csv").write_text("time,n\n0,5\n1,6\n")
    tasks = {"arrivals": "replay", "file": "requests.csv", "bits": 8.0, "cycles_column": None}
    (tmp_path / "my.toml").write_text(f'title = "x"\n[tasks]\n{OF_TASKS}')
    with pytest.raises(ScenarioError, match="cycles_column: missing; allowed: a column"):
        keys = {f"tasks.{key}": value for key, value in tasks.items()}
        edgesim.validate(edgesim.load_scenario(tmp_path / "my.toml", keys))


WRONG_COLUMNS = {
    "requests.csv": (
        f'{REPLAY}bits = {{n = 1, m = 1}}\ndeadline_column = "late"\ntime_zone = "Nix"',
        "time,n\n0,5\nsoon,6\n2,-1\n3,4,5\n",
        [
            'key `time_zone` = "Nix": no such time zone',
            'no column "late", which `deadline_column` names; allowed: time, n',
            'no column "m", which `bits` names; allowed: time, n',
            'row 3, column time: "soon" is not a number',
            'row 4, column n: "-1" is not a number',
            "row 5: 3 columns, not 2",
        ],
    ),
    "more.csv": (
        REPLAY.replace("requests", "more") + 'bits = {n = 1}\ntime_unit = "ms"\n',
        "time,n\n2025-01-01,5\n2025-01-02,x\n",
        ["column time: the times are dates; allowed: no `time_unit`", 'row 3, column n: "x" is'],
    ),
    "move.csv": (
        f'{MOVE}id_column = "who"',
        "t,id,x,y\n0,a,-5,zero\nsoon,a,1,1\n2,a,?,1\n2,a,!,1\n",
        [
            'no column "who", which `id_column` names; allowed: t, id, x, y',
            'row 3, column t: "soon" is not a time',
            'row 4, column x: "?" is not a number within ±1e+09; and 1 more',
            'row 2, column y: "zero" is not a number',
        ],
    ),
    "grid.csv": (
        '[carbon]\nintensity = {file = "grid.csv", start = "2025-01-01T00:00", time_column = "x", kind = "marginal"}',
        "Zone,Time,average g/kWh\nA,2025-01-01,abc\nB,noon,5\n",
        [
            'no column "x", which `time_column` names',
            '`kind` = "marginal", and by its own words it is "average"',
            'row 2, column average g/kWh: "abc" is not a carbon intensity in g/kWh',
            "rows of 2 places by column Zone: A, B",
        ],
    ),
    "places.csv": (
        '[devices]\npositions = {file = "places.csv"}\n'
        + "[area]\nrectangle = {south = 0, west = 0, north = 1, east = 1}",
        "lat,latitude,lon\n1,1,2\n1,1,400\n",
        ["several columns of latitude: lat, latitude", 'row 3, column lon: "400" is not an angle'],
    ),
    "move.xml": (
        MOVE.replace(".csv", ".xml"),
        '<fcd-export>\n<timestep time="1">\n<vehicle id="a" x="1" y="b"/>\n</timestep>\n'
        + '<timestep time="0">\n<vehicle id="a" x="c" y="1"/>\n</timestep>\n</fcd-export>\n',
        ["line 5: time '0'", "line 3: y = 'b' is not a number", "line 6: x = 'c' is not a number"],
    ),
    "move.one": (
        MOVE.replace(".csv", ".one") + 'format = "one"\n',
        "0 9 0 9 0 9\n0 a 1\n1 a b 1\n2 a 1 1\n1 a 1 1\n",
        ["line 2: 3 words", "line 3: 'b' is not a number", "line 5: a time before the line above"],
    ),
    "move.movements": (
        MOVE.replace(".csv", ".movements"),
        "0 1 1 2 x 2\n0 1\n0 1 1 5 5 5\n",
        ["line 1: 'x' is not a number", "line 2: 2 numbers"],
    ),
    "move.tcl": (
        MOVE.replace(".csv", ".tcl"),
        '$node_(0) set X_ 1\n$node_(0) set Y_ one\nrm all\n$ns_ at -1 "$node_(0) setdest 1 1 1"\n',
        ["line 2: 'one' is not a number", "line 3: 'rm all' is no movement", "line 4: a time or a"],
    ),
}


@pytest.mark.parametrize("name", WRONG_COLUMNS)
def test_what_is_wrong_with_a_file_does_not_hide_its_rows(tmp_path: Path, name: str) -> None:
    text, content, expected = WRONG_COLUMNS[name]
    (tmp_path / name).write_text(content, encoding="utf-8")
    mean = "" if "[tasks]" in text else "[tasks]\nmean = 1e6\n"
    found = [one.partition("): ")[2] for one in mistakes(f'title = "x"\n{mean}{text}\n', tmp_path)]
    assert len(found) == len(expected), found
    for one, begin in zip(found, expected, strict=True):
        assert one.startswith(begin), one


def test_the_file_of_a_policy_is_told_beside_all_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grid.csv").write_text("Time,Carbon Intensity\n2025-01-01,abc\n")
    (tmp_path / "weights.pt").write_bytes(b"none")
    grid = (
        '[carbon]\nintensity = {file = "grid.csv", start = "2025-01-01T00:00"}\n[tasks]\nmean = 1\n'
    )
    row = 'grid.csv (`carbon.intensity.file`): row 2, column Carbon Intensity: "abc" is not'
    key = "my.toml: key `run.slos` = 1: unknown key"
    damaged = 'my.toml: key `policy.checkpoint` = "weights.pt": weights.pt is not a checkpoint'
    untrained = "my.toml: key `policy.checkpoint`: aac has to be trained first"
    other = 'my.toml: key `policy.checkpoint` = "aac_iiot_20dev": the checkpoint has policy'
    agent = 'my.toml: key `policy.file` = "weights.pt": weights.pt: no agent'
    for policy, wrong in (
        ('name = "aac"\ncheckpoint = "weights.pt"', [damaged]),
        (
            'name = "aac"\ncheckpoint = "weights.pt"\nhidden = 3\nlearning_rte = 1',
            ["my.toml: key `policy.learning_rte` = 1", "my.toml: key `policy.hidden` = 3", damaged],
        ),
        ('name = "aac"', [untrained]),
        ('name = "ddpg"\ncheckpoint = "aac_iiot_20dev"', [other]),
        ('name = "agent"\nfile = "weights.pt"', [agent]),
        (
            'name = "agent"\nflie = "weights.pt"',
            ["my.toml: key `policy.flie`", "my.toml: key `policy.file`: missing", agent],
        ),
        ('name = "agent"\nfile = "none"', ['my.toml: key `policy.file` = "none": no such file']),
    ):
        found = mistakes(f'title = "x"\n[run]\nslos = 1\n{grid}[policy]\n{policy}\n', tmp_path)
        expected = [key, *wrong, row]
        assert len(found) == len(expected), found
        for begin in expected:
            assert sum(one.startswith(begin) for one in found) == 1, (begin, found)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        # How the file is read is not known: what its rows seem to have wrong may be none.
        (f"{REPLAY}bits = {{n = 1}}\nunknown = 3", ["tasks.unknown"]),
        (f"{REPLAY}bits = {{n = 1}}\ntime_column = 3", ["tasks.time_column"]),
        (f"{MOVE}x_column = 3", ["mobility.x_column"]),
        (
            '[carbon]\nintensity = {file = "grid.csv", start = "2025-01-01T00:00", unit = "sheep"}',
            ["carbon.intensity.unit"],
        ),
        ('[carbon]\nintensity = {file = "grid.csv", unit = 3}', ["carbon.intensity."]),
        (f"{NET}parallel = 3", ["topology.parallel"]),
        # But that it is missing is one.
        (f"{MOVE.replace('move', 'none')}x_column = 3", ["mobility.x_column", "mobility.file"]),
        (
            f"{MOVE.replace('move', 'none')}net = {{file = 'no'}}\nspeed = 3",
            ["mobility.speed", "mobility.file"],
        ),
    ],
)
def test_a_file_that_may_be_read_otherwise_has_no_mistakes(
    tmp_path: Path, text: str, wrong: list[str]
) -> None:
    for name, content in CONTENTS.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    net = '{"nodes": [{"id": 0, "pos": [1, 2]}], "edges": []}'
    (tmp_path / "own.json").write_text(net, encoding="utf-8")
    mean = "" if "[tasks]" in text else "[tasks]\nmean = 1e6\n"
    found = mistakes(f'title = "x"\n{mean}{text}\n', tmp_path)
    assert all(one.startswith("my.toml") for one in found), found
    keys = {one.partition("`")[2].partition("`")[0] for one in found}
    assert all(any(key.startswith(one) for one in wrong) for key in keys), found
    assert all(any(key.startswith(one) for key in keys) for one in wrong), found


@pytest.mark.parametrize(
    ("more", "first"),
    [
        ("", "places.csv (`devices.positions.file`): latitudes and longitudes without `area.rect"),
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
    own = [one for one in own if "without `area.rectangle`" not in one]
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
        # A number of slots does not say whether the others go with the problem.
        ('[run]\nslos = 1\n[channel]\naccess = "mrc"', ["run.slos", "channel.access"]),
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
        # What a default does not fit to hides neither keys nor files nor the policy.
        (
            "[area]\nsize = [10, 10]\n[tasks]\nmeen = 1\n[carbon]\nintensi"
            + "ty = {file = 'none.csv', start = 2025-01-01T00:00:00}\n[policy]\nhow = 2",
            [
                "stations.sbs.radius",
                "policy.how",
                "tasks.meen",
                "tasks.mean",
                "carbon.intensity.file",
            ],
        ),
        (
            "[run]\nproblem = 'worst-case-emission'\n[mobility]\nmodel = 'trace'\nfile = 'none.csv'\nspeed = 3",
            [
                "channel.access",
                "stations.sbs.count",
                "tasks.deadline",
                "mobility.speed",
                "mobility.file",
                "tasks.arrivals",
            ],
        ),
        # What a graph lacks does not hang on what another file lacks.
        (
            "[topology]\nfile = 'g.json'\n[carbon]\nmbs = {file = 'none.csv', start = 2025-01-01T00:00:00}",
            ["topology.file", "topology.file", "carbon.mbs.file"],
        ),
        (
            "[run]\nslos = 1\n[topology]\nfile = 'g.json'",
            ["run.slos", "topology.file", "topology.file"],
        ),
        # A file of places under a key that is in the wrong section has to have places.
        ("[area]\npositions = {file = 'g.csv'}", ["area.positions", "area.positions.file"]),
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


def test_a_message_is_a_line_whatever_stands_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "move.xml").write_text("<ro\x1cu\nte\x1b[31m>")
    found = mistakes(f'title = "x"\n{MOVE.replace(".csv", ".xml")}[tasks]\nmean = 1\n', tmp_path)
    assert len(found) == 1 and "XML of <ro\\x1cu\\nte\\x1b[31m>" in found[0], found


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
