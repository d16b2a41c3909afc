"""An optimiser that is corrected, `action = "corrected"`: zero is its decision, and others are by hand."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_encoding import stream, two_tasks
from test_paper_encoding import EASY, a_policy
from untrained import save_untrained

import edgesim
from edgesim.experiments import evaluation
from edgesim.experiments.evaluation import Evaluator
from edgesim.experiments.train import make_environment
from edgesim.policies.learning.checkpoint import FORMAT, read
from edgesim.policies.learning.corrected_encoding import (
    CorrectedStreamEncoding,
    CorrectedTaskEncoding,
)
from edgesim.policies.learning.environment import TaskVectorEnvironment
from edgesim.policies.registry import make_policy
from edgesim.policies.stream.lyapunov import Lyapunov
from edgesim.policies.tasks.c10.barrier import least_relaxation
from edgesim.policies.tasks.c10.program import program_of
from edgesim.policies.tasks.c10.slot import Slot
from edgesim.policies.tasks.exact import Exact
from edgesim.scenarios.loading import load_scenario
from edgesim.simulator.assembly.build import blueprint
from edgesim.simulator.network.cells import Cells
from edgesim.simulator.tasks.channel import MrcChannel, mrc_channel
from edgesim.simulator.tasks.network import TaskNetwork, Tasks
from edgesim.simulator.tasks.problem import WorstCaseEmission

RESOURCES = ("bandwidth_hz", "power_w", "local_cpu_hz", "edge_cpu_hz", "served_bits")
VARIABLES = ("power_w", "offload", "local_cpu_hz", "edge_cpu_hz")
LATE = ("twin.sync=periodic", 'twin.device.latency="2 s"')


def corrected_tasks(
    theta_server: float = 1e-28, **changes: Any
) -> tuple[CorrectedTaskEncoding, Any, Exact]:
    """The two tasks of `two_tasks`, and `exact` for them."""
    guided, observation = two_tasks(**changes)
    network, exact = replace(guided.network, theta_server=theta_server), Exact()
    problem = WorstCaseEmission(network)
    exact.reset(problem.network, problem, [])
    return CorrectedTaskEncoding(problem), observation, exact


def alike(one: Any, other: Any, names: tuple[str, ...]) -> bool:
    """Bit for bit."""
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


@pytest.mark.parametrize("seed", range(3))
def test_zero_is_the_optimisers_decision_of_the_stream(seed: int) -> None:
    guided, observation = stream(seed)
    if seed == 2:  # somebody is absent
        present = np.random.default_rng(seed).random(observation.queue_bits.shape) < 0.7
        observation = replace(observation, cells=Cells(observation.cells.station, 3, present))
    optimiser = Lyapunov()
    optimiser.reset(guided.network, guided.problem, [])
    encoding = CorrectedStreamEncoding(guided.problem)
    found = encoding.decision(np.zeros((3, 7, 2)), observation)
    assert alike(found, optimiser.decide(observation), RESOURCES)
    assert np.array_equal(encoding.features(observation), guided.features(observation))
    assert encoding.feature_count == guided.feature_count


@pytest.mark.parametrize("present", [[True, True], [False, True], [False, False]])
def test_zero_is_the_optimisers_decision_of_tasks(present: list[bool]) -> None:
    encoding, observation, exact = corrected_tasks(present=np.array([present]))
    found = encoding.decision(np.zeros((1, 2, 3)), observation)
    assert alike(found, exact.decide(observation), VARIABLES)
    assert not found.diagnostics  # what is proven of what it was told is no bound here
    features = two_tasks(present=np.array([present]))[0].observed(observation)
    assert np.array_equal(encoding.features(observation), features)
    assert encoding.feature_count == features.shape[2]


def test_a_corrected_decision_of_tasks_by_hand() -> None:
    """A device that stays local is just in time for the cycles told, and sends R_min at the gain told."""
    encoding, observation, _ = corrected_tasks(1e-20, present=np.array([[False, True]]))
    # 0.4 Gcycles in 2 s; half as many again; 1 Mbit/s in 10 MHz, 1e-13 W of noise, a gain of 1e-9.
    sinr = 2.0**0.1 - 1.0
    for factors, local_hz, power_w in (
        ([0.0, 0.0, 0.0], 0.2e9, sinr * 1e-4),
        ([0.0, 0.0, np.log2(1.5)], 0.3e9, sinr * 1e-4),
        ([-0.5, 0.0, -1.0], 0.1e9, sinr * 1e-4 * 10.0**0.5),
        ([-0.5, 0.9, -3.0], 0.1e9, sinr * 1e-4 * 10.0**0.5),  # beyond the range: cut
    ):
        found = encoding.decision(np.array([[[0.7] * 3, factors]]), observation)
        assert not found.offload.any()
        np.testing.assert_allclose(found.local_cpu_hz, [[0.0, local_hz]], rtol=1e-6)
        np.testing.assert_allclose(found.power_w, [[0.0, power_w]], rtol=1e-6)


def test_corrected_tasks_are_those_that_exact_is_told() -> None:
    """Both devices, of which one offloads: by a twin that really shows what the action makes of it."""
    encoding, observation, exact = corrected_tasks()
    action = np.array([[[-0.2, 0.1, 0.05], [0.1, -0.3, 0.5]]])
    told = replace(
        observation,
        tasks=Tasks(
            np.array([[20e6 * 100.0**0.1, 2e6 * 100.0**-0.3]]),
            np.array([[2e9 * 2.0**0.05, 4e8 * 2.0**0.5]]),
            np.full((1, 2), 2.0),
        ),
        channel=MrcChannel(
            np.array([[1e-8 * 10.0**-0.2, 1e-9 * 10.0**0.1]]),
            observation.channel.interference_gain,
        ),
    )
    found, expected = encoding.decision(action, observation), exact.decide(told)
    assert expected.offload.tolist() == [[True, False]]
    for name in VARIABLES:
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-12)
    for k in range(3):  # each number of each device counts
        for m in range(2):
            other = action.copy()
            other[0, m, k] += 0.1
            same = alike(encoding.decision(other, observation), found, VARIABLES)
            assert same == (m == 1 and k == 1)  # who stays local sends no task


def test_a_corrected_decision_of_the_stream_by_hand() -> None:
    """Alone with its CPU, a device runs at sqrt((V eta + 10^a Q - beta) / (3 V varsigma c))."""
    guided, observation = stream(1, replications=1, devices=1, stations=1)
    network = guided.network
    observation = replace(
        observation,
        queue_bits=np.full((1, 1), 1.3e6),
        channel_gain=np.full((1, 1, 1), 1e-30),  # nobody hears it
    )
    encoding = CorrectedStreamEncoding(guided.problem)
    for a in (0.0, 0.1, -0.1):
        value = 1e13 * 1e-8 + 1.3e6 * 10.0**a - 1e6
        expected = np.sqrt(value / (3.0 * 1e13 * network.varsigma * network.cycles_per_bit))
        assert expected < network.device_cpu_hz
        found = encoding.decision(np.array([[[0.5, a]]]), observation)
        np.testing.assert_allclose(found.local_cpu_hz, expected, rtol=1e-6)


def test_corrected_gains_are_those_that_lyapunov_is_told() -> None:
    guided, observation = stream(1)
    optimiser = Lyapunov()
    optimiser.reset(guided.network, guided.problem, [])
    encoding = CorrectedStreamEncoding(guided.problem)
    action = np.zeros((3, 7, 2))
    action[..., 0] = np.random.default_rng(1).uniform(-1.0, 1.0, (3, 7))
    told = replace(
        observation, channel_gain=observation.channel_gain * (10.0 ** action[..., 0])[..., None]
    )
    found = encoding.decision(action, observation)
    assert alike(found, optimiser.decide(told), RESOURCES)
    assert not alike(found, optimiser.decide(observation), RESOURCES)


@pytest.mark.parametrize("wrong", ["shape", "NaN"])
def test_what_is_no_correction_is_refused(wrong: str) -> None:
    guided, seen = stream(1)
    tasks, observation, _ = corrected_tasks()
    for encoding, shown in ((CorrectedStreamEncoding(guided.problem), seen), (tasks, observation)):
        shape = (*shown.age_s.shape, encoding.action_count)
        action = np.full(shape, np.nan) if wrong == "NaN" else np.zeros((1, 1, 1))
        with pytest.raises(ValueError, match=wrong):
            encoding.decision(action, shown)  # type: ignore[arg-type]


def test_a_checkpoint_of_corrections_is_none_of_another_action(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And before any training it decides as the optimiser does, or next to it."""
    monkeypatch.chdir(tmp_path)
    keys = ["policy.action=corrected", "policy.hidden=[8]"]
    save_untrained(load_scenario("carbon_6ue", keys, policy="ddpg"), Path("it.pt"))
    saved = read(Path("it.pt"), FORMAT)
    assert (saved["action"], saved["features"], saved["actions"]) == ("corrected", 15, 3)
    ready = {"policy.checkpoint": "it.pt", "policy.hidden": [8], "run.slots": 2}
    corrected = ready | {"policy.action": "corrected"}
    with edgesim.run("carbon_6ue", "t.h5", policy="ddpg", overrides=corrected) as trace:
        assert trace.encoding["name"] == "CorrectedTaskEncoding"
        found = trace.slots["worst_emission_mg"].values
    with edgesim.run("carbon_6ue", "e.h5", policy="exact", overrides={"run.slots": 2}) as trace:
        np.testing.assert_allclose(found, trace.slots["worst_emission_mg"].values, rtol=0.05)
    with pytest.raises(edgesim.ScenarioError, match='has action = "corrected"'):
        edgesim.run("carbon_6ue", "t.h5", policy="ddpg", overrides=ready)


