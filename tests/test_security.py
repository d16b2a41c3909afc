"""What is read from a file runs nothing, and writes nowhere but where it was asked to: docs/security.md."""

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import pytest
from click.testing import CliRunner

import edgesim
from edgesim.cli import main
from edgesim.experiments.reproduction.engine import Workshop
from edgesim.experiments.reproduction.figure import Figure, Trainings
from edgesim.experiments.sweeps.execute import plan
from edgesim.experiments.sweeps.sweep_file import load_sweep
from edgesim.experiments.sweeps.table import SweepTable, TraceFacts
from edgesim.experiments.train import Table
from edgesim.simulator.core.outputs import OutputError
from edgesim.traces.export import no_formula
from edgesim.traces.file_errors import TraceError

SCENARIO = """
title = "small"
[run]
slots = 4
[devices]
count = 3
[tasks]
mean = "0.1 Mbit"
[policy]
name = "local"
"""

MARKS = """
import pathlib
pathlib.Path({mark!r}).touch()

class Marks:
    def __init__(self, **keys: object) -> None:
        pathlib.Path({mark!r} + ".made").touch()
"""
"""A module that can be told to have been imported, and its class to have been called."""

KINDS = {
    "policy.name": "policy",
    "tasks.arrivals": "tasks",
    "channel.fading": "channel",
    "channel.path_loss": "channel",
    "mobility.model": "mobility",
    "association.model": "association",
}


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of another place that can be imported, `elsewhere`; its mark, in an empty folder."""
    mark = tmp_path / "mark"
    libraries, here = tmp_path / "libraries", tmp_path / "here"
    for folder in (libraries, here):
        folder.mkdir()
    (libraries / "elsewhere.py").write_text(MARKS.format(mark=str(mark)))
    monkeypatch.syspath_prepend(libraries)
    monkeypatch.delitem(sys.modules, "elsewhere", raising=False)
    monkeypatch.chdir(here)
    return mark


def made(mark: Path) -> Path:
    return mark.with_name(mark.name + ".made")


def command(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, words)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def with_key(key: str, value: str) -> str:
    """The scenario with one key more, or another value of one."""
    section, _, name = key.partition(".")
    lines = [line for line in SCENARIO.splitlines() if not line.startswith(f"{name} =")]
    if f"[{section}]" not in lines:
        lines.append(f"[{section}]")
    lines.insert(lines.index(f"[{section}]") + 1, f'{name} = "{value}"')
    return "\n".join(lines)


@pytest.mark.parametrize("key", KINDS)
def test_a_scenario_names_no_class_from_elsewhere(key: str, installed: Path) -> None:
    """Nothing is imported; with trust it is, but what is no component is never called."""
    Path("mine.toml").write_text(with_key(key, "elsewhere:Marks"))
    status, told = command("run", "mine.toml", "-o", "t.h5")
    assert status == 2 and "would import `elsewhere` and call its `Marks`" in told
    assert f"key `{key}`" in told and "--trust" in told
    assert command("train", "mine.toml")[0] == 2
    assert command("validate", "mine.toml")[0] == 0
    assert not installed.exists() and not Path("t.h5").exists()
    status, told = command("run", "mine.toml", "-o", "t.h5", "--trust")
    assert status == 2 and f"key `{key}`" in told and "it has no method" in told
    assert installed.exists() and not made(installed).exists()


def test_a_class_beside_the_scenario_needs_no_trust_but_its_verbs(installed: Path) -> None:
    beside = Path("beside")
    beside.mkdir()
    (beside / "mine.toml").write_text(with_key("policy.name", "mine:Marks"))
    (beside / "mine.py").write_text(MARKS.format(mark=str(installed)))
    Path("mine.toml").write_text(with_key("policy.name", "mine:Marks"))
    status, told = command("run", "mine.toml")
    assert status == 2 and "would import" in told and not installed.exists()
    status, told = command("validate", "beside/mine.toml")
    assert status == 0 and 'not looked at: policy.name = "mine:Marks"' in told
    assert not installed.exists()
    status, told = command("run", "beside/mine.toml")
    assert status == 2 and "it has no method `reset`" in told
    assert installed.exists() and not made(installed).exists()


def hostile_trace(path: str, **keys: str) -> None:
    """A trace whose scenario names other components."""
    edgesim.run(SCENARIO, path).close()
    text = SCENARIO
    with h5py.File(path, "r+", locking=False) as file:
        text = str(file.attrs["scenario"])
        for key, value in keys.items():
            old = next(line for line in text.splitlines() if line.startswith(f"{key} ="))
            text = text.replace(old, f'{key} = "{value}"')
        file.attrs["scenario"] = text


def test_a_trace_names_no_class_without_trust(installed: Path) -> None:
    """Not even of a file beside it, by any command."""
    keys, places = ("arrivals", "fading"), {"t.h5": "elsewhere:Marks", "beside.h5": "mine:Marks"}
    Path("mine.py").write_text(MARKS.format(mark=str(installed)))
    for trace, named in places.items():
        hostile_trace(trace, **dict.fromkeys(keys, named))
        for words in (
            ["summary", trace],
            ["plot", trace, "--kind", "all" if trace == "t.h5" else "latency"],
            ["report", trace, "-o", f"{trace}.html"],
            ["export", trace],
            ["watch", trace],
            ["validate", trace],
        ):
            status, told = command(*words)
            assert status == 0, told
        edgesim.open_trace(trace).close()
    for key in keys:
        for trace, named in places.items():
            hostile_trace(one := f"{key}-{trace}", **{key: named})
            for words in (
                ["run", one],
                ["train", one, "--policy", "ddpg"],
                ["run", one, "--resume", "-o", "x.h5"],
            ):
                status, told = command(*words)
                assert status == 2 and "would import" in told, told
            with pytest.raises(edgesim.ScenarioError, match="would import"):
                edgesim.run(one)
    assert not installed.exists()
    for key in keys:
        with pytest.raises(edgesim.ScenarioError, match="it has no method `start`"):
            edgesim.run(f"{key}-t.h5", trust=True)
        assert installed.exists() and not made(installed).exists()


def test_a_sweep_imports_nothing_of_a_trace_in_its_folder(installed: Path) -> None:
    Path("small.toml").write_text(SCENARIO)
    Path("sweep.toml").write_text('scenario = "small.toml"\nseeds = 2\n')
    folder = Path("out")
    (folder / "traces").mkdir(parents=True)
    hostile_trace(str(folder / "traces" / "0123456789abcdef.h5"), arrivals="elsewhere:Marks")
    plan(load_sweep("sweep.toml"), folder)
    assert not installed.exists()
    Path("small.toml").write_text(with_key("tasks.arrivals", "elsewhere:Marks"))
    status, told = command("sweep", "sweep.toml", "-o", "out2")
    assert status == 2 and "would import" in told and not installed.exists()


def test_what_the_caller_names_needs_no_trust(installed: Path) -> None:
    """On the command line, or as an argument; it is called if it can do what it should."""
    Path("mine.toml").write_text(SCENARIO)
    for words in (["--policy", "elsewhere:Marks"], ["--set", "policy.name=elsewhere:Marks"]):
        status, told = command("run", "mine.toml", *words)
        assert status == 2 and "it has no method" in told
    assert installed.exists() and not made(installed).exists()
    tables: dict[str, Any] = {
        "title": "t",
        "tasks": {"mean": "1 Mbit"},
        "policy": {"name": "json:A"},
    }
    with pytest.raises(edgesim.ScenarioError, match="would import `json`"):
        edgesim.run(tables)


# Names from files that become paths, and outputs


def test_a_sweeps_table_reaches_nothing_outside_of_its_folder(tmp_path: Path) -> None:
    """With right checksums: it is written as the program writes it."""
    (tmp_path / "small.toml").write_text(SCENARIO)
    file, folder = tmp_path / "sweep.toml", tmp_path / "out"
    file.write_text('scenario = "small.toml"\nseeds = 2\n')
    kept = tmp_path / "kept.h5"
    kept.write_text("mine")
    for name in ("../../kept.h5", str(kept), "..", "a/../../kept.h5"):
        sweep = load_sweep(file)
        plan(sweep, folder)
        with SweepTable(folder) as table:
            facts = TraceFacts(name, 4, 0, "0" * 32, {"latency_s": [1.0]})
            table.record([((sweep.cases[0].run_id(1),), facts, 0.0)])
        for words in (["summary", str(folder)], ["sweep", str(folder), "--status"]):
            status, told = command(*words)
            assert status == 2 and "a trace outside of the folder" in told, told
        plan(sweep, folder)
        assert kept.read_text() == "mine"
        with SweepTable(folder) as table:
            assert not table.traces()


def test_a_sweeps_table_is_no_link(tmp_path: Path) -> None:
    kept, folder = tmp_path / "kept.sqlite", tmp_path / "out"
    folder.mkdir()
    kept.write_bytes(b"")
    (folder / "sweep.sqlite").symlink_to(kept)
    (tmp_path / "small.toml").write_text(SCENARIO)
    (tmp_path / "sweep.toml").write_text('scenario = "small.toml"\n')
    status, told = command("sweep", str(tmp_path / "sweep.toml"), "-o", str(folder))
    assert status == 2 and "a link" in told and kept.read_bytes() == b""


@pytest.mark.parametrize(
    "kind",
    [
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("dangling", "device")),
        "link",
        "folder",
    ],
)
def test_outputs_replace_no_link_or_device(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    edgesim.run(SCENARIO, "t.h5").close()
    Path("mine.toml").write_text(SCENARIO)
    for suffix in ("h5", "png", "html", "json", "csv"):
        path = Path(f"out.{suffix}")
        if kind == "folder":
            path.mkdir()
        elif kind == "device":
            os.mkfifo(path)
        else:
            path.symlink_to("kept" if kind == "link" else "nothing")
    Path("kept").write_text("mine")
    Path("tables").mkdir()
    Path("tables/slots.csv").symlink_to("../kept")
    for words in (
        ["run", "mine.toml", "-o", "out.h5", "--overwrite"],
        ["plot", "t.h5", "-o", "out.png", "--kind", "latency"],
        ["report", "t.h5", "-o", "out.html", "--overwrite"],
        ["export", "t.h5", "--graph", "out.json"],
        ["export", "t.h5", "--format", "csv", "-o", "tables"],
    ):
        status, told = command(*words)
        assert status == 2, told
    assert Path("kept").read_text() == "mine" and not Path("nothing").exists()
    assert Path("out.h5").is_symlink() == (kind in ("link", "dangling"))


@pytest.mark.usefixtures("in_this_process")
def test_no_folder_in_an_output_is_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user names may be one; what lies in it leads nowhere else."""
    monkeypatch.chdir(tmp_path)
    Path("real").mkdir()
    Path("named").symlink_to("real")
    Path("elsewhere").mkdir()
    _written(SCENARIO)
    Path("sweep.toml").write_text('scenario = "mine.toml"\n')
    assert command("sweep", "sweep.toml", "-o", "named", "--workers", "1")[0] == 0
    assert list(Path("real/traces").glob("*.h5"))

    class Board:
        """As tensorboard's, where that is installed."""

        def __init__(self, folder: str, purge_step: int) -> None:
            Path(folder).mkdir(parents=True, exist_ok=True)
            Path(folder, "events").touch()

    board = SimpleNamespace(SummaryWriter=Board)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", board)
    Table(Path("real/progress.csv"), 0)
    assert Path("real/tensorboard/progress/events").exists()
    for name in ("traces", "tensorboard", "tensorboard/progress", "a3", "trainings"):
        (out := Path("out", name)).parent.mkdir(parents=True, exist_ok=True)
        out.symlink_to(Path("elsewhere").resolve())
        if name == "traces":
            status, told = command("sweep", "sweep.toml", "-o", "out")
            assert status == 2 and "out/traces: a link, which is not followed" in told
        elif name.startswith("tensorboard"):
            with pytest.raises(OutputError, match=f"out/{name}: a link"):
                Table(Path("out/progress.csv"), 0)
        else:
            learners = (Trainings("t", "iiot_20dev", "aac"),)
            figure = Figure("a3", "title", "notes", "x", lambda results: [], trainings=learners)
            with pytest.raises(OutputError, match=f"out/{name}: a link"):
                Workshop(Path("out")).make(figure)
        out.unlink()
    assert not list(Path("elsewhere").iterdir())


