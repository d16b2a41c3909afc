"""Compiles most of what tests run, so that their processes need not all do so at the same time.

`python tests/compile_first.py`: a few slots of each world, with everything that a run can have, each
world in a process of its own. What numba compiles stays in its cache on disk.
"""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from continuing import everything

from edgesim.experiments.run import execute, prepare

POLICIES = {"A": ("lyapunov", "offload-all", "ddpg"), "C": ("lyapunov", "epr", "exact", "ddpg")}


def run_each(world: str) -> None:
    """All of a world's policies that have functions of their own to compile."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for policy in POLICIES[world]:
            what = everything(world, policy, folder, "run.slots=14")
            execute(prepare(what), folder / f"{policy}.h5")


if __name__ == "__main__":
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(run_each, POLICIES))
