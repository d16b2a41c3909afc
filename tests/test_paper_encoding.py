"""The papers' printed states and actions, `action = "paper"`: decisions by hand, limits, and what is learned."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from conftest import a_network
from gymnasium.utils.env_checker import check_env
from test_encoding import stream, two_tasks

import edgesim
from edgesim.cli import main
from edgesim.experiments import evaluation
from edgesim.experiments.evaluation import Evaluator
from edgesim.experiments.train import make_environment
from edgesim.policies.learning.checkpoint import FORMAT, read
from edgesim.policies.learning.encodings import encoding_of
from edgesim.policies.learning.environment import StreamVectorEnvironment, TaskVectorEnvironment
from edgesim.policies.learning.networks import Actor
from edgesim.policies.learning.paper_encoding import PrintedStreamEncoding, PrintedTaskEncoding
from edgesim.policies.learning.registration import STREAM, TASKS
from edgesim.policies.learning.trainable import TrainablePolicy
from edgesim.policies.registry import make_policy
from edgesim.scenarios.loading import load_scenario
from edgesim.simulator.network.cells import Cells
from edgesim.simulator.stream.decision import fit
from edgesim.simulator.stream.problem import DriftPlusPenalty
from edgesim.simulator.tasks.problem import WorstCaseEmission

edgesim.register_envs()


def printed_stream(**changes: Any) -> tuple[PrintedStreamEncoding, Any]:
    """Three devices: two at the MBS, of which one is absent, and one at the first of two SBSs."""
    network = a_network(3, 3)
    _, observation = stream(3, replications=1, devices=3, stations=3)
    cells = Cells(np.array([[0, 0, 1]]), 3, np.array([[True, False, True]]))
    observation = replace(
        observation,
        cells=cells,
        power_max_w=np.array([[0.1, 0.0, 0.05]]),
        queue_bits=np.array([[1.5e6, 0.0, 0.5e6]]),
        station_queue_bits=np.array([[1e6, 0.0, 3.5e6]]),
        channel_gain=np.broadcast_to([1e-8, 1e-9, 1e-7], (1, 3, 3)).copy(),
    )
    return PrintedStreamEncoding(DriftPlusPenalty(network, 1e13)), replace(observation, **changes)


def test_a_printed_decision_of_the_stream_by_hand() -> None:
    """Shares x = (a + 1) / 2 of W_j, p_i,max, f_i, F_j; Psi_j the mean of its devices' x F_j tau / c."""
    encoding, observation = printed_stream()
    action = np.array([[[0.0, -0.5, 1.0, -1.0, 0.5], [1.0] * 5, [-0.2, 1.0, -0.6, 3.0, -0.9]]])
    decision = encoding.decision(action, observation)
    np.testing.assert_allclose(decision.bandwidth_hz, [[5e6, 0.0, 2e6]])
    np.testing.assert_allclose(decision.power_w, [[0.025, 0.0, 0.05]])
    np.testing.assert_allclose(decision.local_cpu_hz, [[0.5e9, 0.0, 0.1e9]])
    np.testing.assert_allclose(decision.edge_cpu_hz, [[0.0, 0.0, 10e9]])
    # 50 and 10 Mbit a slot; nobody decides for the second SBS, which serves all that it can.
    np.testing.assert_allclose(decision.served_bits, [[37.5e6, 0.5e6, 10e6]])
    both = replace(observation, cells=Cells(np.array([[0, 0, 1]]), 3))
    served = encoding.decision(action, both).served_bits
    np.testing.assert_allclose(served, [[0.5 * (0.75 + 1.0) * 50e6, 0.5e6, 10e6]])