def test_hidden_files_beside_an_output_are_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("kept").write_text("mine")
    for name in (".t.h5.new", ".t.h5.checkpoint.new", ".t.html.new"):
        Path(name).symlink_to("kept")
    assert command("run", _written(SCENARIO), "-o", "t.h5", "--checkpoint-every", "2")[0] == 0
    assert command("report", "t.h5")[0] == 0
    assert Path("kept").read_text() == "mine" and Path("t.html").is_file()


def _written(text: str) -> str:
    Path("mine.toml").write_text(text)
    return "mine.toml"


def test_a_report_asks_before_it_replaces_what_output_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    edgesim.run(SCENARIO, "t.h5").close()
    Path("mine.html").write_text("mine")
    status, told = command("report", "t.h5", "-o", "mine.html")
    assert status == 2 and "--overwrite" in told and Path("mine.html").read_text() == "mine"
    assert command("report", "t.h5", "-o", "mine.html", "--overwrite")[0] == 0
    assert "<html" in Path("mine.html").read_text()
    assert command("report", "t.h5")[0] == command("report", "t.h5")[0] == 0


@pytest.mark.parametrize("name", ["../outside.csv", "{outside}", "link.csv"])
def test_a_trace_names_no_data_file_outside(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its own scenario it may; of a trace, where it lies beside it, and otherwise with trust."""
    here, outside = tmp_path / "here", tmp_path / "outside.csv"
    here.mkdir()
    monkeypatch.chdir(here)
    outside.write_text("time,size\n0,1000\n0.1,2000\n")
    Path("link.csv").symlink_to(outside)
    Path("inside.csv").write_text(outside.read_text())
    name = name.format(outside=outside)
    replay = 'arrivals = "replay"\nfile = "{}"\ntime_column = "time"\nbits = {{size = 1}}\n'
    for file in (name, "inside.csv"):
        text = SCENARIO.replace('mean = "0.1 Mbit"\n', replay.format(file))
        Path("mine.toml").write_text(text)
        assert command("run", "mine.toml", "-o", "t.h5", "--overwrite")[0] == 0
        status, told = command("run", "t.h5", "-o", "again.h5", "--overwrite")
        assert (status == 0) == (file == "inside.csv"), told
        if status:
            assert "leads out of" in told and "key `tasks.file`" in told
            for more in (["--trust"], ["--set", f"tasks.file={name}"]):
                assert command("run", "t.h5", "-o", "again.h5", "--overwrite", *more)[0] == 0


def test_a_trace_names_no_checkpoint_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    edgesim.run(SCENARIO, "t.h5", policy="aac", checkpoint="aac_iiot_20dev").close()
    assert command("run", "t.h5", "-o", "again.h5")[0] == 0
    network = str(Path(edgesim.__file__).parent / "policies/learning/trained/aac_iiot_20dev.pt")
    edgesim.run(SCENARIO, "t.h5", policy="aac", checkpoint=network).close()
    status, told = command("run", "t.h5", "-o", "again.h5")
    assert status == 2 and "key `policy.checkpoint`" in told and "leads out of" in told
    assert command("run", "t.h5", "-o", "again.h5", "--checkpoint", network, "--overwrite")[0] == 0


# Texts from files


def test_latencies_come_from_the_trace_alone(tmp_path: Path) -> None:
    path, other = tmp_path / "t.h5", tmp_path / "other"
    edgesim.run(SCENARIO, path).close()
    with h5py.File(path, "r+") as file:
        tasks = file["tasks"]
        count = len(tasks["completion_s"])
        other.write_bytes(bytes(8 * count))
        del tasks["completion_s"]
        tasks.create_dataset("completion_s", (count,), "f8", external=[(str(other), 0, 8 * count)])
    with edgesim.open_trace(path) as trace, pytest.raises(TraceError, match="in another file"):
        trace.summary()


def test_titles_and_names_control_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    edgesim.run(SCENARIO, "t.h5").close()
    evil = "a\x1b]0;owned\x07\x9b2J\u202egnp.exe"
    with h5py.File("t.h5", "r+", locking=False) as file:
        file.attrs["policy"] = evil
        file.attrs["scenario"] = str(file.attrs["scenario"]).replace('"small"', json.dumps(evil))
    for words in (
        ["summary"],
        ["summary", "--json"],
        ["watch"],
        ["validate"],
        ["compare", "--seeds", "2"],
    ):
        _, told = command(words[0], "t.h5", *words[1:])
        assert not any(character in told for character in "\x1b\x07\x9b\u202e"), words
    print(edgesim.summarise("t.h5"))
    assert "\x1b" not in str(edgesim.summarise("t.h5"))
    status, told = command("run", "nothing\x1b[2J.toml")
    assert status == 2 and "\x1b" not in told and "\\x1b[2J" in told
    assert command("report", "t.h5")[0] == 0
    assert "\x1b" not in Path("t.html").read_text()


def test_no_text_in_a_csv_is_a_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [
        no_formula(text) for text in ("=1+1", "+a", "-114 dBm", "@x", "\tx", "-5", "a=1", "")
    ] == [*("'=1+1", "'+a", "'-114 dBm", "'@x", "'\tx", "-5", "a=1", "")]
    edgesim.run(SCENARIO, "t.h5").close()
    with h5py.File("t.h5", "r+", locking=False) as file:
        names = file["slots/station_name"]
        names[0] = b"=cmd|"
    assert command("export", "t.h5", "--format", "csv", "-o", "out")[0] == 0
    text = Path("out/stations.csv").read_text()
    assert '"\'=cmd|"' in text and '"=cmd' not in text
