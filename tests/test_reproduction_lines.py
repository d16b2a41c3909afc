"""Questions answered, lines drawn, and what runs are called, on results made by hand.

What is named here is named by its label in the papers or in figures, not by what the program calls it.
"""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from claim_cases import (
    ALGORITHMS,
    COMPUTE,
    DDPGS,
    EQUAL_RATES,
    EXACT,
    JOINT,
    PAIRS,
    PRINTED_COUNTS,
    RADIO,
    REPAIRED_AAC,
    SEARCH,
)
from results_by_hand import COSTS, EMITTED, Change, Results, alike, both, scaled

from edgesim.experiments.reproduction.catalogue import FIGURES
from edgesim.experiments.reproduction.judging import answers

# ---------------------------------------------------------------------------------------- questions


def answered(figure: str, asked: str, change: Change) -> dict[tuple[str, str], float]:
    """The numbers of the question that begins so, by condition and check."""
    results = alike(FIGURES[figure])
    change(results)
    (question,) = (one for one in FIGURES[figure].questions if one.asks.startswith(asked))
    found = answers(question, results)
    return {(name, one.what): one.interval[0] for name, one in found}


def test_how_much_of_the_gap_learners_close() -> None:
    """The best evaluation, and the last five of twenty, by who learned."""

    def change(results: Results) -> None:
        for name, best, last in (("aac", 0.9, 0.8), ("dqn", 0.7, 0.5), ("ddpg-stream", 0.3, 0.1)):
            gap = results[name]["gap_closed"]
            gap[:] = 0.0
            gap[{"evaluation": 3}], gap[{"evaluation": slice(15, None)}] = best, last

    found = answered("learners-a", "How much of the gap", change)
    ends = {("AAC"): (90.0, 80.0), "DQN": (70.0, 50.0), "DDPG": (30.0, 10.0)}
    for label, (best, last) in ends.items():
        assert found["best evaluation", label] == pytest.approx(best)
        assert found["mean of the last five", label] == pytest.approx(last)


def test_where_learners_of_the_task_problem_end() -> None:
    def change(results: Results) -> None:
        for name, excess in (("ddpg", 0.25), ("aac-tasks", 0.5)):
            results[name]["excess"][{"evaluation": -1}] = excess

    found = answered("learners-c", "Where do they end", change)
    assert found["emission over the optimum", "DDPG"] == pytest.approx(1.25)
    assert found["emission over the optimum", "AAC"] == pytest.approx(1.5)


@pytest.mark.parametrize("figure", ["a4", "a5", "a6", "a7"])
def test_gaps_are_above_p2_in_per_cent_of_it(figure: str) -> None:
    """P2's value may be negative: 50 % above -4 is -2."""
    change = scaled(
        "learned sca", ("objective",), policy={JOINT: -4.0, "AAC": -2.0, "joint (SCA)": -3.0}
    )
    found = answered(figure, "How far is guided AAC above", change)
    assert list(found.values()) == pytest.approx([50.0] * len(found))
    found = answered(figure, "And successive convex", change)
    assert list(found.values()) == pytest.approx([25.0] * len(found))


@pytest.mark.parametrize("figure", ["age-a", "loss-a", "age-c", "loss-c"])
def test_what_a_stale_twin_adds_is_over_a_fresh_one(figure: str) -> None:
    """The k-th place costs k more than the first."""
    study, dim = ("stream", "tasks")[figure.endswith("c")], figure.partition("-")[0]

    def change(results: Results) -> None:
        data = results[study]
        rank = xr.DataArray(np.arange(float(data.sizes[dim])), {dim: data[dim]})
        for name in (*COSTS, *EMITTED, "feasible_share"):
            data[name] = data[name] + rank

    asked = "What does it add to P2's value" if study == "stream" else "And to the worst-case"
    found = answered(figure, asked, change)
    policies_of = {name for name, _ in found}
    for policy in policies_of:
        values = [value for (name, _), value in found.items() if name == policy]
        assert values == pytest.approx(np.arange(1.0, len(values) + 1.0))
    assert len(policies_of) >= 8


# -------------------------------------------------------------------------------------------- lines


