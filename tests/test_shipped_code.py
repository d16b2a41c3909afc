"""Compiled functions that come with the package are found where they fit, and only there."""

import json
import os
import platform
import resource
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path
from zipfile import ZipFile

import llvmlite.binding as llvm
import numba
import pytest
from rooms import ROOMS

from edgesim.simulator.core import shipped_code
from edgesim.simulator.core.compiled import compiled

ROOT = Path(__file__).resolve().parents[1]

needs_level_3 = pytest.mark.skipif(
    platform.machine() != "x86_64" or not llvm.get_host_cpu_features().get("avx2"),
    reason="no x86-64 processor of level 3",
)

HOST = ("x86_64-unknown-linux-gnu", "znver4", "+adx,+" + ",+".join(shipped_code._FEATURES))


def test_it_runs_on_processors_that_have_all_of_level_3() -> None:
    assert shipped_code.runs_on(HOST)
    assert shipped_code.runs_on(shipped_code.target(HOST))
    for feature in shipped_code._FEATURES:
        without = ",".join(one for one in HOST[2].split(",") if one != f"+{feature}")
        assert not shipped_code.runs_on((*HOST[:2], f"{without},-{feature}"))
    assert not shipped_code.runs_on((HOST[0], "x86-64", ""))


COMPILE = """
shipped_code.ARCHIVE = Path("shipped.zip")
def twice(x): return 2.0 * x
def same(x): return twice(x) / 2.0
twice = compiled(twice)
saved = []
save = compiled_cache.Cache.save_overload
def watched(self, *about):
    saved.append(self._inner)
    save(self, *about)
compiled_cache.Cache.save_overload = watched
print(compiled(same)(3.5), twice(1.0), len(saved), saved.count(True))
"""
LEVEL_3 = {"CPU_NAME": shipped_code.PROCESSOR, "CPU_FEATURES": ""}

PROCESSES = """
import json, os, sys, traceback
from pathlib import Path
import numba
from edgesim.simulator.core import compiled_cache, shipped_code
from edgesim.simulator.core.compiled import compiled
for line in sys.stdin:
    code, settings = json.loads(line)
    if not os.fork():
        try:
            for name, value in settings.items():
                setattr(numba.config, name, value)
            exec(code)
        except BaseException:
            print(traceback.format_exc().replace(chr(10), "; "))
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""
"""Forks itself for each code and numba's settings, once it has imported everything and compiled nothing."""


@pytest.fixture
def processes(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that runs `PROCESSES` in the test's folder."""
    with subprocess.Popen(
        [sys.executable, "-c", PROCESSES],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        bufsize=1,
    ) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def printed(
    process: "subprocess.Popen[str]", folder: Path, code: str, kept: str, **settings: str
) -> list[str]:
    assert process.stdin is not None and process.stdout is not None
    settings = {"CACHE_DIR": str(folder / kept), **settings}
    process.stdin.write(json.dumps([code, settings]) + "\n")
    return process.stdout.readline().split()


@pytest.mark.slow
@needs_level_3
def test_it_is_read_where_it_fits(tmp_path: Path, processes: "subprocess.Popen[str]") -> None:
    assert printed(processes, tmp_path, COMPILE, "made", **LEVEL_3) == ["3.5", "2.0", "3", "1"]
    with ZipFile(tmp_path / "shipped.zip", "w") as archive:
        for path in (tmp_path / "made" / "edgesim").glob("*.code"):
            if "inner" not in path.name:
                archive.write(path, path.name)
    assert printed(processes, tmp_path, COMPILE, "empty") == ["3.5", "2.0", "0", "0"]
    assert not (tmp_path / "empty").exists()
    # Other code, another processor, a damaged archive: it is compiled.
    other = COMPILE.replace("2.0 *", "4.0 *")
    assert printed(processes, tmp_path, other, "other") == ["7.0", "4.0", "3", "1"]
    older = {"CPU_NAME": "x86-64", "CPU_FEATURES": ""}
    assert printed(processes, tmp_path, COMPILE, "older", **older) == ["3.5", "2.0", "3", "1"]
    whole = (tmp_path / "shipped.zip").read_bytes()
    (tmp_path / "shipped.zip").write_bytes(whole[: len(whole) // 2])
    assert printed(processes, tmp_path, COMPILE, "damaged") == ["3.5", "2.0", "3", "1"]


def test_it_is_told_once_that_the_program_compiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(shipped_code, "_to_tell", [])
    told: list[str] = []
    shipped_code.tell_of_compilation(lambda: told.append("compiling"))

    def third(x: float) -> float:
        return x / 3.0

    assert compiled(third)(3.0) == 1.0
    assert not told  # a function of the user's
    third.__module__ = "edgesim.tried"
    assert compiled(third)(6.0) == 2.0 and compiled(third)(9) == 3.0
    assert told == ["compiling"]


IMPORTED = """
import sys
import edgesim
for scenario in ("iiot_20dev", "carbon_6ue"):
    edgesim.run(scenario, f"{scenario}.h5", policy="local", slots=1).close()
print(*{name.partition(".")[0] for name in sys.modules})
"""


def test_what_a_build_installs_is_all_that_its_runs_import(tmp_path: Path) -> None:
    """Else nothing would be compiled ahead, in a wheel that is built none the less."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    required = {
        line.partition(">")[0] for line in setup["options"]["install_requires"].split("\n") if line
    }
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    owners = metadata.packages_distributions()
    imported = {owner for name in done.stdout.split() for owner in owners.get(name, ())}
    needed = runpy.run_path(str(ROOT / "building" / "backend.py"))["NEEDED"]
    assert len(imported & required) > 8
    assert imported & required <= {*needed, "numpy"}  # which numba installs


RUN = ("run", "iiot_20dev", "--slots", "5", "-o")


@needs_level_3
@pytest.mark.slow
def test_a_built_package_runs_without_compiling(tmp_path: Path) -> None:
    """With no home to write into, and 32 at once: each takes a few seconds, and the same bits come out."""
    lib = tmp_path / "lib"
    package = lib / "edgesim"
    package.mkdir(parents=True)
    for path in ROOT.glob("*.py"):
        shutil.copy(path, package)
    for room in ROOMS:
        shutil.copytree(ROOT / room, package / room, ignore=shutil.ignore_patterns("__pycache__"))
    runpy.run_path(str(ROOT / "building" / "backend.py"))["add_compiled"](lib)
    file = tmp_path / "file"
    file.touch()
    nowhere = {name: str(file / "no") for name in ("HOME", "XDG_CACHE_HOME", "TMPDIR")}
    environment = os.environ | {"PYTHONPATH": str(lib), "NUMBA_CACHE_DIR": ""} | nowhere
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    runs = [
        subprocess.Popen(
            [sys.executable, "-m", "edgesim", *RUN, f"{k}.h5"],
            env=environment,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
        )
        for k in range(32)
    ]
    assert not any([run.wait() for run in runs])  # noqa: C419 - all are waited for
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (after.ru_utime - before.ru_utime) / 32 < 8.0
