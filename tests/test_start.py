"""What a command does not need, it does not import: that, and not the work, is what short commands cost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import edgesim
from edgesim.cli import main

CHILD = """
import json, sys
sys.argv = ["edgesim", *json.loads(sys.argv[1])]
try:
    from edgesim.__main__ import main
    main()
except SystemExit as ended:
    assert not ended.code, ended.code
print(json.dumps(list(sys.modules)), file=sys.stderr)
"""

ALWAYS = {"torch", "cvxpy", "xarray", "pandas", "pint", "dask", "scipy.stats", "matplotlib"}
ALWAYS |= {"gymnasium", "pyarrow", "stable_baselines3", "distributed"}
COMPILED = {"numba", "llvmlite"}
LIGHT = ALWAYS | COMPILED | {"scipy", "networkx", "rich"}
LIGHTEST = LIGHT | {"numpy", "h5py", "pydantic", "simpy"}


def imported(code: str, *arguments: str, folder: Path) -> set[str]:
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=dict(os.environ)
    )
    assert not done.returncode, done.stderr
    modules: list[str] = json.loads(done.stderr.splitlines()[-1])
    return set(modules)


@pytest.mark.parametrize("name", [*main.commands, ""])
def test_help_imports_the_parser_alone(name: str, tmp_path: Path) -> None:
    words = json.dumps([name, "--help"] if name else ["--help"])
    assert not LIGHTEST & imported(CHILD, words, folder=tmp_path)


@pytest.mark.parametrize(
    ("words", "without"),
    [
        (["policies"], LIGHTEST),
        (["scenarios"], LIGHTEST),
        (["validate", "iiot_20dev"], LIGHT),
        (["validate", "carbon_6ue"], LIGHT),
        (["run", "iiot_20dev", "--slots", "1", "-o", "t.h5"], ALWAYS),
        (["run", "carbon_6ue", "--slots", "1", "-o", "t.h5", "--policy", "exact"], ALWAYS),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_imports_what_it_needs(
    words: list[str], without: set[str], tmp_path: Path
) -> None:
    assert not without & imported(CHILD, json.dumps(words), folder=tmp_path)


def test_reading_a_trace_imports_what_it_needs(tmp_path: Path) -> None:
    edgesim.run("iiot_20dev", tmp_path / "t.h5", slots=20).close()
    show = "import json, sys; print(json.dumps(list(sys.modules)), file=sys.stderr)"
    opened = imported(f"import edgesim; edgesim.open_trace('t.h5'); {show}", folder=tmp_path)
    assert not (LIGHT | {"pydantic", "simpy"}) & opened
    summed = imported(CHILD, json.dumps(["summary", "t.h5"]), folder=tmp_path)
    assert not (ALWAYS | COMPILED | {"networkx", "simpy"}) & summed


def test_a_worker_of_a_sweep_finds_imported_what_a_run_needs(tmp_path: Path) -> None:
    """Policies apart: which of them its jobs need, the server of the workers cannot know."""
    code = """
import json, sys
import edgesim, edgesim.api, edgesim.simulator.assembly.preload, edgesim.experiments.sweeps.jobs
before = set(sys.modules)
edgesim.run("iiot_20dev", "t.h5", slots=2, policy="local").close()
print(json.dumps(list(set(sys.modules) - before)), file=sys.stderr)
"""
    late = imported(code, folder=tmp_path)
    heavy = {"numba", "llvmlite", "scipy", "networkx", "h5py", "numpy", "simpy"}
    assert "edgesim.policies.local" in late
    assert not [one for one in late if one.split(".")[0] in heavy]
    assert not [one for one in late if one.startswith(("edgesim.simulator", "edgesim.traces"))]