def test_a_printed_state_of_the_stream_by_hand() -> None:
    """A(21): rates to the own station, CPUs, powers, bands, queues; q = 0.5 Mbit."""
    encoding, observation = printed_stream()
    first, absent, last = encoding.features(observation)[0]

    def bits(x: float) -> Any:
        return np.log1p(x / 0.5e6) / 2.0

    def row(rates: list[Any], power: float, queue: float) -> list[Any]:
        capacities = [bits(0.5e6), bits(50e6), bits(10e6), bits(10e6)]
        bands = [0.0, np.log10(0.5), np.log10(0.5)]
        queues = [bits(queue), bits(1e6), 0.0, bits(3.5e6)]
        return [*rates, *capacities, power, *bands, *queues]

    own = bits(0.1 * 10e6 * np.log2(1.0 + 0.1 * 1e-8 / 1e-14))
    np.testing.assert_allclose(first, row([own, 0.0, 0.0], 1.0, 1.5e6), rtol=1e-6)
    own = bits(0.1 * 5e6 * np.log2(1.0 + 0.05 * 1e-9 / 1e-14))
    np.testing.assert_allclose(last, row([0.0, own, 0.0], 0.5, 0.5e6), rtol=1e-6)
    assert not absent.any()
    assert encoding.feature_count == len(first) == 4 * 3 + 3


@pytest.mark.parametrize("seed", range(4))
def test_ranges_hold_by_themselves_and_sums_are_cut_and_counted(seed: int) -> None:
    """(14b), (14c) and (14e) whatever the action; (14a) and (14d) are broken where x sums to more than 1."""
    _, observation = stream(seed)
    network = a_network(3, 7, 3)
    encoding, cells = PrintedStreamEncoding(DriftPlusPenalty(network, 1e13)), observation.cells
    action = np.random.default_rng(seed).uniform(-2.0, 2.0, (3, 7, 5))
    action[1] = -1.0  # nothing at all
    action[2, :, [0, 3]] = (
        2.0 / np.array([7, 7])[:, None] - 1.0
    )  # together no more than a station has
    limits = observation.power_max_w, observation.station_queue_bits
    decision = encoding.decision(action, observation)
    fitted, scaled = fit(decision, network, cells, *limits)
    x = 0.5 * (1.0 + np.clip(action, -1.0, 1.0))
    broken = [
        (cells.members * (cells.total(np.ascontiguousarray(x[..., k])) > 1.0)).sum(axis=1)
        for k in (0, 3)
    ]
    assert np.array_equal(scaled, sum(broken))
    assert scaled[0] > 0 and not scaled[1:].any()
    for asked, given, capacity in (
        (decision.bandwidth_hz, fitted.bandwidth_hz, network.station_bandwidth_hz),
        (decision.edge_cpu_hz, fitted.edge_cpu_hz, network.station_cpu_hz),
    ):
        over = np.maximum(cells.total(asked) / capacity, 1.0)
        np.testing.assert_allclose(given, asked / cells.at_station(over))
    for name in ("power_w", "local_cpu_hz"):
        assert getattr(fitted, name) is getattr(decision, name) or np.array_equal(
            getattr(fitted, name), getattr(decision, name)
        )
    assert (decision.served_bits <= network.station_service_bits).all()


def test_the_printed_output_layer_keeps_all_limits() -> None:
    """Paper A's softmax over all outputs: the shares of all devices sum to one."""
    _, observation = stream(1)
    network = a_network(3, 7, 3)
    encoding = PrintedStreamEncoding(DriftPlusPenalty(network, 1e13))
    actor = Actor("flat", [8], 7, encoding.feature_count, 5, "paper")
    logits = 5.0 * torch.randn(3, 7, 5, generator=torch.Generator().manual_seed(1))
    action = actor.squash(logits).numpy()
    np.testing.assert_allclose((0.5 * (1.0 + action)).sum(axis=(1, 2)), 1.0, rtol=1e-5)
    decision = encoding.decision(action, observation)
    limits = observation.power_max_w, observation.station_queue_bits
    assert not fit(decision, network, observation.cells, *limits)[1].any()


def printed_tasks(**changes: Any) -> tuple[PrintedTaskEncoding, Any]:
    """The two tasks of `two_tasks`: P_max 0.1 W, 0.1 to 2 GHz, F_max 20 GHz."""
    guided, observation = two_tasks(**changes)
    return PrintedTaskEncoding(WorstCaseEmission(guided.network)), observation


