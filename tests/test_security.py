"""What is read from a file runs nothing, and writes nowhere but where it was asked to: docs/security.md."""

import sys
from pathlib import Path
from typing import Any

import h5py
import pytest
from click.testing import CliRunner

import edgesim
from edgesim.cli import main
from edgesim.experiments.sweeps.execute import plan
from edgesim.experiments.sweeps.sweep_file import load_sweep

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


@pytest.mark.parametrize("key", ["arrivals", "fading"])
def test_a_trace_names_no_class_without_trust(key: str, installed: Path) -> None:
    """Not even of a file beside it, by any command."""
    hostile_trace("t.h5", **{key: "elsewhere:Marks"})
    hostile_trace("beside.h5", **{key: "mine:Marks"})
    Path("mine.py").write_text(MARKS.format(mark=str(installed)))
    for trace in ("t.h5", "beside.h5"):
        for words in (
            ["summary", trace],
            ["plot", trace],
            ["report", trace, "-o", f"{trace}.html"],
            ["export", trace],
            ["watch", trace],
            ["validate", trace],
        ):
            status, told = command(*words)
            assert status == 0, told
        edgesim.open_trace(trace).close()
        for words in (
            ["run", trace],
            ["train", trace, "--policy", "ddpg"],
            ["run", trace, "--resume", "-o", "x.h5"],
        ):
            status, told = command(*words)
            assert status == 2 and "would import" in told, told
        with pytest.raises(edgesim.ScenarioError, match="would import"):
            edgesim.run(trace)
    assert not installed.exists()
    with pytest.raises(edgesim.ScenarioError, match="it has no method `start`"):
        edgesim.run("t.h5", trust=True)
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
