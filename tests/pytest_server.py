"""pytest in forks of a process that has imported what comes from elsewhere: a start takes two seconds, a fork none.

`python -P pytest_server.py` reads a line of JSON for each call, `[arguments of pytest, most seconds or null]`,
and answers each with a line, `[exit status or null, the end of what it printed]`: the status is null where it
did not end in time, and negative for the signal that ended it.
"""

import json
import os
import signal
import sys
import time
import traceback
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

FROM_ELSEWHERE = (
    "click",
    "cvxpy",
    "gymnasium.vector",
    "h5netcdf",
    "h5py",
    "hypothesis.extra.numpy",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "networkx",
    "numba",
    "pandas",
    "pettingzoo",
    "pydantic",
    "rich.console",
    "rich.progress",
    "rich.table",
    "scipy.optimize",
    "scipy.sparse.linalg",
    "scipy.stats",
    "simpy",
    "stable_baselines3",
    "torch",
    "torch._dynamo",
    "xarray",
)
"""What takes long to import. Nothing of the program's, nor of its tests: these are edited."""

ALREADY_IMPORTED = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")
"""pytest is sorry that it cannot look into the assertions of its plugins."""

SHOWN = 2000
"""Characters of what a call printed."""


def call(words: list[str], most_s: float | None, output: Path) -> tuple[int | None, str]:
    """pytest in a fork, which is ended with all its own processes where it takes longer."""
    process = os.fork()
    if process == 0:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        written = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(written, stream)
        status = 70
        try:
            status = int(pytest.main([*ALREADY_IMPORTED, *words]))
        except BaseException:  # noqa: BLE001 - else nobody would hear of it
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            sys.stdout.flush()
            os._exit(status)
    late = time.monotonic() + most_s if most_s else float("inf")
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), output.read_text(errors="replace")[-SHOWN:]
        if time.monotonic() > late:
            os.killpg(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return None, ""
        time.sleep(0.01)


def main() -> None:
    """Until stdin ends."""
    for name in FROM_ELSEWHERE:
        import_module(name)
    with TemporaryDirectory() as folder:
        for line in sys.stdin:
            words, most_s = json.loads(line)
            print(json.dumps(call(words, most_s, Path(folder, "output"))), flush=True)


if __name__ == "__main__":
    main()