def test_a_printed_decision_of_tasks_by_hand() -> None:
    """p = x P_max, f between its ends, f^0 = x F_max, alpha rounded; a half stays local."""
    encoding, observation = printed_tasks()
    action = np.array([[[0.0, 0.0, 0.5, 0.01], [0.5, -2.0, 1.0, 0.0]]])
    decision = encoding.decision(action, observation)
    assert decision.offload.tolist() == [[True, False]]
    np.testing.assert_allclose(decision.power_w, [[0.05, 0.075]])
    np.testing.assert_allclose(decision.local_cpu_hz, [[1.05e9, 0.1e9]])
    np.testing.assert_allclose(decision.edge_cpu_hz, [[15e9, 0.0]])
    absent = replace(observation, present=np.array([[False, True]]))
    decision = encoding.decision(action, absent)
    for name in ("power_w", "offload", "local_cpu_hz", "edge_cpu_hz"):
        assert not getattr(decision, name)[0, 0], name
    assert decision.power_w[0, 1] == pytest.approx(0.075)


def test_a_printed_state_of_tasks_by_hand() -> None:
    encoding, observation = printed_tasks()
    log10 = np.log10
    expected = [
        [0.0, -0.5],
        [log10(3.0) / 2.0, log10(6.0) / 2.0],
        [log10(6.0) / 2.0, log10(3.0) / 2.0],
        [0.0, -2.0],
        [5.0 * (log10(0.5) + 0.5), -2.5],
        [0.0, -5.0],
        [log10(2.0)] * 2,  # D_max of 2 s
        [0.0] * 2,  # 1 J
        [log10(2.0)] * 2,  # 20 GHz
        [0.0] * 2,  # 1 Mbit/s
    ]
    np.testing.assert_allclose(encoding.features(observation)[0].T, expected, atol=1e-6)
    absent = replace(observation, present=np.array([[False, True]]))
    assert not encoding.features(absent)[0, 0].any() and encoding.features(absent)[0, 1].any()


@pytest.mark.parametrize("wrong", ["shape", "NaN"])
def test_what_is_no_printed_action_is_refused(wrong: str) -> None:
    for encoding, observation in (printed_stream(), printed_tasks()):
        shape = (1, observation.age_s.shape[1], encoding.action_count)
        action = np.full(shape, np.nan) if wrong == "NaN" else np.zeros((1, 1, 1))
        with pytest.raises(ValueError, match=wrong):
            encoding.decision(action, observation)


def test_a_slot_that_breaks_a_limit_has_the_penalty_of_a23() -> None:
    """Beside A(22) of what was carried out; guided actions have none."""
    keys: Any = {"overrides": ["run.slots=3", "devices.count=4"], "flat": False}
    for weight in (1.0, 2.5):
        env, plain = (
            StreamVectorEnvironment(2, action="paper", limit_weight=one, **keys)
            for one in (weight, 0.0)
        )
        env.reset(seed=1)
        plain.reset(seed=1)
        for a, broken in ((-1.0, False), (0.9, True), (-0.5, False)):
            action = np.full((2, 4, 5), a)
            got, info = env.step(action)[1::3]
            assert np.array_equal(info["feasible"], [not broken] * 2)
            expected = plain.step(action)[1] - weight * broken
            np.testing.assert_allclose(got, expected, rtol=1e-12)
    env, plain = (StreamVectorEnvironment(2, limit_weight=one, **keys) for one in (9.0, 0.0))
    for one in (env, plain):
        one.reset(seed=1)
    action = np.random.default_rng(1).uniform(-1.0, 1.0, (2, 4, 4))
    assert np.array_equal(env.step(action)[1], plain.step(action)[1])


def test_a_server_that_is_asked_for_too_much_costs_rho_f() -> None:
    """Six ask for half of F_max each: 3 F_max, cut at 1 per device; it runs at F_max; two ask for 1.5."""
    for offloaders, rho in ((6, 6.0), (3, 1.5), (2, 0.0), (0, 0.0)):
        action = np.full((1, 6, 4), -0.5)
        action[..., 2] = 0.0
        action[0, :, 3] = np.where(np.arange(6) < offloaders, 1.0, -1.0)
        found = []
        for weight in (0.0, 2.0):
            env = TaskVectorEnvironment(
                1, action="paper", capacity_weight=weight, overrides=["run.slots=2"], flat=False
            )
            env.reset(seed=1)
            found.append(env.step(action)[1][0])
        assert found[0] - found[1] == pytest.approx(2.0 * rho)