def drawn(figure: str, change: Change) -> dict[tuple[str, str], set[float]]:
    """What lines show, by title of the diagram and by label; of the first row of diagrams."""
    results = alike(FIGURES[figure])
    change(results)
    found: dict[tuple[str, str], set[float]] = {}
    for diagram in FIGURES[figure].diagrams(results)[0]:
        for label, _, values in diagram.lines():
            found[diagram.title, label] = {float(f"{value:.6g}") for value in np.ravel(values)}
    return found


def test_lines_of_figures_of_paper_a_are_of_their_policies() -> None:
    costs = {JOINT: 1.0, RADIO: 2.0, COMPUTE: 3.0, "AAC": 4.0, "DQN": 5.0, "joint (SCA)": 6.0}
    change = scaled("schemes learned sca", ("objective", "energy_per_bit_j"), policy=costs)
    per_bit = 1e9  # the second diagram of the row
    a6 = drawn("a6", scaled("schemes learned sca", ("objective",), policy=costs))
    shown = {label: cost for label, cost in costs.items() if label != "DQN"}
    results = alike(FIGURES["a6"])
    change(results)
    first, second = FIGURES["a6"].diagrams(results)[0]
    for diagram, unit in ((first, 1.0), (second, per_bit)):
        for label, _, values in diagram.lines():
            np.testing.assert_allclose(values, unit * shown[label])
    assert {label for _, label in a6} == set(shown)
    results = alike(FIGURES["a7"])
    change(results)
    for label, _, values in FIGURES["a7"].diagrams(results)[0][0].lines():
        np.testing.assert_allclose(values, costs[label])
    printed = {**costs, "AAC as printed": 8.0, "AAC": 9.0}
    for figure in ("a6", "a7"):
        results = alike(FIGURES[figure])
        scaled(PRINTED_COUNTS, ("objective",), policy=printed)(results)
        *_, (last, _) = FIGURES[figure].diagrams(results)
        learned = {"a6": {"AAC as printed"}, "a7": {"AAC", "DQN"}}
        assert learned[figure] | {JOINT} <= set(last.curves)
        for label, _, values in last.lines():
            np.testing.assert_allclose(values, printed[label])

    # Each number of devices has a diagram, over the numbers of SBSs whose networks are others.
    results = alike(FIGURES["a5"])
    for devices, per_sbs in ((20, 10.0), (40, 100.0)):
        for sbss in (1, 6):
            policy = {"AAC as printed": sbss * per_sbs, JOINT: per_sbs}
            scaled(f"printed-{devices}-{sbss}", ("objective",), policy=policy)(results)
    *_, few_and_many = FIGURES["a5"].diagrams(results)
    for diagram, per_sbs in zip(few_and_many, (10.0, 100.0), strict=True):
        lines = {label: (places, values) for label, places, values in diagram.lines()}
        np.testing.assert_array_equal(lines["AAC as printed"][0], [1, 6])
        np.testing.assert_allclose(lines["AAC as printed"][1].T, per_sbs * np.array([[1, 6]] * 10))
        np.testing.assert_allclose(lines[JOINT][1], per_sbs)

    def courses(results: Results) -> None:
        results["aac"]["system_cost"][:] = 7.0
        results["aac-printed-20"]["system_cost"][:] = 8.0

    by_scheme = drawn("a4", both(scaled("learned sca", ("objective",), policy=costs), courses))
    levels = {label: {costs[label]} for label in costs if label not in "AACDQN"}
    assert by_scheme == {
        (title, label): cost
        for title, aac in (("learned guided", 7.0), ("learned as printed", 8.0))
        for label, cost in (levels | {"joint (AAC)": {aac}}).items()
    }


def test_lines_of_sizes_and_schemes_are_of_their_runs() -> None:
    of = {SEARCH: 1.0, EXACT: 5.0, ALGORITHMS[0]: 3.0, ALGORITHMS[1]: 4.0}
    change = scaled("sizes", EMITTED, size={1: 1.0, 4: 2.0}, policy=of)
    labels = {policy: "exact optimum" if policy == EXACT else policy for policy in of}
    wanted = {
        (f"{size} MB", labels[policy]): times * cost
        for policy, cost in of.items()
        for size, times in ((1, 1.0), (4, 2.0))
    }
    found = drawn("c9", change)
    for (_, label), values in found.items():
        size, _, policy = label.partition(", ")
        assert values == {wanted[size, policy]}
    assert len(found) == 3 * 2 * 3  # theta_0, sizes, and who is drawn


