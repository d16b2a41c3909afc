"""What claims are made of, on a few numbers by hand: slices, means, gaps, shares."""

from typing import Any

import numpy as np
import pytest
import xarray as xr

from edgesim.experiments.reproduction import (
    reward_figures,
    stale_twin,
    stream_figures,
    task_figures,
)
from edgesim.experiments.reproduction.figure import Diagram, Ran
from edgesim.experiments.reproduction.measure import (
    by_training,
    course,
    emission,
    feasible,
    geometric_mean,
    labels,
    of_policy,
    steps,
    trained,
    with_shares,
)
from edgesim.experiments.reproduction.stream_figures import AAC, COMPUTE, JOINT, RADIO, SCA
from edgesim.experiments.reproduction.task_figures import CYCLES, EXACT, PRINTED_1


def of(dims: str, values: Any, **coords: Any) -> xr.DataArray:
    return xr.DataArray(np.array(values, float), dims=dims.split(), coords=coords)


def emitted(policies: list[str], mg: Any, share: Any, **coords: Any) -> xr.Dataset:
    """Over policy, cycles and seed."""
    coords = {"policy": policies, CYCLES: [1000, 1100], "seed": [1, 2, 3], **coords}
    dims = f"policy {CYCLES} seed"
    return xr.Dataset(
        {"worst_emission_mg": of(dims, mg, **coords), "feasible_share": of(dims, share, **coords)}
    )


TWO = emitted(
    ["a", "b"],
    [[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[10.0, 20.0, 30.0], [40.0, 50.0, 60.0]]],
    [[[1.0, 0.99, 1.0], [1.0, 1.0, 1.0]], [[1.0, 1.0, 0.5], [0.0, 1.0, 1.0]]],
)

# The third instance of the first row has no solution at all.
SOLVED = xr.concat(
    [TWO, emitted([EXACT], [[[0.5] * 3, [2.0] * 3]], [[[1.0, 1.0, 0.9], [1.0] * 3]])], "policy"
)


def test_an_instance_counts_where_all_who_are_compared_keep_all_limits_in_all_slots() -> None:
    assert feasible(TWO).sel(policy="a", cycles=1000).values.tolist() == [True, False, True]
    nan = np.nan
    both = [[1.0, nan, nan], [nan, 5.0, 6.0]]
    assert emission(TWO).sel(policy="a").values == pytest.approx(np.array(both), nan_ok=True)
    alone = [[10.0, 20.0, nan], [nan, 50.0, 60.0]]
    found = emission(TWO, ["b"]).sel(policy="b").values
    assert found == pytest.approx(np.array(alone), nan_ok=True)


def test_trainings_are_the_sample_of_a_policy_that_learns() -> None:
    """Means over three seeds of each training; a name that only begins alike is another policy."""
    names = ["AAC 1", "AAC 2", "AAC as printed 1", "local"]
    rows = [[1.0, 2.0, 9.0], [4.0, 5.0, 30.0], [7.0, 7.0, 7.0], [3.0, 2.0, 1.0]]
    data = xr.Dataset({"cost": of("policy seed", rows, policy=names, seed=[1, 2, 3])})
    assert trained(data, "AAC") == ["AAC 1", "AAC 2"]
    assert labels(data) == ["AAC", "AAC as printed", "local"]
    found = by_training(data["cost"], data, "AAC")
    assert found.values.tolist() == [4.0, 13.0] and found["seed"].values.tolist() == [1, 2]
    assert of_policy(data["cost"], data, "local").values.tolist() == [3.0, 2.0, 1.0]
    assert of_policy(data["cost"], data, "AAC").values.tolist() == [4.0, 13.0]