@pytest.mark.parametrize(("name", "features", "actions"), [(STREAM, 19, 5), (TASKS, 10, 4)])
def test_spaces_follow_the_key(name: str, features: int, actions: int, tmp_path: Path) -> None:
    keys: Any = {"action": "paper", "overrides": ["run.slots=5"]}
    env = gymnasium.make(name, **keys)
    check_env(env.unwrapped, skip_render_check=find_spec("pygame") is None)  # for "human"
    vector: Any = gymnasium.make_vec(
        name, num_envs=2, flat=False, record_trace=tmp_path / "t.h5", **keys
    )
    devices = 20 if name == STREAM else 6
    assert env.observation_space.shape == (devices * features,)
    assert vector.single_observation_space.shape == (devices, features)
    assert vector.single_action_space.shape == (devices, actions)
    one, of_all = env.reset(seed=4)[0], vector.reset(seed=3)[0]
    assert np.array_equal(one, of_all[1].ravel())
    action = np.random.default_rng(1).uniform(-1.0, 1.0, (2, devices, actions))
    one, reward, *_ = env.step(action[1].ravel())
    of_all, rewards, *_ = vector.step(action)
    assert np.array_equal(one, of_all[1].ravel()) and reward == rewards[1]
    vector.close()
    with edgesim.open_trace(tmp_path / "t.h5") as trace:
        assert trace.encoding["action"] == "paper"
        assert trace.encoding["name"].startswith("Printed")
        assert (trace.encoding["features"], trace.encoding["actions"]) == (features, actions)
    with pytest.raises(
        ValueError, match='action = "other"; allowed: "guided", "paper", "corrected"'
    ):
        gymnasium.make(name, action="other")


WRITTEN = """
import numpy as np

class Half:
    def predict(self, observation):
        assert observation.shape == (60,)
        return np.zeros(24)
"""


