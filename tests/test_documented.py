"""What the documents say may be given is taken, and what a command says it does."""

import re
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from conftest import SMALL
from sweeping import BASE, make, write
from test_report import Page
from test_terminal import FEW_STEPS

import edgesim
from edgesim.cli import main
from edgesim.policies.catalogue import POLICIES
from edgesim.scenarios.components import configure, parameters, resolve
from edgesim.scenarios.errors import ScenarioError
from edgesim.scenarios.validation import describe
from edgesim.simulator.models.arrivals import ARRIVALS
from edgesim.simulator.models.association import ASSOCIATION
from edgesim.simulator.models.fading import FADING
from edgesim.simulator.models.mobility import MOBILITY
from edgesim.simulator.models.path_loss import PATH_LOSS

COMPONENTS = {
    **{f"policies of {problem}": ("policies", table) for problem, table in POLICIES.items()},
    "arrivals": ("arrivals", ARRIVALS),
    "association": ("association", ASSOCIATION),
    "fading": ("fading", FADING),
    "path_loss": ("path_loss", PATH_LOSS),
    "mobility": ("mobility", MOBILITY),
}
REQUIRED: dict[str, Any] = {
    "mean": 1e5,
    "rate": 5.0,
    "rates": [1.0, 5.0],
    "sojourns": [1.0, 1.0],
    "carrier": 3.5e9,
    "speed": 1.0,
}