def test_means_of_ratios_steps_and_courses_by_hand() -> None:
    ratios = of("cycles seed", [[1.0, 2.0], [2.0, np.nan], [32.0, 1.0]], cycles=[1, 2, 3])
    assert geometric_mean(ratios, "cycles").values == pytest.approx([4.0, 2.0**0.5])
    rise = steps(of("n seed", [[1.0, 2.0], [4.0, 1.0]], n=[20, 40.5]), "n")
    assert rise.values.tolist() == [[3.0, -1.0]] and rise["n"].item() == "n from 20 to 40.5"
    data = xr.Dataset(
        {
            "cost": of("evaluation seed", [[1.0, 2.0], [3.0, 4.0]]),
            "at": of("evaluation seed", [[100.0, 300.0], [400.0, 800.0]]),
        }
    )
    found = course(data, "cost", "at", 100.0)
    assert found["evaluation"].values.tolist() == [2.0, 6.0]
    assert found.values.tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_shares_are_drawn_where_one_of_them_is_not_whole() -> None:
    def diagram(y: str, *shares: float) -> Diagram:
        return Diagram("", y, {"a": of("x seed", [shares], x=[1.0])})

    value, whole = diagram("mg", 1.0, 2.0), diagram("feasible [%]", 100.0, np.nan)
    part = diagram("feasible [%]", 100.0, 99.0)
    assert with_shares([value, value], [whole, whole]) == [[value, value]]
    assert with_shares([value, value], [whole, part]) == [[value, value], [whole, part]]


# What figures share


def costs(policies: list[str], objective: Any) -> xr.Dataset:
    coords = {"policy": policies, "seed": [1, 2]}
    names = ("objective", "energy_per_bit_j", "power_w", "queue_bits")
    return xr.Dataset(
        {name: of("policy seed", objective, **coords) * 10.0**k for k, name in enumerate(names)}
    )


def test_gaps_are_in_per_cent_of_the_best_whatever_its_sign() -> None:
    """P2 at -8 and -4: SCA at -7 and -5 is 12.5 % above and 25 % below; AAC, by training, beside the mean of -6."""
    results = Ran()
    results["learned"] = costs([JOINT, f"{AAC} 1", f"{AAC} 2"], [[-8, -4], [-6, -3], [-3, -3]])
    results["sca"] = costs([JOINT, SCA], [[-8, -4], [-7, -5]])
    aac, sca = stream_figures.gap_questions("learned", (AAC,))
    [[found]] = aac.checks(results).values()
    assert found.sample == pytest.approx([25.0, 50.0])
    [[found]] = sca.checks(results).values()
    assert found.sample == pytest.approx([12.5, -25.0]) and found.what == SCA


def test_parts_cost_more_than_the_whole_by_each_reading() -> None:
    results = Ran(one=costs([JOINT, RADIO, COMPUTE], [[1.0, 2.0], [4.0, 7.0], [9.0, 1.0]]))
    found = stream_figures.joint_below_parts("one", JOINT)(results)
    assert list(found) == [reading.name for reading in stream_figures.READINGS]
    for name, scale in zip(found, (1.0, 10.0 * 1e9, 100.0, 1000.0 * 1e-6), strict=True):
        radio, compute = found[name]
        assert radio.sample == pytest.approx(scale * np.array([3.0, 5.0]))
        assert compute.sample == pytest.approx(scale * np.array([8.0, -1.0]))
    learned = Ran(
        one=costs([f"{AAC} 1", f"{AAC} 2", RADIO, COMPUTE], [[1, 3], [2, 2], [4, 7], [9, 1]])
    )
    radio, compute = stream_figures.joint_below_parts("one", AAC)(learned)["cost as P2"]
    assert radio.sample.tolist() == [3.5, 3.5] and compute.sample.tolist() == [3.0, 3.0]


def test_what_one_scheme_emits_less_and_in_which_instances() -> None:
    more, kept = task_figures.apart(SOLVED, "a", "b")
    nan = np.nan
    assert more.values == pytest.approx(np.array([[9.0, nan, nan], [nan, 45.0, 54.0]]), nan_ok=True)
    # Of those that have a solution, one does not serve the second, the other the fourth.
    assert kept.values == pytest.approx(np.array([[1.0, 0.0, nan], [0.0, 1.0, 1.0]]), nan_ok=True)
    reverse, again = task_figures.apart(SOLVED, "b", "a")
    assert reverse.values[0, 0] == -9.0 and again.equals(kept)