def test_an_agent_may_have_learned_the_printed_action(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All local at 1.25 GHz, half of the power."""
    (tmp_path / "half_agent.py").write_text(WRITTEN)
    monkeypatch.chdir(tmp_path)
    keys = {"policy.file": "half_agent:Half", "policy.action": "paper", "run.slots": 2}
    with edgesim.run("carbon_6ue", "t.h5", policy="agent", overrides=keys) as trace:
        assert trace.encoding["action"] == "paper" and trace.encoding["features"] == 10
        assert not trace.slots["offload"].any()
        np.testing.assert_allclose(trace.slots["local_cpu_hz"], 1.25e9)
        np.testing.assert_allclose(trace.slots["power_w"], 0.5 * 10.0**2.3 * 1e-3)


def a_policy(name: str, scenario: str, *keys: str) -> tuple[TrainablePolicy, Any]:
    loaded = load_scenario(scenario, list(keys), policy=name)
    policy = make_policy(loaded)
    assert isinstance(policy, TrainablePolicy)
    return policy, loaded


def test_a_checkpoint_of_one_action_is_not_one_of_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluation, "SHAPES", {"worst-case-emission": (2, 2)})
    words = ["carbon_6ue", "--policy", "ddpg", "--set", "policy.hidden=[8]"]
    short = ["episodes=1", "episode_slots=5", "replicas=4", "warmup=8", "batch=4"]
    short = [word for key in short for word in ("--set", f"policy.{key}")]
    paper = ["--set", "policy.action=paper"]
    other = {"guided": paper, "paper": []}
    for kind, keys in (("guided", []), ("paper", paper)):
        made = CliRunner().invoke(main, ["train", *words, *short, *keys, "-o", kind])
        assert made.exit_code == 0, made.output
        saved = read(Path(kind, "best.pt"), FORMAT)
        assert saved["action"] == kind and saved["features"] == (19 if kind == "guided" else 10)
        run = ["run", *words, "--slots", "2", "--checkpoint", f"{kind}/best.pt", "--overwrite"]
        assert CliRunner().invoke(main, [*run, *keys]).exit_code == 0
        refused = CliRunner().invoke(main, [*run, *other[kind]])
        assert refused.exit_code == 2 and "Traceback" not in refused.output
        here = "paper" if kind == "guided" else "guided"
        assert f'the checkpoint has action = "{kind}", the scenario "{here}"' in refused.stderr
    wrong = CliRunner().invoke(main, ["run", *words, "--set", "policy.action=raw"])
    assert wrong.exit_code == 2 and "policy.action" in wrong.stderr and '"guided"' in wrong.stderr


EASY = ("energy.theta_0=1e-28", 'tasks.cycles=["1000 Mcycles", "1500 Mcycles"]')


def untrained(evaluator: Evaluator, name: str, scenario: str, action: str) -> dict[str, float]:
    policy, _ = a_policy(name, scenario, f"policy.action={action}")
    policy.init_random(evaluator.problem, 1)
    return dict(evaluator.evaluate(policy).figures)


def test_without_training_only_the_guidance_is_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Why both stand beside each other: the guided action is built around an answer."""
    shapes = {"drift-plus-penalty": (2, 80), "worst-case-emission": (8, 2)}
    monkeypatch.setattr(evaluation, "SHAPES", shapes)
    evaluator = Evaluator(load_scenario("iiot_20dev"))
    guided, paper = (untrained(evaluator, "aac", "iiot_20dev", a) for a in ("guided", "paper"))
    assert guided["gap_closed"] > 0.4 and guided["feasible"] == 1.0
    assert paper["gap_closed"] < 0.1 and paper["feasible"] == 0.0
    evaluator = Evaluator(load_scenario("carbon_6ue", EASY))
    guided, paper = (untrained(evaluator, "ddpg", "carbon_6ue", a) for a in ("guided", "paper"))
    assert guided["feasible"] == 1.0 and paper["feasible"] < 0.1


def mean_reward(policy: TrainablePolicy, scenario: Any, actor: Any, slots: int) -> float:
    """On seeds of its own."""
    env = make_environment(scenario, 16, slots, 1.0, policy.action)
    state, rewards = env.reset(seed=1)[0], []
    for _ in range(slots):
        with torch.inference_mode():
            action = actor(torch.from_numpy(state)).numpy()
        state, reward, *_ = env.step(action)
        rewards.append(reward)
    return float(np.mean(rewards))


@pytest.mark.parametrize(
    ("name", "scenario", "keys", "slots"),
    [
        (
            "ddpg",
            "carbon_6ue",
            (*EASY, "policy.episodes=8", "policy.episode_slots=5", "policy.replicas=16",
             "policy.updates=8", "policy.warmup=100", "policy.discount=0", "policy.actor_rate=1e-3",
             "policy.critic_rate=1e-3", "policy.reward_unit=0.1"),
            3,
        ),
        (
            "aac",
            "iiot_20dev",
            ("policy.workers=1", "policy.steps=12800", "policy.episode_slots=100",
             "policy.final_rate=1", "policy.actor_rate=3e-3"),
            100,
        ),
    ],
)  # fmt: skip
def test_printed_actions_are_learned(
    name: str, scenario: str, keys: tuple[str, ...], slots: int
) -> None:
    """A few hundred updates of a small network are better than none."""
    policy, loaded = a_policy(
        name, scenario, "policy.action=paper", "policy.hidden=[32, 32]", *keys
    )
    learner: Any = policy.learner(lambda *asked: make_environment(loaded, *asked), seed=3)
    before = mean_reward(policy, loaded, learner.actor, slots)
    while learner.steps < policy.steps:
        learner.advance()
    after = mean_reward(policy, loaded, learner.actor, slots)
    learner.close()
    assert after > before + 0.1 * abs(before)


def test_guided_is_the_default_everywhere() -> None:
    problem = StreamVectorEnvironment().problem
    assert type(encoding_of(problem)) is type(encoding_of(problem, "guided"))
    for name in ("aac", "ddpg", "dqn", "sac"):
        assert a_policy(name, "carbon_6ue")[0].action == "guided"
