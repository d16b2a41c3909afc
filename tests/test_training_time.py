"""How long a training takes is measured: forecasts by a clock that the tests turn."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box
from pseudo_terminal import COMMAND, CTRL_C, in_terminal, once

from edgesim.experiments import evaluation, training_time
from edgesim.experiments.evaluation import Evaluator
from edgesim.experiments.train import learning_policy, with_steps
from edgesim.experiments.training_time import Forecast, Pace, forecast, measured
from edgesim.policies.learning.aac import Aac
from edgesim.policies.learning.ddpg import Ddpg
from edgesim.policies.learning.dqn import Dqn
from edgesim.scenarios.loading import load_scenario
from edgesim.scenarios.schema import Scenario

RESET_S, ACTING_S, LEARNING_S = 0.5, 0.25, 2.0


class Clock:
    """Stands still but for what is done."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(training_time, "time", found)
    return found


class Timed:
    """An environment whose resets take time; its first one takes longer."""

    single_observation_space = Box(-5.0, 5.0, (1, 2), np.float32)
    single_action_space = Box(-1.0, 1.0, (1, 2), np.float32)
    clock: Clock
    resets = 0

    def __init__(self, *asked: Any) -> None:
        self.asked = asked

    def reset(self, seed: int) -> None:
        self.resets += 1
        self.clock.now += RESET_S if self.resets > 1 else 100.0

    def close(self) -> None:
        """Nothing is held."""


class Learning:
    """A learner of so many environments: first episodes take longer, and those without learning less."""

    def __init__(self, clock: Clock, policy: Any, environments: int, unlearned: int) -> None:
        self.clock, self.policy, self.environments = clock, policy, environments
        self.unlearned, self.steps, self.episodes, self.closed = unlearned, 0, 0, False

    def advance(self) -> None:
        slots = self.policy.episode_slots
        learns = self.episodes >= self.unlearned
        self.clock.now += RESET_S + slots * (LEARNING_S if learns else ACTING_S)
        self.clock.now += 50.0 * (self.episodes in (0, self.unlearned))  # compiles, fills caches
        self.steps += slots * self.environments
        self.episodes += 1

    def close(self) -> None:
        self.closed = True