def test_what_schemes_emit_over_the_optimum_and_how_often_they_keep_limits() -> None:
    data = emitted(
        [EXACT, PRINTED_1, "b"],
        [[[1.0] * 3, [2.0] * 3], [[2.0, 1.0, 3.0], [16.0, 2.0, 6.0]], [[5.0] * 3] * 2],
        [[[1.0, 1.0, 0.0], [1.0] * 3], [[1.0, 0.0, 1.0], [1.0] * 3], [[1.0, 0.0, 1.0], [1.0] * 3]],
    )
    over = task_figures.over_optimum(data, PRINTED_1)
    assert over.values == pytest.approx([4.0, 1.0, 3.0])
    shown = task_figures.drawn(data)
    nan = np.nan
    # The printed one in all instances that have a solution, others where they keep all limits.
    assert shown.sel(policy=PRINTED_1, cycles=1000).values == pytest.approx([2.0, 1.0, 3.0])
    assert shown.sel(policy="b", cycles=1000).values == pytest.approx([5.0, nan, 5.0], nan_ok=True)
    assert shown.sel(policy=EXACT, cycles=1000).values == pytest.approx(
        [1.0, 1.0, nan], nan_ok=True
    )
    data["feasible_share"].loc[{"policy": PRINTED_1, "cycles": 1000, "seed": 3}] = 0.0
    assert np.isnan(task_figures.drawn(data).sel(policy=PRINTED_1, cycles=1000, seed=3))
    wide = data.expand_dims({"theta_0": [1e-28], "rate floor": ["all"]})
    [checks] = task_figures.kept_question("s", ("b", EXACT)).checks(Ran(s=wide)).values()
    assert [one.sample.tolist() for one in checks] == [[100.0, 50.0, 100.0], [100.0, 100.0, 50.0]]
    [checks] = task_figures.gap_question("s", ("b",)).checks(Ran(s=wide)).values()
    assert checks[0].sample == pytest.approx([12.5**0.5, 2.5, 2.5])
    [checks] = task_figures.emitted_question("s", (PRINTED_1,)).checks(Ran(s=wide)).values()
    assert checks[0].sample == pytest.approx([9.0, 1.5, 4.5])


def test_a_rise_is_of_the_instances_that_a_scheme_serves_at_both() -> None:
    [rise] = task_figures.rises(SOLVED, ["b"])[""]
    assert rise.sample == pytest.approx([np.nan, 30.0, np.nan], nan_ok=True)
    assert rise.what == f"b, {CYCLES} from 1000 to 1100"
    assert rise.share_kept == 0.5  # of the two that have a solution at both


def test_what_a_stale_twin_adds_is_over_a_fresh_one() -> None:
    values = {
        "x": of("age policy seed", [[[1, 2]], [[4, 4]], [[9, 1]]], age=[0, 1, 5], policy=["a"])
    }
    asked = stale_twin._added("s", "age", "?", "mg", lambda data: data["x"])
    found = asked.checks(Ran(s=xr.Dataset(values)))
    samples = {one.what: one.sample.tolist() for one in found["a"]}
    assert samples == {"age 1": [3.0, 2.0], "age 5": [8.0, -1.0]}
    assert stale_twin.ages(0.1).settings[20] == {"twin.device.latency": "2 s"}
    assert stale_twin.LOSS.settings[30] == {"twin.device.loss": 0.3}


def test_ends_and_medians_of_rewards_by_hand() -> None:
    """Of 100 rows the first two, and the last twenty; a median of nine around each row."""
    rows = np.arange(100.0) ** 2
    reward = of("log seed", rows[:, None])
    data = xr.Dataset({"reward": reward})
    assert reward_figures.at_start(data).item() == 0.5
    assert reward_figures.at_end(data).item() == (89.0**2 + 90.0**2) / 2.0
    smooth = reward_figures.smoothed(reward).values[:, 0]
    assert smooth[50] == 50.0**2 and smooth[0] == 4.0 and smooth[99] == 97.0**2


def test_a_number_in_a_name_is_no_trainings() -> None:
    """ "guided Algorithm 2" is run with a shipped network; of "AAC" there are two trainings."""
    names = ["guided Algorithm 2", "AAC 1", "AAC 2", "local"]
    assert labels(xr.Dataset(coords={"policy": names})) == ["guided Algorithm 2", "AAC", "local"]
