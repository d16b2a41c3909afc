"""setuptools, which also compiles what a user would wait for, and puts it into the wheel.

The compiled functions of `runs.py` are compiled for any x86-64 processor of level 3, and laid down where
`simulator/core/shipped_code.py` looks for them. Where that cannot be done the wheel is as good without:
they are compiled when they are first called. An editable install leaves them out.
"""

import os
import platform
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from warnings import warn
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from setuptools import build_meta
from setuptools.build_meta import *
from setuptools.command.build_py import build_py

RUNS = Path(__file__).with_name("runs.py")
PROBLEMS = ("stream", "tasks")
NEEDED = (
    "click",
    "h5py",
    "isal",
    "networkx",
    "numba",
    "platformdirs",
    "pydantic",
    "scipy",
    "simpy",
    "threadpoolctl",
    "tomli-w",
)
"""What the runs import, of what the package requires."""


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    """What is installed to build a wheel, but not for an editable install."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *NEEDED]


class BuildPy(build_py):  # type: ignore[misc]
    """The package's files, and the archive of compiled functions."""

    def run(self) -> None:
        """Lay down both."""
        super().run()
        if not self.editable_mode and platform.machine() in ("x86_64", "AMD64"):
            add_compiled(Path(self.build_lib).resolve())


def add_compiled(lib: Path) -> None:
    """Compile the functions of the package in a folder, and add them to it."""
    archive = lib / "edgesim" / "compiled" / "x86-64-v3.zip"
    archive.unlink(missing_ok=True)
    with TemporaryDirectory() as place:
        kept = Path(place, "edgesim")
        compiles = run_all(lib, place)
        before = {path: path.stat().st_mtime_ns for path in kept.glob("*.code")}
        # Of all that was compiled, only what Python calls is looked up, and so touched, once more.
        if not compiles or not run_all(lib, place):
            warn("nothing was compiled ahead: it will be at the first run", stacklevel=2)
            return
        used = [path for path, time in before.items() if path.stat().st_mtime_ns != time]
        archive.parent.mkdir(exist_ok=True)
        with ZipFile(archive, "w", ZIP_DEFLATED, compresslevel=9) as file:
            for path in sorted(used):
                file.writestr(ZipInfo(path.name), path.read_bytes(), ZIP_DEFLATED, 9)


def run_all(lib: Path, kept: str) -> bool:
    """Make all runs, each problem's in a process of its own; whether they came to their ends.

    Args:
        lib: where the package is.
        kept: where compiled functions are kept.
    """
    paths = [str(lib), *filter(None, [os.environ.get("PYTHONPATH")])]
    where = {"PYTHONPATH": os.pathsep.join(paths), "NUMBA_CACHE_DIR": kept}
    what = {"NUMBA_CPU_NAME": "x86-64-v3", "NUMBA_CPU_FEATURES": ""}
    runs = [
        subprocess.Popen([sys.executable, RUNS, problem], env=os.environ | where | what, cwd=kept)
        for problem in PROBLEMS
    ]
    statuses = [run.wait() for run in runs]
    return not any(statuses)