def paced(clock: Clock, policy: Any, environments: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    made: list[Learning] = []

    def learner(self: Any, make: Any, seed: int, device: str) -> Learning:
        assert device == "cuda"
        made.append(Learning(clock, self, environments, 2 if self.unlearned else 0))
        return made[-1]

    monkeypatch.setattr(type(policy), "learner", learner)
    monkeypatch.setattr(Timed, "clock", clock, raising=False)
    return made


@pytest.mark.parametrize(
    ("policy", "environments", "acting_s", "slots"),
    [
        (Ddpg(replicas=4, episode_slots=50, episodes=90), 4, ACTING_S, 8),
        (Dqn(replicas=1, episode_slots=5, episodes=90), 1, ACTING_S, 5),
        (Aac(workers=3, replicas=2, t_max=20), 6, 0.0, 20),
    ],
)
def test_the_pace_is_that_of_short_episodes_without_what_is_done_once(
    policy: Any,
    environments: int,
    acting_s: float,
    slots: int,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = paced(clock, policy, environments, monkeypatch)
    pace = measured(policy, Timed, "cuda")
    assert pace == Pace(environments, RESET_S, acting_s, LEARNING_S)
    (learner,) = made
    assert learner.closed and learner.policy.episode_slots == slots
    assert learner.steps <= 5 * slots * environments  # an episode takes longer than what is allowed


def test_short_trainings_are_measured_shortly(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a thousand times the speed one second would be 59 episodes of 8 slots; here a fiftieth is one."""
    for name in ("RESET_S", "ACTING_S", "LEARNING_S"):
        monkeypatch.setitem(globals(), name, globals()[name] / 1000.0)
    found = []
    for episodes in (100, 100_000):
        policy = Ddpg(replicas=1, episode_slots=8, episodes=episodes)
        made = paced(clock, policy, 1, monkeypatch)
        assert measured(policy, Timed, "cuda").learning_s == pytest.approx(LEARNING_S)
        found.append(made[0].episodes)
    assert found == [3 + 2, 3 + 61]


@pytest.mark.parametrize(
    ("first", "steps_s", "evaluations_s"),
    [
        # 4 replicas, 90 episodes of 50 slots; of 1000 steps of warm-up 250 slots.
        (0, 90 * 0.5 + 250 * 0.25 + 4250 * 2.0, 20 * 3.0),
        # Resumed: 400 of the warm-up are done, 88 episodes are left.
        (400, 88 * 0.5 + 150 * 0.25 + 4250 * 2.0, 20 * 3.0 * 88 / 90),
        (9000, 45 * 0.5 + 2250 * 2.0, 10 * 3.0),
        (18_000, 0.0, 0.0),
        (20_000, 0.0, 0.0),
    ],
)
def test_a_forecast_is_of_what_is_left(
    first: int, steps_s: float, evaluations_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        training_time, "measured", lambda *_: Pace(4, RESET_S, ACTING_S, LEARNING_S)
    )
    policy = Ddpg(replicas=4, episode_slots=50, episodes=90)
    found = forecast(policy, Timed, first, "cpu", 3.0, 20)
    assert found.steps == max(18_000 - first, 0)
    assert found.steps_s == pytest.approx(steps_s)
    assert found.evaluations_s == pytest.approx(evaluations_s)
    assert found.seconds == found.steps_s + found.evaluations_s
    # 18,000 steps take 8607.5 s, so a minute has 125, of 200 in an episode.
    assert (found.key, found.minute, found.minute_steps) == ("policy.episodes", 1, 200)


def test_there_are_no_more_evaluations_than_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_time, "measured", lambda *_: Pace(64, 0.0, 0.0, 0.03))
    found = forecast(Aac(workers=1, replicas=64, steps=26_000), Timed, 0, "cpu", 2.0, 20)
    assert found.evaluations_s == 3 * 2.0  # of 12,800 steps each
    assert found.steps_s == pytest.approx(26_000 / 64 * 0.03)
    assert (found.key, found.minute, found.minute_steps) == ("policy.steps", 128_000, 128_000)


def test_a_forecast_in_words() -> None:
    told = str(Forecast(18_000, 180.0, 12.0, 6_000, "policy.episodes", 30))
    assert told == (
        "about 3 min 12 s on this machine: 18,000 steps take 3 min 0 s, evaluations 12 s; "
        "--steps 6000 (policy.episodes = 30) take a minute"
    )


def test_an_evaluation_is_measured_by_some_of_its_slots(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1 s at the beginning and 1/4 s for each of 400 slots, of which no more than 21 are run."""
    ran: list[int | None] = []

    def run(
        self: Evaluator, policy: Any, scenario: Scenario, slots: int | None = None
    ) -> dict[str, Any]:
        ran.append(slots)
        clock.now += 1.0 + 0.25 * (slots or 0) + 30.0 * (len(ran) == 3)  # the first one
        return {}

    monkeypatch.setattr(Evaluator, "_run", run)
    monkeypatch.setattr(evaluation, "time", clock)
    evaluator = Evaluator(load_scenario("iiot_20dev"))
    assert evaluator.seconds(None) == pytest.approx(1.0 + 400 * 0.25)  # type: ignore[arg-type]
    assert ran == [None, None, 1, 1, 21]


@pytest.mark.parametrize(
    ("policy", "keys", "steps", "expected"),
    [
        ("ddpg", ["policy.episode_slots=10", "policy.replicas=3"], 600, 600),
        ("dqn", ["policy.episode_slots=10"], 94, 90),
        ("dqn", ["policy.episode_slots=10"], 1, 10),
        ("aac", [], 12_345, 12_345),
    ],
)
def test_a_length_in_steps_is_one_in_the_policys_own_key(
    policy: str, keys: list[str], steps: int, expected: int
) -> None:
    scenario = with_steps(load_scenario("carbon_6ue", keys, policy=policy), steps)
    assert learning_policy(scenario).steps == expected


def test_a_real_forecast_is_of_the_right_size() -> None:
    """All that is faked above, once as it is."""
    from functools import partial

    from edgesim.experiments.train import make_environment

    keys = ["policy.episodes=40", "policy.episode_slots=4", "policy.hidden=[8]"]
    scenario = load_scenario("carbon_6ue", keys, policy="ddpg")
    policy = learning_policy(scenario)
    found = forecast(policy, partial(make_environment, scenario), 0, "cpu", 0.1, 20)
    assert found.steps == 160 and found.evaluations_s == pytest.approx(2.0)
    assert 0.005 < found.steps_s < 60.0


@pytest.mark.slow
def test_ctrl_c_says_where_the_best_policy_is_or_that_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a keyboard, before the first evaluation and after it."""
    monkeypatch.setitem(evaluation.SHAPES, "worst-case-emission", (1, 1))
    for folder, episodes, seen, told in (
        (
            "early",
            1_000_000,
            "take a minute",
            "there is no policy yet: the first evaluation is after",
        ),
        ("late", 4_000, "worst_emission_mg", "the best policy so far is late/best.pt"),
    ):
        keys = ("episode_slots=2", "replicas=2", "warmup=2", "batch=2", "hidden=[4,4]")
        options = [w for key in (*keys, f"episodes={episodes}") for w in ("--set", f"policy.{key}")]
        words = [*COMMAND, "train", "carbon_6ue", "--policy", "ddpg", *options, "-o", folder]

        def shown(text: str, seconds: float, seen: str = seen) -> bool:
            return seen in re.sub(r"\s+", " ", text)

        ended = in_terminal(words, tmp_path, press=once(CTRL_C, shown))
        text = re.sub(r"\s+", " ", ended.text)
        assert ended.status == 130 and "Traceback" not in text
        assert f"--resume goes on with the training in {folder}; {told}" in text
        assert (tmp_path / folder / "best.pt").exists() == (folder == "late")
        assert re.search(r"about [\d.]+ (s|min|h|d) .*on this machine: [\d,]+ steps take", text)
