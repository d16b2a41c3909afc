"""Compiles most of what tests run, so that their processes need not all do so at the same time.

`python tests/compile_first.py`: a few slots of each problem, with everything that a run can have, each
problem in a process of its own. What numba compiles stays in its cache on disk.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from continuing import everything

from edgesim.experiments.run import execute, prepare

MANY = "devices.count=13"
"""More than `lyapunov` refines: another compiled function."""

RUNS = {
    "stream": (("lyapunov",), ("lyapunov", MANY), ("offload-all",), ("ddpg",)),
    "green": (("lyapunov",), ("lyapunov", MANY)),
    "tasks": (("lyapunov",), ("epr",), ("exact",), ("ddpg",)),
}
"""By problem: policies that have functions of their own to compile, and overrides."""


def run_each(problem: str) -> None:
    """All of a problem."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for policy, *overrides in RUNS[problem]:
            what = everything(problem, policy, folder, "run.slots=14", *overrides)
            execute(prepare(what), folder / f"{policy}.h5")


if __name__ == "__main__":
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(run_each, RUNS))
