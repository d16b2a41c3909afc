"""What a sweep will run, and what that will take, from the first slots of some of them."""

import math
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from ...scenarios.errors import Issue, ScenarioError, as_toml
from ...scenarios.schema import Scenario
from ...simulator.core.errors import RunError
from ...traces.printing import Printable, duration
from ...traces.running_totals import BATCHES
from ..replication_block import Running
from ..run import execute, prepare
from .execute import jobs
from .sweep_file import Case, Sweep, json_with_run, place, points
from .table import TRACES
from .workers import LocalPool

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

PROBE_S = 0.25
"""CPU seconds, about, that each probed run gets after its first slots."""

PROBES = 3
"""Points that are probed of each policy, evenly spread over the sweep."""

LISTED = 20
"""Runs that the table shows; JSON has all."""


@dataclass(frozen=True)
class PlannedRun:
    """A run that a sweep asks for.

    Attributes:
        id: of the run.
        policy: as the sweep file writes it.
        seed: of the run.
        point: the values of the swept keys, as the file writes them.
    """

    id: str
    policy: str
    seed: int
    point: dict[str, Any]


@dataclass(frozen=True)
class PolicyEstimate:
    """What the runs of one policy will take.

    Attributes:
        policy: as the sweep file writes it.
        runs: of this policy.
        cpu_s: of a run, mean over the points probed.
        size: bytes of its trace, in the same mean.
        slowest: the point that took longest.
    """

    policy: str
    runs: int
    cpu_s: float
    size: float
    slowest: str


@dataclass(frozen=True)
class SweepEstimate(Printable):
    """What a sweep will take.

    Attributes:
        title: of the sweep.
        points: number of points.
        seeds: number of seeds.
        runs: number of runs.
        planned: all of them, in the order of the file.
        policies: what each will take, but for those that fail at all points probed.
        workers: processes that share the work, as far as there is work for them.
        start_s: seconds until a process has started and has run each policy once.
        failures: runs that were probed and failed, and why.
    """

    title: str
    points: int
    seeds: int
    runs: int
    planned: list[PlannedRun]
    policies: list[PolicyEstimate]
    workers: int
    start_s: float
    failures: list[str]

    @property
    def cpu_s(self) -> float:
        """Of all runs."""
        return sum(one.runs * one.cpu_s for one in self.policies)

    @property
    def size(self) -> float:
        """Bytes of all traces."""
        return sum(one.runs * one.size for one in self.policies)

    @property
    def wall_s(self) -> float:
        """From start to end."""
        return self.start_s + self.cpu_s / self.workers

    def to_table(self) -> "Group":
        """For people: the first runs, and what all of them will take."""
        from rich.console import Group

        return Group(self._runs_table(), self._cost_table())

    def _runs_table(self) -> "Table":
        from rich.table import Table
        from rich.text import Text

        shown = self.planned[:LISTED]
        more = self.runs - len(shown)
        table = Table(
            title=Text(self.title),
            caption=f"and {more:,} more; --json has all" if more else None,
        )
        keys = list(dict.fromkeys(key for run in shown for key in run.point))
        for heading in ("run", *keys, "policy", "seed"):
            table.add_column(Text(heading), justify="right" if heading == "seed" else "left")
        for run in shown:
            values = [as_toml(run.point[key]) if key in run.point else "" for key in keys]
            table.add_row(run.id, *map(Text, values), Text(run.policy), str(run.seed))
        return table

    def _cost_table(self) -> "Table":
        from rich.table import Table
        from rich.text import Text

        processes = "1 process" if self.workers == 1 else f"{self.workers} processes"
        table = Table(
            caption=f"{self.points:,} points, {self.seeds:,} seeds; with {processes} "
            f"about {duration(self.wall_s)}, of which {duration(self.start_s)} to start",
        )
        table.add_column("policy")
        for heading in ("runs", "CPU time of one", "of all", "disk"):
            table.add_column(heading, justify="right")
        table.add_column("slowest point probed")
        for one in self.policies:
            table.add_row(
                Text(one.policy),
                f"{one.runs:,}",
                duration(one.cpu_s),
                duration(one.runs * one.cpu_s),
                f"{one.runs * one.size / 1e6:,.1f} MB",
                Text(one.slowest),
            )
        table.add_section()
        size = f"{self.size / 1e6:,.1f} MB"
        table.add_row("", f"{self.runs:,}", "", duration(self.cpu_s), size, "")
        if self.failures:
            table.add_section()
        for failure in self.failures:
            table.add_row("fails", "", "", "", "", Text(failure))
        return table

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        totals = {"cpu_s": self.cpu_s, "wall_s": self.wall_s, "bytes": self.size}
        return asdict(self) | totals


