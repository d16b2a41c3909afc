"""Intervals of one run: they hold the truth as often as they say, or say that the run is too short."""

import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console
from trace_recording import record_columns, run_info

from edgesim import api
from edgesim.experiments.report.report import write_report
from edgesim.traces import confidence_intervals
from edgesim.traces.comparison import compare_traces
from edgesim.traces.confidence_intervals import (
    CALM,
    Caution,
    Estimate,
    Range,
    mean,
    ratio,
    replicated_ratio,
    sectioned,
    series_quantiles,
    series_ratios,
    spread_of_means,
)
from edgesim.traces.effective_sample_size import caution
from edgesim.traces.latencies import TaskLatencies
from edgesim.traces.reader import open_trace, summarise
from edgesim.traces.statistics import CountedBatches
from edgesim.traces.summary import subject


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_of_a_share_that_was_always_the_same_end_nothing_is_known(end: float) -> None:
    """As in one run: of an event that was not seen, no interval is of width zero. An energy may be."""
    same = np.full(3, end)
    for found in (
        confidence_intervals.mean(same, (0.0, 1.0)),
        confidence_intervals.ratio(same, np.ones(3), (0.0, 1.0)),
    ):
        assert found.value == end and math.isnan(found.low) and math.isnan(found.high)
    assert confidence_intervals.mean(same).low == end


Floats = NDArray[np.float64]

ANY: Range = (-math.inf, math.inf)
POSITIVE: Range = (0.0, math.inf)
SHARE: Range = (0.0, 1.0)


def autoregression(phi: float, runs: int, steps: int, seed: int = 3) -> Floats:
    """(runs, steps) of mean 0 and variance 1."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(steps, runs))
    for step in range(1, steps):
        values[step] = phi * values[step - 1] + math.sqrt(1.0 - phi**2) * values[step]
    return values.T


def queue(load: float, runs: int, slots: int, seed: int = 5) -> Floats:
    """(runs, slots) Lindley's recursion: exponential arrivals of mean `load`, one served per slot."""
    rng = np.random.default_rng(seed)
    arrived = rng.exponential(load, (slots, runs))
    queued = np.zeros((slots, runs))
    for slot in range(1, slots):
        queued[slot] = np.maximum(queued[slot - 1] - 1.0, 0.0) + arrived[slot - 1]
    return queued.T


