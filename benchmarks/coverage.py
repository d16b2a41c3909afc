"""How many 95 % intervals of one run hold the truth, over many runs of the same network.

Each case is run with 200 seeds at once, each of which is then summarised as if it were alone. The truth is
that of other seeds, run for longer and begun anew. A row has the share of the intervals that hold it, and
how many of the runs had one: the others say that they are too short. Whatever the case, an interval that is
stated and misses is to be no more than one run in twenty. The seeds are others than those on which
the bounds of `traces/effective_sample_size.py` were chosen. Runs come to about ten CPU minutes;
`python -m benchmarks.coverage 1000 iiot` has more runs of some cases, and `… compare` only the last rows:
intervals over seeds and of paired differences, as `edgesim compare` makes them.
"""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from edgesim import run as edgesim_run
from edgesim.experiments.run import prepare, run_info
from edgesim.scenarios.loading import load_scenario
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.core.recorder import EndStatus, NullRecorder, TaskTable
from edgesim.traces.comparison import compare_samples
from edgesim.traces.confidence_intervals import Estimate
from edgesim.traces.latencies import TaskRecord, without_rounding
from edgesim.traces.metrics import METRICS
from edgesim.traces.reader import open_trace
from edgesim.traces.statistics import BatchTotals, CountedBatches
from edgesim.traces.summary import WARMUP
from edgesim.traces.writer import TraceWriter

from .measure import Row

RUNS = 200

AT_ONCE = 50
"""Replications that are run together."""

LEAST, MOST = 93.0, 97.0
"""What the coverage of 95 % intervals is to be, in per cent, but for the error of a sample."""

FIRST_SEED = 30_001

MOSTLY = 0.5
"""Coverage is held against its target where at least this share of the runs has an interval."""

METRICS_SHOWN = (
    "worst_emission_mg",
    "energy_per_task_j",
    "feasible_share",
    "energy_per_bit_j",
    "queue_bits",
    "station_queue_bits",
    "offloaded_share",
    "late_share",
    "latency_s",
    "latency_p50_s",
    "latency_p95_s",
    "latency_p99_s",
)
"""Keys of `METRICS`, those that vary in a case."""

SEEDS = 10
"""Of a comparison."""

COMPARISONS = (
    ("iiot_20dev", ("lyapunov", "epr", "local"), 300),
    ("carbon_6ue", ("epr-ep", "epr", "local"), 50),
)
"""Scenario, policies and slots; networks are drawn anew for each seed."""

_PLACES = {
    "iiot": np.random.default_rng(5).uniform(0.0, 500.0, (20, 2)).round(1).tolist(),
    "carbon": np.random.default_rng(5).uniform(0.0, 100.0, (6, 2)).round(1).tolist(),
}
_QUEUE = {"devices.count": 1, "stations.sbs.count": 0, "policy.name": "local"}
_SERVED_MBIT = 0.5  # by a device of iiot_20dev, in a slot


def cases() -> dict[str, tuple[str, dict[str, Any], tuple[int, ...]]]:
    """By name: a scenario, its changes, and numbers of slots."""
    found: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {}
    long = 1_000, 3_000, 10_000
    poisson = {"tasks.arrivals": "poisson", "tasks.sizes": "exponential", "tasks.rate": 10.0}
    for load in (0.5, 0.8, 0.95):
        mean = {"tasks.mean": f"{_SERVED_MBIT * load} Mbit"}
        found[f"queue {load} uniform"] = "iiot_20dev", _QUEUE | mean, long
        found[f"queue {load} Poisson"] = "iiot_20dev", _QUEUE | mean | poisson, long
    found["iiot"] = "iiot_20dev", {"devices.positions": _PLACES["iiot"]}, long
    placed = {"devices.positions": _PLACES["carbon"]}
    for policy in ("local", "offload-all", "epr-ep"):
        found[f"carbon {policy}"] = "carbon_6ue", placed | {"policy.name": policy}, (200, 1_000)
    return found


class _Keeper(NullRecorder):
    """Leaves a trace of totals alone, and keeps the latencies of the tasks."""

    def __init__(self, writer: TraceWriter) -> None:
        self._writer = writer
        self._slot = 0
        self.kept: list[tuple[Any, ...]] = []

    def close(self, status: EndStatus) -> None:
        """As the writer."""
        self._writer.close(status)

    def slot(self, slot: int, columns: Mapping[str, Any]) -> None:
        """As the writer."""
        self._slot = slot
        self._writer.slot(slot, columns)

    def tasks(self, tasks: TaskTable) -> None:
        """As the writer; with the slot of each."""
        self._writer.tasks(tasks)
        done = tasks[tasks["outcome"] <= 1]
        seconds = done["completion_s"] - done["arrival_s"]
        slots = np.full(len(done), self._slot, np.int32)
        self.kept.append((seconds, done["replication"].astype(np.int32), slots))