def estimate(sweep: Sweep, workers: int) -> SweepEstimate:
    """Run the first slots of some points of each policy, and extrapolate.

    Args:
        sweep: what will be run.
        workers: processes that will share the work.

    Raises:
        ScenarioError: policies have to be trained before they can run.
    """
    if sweep.train:
        what = "what has to be trained first cannot be tried"
        allowed = "`edgesim train` says how long a training takes"
        raise ScenarioError([Issue(sweep.source, what, "train", allowed=allowed)])
    total = math.prod(len(axis.settings) for axis in sweep.axes)
    keys = list(points(sweep.axes))
    chosen = sorted({round(k * (total - 1) / (PROBES - 1)) for k in range(PROBES)})
    found, failures = [], []
    for number, policy in enumerate(sweep.policies):
        probes = []
        for point in chosen:
            case = sweep.cases[point * len(sweep.policies) + number]
            try:
                probes.append((*_probe(case, sweep), place(keys[point])))
            except RunError as error:
                failures.append(f"{place(keys[point], policy)}: {error}")
        if not probes:
            continue
        found.append(
            PolicyEstimate(
                policy=policy,
                runs=total * len(sweep.seeds),
                cpu_s=sum(cpu_s for cpu_s, _, _ in probes) / len(probes),
                size=sum(size for _, size, _ in probes) / len(probes),
                slowest=max(probes)[2],
            )
        )
    return SweepEstimate(
        title=sweep.title,
        points=total,
        seeds=len(sweep.seeds),
        runs=sweep.runs,
        planned=[
            PlannedRun(case.run_id(seed), case.policy, seed, keys[case.point])
            for case in sweep.cases
            for seed in sweep.seeds
        ],
        policies=found,
        workers=min(workers, len(sweep.cases) * len(sweep.blocks)),
        start_s=_start_s(sweep),
        failures=failures,
    )


def _start_s(sweep: Sweep) -> float:
    """Seconds until a process of the sweep has started and run two slots of each policy.

    What is compiled was compiled by the probes, and is loaded here, as in any such process.
    """
    cases = sweep.cases[: len(sweep.policies)]
    short = tuple(replace(case, scenario=json_with_run(case.scenario, slots=2)) for case in cases)
    few = replace(sweep, cases=short, seeds=sweep.seeds[:1])
    begun = time.monotonic()
    with TemporaryDirectory() as folder:
        Path(folder, TRACES).mkdir()
        pool = LocalPool(Path(folder), workers=1)
        try:
            for job in jobs(few, set()):
                pool.submit(job)
                while pool.next(timeout_s=1.0) is None:
                    pass
        finally:
            pool.close()
        return time.monotonic() - begun


def _probe(case: Case, sweep: Sweep) -> tuple[float, float]:
    """CPU seconds and bytes of a run, from its first slots, in lock-step with its neighbours."""
    first, count = sweep.blocks[0]
    text = json_with_run(case.scenario, seed=first, replications=count)
    scenario = Scenario.model_validate_json(text).located(sweep.source, sweep.folders, sweep.code)
    slots = scenario.run.slots
    begun = scenario.with_run(slots=min(slots, 2))
    with TemporaryDirectory() as folder:
        path = Path(folder, "probe.h5")
        execute(prepare(begun), path)  # compiles, reads files, fills caches
        start = time.process_time()
        execute(prepare(begun), path)
        fixed_s, fixed_size = time.process_time() - start, path.stat().st_size
        runs: list[Running] = []
        ended = threading.Event()

        def watch() -> None:
            # By CPU time a busy machine gets as far; by the clock so does a policy that waits.
            late = time.monotonic() + 10 * PROBE_S
            while time.process_time() < start + PROBE_S and time.monotonic() < late:
                if ended.wait(PROBE_S / 20):
                    return
            runs[0].stop()

        watching = threading.Thread(target=watch, daemon=True)

        def follow(run: Running) -> None:
            runs.append(run)
            watching.start()

        start = time.process_time()
        try:
            execute(prepare(scenario), path, follow)
        finally:
            ended.set()
        taken_s, size = time.process_time() - start, path.stat().st_size
        done = runs[0].slot
        if scenario.trace.level == "summary" and 4 * done > BATCHES:
            # With a slot in every batch it is as large as it gets.
            execute(prepare(scenario.with_run(slots=min(slots, BATCHES))), path)
            fixed_size = size = path.stat().st_size
    share = slots / max(done, 1)
    seconds = fixed_s + max(taken_s - fixed_s, 0.0) * share
    return seconds / count, (fixed_size + max(size - fixed_size, 0) * share) / count