def estimates(values: Floats, within: Range, batches: int = 100) -> list[Estimate]:
    """Of the mean of each series, the first tenth left out."""
    length = values.shape[1] // batches
    sums = values.reshape(len(values), batches, length).sum(axis=2)[:, batches // 10 :]
    slots = values.shape[1]
    return series_ratios(sums, np.full_like(sums, length), [within] * len(sums), slots)


def held(found: list[Estimate], truth: float) -> tuple[float, float]:
    """Share of the intervals that hold the truth, and share of the runs that have an interval."""
    stated = [one for one in found if one.slots_needed is None]
    holds = [one.low <= truth <= one.high for one in stated]
    return float(np.mean(holds)) if holds else math.nan, len(stated) / len(found)


@pytest.mark.parametrize("within", [ANY, POSITIVE])
@pytest.mark.parametrize("phi", [-0.5, 0.0, 0.8, 0.9])
def test_intervals_hold_the_mean_of_a_correlated_process(phi: float, within: Range) -> None:
    coverage, stated = held(estimates(10.0 + autoregression(phi, 2000, 1000), within), 10.0)
    assert stated > 0.97
    assert 0.93 <= coverage <= 0.985


def test_they_are_about_as_wide_as_they_must_be() -> None:
    """The mean's standard deviation, of an autoregression, is sqrt((1 + phi) / (1 - phi) / n)."""
    for phi in (0.0, 0.8):
        found = estimates(10.0 + autoregression(phi, 500, 1000), ANY)
        exact = 1.96 * math.sqrt((1.0 + phi) / (1.0 - phi) / 900)
        widths = [one.half_width for one in found if one.slots_needed is None]
        assert 1.0 < np.mean(widths) / exact < 1.25


@pytest.mark.parametrize(("load", "slots", "truth"), [(0.5, 1000, 0.6277), (0.8, 10_000, 2.1534)])
def test_intervals_hold_the_mean_queue(load: float, slots: int, truth: float) -> None:
    """Truth from the stationary law on a grid, see below."""
    coverage, stated = held(estimates(queue(load, 1000, slots), POSITIVE), truth)
    assert stated > 0.95
    assert 0.925 <= coverage <= 0.975


@pytest.mark.parametrize(("load", "truth"), [(0.5, 0.6277), (0.8, 2.1534)])
def test_the_truth_of_these_queues(load: float, truth: float) -> None:
    """Q' = max(Q - 1, 0) + A on a grid, A exponential, iterated to its fixed point."""
    step = 1.0 / 100.0
    places = np.arange(int(40.0 / (1.0 - load) * 0.5 / step)) * step
    edges = np.concatenate([[0.0], places + step / 2.0])
    arrivals = np.diff(1.0 - np.exp(-edges / load))
    shift, size = round(1.0 / step), 2 * len(places)
    transform = np.fft.rfft(arrivals, size)
    law = np.zeros(len(places))
    law[0] = 1.0
    for _ in range(3000):
        left = np.concatenate([law[shift:], np.zeros(shift)])
        left[0] += law[:shift].sum()
        new = np.fft.irfft(np.fft.rfft(left, size) * transform, size)[: len(places)]
        new /= new.sum()
        if np.abs(new - law).max() < 1e-13:
            break
        law = new
    assert abs((law * places).sum() / truth - 1.0) < 2e-3


@pytest.mark.parametrize(("load", "slots"), [(0.95, 1000), (0.95, 3000)])
def test_too_short_a_run_of_a_busy_queue_says_so(load: float, slots: int) -> None:
    found = estimates(queue(load, 400, slots), POSITIVE)
    needed = np.array([one.slots_needed or 0 for one in found])
    assert (needed > 0).mean() > 0.8
    assert 10_000 < np.median(needed[needed > 0]) < 200_000  # a time of relaxation is some 1,000
    assert all(math.isnan(one.low) for one in found if one.slots_needed)


def test_what_is_said_to_be_needed_is_enough() -> None:
    needed = np.median([o.slots_needed or 1000 for o in estimates(queue(0.9, 200, 1000), POSITIVE)])
    slots = int(needed) // 100 * 100
    assert 2000 < slots < 60_000
    _, stated = held(estimates(queue(0.9, 200, slots), POSITIVE), 0.0)
    assert stated > 0.8


@pytest.mark.parametrize("amplitude", [-8.0, 8.0])
@pytest.mark.parametrize("time", [0.1, 0.3])
def test_a_run_that_has_not_settled_has_no_interval(amplitude: float, time: float) -> None:
    """A transient that takes this share of the run."""
    slots = np.arange(1000) / 1000
    values = 10.0 + autoregression(0.3, 300, 1000) + amplitude * np.exp(-slots / time)
    _, stated = held(estimates(values, ANY), 10.0)
    assert stated < 0.1
    # Of one that is over within the warm-up, nothing is said.
    values = 10.0 + autoregression(0.3, 300, 1000) + amplitude * np.exp(-slots / 0.015)
    coverage, stated = held(estimates(values, ANY), 10.0)
    assert stated > 0.97 and coverage > 0.91


def test_what_mser_leaves_out_is_what_brute_force_finds() -> None:
    """White, Simulation 69 (1997): the least variance of the mean of the rest, within the first half."""
    rng = np.random.default_rng(4)
    for length in (8, 9, 41):
        series = rng.normal(size=(40, length)) + rng.choice([0.0, 3.0], 40)[:, None] * np.exp(
            -np.arange(length) / rng.uniform(1.0, length, 40)[:, None]
        )
        left_out = [
            min(range(length // 2), key=lambda d: one[d:].var() / (length - d)) for one in series
        ]
        assert confidence_intervals._left_out(series).tolist() == left_out
        assert len(set(left_out)) > 2


@pytest.mark.parametrize(("share", "needed"), [(0.99, None), (1.01, 1900)])
def test_a_transient_is_noticed_where_it_moves_the_mean_out_of_the_interval(
    share: float, needed: int | None
) -> None:
    """Ten higher batches of 100: without them the mean is lower by a tenth of what they are higher by."""
    rest = np.random.default_rng(2).permutation(np.repeat([-1.0, 1.0], 45))
    half_width = float(spread_of_means(rest[None]).half_width[0])
    batches = 10.0 + np.concatenate([np.full(10, 10.0 * share * half_width), rest])
    [found] = series_ratios(batches[None], np.ones((1, 100)), [ANY], 1000)
    # As warm-up a tenth of 1,000 slots and a tenth of the rest, which is a tenth of 1,900.
    assert found.slots_needed == needed
    assert math.isnan(found.low) == (needed is not None)


def test_replications_that_have_not_settled_have_none_either() -> None:
    values = (10.0 + autoregression(0.3, 12, 1000)).reshape(12, 100, 10).sum(axis=2)
    over = np.full_like(values, 10.0)
    settled = replicated_ratio(values, over, POSITIVE, 1000)
    assert settled == ratio(values.sum(axis=1), over.sum(axis=1))
    values += 40.0 * np.exp(-np.arange(100) / 20.0)
    assert (replicated_ratio(values, over, POSITIVE, 1000).slots_needed or 0) > 2000


@pytest.mark.parametrize("probability", [0.02, 0.3, 0.978])
def test_intervals_of_shares_stay_in_their_range_and_hold(probability: float) -> None:
    rng = np.random.default_rng(7)
    cases = rng.binomial(5, probability, (2000, 90)).astype(float)
    found = series_ratios(cases, np.full_like(cases, 5.0), [SHARE] * 2000, 450)
    coverage, stated = held(found, probability)
    assert 0.93 <= coverage <= 0.98
    assert stated > 0.5
    assert all(
        0.0 < o.low < o.value < o.high < 1.0
        for o in found
        if o.slots_needed is None and 0.0 < o.value < 1.0
    )


def test_a_share_of_which_only_the_end_was_seen_has_no_interval() -> None:
    ones = np.ones((2, 90))
    none, all_ = series_ratios(ones * [[0.0], [1.0]], ones, [SHARE] * 2, 90)
    assert (none.value, all_.value) == (0.0, 1.0)
    assert math.isnan(none.high) and math.isnan(all_.low)


def test_what_does_not_vary_has_an_interval_of_no_width() -> None:
    for value in (0.0, 0.3, 1e9):
        (found,) = series_ratios(np.full((1, 90), value), np.ones((1, 90)), [POSITIVE], 90)
        assert found.low == found.value == found.high == pytest.approx(value)


def test_means_over_seeds_are_cut_to_their_range() -> None:
    sample = np.array([1.0, 1.0, 1.0, 0.9])
    whole, cut = mean(sample), mean(sample, SHARE)
    assert whole.high > 1.0 == cut.high
    assert whole.low == cut.low < cut.value == whole.value


def test_few_batches_have_no_interval() -> None:
    (found,) = series_ratios(np.arange(7.0)[None, :], np.ones((1, 7)), [POSITIVE], 7)
    assert math.isnan(found.low) and found.slots_needed == 9
    (quantile,) = series_quantiles(
        TaskLatencies(np.arange(7.0), np.arange(7), 7), np.array([0.5]), 7
    )
    assert math.isnan(quantile.low) and quantile.slots_needed == 9


def test_a_negative_quantity_is_too_short_by_its_degrees_of_freedom() -> None:
    walk = np.cumsum(np.random.default_rng(8).normal(size=(200, 1000)), axis=1) - 1e3
    _, stated = held(estimates(walk, ANY), 0.0)
    assert stated < 0.1


def test_series_are_looked_at_one_by_one() -> None:
    series = autoregression(0.5, 6, 90)
    series -= series.mean(axis=1, keepdims=True)
    together = spread_of_means(series).half_width
    alone = [spread_of_means(one[None, :]).half_width[0] for one in series]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def quantile_estimates(values: Floats, share: float, groups: int = 90) -> list[Estimate]:
    counted = values[:, values.shape[1] // 10 :]
    places = np.arange(counted.shape[1]) * groups // counted.shape[1]
    shares, slots = np.array([share]), values.shape[1]
    return [series_quantiles(TaskLatencies(v, places, groups), shares, slots)[0] for v in counted]


@pytest.mark.parametrize("groups", [18, 90])
@pytest.mark.parametrize("share", [0.5, 0.95])
def test_intervals_hold_the_quantiles_of_a_correlated_process(share: float, groups: int) -> None:
    latency = np.exp(autoregression(0.7, 300, 2000))  # lognormal
    truth = math.exp({0.5: 0.0, 0.95: 1.6448536}[share])
    coverage, stated = held(quantile_estimates(latency, share, groups), truth)
    assert stated > 0.7
    assert 0.92 <= coverage <= 0.99


def test_a_quantile_beyond_what_was_seen_has_no_interval() -> None:
    latency = queue(0.95, 40, 1000)
    _, stated = held(quantile_estimates(latency, 0.99), 0.0)
    assert stated < 0.1


def cautions(load: float, runs: int, slots: int, together: int = 1) -> list[Caution]:
    """Of the last nine tenths of a hundred batches of Lindley's queues, so many of them summed."""
    each = queue(load, runs * together, slots + 1)
    length = slots // 100
    arrived = (np.diff(each, axis=1) + np.minimum(each, 1.0)[:, :-1]).reshape(runs, together, -1)
    arrived, queued = arrived.sum(axis=1), each.reshape(runs, together, -1).sum(axis=1)
    batches = queued[:, :-1].reshape(runs, 100, length)
    sums = arrived.reshape(runs, 100, length).sum(axis=2)
    return [
        caution(one.mean(axis=1), one[:, 0], sum_, together, slots)
        for one, sum_ in zip(batches[:, 10:], sums[:, 10:], strict=True)
    ]


@pytest.mark.parametrize(("load", "slots"), [(0.8, 10_000), (0.9, 20_000)])
def test_a_queue_is_seen_anew_as_often_as_its_mean_scatters(load: float, slots: int) -> None:
    """Near capacity, the variance of a run's mean, relative to its square, is one over the looks."""
    means = queue(load, 400, slots)[:, slots // 10 :].mean(axis=1)
    looks = np.median([one.looks for one in cautions(load, 400, slots)])
    assert means.var() / means.mean() ** 2 * looks == pytest.approx(1.0, rel=0.35)


@pytest.mark.parametrize("load", [0.95, 0.98])
def test_a_short_run_of_a_busy_queue_is_not_believed_however_calm_it_was(load: float) -> None:
    """Those that saw no busy spell, a tenth of them, would state an interval that misses."""
    found = cautions(load, 400, 1000)
    needed = np.array([one.slots_needed or 0 for one in found])
    assert (needed > 0).mean() > 0.99
    assert np.median(needed) > 3000
    assert np.mean([(one.slots_needed or 0) > 0 for one in cautions(0.5, 400, 1000)]) < 0.01


def test_alike_queues_together_are_seen_anew_more_often() -> None:
    alone, together = (
        np.median([one.looks for one in cautions(0.8, 60, 6000, count)]) for count in (1, 9)
    )
    assert 6.0 < together / alone < 14.0


def test_so_they_are_believed_sooner() -> None:
    alone, together = (cautions(0.9, 100, 1000, count) for count in (1, 9))
    assert np.mean([one.slots_needed is None for one in alone]) < 0.1
    assert np.mean([one.slots_needed is None for one in together]) > 0.5


def test_few_looks_are_the_least_that_a_mean_may_be_off() -> None:
    found = cautions(0.8, 200, 1000)
    for one in found:
        assert one.least == (
            pytest.approx(1.96 / math.sqrt(one.looks)) if one.looks < 40.0 else 0.0
        )
        assert one.factor >= 1.0
    assert 0.05 < np.mean([one.factor > 1.0 for one in found]) < 0.5
    assert all(one.factor == 1.0 for one in cautions(0.5, 50, 10_000))


def test_a_calm_run_of_a_busy_queue_says_that_it_is_short(tmp_path: Path) -> None:
    """By its autocorrelation alone it would have an interval."""
    queued = queue(0.95, 400, 1000)
    stated = [one.slots_needed is None for one in estimates(queued, POSITIVE)]
    calm = stated.index(True)
    arrived = np.diff(queued, axis=1, append=0.0) + np.minimum(queued, 1.0)
    arrived[:, -1] = 0.95
    series = {
        "queue_bits": queued[calm : calm + 1],
        "arrived_bits": arrived[calm : calm + 1],
        "local_bits": np.minimum(queued, 1.0)[calm : calm + 1],
    }
    record_columns(tmp_path / "t.h5", run_info(slots=1000), series)
    (summary,) = summarise([tmp_path / "t.h5"]).traces
    assert (summary.estimates["queue_bits"].slots_needed or 0) > 2000


def test_a_queue_about_a_level_is_believed() -> None:
    """It does not empty, and need not: nothing but its autocorrelation speaks."""
    noise = autoregression(0.5, 50, 90)
    for series in noise:
        assert caution(100.0 + series, 100.0 + series, 10.0 + series, 1, 1000).slots_needed is None
    still = np.full(90, 5.0)
    assert caution(still, still, still, 1, 1000) == caution(0.0 * still, still, still, 1, 9) == CALM
    assert caution(still[:7], still[:7], noise[0, :7], 1, 1000) == CALM


def test_few_looks_widen_what_follows_the_queues() -> None:
    values = 10.0 + autoregression(0.5, 1, 90)
    over = np.ones((1, 90))
    (plain,) = series_ratios(values, over, [ANY], 1000)
    (wider,) = series_ratios(values, over, [ANY], 1000, factor=1.5)
    assert wider.half_width == pytest.approx(1.5 * plain.half_width)
    (least,) = series_ratios(values, over, [ANY], 1000, least=[0.3])
    assert least.half_width == pytest.approx(0.3 * least.value)
    (still,) = series_ratios(np.ones((1, 90)), over, [ANY], 1000, least=[0.3])
    assert still.half_width == 0.0


def test_a_quantile_needs_some_busy_spells_above_it() -> None:
    """Of 40 looks, two are above p95, and too few; none is above p99, nor is there one beyond."""
    latencies = TaskLatencies(np.exp(autoregression(0.1, 1, 9000)[0]), np.arange(9000) // 100, 90)
    shares = np.array([0.5, 0.95, 0.99])

    def stated(looks: float, factor: float = 1.0) -> list[Estimate]:
        return series_quantiles(latencies, shares, 1000, Caution(factor, 0.0, looks, None))

    assert [one.slots_needed for one in stated(math.inf)] == [None] * 3
    assert [one.slots_needed is None for one in stated(40.0)] == [True, False, False]
    assert [one.slots_needed is None for one in stated(200.0)] == [True, True, False]
    assert stated(200.0)[2].slots_needed == 4000
    assert stated(110.0)[1].slots_needed is None
    assert stated(110.0)[1].half_width > stated(math.inf)[1].half_width
    plain, wide = (stated(math.inf, factor)[0].half_width for factor in (1.0, 2.0))
    assert wide / plain == pytest.approx(2.0, rel=0.2)


@pytest.mark.parametrize(
    ("scenario", "replications", "about"),
    [
        ({}, 1, "this network"),
        ({"devices": {"positions": "uniform"}}, 2, "networks like it"),
        ({"devices": {"positions": [[1.0, 2.0]]}}, 2, "this network"),
        ({"devices": {"positions": {"file": "places.csv"}}}, 2, "this network"),
        ({"mobility": {"model": "random-waypoint"}}, 2, "this network"),
        (
            {"mobility": {"model": "random-waypoint"}, "channel": {"path_loss": "3gpp-inf"}},
            2,
            "networks like it",
        ),
        (
            {"devices": {"positions": [[1.0, 2.0]]}, "channel": {"path_loss": "3gpp-umi"}},
            2,
            "networks like it",
        ),
        (
            {"devices": {"positions": [[1.0, 2.0]]}, "channel": {"path_loss": "3gpp-umi"}},
            1,
            "this network",
        ),
    ],
)
def test_what_intervals_are_about(
    scenario: dict[str, object], replications: int, about: str
) -> None:
    assert subject(scenario, replications) == about


def test_everything_says_what_its_intervals_are_about(tmp_path: Path) -> None:
    places = [[50.0 * k, 400.0 - 30.0 * k] for k in range(8)]
    runs = {
        "drawn": ({}, 3),
        "placed": ({"devices.positions": places}, 3),
        "one": ({}, 1),
    }
    for name, (changes, replications) in runs.items():
        api.run(
            "iiot_20dev",
            tmp_path / f"{name}.h5",
            policy="local",
            slots=30,
            replications=replications,
            overrides={"devices.count": 8, **changes},
        )
    paths = [tmp_path / f"{name}.h5" for name in runs]
    summary = summarise(paths)
    abouts = ["networks like it", "this network", "this network"]
    assert [trace.about for trace in summary.traces] == abouts
    written = json.loads(summary.to_json())
    assert [trace["intervals_about"] for trace in written["traces"]] == abouts
    out = io.StringIO()
    Console(file=out, width=80).print(summarise(paths[:1]).to_table())
    text = " ".join(out.getvalue().split())
    assert "intervals are about │ networks like it" in text
    assert "Networks like it: each seed is another one of these." in text
    compared = compare_traces({"a": paths[0], "b": paths[0]})
    assert compared.about == ["networks like it"]
    out = io.StringIO()
    Console(file=out, width=80).print(compared.to_table())
    assert "each seed is another one of these" in " ".join(out.getvalue().split())
    page = write_report(paths[:2], tmp_path / "report.html").read_text()
    assert "This network: with its devices where they are" in page and "networks like it" in page


def test_what_follows_the_queues_is_too_short_with_them(tmp_path: Path) -> None:
    """Energy per bit of a busy queue looks settled long before it is."""
    queued = queue(0.95, 1, 1000)
    assert estimates(queued, POSITIVE)[0].slots_needed
    rng = np.random.default_rng(9)
    series = {
        "queue_bits": queued,
        "present": np.ones((1, 1000)),
        "arrived_bits": rng.exponential(0.95, (1, 1000)),
        "local_bits": np.minimum(queued, 1.0),
        "local_energy_j": rng.uniform(0.9, 1.1, (1, 1000)) * np.minimum(queued, 1.0),
    }
    record_columns(tmp_path / "t.h5", run_info(slots=1000), series)
    (summary,) = summarise([tmp_path / "t.h5"]).traces
    assert summary.stability == "undecided"
    queue_needs = summary.estimates["queue_bits"].slots_needed
    assert queue_needs and summary.estimates["energy_per_bit_j"].slots_needed == queue_needs
    assert summary.estimates["twin_age_s"] == Estimate(0.0, 0.0, 0.0)
    # So is what is counted apart, as the shares of classes that are late.
    with open_trace(tmp_path / "t.h5") as trace:
        counted = CountedBatches(trace.totals, 0.1)
    parts = rng.uniform(4.0, 6.0, (1, len(counted.ended)))
    assert counted.share(parts, 0.0 * parts + 10.0).slots_needed == queue_needs


def test_queues_that_grow_by_next_to_nothing_are_stable_in_all_numbers(tmp_path: Path) -> None:
    """By 0.3 % of what arrives, surely more than nothing: as stable they have a mean, of more slots."""
    slots, arrived = np.arange(1000.0), np.full((1, 1000), 1e5)
    series = {"queue_bits": 1e6 + 300.0 * slots[None], "arrived_bits": arrived}
    for seeds in (1, 3):
        rows = {name: np.repeat(column, seeds, axis=0) for name, column in series.items()}
        rows["queue_bits"][1:] += 500.0 * np.arange(seeds)[1:, None]
        path = tmp_path / f"{seeds}.h5"
        record_columns(path, run_info(seeds, slots=1000), rows)
        (summary,) = summarise([path]).traces
        assert summary.growth is not None and summary.growth.low > 0.0
        assert summary.stability == "stable"
        found = summary.estimates["queue_bits"]
        assert found.slots_needed or found.low < found.high


def test_a_queue_that_grows_needs_no_number_of_slots(tmp_path: Path) -> None:
    """No length would help."""
    slots = np.arange(1000.0)
    series = {
        "queue_bits": 1e6 + 3e5 * slots[None, :],
        "arrived_bits": np.full((1, 1000), 6e5),
        "local_bits": np.random.default_rng(1).uniform(2e5, 4e5, (1, 1000)),
        "local_energy_j": np.full((1, 1000), 1.0),
    }
    record_columns(tmp_path / "t.h5", run_info(slots=1000), series)
    (summary,) = summarise([tmp_path / "t.h5"]).traces
    assert summary.stability == "growing"
    queued, energy = (summary.estimates[key] for key in ("queue_bits", "energy_per_bit_j"))
    assert queued.slots_needed is None and math.isnan(queued.low)
    assert energy.low < energy.high


def test_an_interval_by_sections_by_hand() -> None:
    """Sections 1, 2 and 6 about 3: 4 + 1 + 9 over 3 x 2; Student's 97.5 % with 2 degrees is 4.303."""
    sections = np.array([[1.0, 5.0], [2.0, 5.0], [6.0, 5.0]])
    one, even = sectioned(np.array([3.0, 5.0]), sections, (0.0, math.inf))
    assert one.value == 3.0 and one.low == 0.0
    assert one.high == pytest.approx(3.0 + 4.30265 * math.sqrt(14.0 / 6.0), rel=1e-5)
    assert (even.value, even.low, even.high) == (5.0, 5.0, 5.0)
    [alone] = sectioned(np.array([3.0]), sections[:1, :1], (0.0, math.inf))
    assert alone.value == 3.0 and math.isnan(alone.low)