def test_evaluations_compare_with_exact_on_the_network_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a twin one slot old it finds no slot feasible, and a training would have nothing to be good at."""
    monkeypatch.setattr(evaluation, "SHAPES", {"worst-case-emission": (2, 4)})
    fresh, late = (
        Evaluator(load_scenario("carbon_6ue", [*EASY, *keys])).evaluate(
            make_policy(load_scenario("carbon_6ue", [*EASY, *keys], policy="exact"))
        )
        for keys in ((), LATE)
    )
    assert fresh.figures["feasible"] == 1.0 and fresh.figures["excess"] == 0.0
    assert late.figures["feasible"] == 0.0
    least = "exact_worst_emission_mg"
    assert late.figures[least] == fresh.figures[least] == fresh.figures["worst_emission_mg"]
    assert late.figures["local_feasible"] == 0.0 < fresh.figures["local_feasible"]


def feasible_share(actor: Any, scenario: Any) -> float:
    """Of slots in which the twin knows a task, one slot old, on seeds of its own."""
    env = make_environment(scenario, 16, 8, 1.0, "corrected")
    state, found = env.reset(seed=1001)[0], []
    for slot in range(8):
        with torch.inference_mode():
            action = actor(torch.from_numpy(state)).numpy()
        state, _, _, _, info = env.step(action)
        if slot >= 2:
            found.append(info["feasible"])
    return float(np.mean(found))


@pytest.mark.slow
def test_corrections_are_learned_under_a_late_twin() -> None:
    """From none to half of the slots, with the settings of docs/learning.md."""
    keys = (
        *EASY, *LATE, "policy.action=corrected", "policy.hidden=[128, 64]", "policy.episodes=8",
        "policy.episode_slots=20", "policy.replicas=32", "policy.updates=16", "policy.batch=256",
        "policy.warmup=1280", "policy.discount=0", "policy.actor_rate=1e-3", "policy.critic_rate=2e-3",
        "policy.rate_decay=0.9", "policy.noise=0.3", "policy.random=0.1", "policy.noise_decay=1",
        "policy.logit_penalty=0.02", "policy.limit_weight=10", "policy.reward_unit=0.1",
    )  # fmt: skip
    policy, loaded = a_policy("ddpg", "carbon_6ue", *keys)
    learner: Any = policy.learner(lambda *asked: make_environment(loaded, *asked), seed=1)
    assert feasible_share(learner.actor, loaded) < 0.02
    while learner.steps < policy.steps:
        learner.advance()
    share = feasible_share(learner.actor, loaded)
    learner.close()
    assert share > 0.5


@pytest.mark.slow
def test_nobody_keeps_all_limits_without_knowing_the_tasks() -> None:
    """Of `carbon_6ue` as it is shipped: at most 58.7 % of the slots, whatever is decided.

    Who offloads is decided without knowing the slot's tasks. If somebody stays local at f, its task has to have
    E_max / (theta_m f^2) cycles at most to be within its energy, and f D_max to be in time, of 1000 to 2000 Mcycles:
    at the best f 58.7 %. If nobody does, all six have to send, and even who knows all of a slot can do
    that within the limits in fewer.
    """
    network = blueprint(load_scenario("carbon_6ue")).problem.network
    assert isinstance(network, TaskNetwork)
    f = np.linspace(0.5e9, 2e9, 100_000)
    most = np.minimum(2.0 * f, network.energy_max_j / (network.theta_device[0] * f**2))
    assert (most.max() - 1e9) / 1e9 == pytest.approx(0.587, abs=1e-3)
    rng, possible = np.random.default_rng(3), []
    everybody = np.ones(6, np.bool_)
    for _ in range(2000):
        distance_m = np.maximum(np.hypot(*(rng.uniform(0.0, 100.0, (2, 6)) - 50.0)), 1.0)
        fading = rng.standard_normal((2, 6, 8)) * np.sqrt(0.5)
        gain = 10.0**-3.53 * distance_m**-3.76
        channel = mrc_channel((fading[0] + 1j * fading[1]) * np.sqrt(gain)[:, None])
        tasks = Tasks(rng.uniform(8e6, 32e6, 6), rng.uniform(1e9, 2e9, 6), np.full(6, 2.0))
        _, _, bound = least_relaxation(program_of(Slot(network, tasks, channel, 5e-5), everybody))
        possible.append(bound <= 0.0)
    assert np.mean(possible) + 2.0 * np.std(possible) / np.sqrt(2000) < 0.587


def test_a_server_is_asked_for_what_is_decided() -> None:
    """(10e) is about f, not about f + fhat: a CPU that is faster than the twin believes costs no rho^F."""
    keys = [
        "energy.theta_0=1e-30",
        "run.slots=1",
        "twin.deviation.edge_cpu.relative=9",
    ]
    found = []
    for weight in (0.0, 5.0):
        env = TaskVectorEnvironment(
            2, action="corrected", capacity_weight=weight, overrides=keys, flat=False
        )
        env.reset(seed=1)
        found.append(env.step(np.zeros((2, 6, 3)))[1])
    assert np.array_equal(found[0], found[1])
