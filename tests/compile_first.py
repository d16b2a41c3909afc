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

POLICIES = {
    "stream": ("lyapunov", "offload-all", "ddpg"),
    "green": ("lyapunov",),
    "tasks": ("lyapunov", "epr", "exact", "ddpg"),
}


def run_each(problem: str) -> None:
    """All of the policies for a problem that have functions of their own to compile."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for policy in POLICIES[problem]:
            what = everything(problem, policy, folder, "run.slots=14")
            execute(prepare(what), folder / f"{policy}.h5")


if __name__ == "__main__":
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(run_each, POLICIES))
