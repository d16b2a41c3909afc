"""Quantiles of latencies, against the sorted data: ties, gaps, heavy tails, from tasks and from the sketch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from trace_recording import completed, run_info, zero_columns

from edgesim import api
from edgesim.traces.comparison import compare_traces
from edgesim.traces.confidence_intervals import series_quantiles
from edgesim.traces.latencies import Latencies, SketchedLatencies, TaskLatencies
from edgesim.traces.panels import latency_distribution
from edgesim.traces.reader import open_trace, summarise
from edgesim.traces.running_totals import BATCHES_PER_PART, LATENCY_EDGES_S, TaskTally
from edgesim.traces.summary import Summary
from edgesim.traces.variables import Level
from edgesim.traces.writer import TraceWriter

Seconds = NDArray[np.float64]
Rng = np.random.Generator

SHARES = np.array([0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0])
ERROR = 1.0 / 128.0
"""Of the sketch, as a share of the latency of a task."""

KINDS: dict[str, Callable[[Rng, int], Seconds]] = {
    "all the same": lambda rng, n: np.full(n, 2.0),
    "capped at a deadline": lambda rng, n: np.minimum(rng.exponential(3.0, n), 2.0),
    "two values": lambda rng, n: np.where(rng.random(n) < 0.93, 0.1, 7.0),
    "a gap": lambda rng, n: np.where(rng.random(n) < 0.5, rng.uniform(0.1, 0.2, n), 40.0),
    "smooth": lambda rng, n: rng.exponential(0.3, n),
    "heavy tail": lambda rng, n: 0.01 * rng.pareto(0.7, n) + 1e-4,
    "many orders of magnitude": lambda rng, n: 10.0 ** rng.uniform(-8.0, 7.0, n),
    "some at once": lambda rng, n: np.where(rng.random(n) < 0.3, 0.0, rng.exponential(1.0, n)),
}


def sketched(latency: Seconds) -> SketchedLatencies:
    """As the writer makes it, one group for each part of the run."""
    parts = 20
    tally = TaskTally(1, parts * BATCHES_PER_PART)
    for part, some in enumerate(np.array_split(latency, parts)):
        tally.add(part * BATCHES_PER_PART, completed(some))
    return SketchedLatencies(tally.histogram[0], tally.bin_min_s[0], tally.bin_max_s[0])


def of_tasks(latency: Seconds, groups: int = 20) -> TaskLatencies:
    places = np.concatenate(
        [np.full(len(some), g) for g, some in enumerate(np.array_split(latency, groups))]
    )
    return TaskLatencies(latency, places, groups)


def test_within_a_bin_of_the_sketch_tasks_lie_evenly() -> None:
    """Three tasks from 1 to 1.2 s, and one alone in a later bin, with which the upper quantiles are interpolated."""
    sketch = SketchedLatencies(
        np.array([[3, 0, 1]]), np.array([1.0, 0.0, 4.0]), np.array([1.2, 0.0, 4.5])
    )
    shares = np.array([0.0, 1.0 / 6.0, 1.0 / 3.0, 2.0 / 3.0, 5.0 / 6.0, 1.0])
    assert_allclose(sketch.quantiles(shares), [1.0, 1.05, 1.1, 1.2, 2.6, 4.0], rtol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 37, 5000])
@pytest.mark.parametrize("kind", KINDS)
def test_quantiles_of_the_tasks_are_numpys(kind: str, count: int) -> None:
    latency = KINDS[kind](np.random.default_rng(count), count)
    assert_allclose(of_tasks(latency).quantiles(SHARES), np.quantile(latency, SHARES), rtol=1e-12)


@pytest.mark.parametrize("count", [1, 2, 37, 5000])
@pytest.mark.parametrize("kind", KINDS)
def test_the_sketch_is_off_by_no_more_than_it_says(kind: str, count: int) -> None:
    latency = KINDS[kind](np.random.default_rng(count), count)
    ordered, last = np.sort(latency), count - 1
    below = np.floor(SHARES * last).astype(int)
    # Each task is in its bin; below 1 us, in the first one.
    step = 2.0**-20
    slack = ERROR * ordered + step * (ordered < step)
    low = (ordered - slack)[below]
    high = (ordered + slack)[np.minimum(below + 1, last)]
    found = sketched(latency).quantiles(SHARES)
    assert (low - 1e-12 <= found).all() and (found <= high + 1e-12).all()
    assert found[-1] == ordered[-1] and found[0] <= ordered[0]


@pytest.mark.parametrize("kind", ["all the same", "two values"])
def test_the_sketch_is_exact_on_ties(kind: str) -> None:
    latency = KINDS[kind](np.random.default_rng(1), 5000)
    assert_array_equal(sketched(latency).quantiles(SHARES), np.quantile(latency, SHARES))


def test_of_a_bin_the_part_above_a_bound_is_counted() -> None:
    """By hand: 4 tasks from 1 to 2 s, none or 10 from 3 to 5 s, 6 at 7 s."""
    counts, least, greatest = np.array([[4, 10, 6], [4, 0, 6]]), [1.0, 3.0, 7.0], [2.0, 5.0, 7.0]
    latencies = SketchedLatencies(counts, np.array(least), np.array(greatest))
    bounds = np.array([0.5, 1.0, 1.25, 2.0, 2.5, 3.0, 3.5, 5.0, 6.0, 7.0, 8.0])
    assert latencies.above(bounds).tolist() == [
        [20.0, 20.0, 19.0, 16.0, 16.0, 16.0, 13.5, 6.0, 6.0, 0.0, 0.0],
        [10.0, 10.0, 9.0, 6.0, 6.0, 6.0, 6.0, 6.0, 6.0, 0.0, 0.0],
    ]
    following = [latencies.following(bound) for bound in (0.5, 1.25, 2.5, 4.0, 6.0, 7.5)]
    assert following == [1.0, 1.25, 3.0, 4.0, 7.0, 7.5]


@pytest.mark.parametrize("make", [of_tasks, sketched])
@pytest.mark.parametrize("kind", KINDS)
def test_tasks_above_a_bound_are_counted(kind: str, make: Callable[[Seconds], Latencies]) -> None:
    latency = KINDS[kind](np.random.default_rng(3), 4000)
    latencies = make(latency)
    bounds = np.unique([0.0, 1e-9, *np.quantile(latency, np.linspace(0.0, 1.0, 23)), 1e9])
    exact = np.array(
        [[(some > bound).sum() for bound in bounds] for some in np.array_split(latency, 20)]
    )
    found = latencies.above(bounds)
    assert_array_equal(latencies.tasks, np.full(20, 200))
    if make is of_tasks:
        assert_array_equal(found, exact)
        return
    bins = np.searchsorted(LATENCY_EDGES_S, bounds, side="right")
    near = [  # how many share the bin of the bound
        [(np.searchsorted(LATENCY_EDGES_S, some, side="right") == bin_).sum() for bin_ in bins]
        for some in np.array_split(latency, 20)
    ]
    assert (np.abs(found - exact) <= near).all()
    assert (np.diff(found, axis=1) <= 1e-12).all()


@pytest.mark.parametrize("make", [of_tasks, sketched])
def test_the_latency_that_follows_a_bound(make: Callable[[Seconds], Latencies]) -> None:
    latencies = make(np.repeat([1.0, 3.0, 4.0], 100))
    assert [latencies.following(bound) for bound in (0.5, 1.0, 2.0, 3.0)] == [1.0, 3.0, 3.0, 4.0]
    assert latencies.following(4.0) == 4.0


@pytest.mark.parametrize("make", [of_tasks, sketched])
def test_without_tasks_there_is_no_quantile(make: Callable[[Seconds], Latencies]) -> None:
    latencies = make(np.zeros(0))
    assert np.isnan(latencies.quantiles(SHARES)).all()
    assert all(np.isnan(one.value) for one in series_quantiles(latencies, SHARES[2:4], 100))


@pytest.mark.parametrize("make", [of_tasks, sketched])
def test_intervals_of_ties_and_gaps_end_at_latencies_that_there_are(
    make: Callable[[Seconds], Latencies],
) -> None:
    rng = np.random.default_rng(4)
    capped = KINDS["capped at a deadline"](rng, 6000)  # half of the tasks, 51 %
    p50, p90 = series_quantiles(make(capped), np.array([0.4, 0.9]), 1000)
    assert p50.low < p50.value < p50.high < 2.0
    assert (p90.low, p90.value, p90.high) == (2.0, 2.0, 2.0)
    gap = KINDS["a gap"](rng, 6000)
    (median,) = series_quantiles(make(gap), np.array([0.5]), 1000)
    assert 0.1 < median.low < 0.2 and median.high == 40.0


@pytest.mark.parametrize("replications", [1, 3])
def test_carbon_6ue_has_the_deadline_for_its_quantiles(tmp_path: Path, replications: int) -> None:
    """More than half of the tasks take just the two seconds that they have."""
    found: dict[str, Any] = {}
    for level in ("slots", "summary"):
        changes = {"trace.level": level}
        trace = api.run(
            "carbon_6ue",
            policy="local",
            slots=50,
            replications=replications,
            overrides=changes,
            output=tmp_path / f"{level}.h5",
        )
        found[level] = trace.summary().estimates
    with open_trace(tmp_path / "slots.h5") as trace:
        tasks = trace.tasks.load()
        latency = (tasks["completion_s"] - tasks["arrival_s"]).values
        curve = latency_distribution(trace)
        assert curve is not None and abs(curve.quantile(0.9) - 2.0) < 1e-10
    assert_allclose(np.quantile(latency, [0.5, 0.9, 0.95]), 2.0, rtol=1e-12)
    for estimates in found.values():
        for name in ("p50", "p90", "p95"):
            one = estimates[f"latency_{name}_s"]
            assert_allclose([one.value, one.low, one.high], 2.0, rtol=1e-10)


@pytest.mark.parametrize("level", ["summary", "slots"])
def test_all_that_shows_quantiles_shows_the_same(tmp_path: Path, level: Level) -> None:
    rng = np.random.default_rng(6)
    run = run_info(2, slots=200)
    for name in ("a", "b"):
        writer = TraceWriter(tmp_path / f"{name}.h5", run, level=level)
        for slot in range(200):
            writer.slot(slot, zero_columns(run))
            for r in range(2):
                writer.tasks(completed(KINDS["capped at a deadline"](rng, 20), r))
        writer.close("complete")
    paths = {name: tmp_path / f"{name}.h5" for name in ("a", "b")}
    together: Summary = summarise(paths.values())
    compared = compare_traces(paths)
    for summary, policy in zip(together.traces, compared.policies, strict=True):
        with open_trace(summary.path) as trace:
            assert trace.summary() == summary
            alone = trace.replication_values()["latency_p95_s"]
        assert_array_equal(alone, policy.by_seed["latency_p95_s"])
        assert_allclose(summary.estimates["latency_p95_s"].value, 2.0, rtol=1e-12)