def test_lines_of_equal_rates_are_of_the_slower_rate_at_their_theta_0() -> None:
    costs = {rate: float(k) for k, rate in enumerate(EQUAL_RATES, start=2)}
    of = {f"EPR, server at {rate}": cost for rate, cost in costs.items()}
    of |= {f"EPR-EP, server at {rate}": 10.0 * cost for rate, cost in costs.items()}
    found = drawn("c7", scaled("schemes", EMITTED, policy=of))
    for theta_0, cost in (("1e-28", 3.0), ("3e-28", 4.0), ("1e-27", 5.0)):
        of_theta = {
            label: values for (title, label), values in found.items() if f"= {theta_0}" in title
        }
        assert of_theta[SEARCH] == of_theta["exact optimum"] == {1.0}
        assert of_theta["EPR, server at F_max / N"] == {2.0}
        assert of_theta["EPR, server at a slower rate"] == {cost}
        assert of_theta["EPR-EP, server at a slower rate"] == {10.0 * cost}


def test_lines_of_algorithm_1_are_of_their_start() -> None:
    starts = {ALGORITHMS[0]: 3.0, ALGORITHMS[1]: 2.0}
    others = {EXACT: 0.5, SEARCH: 0.75}
    change = both(
        scaled("convergence", EMITTED, policy=starts), scaled("optimum", EMITTED, policy=others)
    )
    found, wanted = drawn("c3", change), starts | others
    assert {label for _, label in found} == set(wanted)
    assert all(values == {wanted[label]} for (_, label), values in found.items())


# ------------------------------------------------------------------------- labels, runs and settings

LEARNS = {"AAC": "aac", "AAC as printed": "aac", REPAIRED_AAC: "aac", "DQN": "dqn", "DDPG": "ddpg"}
LEARNS |= dict.fromkeys(DDPGS, "ddpg")

RUNS = {
    "joint (P2 in each slot)": "lyapunov",
    "P2 in each slot": "lyapunov",
    "drift plus penalty": "lyapunov",
    "radio alone": 'lyapunov{optimise=["radio"]}',
    "compute alone": 'lyapunov{optimise=["compute"]}',
    "joint (SCA)": "sca",
    "SCA": "sca",
    "our search": "sca",
    "non-optimal rates": 'sca{rates="initial"}',
    "exact": "exact",
    "exact optimum": "exact",
    "exact search": "exact",
    "local": "local",
    "offload all": "offload-all",
    "random": "random",
    "Algorithm 1 as printed": 'sca{variant="paper"}',
    "one iteration of Algorithm 1": 'sca{variant="paper", iterations_max=1}',
    "one iteration of our search": "sca{iterations_max=1}",
    "Algorithm 1 from 0.794 GHz": 'sca{variant="paper", local_cpu="794 MHz"}',
    "guided AAC": 'aac{checkpoint="aac_iiot_20dev"}',
    "guided Algorithm 2": 'ddpg{checkpoint="ddpg_carbon_6ue"}',
    "EPR": "epr",
    "EPR-EP": "epr-ep",
    "EPR, server at F_max / N": "epr",
    "EPR-EP, server at F_max / N": "epr-ep",
}


def test_labels_are_those_of_the_policies_that_run() -> None:
    for figure in FIGURES.values():
        learners = {one.name: one.policy for one in figure.trainings}
        for study in figure.studies:
            for label, name in study.learned.items():
                assert learners[name] == LEARNS[label], (figure.id, label)
            for label, policy in study.policies.items():
                kind, _, rate = label.partition(", server at ")
                rated = f'{kind.lower()}{{edge_cpu="{rate}"}}'
                # Every iteration of Fig. 3 is a run: none of them may stop before.
                policy = policy.replace(
                    ", threshold=0.0", "" if study.name == "convergence" else "!"
                )
                assert policy == RUNS.get(label, rated), (figure.id, label)
    for training in (one for figure in FIGURES.values() for one in figure.trainings):
        assert training.name.startswith(training.policy) or training.policy in ("aac", "ddpg")
        keys = training.keys
        printed = "printed" in training.name
        actions = printed or training.name.endswith("-repaired")
        assert (keys.get("policy.action") == "paper") == actions, training.name
        if printed:
            assert keys["policy.network"] == "flat"
            # Of DQN the paper says that it discretises actions, and no more.
            assert training.policy == "dqn" or keys.get("policy.replicas", 1) == 1
        if printed and training.policy == "aac":
            # An agent at each SBS, and learning rates that stay.
            assert keys["policy.workers"] == keys.get("stations.sbs.count", 3)
            assert keys["policy.final_rate"] == 1.0
            assert keys["policy.head"] == "paper"