def alone(
    scenario: str, changes: Mapping[str, Any], slots: int, seed: int, runs: int
) -> Iterator[tuple[BatchTotals, TaskRecord]]:
    """Runs with consecutive seeds, each as if it had been the only one."""
    for first in range(seed, seed + runs, AT_ONCE):
        number = min(AT_ONCE, seed + runs - first)
        run = {"run.slots": slots, "run.seed": first, "run.replications": number}
        experiment = prepare(load_scenario(scenario, {**changes, **run}))
        policy, problem = experiment.policy, experiment.blueprint.problem
        policy.reset(problem.network, problem, experiment.streams.generators("policy"))
        with TemporaryDirectory() as folder:
            path = Path(folder) / "t.h5"
            keeper = _Keeper(TraceWriter(path, run_info(experiment), level="summary"))
            experiment.blueprint.simulation(policy.decide, keeper, experiment.streams).run()
            keeper.close("complete")
            with open_trace(path) as trace:
                totals = trace.totals
        columns = (np.concatenate(part) for part in zip(*keeper.kept, strict=True))
        seconds, replication, slot = columns
        seconds = without_rounding(seconds, slots * totals.slot_s)
        for r in range(number):
            arrays = {
                name: values[r : r + 1] if values.shape[0] == number and name != "slots" else values
                for name, values in totals.arrays.items()
            }
            mine = replication == r
            batch = slot[mine] // totals.batch_slots
            record = TaskRecord(seconds[mine], np.zeros(len(batch), int), batch, 1)
            yield replace(totals, arrays=arrays), record


def truth(scenario: str, changes: Mapping[str, Any], slots: int, runs: int) -> dict[str, float]:
    """The numbers in the long run, of other seeds."""
    sums: dict[str, list[Estimate]] = {}
    for totals, record in alone(scenario, changes, slots, 100_000, runs):
        for key, one in CountedBatches(totals, 0.2).estimates(record).items():
            sums.setdefault(key, []).append(one)
    return {key: float(np.mean([one.value for one in found])) for key, found in sums.items()}


def measure(runs: int = RUNS, only: str = "") -> Iterator[Row]:
    """Coverage, of each case and number of slots."""
    error = 200.0 * float(np.sqrt(0.95 * 0.05 / runs))  # two standard errors, in per cent
    for name, (scenario, changes, lengths) in cases().items():
        if only not in name:
            continue
        known = truth(scenario, changes, 2 * max(lengths), runs // 2)
        for slots in lengths:
            found: dict[str, list[Estimate]] = {}
            for totals, record in alone(scenario, changes, slots, FIRST_SEED, runs):
                for key, one in CountedBatches(totals, WARMUP).estimates(record).items():
                    found.setdefault(key, []).append(one)
            for key in METRICS_SHOWN:
                if key not in found:
                    continue
                ends = np.array([(one.low, one.high) for one in found[key]])
                stated = np.isfinite(ends).all(axis=1)
                if np.ptp([one.value for one in found[key]]) <= 1e-9 * abs(known[key]):
                    continue  # it does not vary
                holds = (ends[:, 0] <= known[key]) & (known[key] <= ends[:, 1])
                share, mostly = stated.mean(), stated.mean() >= MOSTLY
                what = f"{name}, {slots:,}: {METRICS[key].label}"
                yield Row(
                    what,
                    100.0 * float(holds[stated].mean()) if stated.any() else float("nan"),
                    f"% of {100.0 * share:.0f} % with interval",
                    at_least=LEAST - error if mostly else None,
                    at_most=MOST + error if mostly else None,
                )
                missed = 100.0 * float((stated & ~holds).mean())
                yield Row(f"{what}, stated and missed", missed, "%", at_most=5.0 + error)
    if only in "compare":
        yield from compared(runs)


def compared(comparisons: int) -> Iterator[Row]:
    """Coverage of means and paired differences over ten seeds, of networks drawn anew for each seed."""
    error = 200.0 * float(np.sqrt(0.95 * 0.05 / comparisons))
    for scenario, policies, slots in COMPARISONS:
        by_policy = {policy: _by_seed(scenario, policy, slots, comparisons) for policy in policies}
        held: dict[str, list[bool]] = {}
        for first in range(0, comparisons * SEEDS, SEEDS):
            part = slice(first, first + SEEDS)
            samples = {
                policy: {key: values[key][part] for key in METRICS_SHOWN if key in values}
                for policy, values in by_policy.items()
            }
            none = dict.fromkeys(samples, Path())
            (found,) = compare_samples({"": samples}, none, [], WARMUP, {"": []})
            for policy in found.policies:
                for kind, estimates in (
                    ("means", policy.means),
                    ("differences", {k: d.estimate for k, d in policy.differences.items()}),
                ):
                    for key, one in estimates.items():
                        truth = by_policy[policy.label][key].mean()
                        if kind == "differences":
                            truth -= by_policy[policies[0]][key].mean()
                        if one.low < one.high:
                            held.setdefault(kind, []).append(bool(one.low <= truth <= one.high))
        for kind, inside in held.items():
            yield Row(
                f"compare, {scenario}, {slots} slots, {SEEDS} seeds: {kind}",
                100.0 * float(np.mean(inside)),
                "%",
                at_least=92.0 - error,
                at_most=100.0,
            )


def _by_seed(scenario: str, policy: str, slots: int, comparisons: int) -> dict[str, FloatArray]:
    """By key of `METRICS`, a number for each seed."""
    run = {"run.slots": slots, "run.seed": FIRST_SEED, "run.replications": comparisons * SEEDS}
    keys = {**run, "policy.name": policy, "trace.level": "summary"}
    with (
        TemporaryDirectory() as folder,
        edgesim_run(scenario, Path(folder) / "t.h5", overrides=keys) as trace,
    ):
        return trace.replication_values(WARMUP)


if __name__ == "__main__":
    number, *names = sys.argv[1:] or [str(RUNS)]
    for row in measure(int(number), *names):
        print(f"{row.what:<58}{row.value:6.1f} {row.unit}", flush=True)