def command(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def refused(*words: object) -> str:
    result = command(*words)
    assert result.exit_code == 2, result.output
    return result.stderr


# Bounds


def ends(hint: object) -> Iterator[float]:
    """The bounds of a key that are values that it may have, as its document says."""
    for sign, bound in re.findall(r"([<>]=?) (-?[\d_.e+-]+)", describe(hint)):
        if sign[-1] == "=":
            yield float(bound.replace("_", ""))


@pytest.mark.parametrize("kind", COMPONENTS)
def test_a_bound_that_may_be_reached_is_taken(kind: str) -> None:
    of, table = COMPONENTS[kind]
    found = 0
    for name in table:
        cls = resolve(name, of, table)
        keys = parameters(cls)
        if "file" in keys:  # that of a recording
            continue
        given = {key: REQUIRED[key] for key, (_, default) in keys.items() if default is ...}
        for key, (hint, _) in keys.items():
            for end in ends(hint):
                value: Any = int(end) if "whole number" in describe(hint) else end
                if "[a, b]" in describe(hint):
                    value = [value, value]
                elif describe(hint).startswith("a list"):
                    value = [value]
                if isinstance(value, list) and isinstance(REQUIRED.get(key), list):
                    value = [end, *REQUIRED[key][1:]]
                if key == "capacity":  # at least its warm-up
                    given["warmup"] = 1
                configure(cls, given | {key: value}, of)
                found += 1
    assert found or kind in ("fading",)


@pytest.mark.parametrize(
    ("kind", "name", "keys"),
    [
        ("arrivals", "poisson", {"rate": 0.0}),
        ("arrivals", "mmpp", {"sojourns": [0.0, 1.0]}),
        ("arrivals", "uniform", {"mean": 0.0}),
        ("mobility", "random-waypoint", {"speed": [0.0, 1.0]}),
        ("policies of worst-case-emission", "epr", {"local_cpu": 0.0}),
        ("policies of worst-case-emission", "sca", {"edge_cpu": 0.0}),
        ("policies of worst-case-emission", "sca", {"iterations_max": -1}),
        ("policies of worst-case-emission", "exact", {"time_limit": 0.0}),
        ("policies of drift-plus-penalty", "exact", {"starts": -1}),
    ],
)
def test_a_refused_bound_names_what_is_allowed(kind: str, name: str, keys: dict[str, Any]) -> None:
    of, table = COMPONENTS[kind]
    cls = resolve(name, of, table)
    given = {key: REQUIRED[key] for key, (_, default) in parameters(cls).items() if default is ...}
    with pytest.raises(ScenarioError, match=r"too small; allowed: .*>=? \d"):
        configure(cls, given | keys, of)


@pytest.mark.parametrize("value", [1 << 63, -(10**30), 1e30])
@pytest.mark.parametrize("key", ["policy.starts", "run.slots", "devices.count"])
def test_whole_numbers_beyond_64_bits(key: str, value: float) -> None:
    with pytest.raises(ScenarioError, match=rf"{key}` = .*: too (large|small)"):
        edgesim.validate(edgesim.load_scenario("iiot_20dev", {key: value}, policy="exact"))


# Files


@pytest.mark.usefixtures("in_this_process")
def test_a_byte_order_mark_before_a_file_is_none_of_its_text(tmp_path: Path) -> None:
    mark = "\ufeff"
    path = write(tmp_path, base=mark + BASE)
    path.write_text(mark + path.read_text(), encoding="utf-8")
    assert edgesim.load_scenario(tmp_path / "base.toml").title == "small"
    assert edgesim.estimate_sweep(path, workers=1).runs == 16
    edgesim.run(SMALL, tmp_path / "t.h5", policy="local").close()
    graph = edgesim.export_graph(tmp_path / "t.h5", tmp_path / "g.json")
    graph.write_text(mark + graph.read_text(), encoding="utf-8")
    keys = {"topology.file": str(graph), "stations": {}, "devices": {"count": 2}}
    assert edgesim.validate(edgesim.load_scenario(SMALL, keys)).stations > 1


def test_a_hole_in_a_carbon_file_is_told(tmp_path: Path) -> None:
    begin = datetime(2020, 6, 1)
    hours = [hour for hour in range(240) if not 48 < hour < 120]
    rows = [f"{begin + timedelta(hours=hour)},{100 + hour}" for hour in hours]
    (tmp_path / "grid.csv").write_text("\n".join(["Time,Carbon Intensity", *rows]))

    def carbon(hour: int, slots: int = 24) -> edgesim.Scenario:
        start = (begin + timedelta(hours=hour)).isoformat()
        intensity = {"file": "grid.csv", "start": start}
        keys = {"run.slot": 3600.0, "run.slots": slots, "carbon.intensity": intensity}
        return edgesim.load_scenario(SMALL, keys, tmp_path)

    for hour in (0, 23, 120, 200):  # the run meets no hole
        edgesim.validate(carbon(hour))
    for hour in (26, 60, 119):
        with pytest.raises(
            ScenarioError,
            match=r"intensity\.file.*no value between 2020-06-03T00.* and 2020-06-06T00.*"
            r"allowed: rows at most 3 times their usual 3600 s apart",
        ):
            edgesim.validate(carbon(hour))


# Commands


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep of two policies and two numbers of devices."""
    folder = tmp_path_factory.mktemp("swept")
    make(write(folder), folder / "out", workers=1)
    return folder / "out"


def test_what_is_compared_cannot_be_a_group(swept: Path) -> None:
    said = refused("compare", swept, "--by", "policy")
    assert "values of policy are compared" in said and "group by: devices.count" in said
    said = refused("compare", swept, "--between", "devices.count", "--by", "devices.count")
    assert "group by: policy" in said
    good = command("compare", swept, "--by", "devices.count")
    assert good.exit_code == 0 and good.stdout.count("devices.count = ") == 2


def test_a_sweeps_comparison_is_drawn(swept: Path, tmp_path: Path) -> None:
    picture = tmp_path / "c.svg"
    done = command("compare", swept, "--number", "latency_s", "--plot", picture)
    assert done.exit_code == 0, done.output
    drawn = picture.read_text()
    for group in ("devices.count = 3", "devices.count = 5"):
        assert f"{group}: 4 seeds" in drawn
    assert drawn.count(">local</text>") == 2 and drawn.count(">latency, mean [s]</text>") == 2
    assert "a picture ends in" in refused("compare", swept, "--plot", "c.gif")


def test_an_interrupted_training_names_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgesim.experiments import train

    def interrupt(session: object, before: int, marks: int) -> bool:
        if marks == train.LOGS:  # once in each step
            signal.raise_signal(signal.SIGINT)
        return False

    monkeypatch.setattr(train._Session, "_passed", interrupt)
    options = [word for key in FEW_STEPS for word in ("--set", f"policy.{key}")]
    words = ("train", "carbon_6ue", "--policy", "ddpg", *options, "-o", tmp_path / "out")
    ended = command(*words)
    assert (ended.exit_code, ended.stdout) == (130, "")
    what = f"--resume goes on with the training in {tmp_path / 'out'}"
    told, *forecast = reversed(ended.stderr.splitlines())
    none = "there is no policy yet: the first evaluation is after 1 steps"
    assert told == f"interrupted; {what}; {none}"
    assert len(forecast) == 1 and "on this machine: 16 steps take" in forecast[0]
    assert (tmp_path / "out" / "checkpoint.pt").exists()
    assert not (tmp_path / "out" / "best.pt").exists()


def test_a_report_has_the_titles_and_sizes_of_all_its_runs(tmp_path: Path) -> None:
    other = SMALL.replace('"test"', '"another"').replace("slots = 50", "slots = 40")
    edgesim.run(SMALL, tmp_path / "one.h5", policy="local").close()
    edgesim.run(other, tmp_path / "two.h5", policy="local").close()
    edgesim.run(SMALL, tmp_path / "three.h5", policy="local", seed=2).close()
    paths = [tmp_path / f"{name}.h5" for name in ("one", "two", "three")]
    page = Page(edgesim.report(paths, tmp_path / "r.html"))
    assert page.texts["h1"] == ["test; another"]
    assert page.texts["title"][0].startswith("test; another: 3 runs")
    lead = "".join(page.texts["p"])
    assert "seed 1 | seed 1 | seed 2; 50 slots of 0.1 s | 40 slots of 0.1 s | 50 slots" in lead
    assert "; 6 devices, 4 stations" in lead and "4 stations |" not in lead


def test_the_reports_commands_replace_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own.toml").write_text(SMALL)
    edgesim.run("own.toml", "own.h5", policy="local").close()
    page = Page(edgesim.report("own.h5"))
    (hint,) = re.findall(r"edgesim run .*", "".join(page.texts["pre"]))
    assert command(*hint.split()[1:]).exit_code == 0
    assert Path("own.toml").read_text() == SMALL
    with edgesim.open_trace("own.h5") as one, edgesim.open_trace("own-again.h5") as again:
        assert one.slots.identical(again.slots)
    assert "own-again.h5 exists" in refused(*hint.split()[1:])