def settings(figure: str, study: str, name: str) -> dict[Any, dict[str, Any]]:
    """What a factor's levels set, of a study or of trainings."""
    of: list[Any] = [*FIGURES[figure].studies, *FIGURES[figure].trainings]
    (found,) = (f for one in of if one.name == study for f in one.factors if f.name == name)
    return {level: dict(keys) for level, keys in found.settings.items()}


def test_levels_of_factors_set_what_they_are_called() -> None:
    assert (
        settings("c4", "pairs-printed", "rates")
        == settings("c4", "pairs-guided", "rates")
        == {
            pair: {"policy.actor_rate": actor, "policy.critic_rate": critic}
            for pair, actor, critic in zip(
                PAIRS, (3e-5, 5e-6, 5e-6, 5e-4), (1e-4, 1e-5, 3e-5, 1e-4), strict=True
            )
        }
    )
    usual = {"policy.episode_slots": 10, "policy.warmup": 64}
    assert settings("c4", "pairs-printed", "case") == {
        f"theta_0 = {theta_0:g}, {course}": {**usual, "energy.theta_0": theta_0, **changed}
        for theta_0, course, changed in (
            (1e-28, "10 slots an episode", {}),
            (3e-28, "10 slots an episode", {}),
            (1e-27, "10 slots an episode", {}),
            (1e-28, "20 slots an episode", {"policy.episode_slots": 20}),
            (1e-28, "1000 random slots first", {"policy.warmup": 1000}),
        )
    }
    for training in (one for name in ("c4", "c5") for one in FIGURES[name].trainings):
        if "guided" in training.name:
            assert {**usual, "energy.theta_0": 1e-28}.items() <= training.keys.items()
    key = "twin.deviation."
    twin = settings("c8", "twins", "twin")
    both_cpus = (f"{key}device_cpu.relative", f"{key}edge_cpu.relative")
    assert twin["real rates higher 5 %"] == dict.fromkeys(both_cpus, 0.05)
    assert twin["real rates lower 20 %"] == dict.fromkeys(both_cpus, -0.2)
    assert twin["noise 10 %"] == {
        f"{key}device_cpu.noise": "75.0 MHz",
        f"{key}edge_cpu.noise": "333.0 MHz",
    }
    assert set(twin["exact twin"].values()) == {0.0}
    ages = {"age-a": ("stream", 0.1), "age-c": ("tasks", 2.0)}
    for figure, (study, slot_s) in ages.items():
        age = settings(figure, study, "age")
        assert age[5] == {"twin.device.latency": f"{5 * slot_s:g} s"}
    assert settings("loss-a", "stream", "loss")[20] == {"twin.device.loss": 0.2}
    assert settings("c9", "sizes", "size")[4] == {"tasks.size": ["4 MB", "4 MB"]}
    assert settings("c3", "convergence", "tasks")["1000 to 1500 Mcycles"] == {
        "tasks.cycles": ["1000 Mcycles", "1500 Mcycles"]
    }
    assert settings("carbon", "stream", "moment")["July 6"] == {
        "carbon.intensity": {"file": "carbon_intensity_gb_2020.csv", "start": "2020-07-15T06:00"}
    }


def test_queues_have_filled_before_costs_are_counted() -> None:
    """A quarter of the slots is left out; half of them where the oldest twin knows nothing at first."""
    for figure in FIGURES.values():
        for study in figure.studies:
            if study.scenario == "iiot_20dev" and not study.timed:
                assert study.warmup == 0.25, (figure.id, study.name)
    for name in ("age-c", "loss-c"):
        (study,) = FIGURES[name].studies
        assert study.warmup * study.keys["run.slots"] > 20
