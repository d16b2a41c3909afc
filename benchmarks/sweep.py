"""Sweeps: CPU time beside the simulation, two processes beside one, and how soon large ones answer."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from edgesim.experiments.sweeps.dataset import open_sweep
from edgesim.experiments.sweeps.execute import execute_sweep, jobs, plan
from edgesim.experiments.sweeps.status import sweep_status
from edgesim.experiments.sweeps.sweep_file import Sweep, load_sweep
from edgesim.experiments.sweeps.table import SweepTable, TraceFacts
from edgesim.experiments.sweeps.workers import LocalPool
from edgesim.traces.metrics import METRICS

from .checkouts import Comparison, checkouts, in_turn
from .measure import Row, cpu_s

SWEEP = """
scenario = "iiot_20dev"
policies = ["local"]
seeds = {seeds}
replications = {replications}
[set]
run.slots = {slots}
"""


def asked(folder: Path, more: str = "", **keys: int) -> Sweep:
    """A sweep of these keys."""
    path = folder / "sweep.toml"
    path.write_text(SWEEP.format(**keys) + more)
    return load_sweep(path)


OVERHEAD = """
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from edgesim.experiments.run import prepare
from edgesim.experiments.sweeps.execute import jobs, plan
from edgesim.experiments.sweeps.jobs import run_job
from edgesim.experiments.sweeps.sweep_file import load_sweep
from edgesim.scenarios.schema import Scenario
from edgesim.simulator.core.randomness import Streams
from edgesim.simulator.core.recorder import NullRecorder

def simulate(scenario):
    experiment = prepare(Scenario.model_validate_json(scenario))
    blueprint, streams = experiment.blueprint, Streams(1, experiment.scenario.run.replications)
    problem = blueprint.problem
    experiment.policy.reset(problem.network, problem, streams.generators("policy"))
    simulation = blueprint.simulation(experiment.policy.decide, NullRecorder(), streams)
    simulation.run()
    list(simulation.world.unfinished())

def cpu_ms(work):
    begin = time.process_time()
    work()
    return 1e3 * (time.process_time() - begin)

with TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "sweep.toml").write_text({text!r})
    sweep = load_sweep(folder / "sweep.toml")
    plan(sweep, folder)
    first, *others = jobs(sweep, set())
    simulate(first.scenario)
    run_job(first, folder)
    beside = [
        cpu_ms(lambda: run_job(job, folder)) - cpu_ms(lambda: simulate(job.scenario))
        for job in others
    ]
    print(median(beside))
"""
"""The simulation alone records nothing."""


def compare(base: Path | None) -> Iterator[Comparison]:
    """CPU time of a run in a sweep beside its simulation: validation, preparation and slots."""
    text = SWEEP.format(seeds=40, replications=1, slots=10)
    program = OVERHEAD.format(text=text)
    with checkouts(base) as each:
        before, this = in_turn(each, lambda one: float(one.spent("-c", program).printed))
    what = "beside the simulation, per run of its own"
    # Of the build before 29 ms were measured, of which 12 are the goal.
    yield Comparison(what, before, this, "ms CPU", 12.0 / 29.0, None if base else 12.0)


def speedup(folder: Path) -> Iterator[Row]:
    if len(os.sched_getaffinity(0)) < 2:
        return
    sweep = asked(folder, seeds=60, replications=1, slots=1500)
    rates: dict[int, float] = {}
    for workers in (2, 1, 2):  # the first fills the caches
        out = folder / f"{workers}-{len(rates)}"
        plan(sweep, out)
        pool = LocalPool(out, workers)
        begin = time.perf_counter()
        execute_sweep(sweep, out, lambda: pool)  # noqa: B023
        rates[workers] = sweep.runs / (time.perf_counter() - begin)
    yield Row("two processes over one", rates[2] / rates[1], "x (on free cores)", at_least=1.8)


def large(folder: Path) -> Iterator[Row]:
    values = ", ".join(f"{1e-3 * k:.3f}" for k in range(1, 10_001))
    begin = time.process_time()
    sweep = asked(
        folder, f"[grid]\nenergy.epsilon = [{values}]\n", seeds=1, replications=1, slots=20
    )
    plan(sweep, folder)
    waiting = list(jobs(sweep, set()))
    start_s = time.process_time() - begin
    yield Row("10,000 runs of 10,000 points: start", start_s, "s CPU", at_most=5.0)
    numbers = {key: [1.5] for key in METRICS}
    with SweepTable(folder) as table:
        table.record(
            (job.run_ids, TraceFacts(f"{job.id}.h5", 1, 1, "", numbers), 1.0) for job in waiting
        )
    yield Row("status of it", cpu_s(lambda: sweep_status(folder)), "s CPU", at_most=5.0)
    yield Row("open_sweep of it", cpu_s(lambda: open_sweep(folder)), "s CPU", at_most=5.0)


def measure() -> Iterator[Row]:
    for part in (speedup, large):
        with TemporaryDirectory() as folder:
            yield from part(Path(folder))
