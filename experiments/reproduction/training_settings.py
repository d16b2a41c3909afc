"""The trainings that figures share, and the settings of all of them: one place to change.

A training of the same settings is made once, whatever figures ask for it. Settings that are not here
are the policies' defaults, which are the papers' where these state a value (docs/learning.md).
"""

from dataclasses import replace
from typing import Any

from .figure import Trainings
from .sentences import shipped

NETWORK_A, NETWORK_C = "iiot_20dev", "carbon_6ue"
"""The scenarios of both papers' networks."""

BASELINES = {
    "EPR": "epr",
    "EPR-EP": "epr-ep",
    "local": "local",
    "offload all": "offload-all",
    "random": "random",
}
"""Policies that neither learn nor optimise, as figures that no paper drew name them."""

ALL_GUIDED = "All that learn are guided (docs/learning.md)."
"""Of figures that no paper drew."""

# ------------------------------------------------------------------------------- on the stream problem

AAC_STEPS, EPISODE_STEPS = 240_000, 200
"""Steps of a training of the stream problem, and those that are called an episode."""

FINAL_RATE = 0.05
"""Part of the learning rates that is left at the end of a guided training."""

# Ours. One worker, so that a training can be repeated bit for bit.
AAC = {"policy.workers": 1, "policy.steps": AAC_STEPS, "policy.final_rate": FINAL_RATE}
AAC_QUICK = {"policy.steps": 3_200, "policy.replicas": 8}

PRINTED_STEPS = 64_000
"""Of a training with printed actions: as many as in the table of learners
(docs/learning.md)."""

AAC_PRINTED = {
    "policy.action": "paper",
    "policy.network": "flat",
    "policy.head": "paper",
    "policy.workers": shipped(NETWORK_A, "stations.sbs.count"),
    "policy.replicas": 1,
    "policy.final_rate": 1.0,
    "policy.logit_penalty": 0.0,
    "policy.norm": 1e9,
    "policy.actor_rate": 1e-3,
    "policy.critic_rate": 1e-3,
    "policy.discount": 0.5,
    "policy.deviation": 0.6,
    "policy.steps": PRINTED_STEPS,
}
"""Algorithms 2 and 3 of paper A: an agent at each SBS, each with one environment, that change the global
parameters as they are done; three layers of 128, one softmax; rates that stay and gradients as they are.
Not stated: how many steps, the discount and the noise of the actions, which are ours."""

AAC_PRINTED_QUICK = {"policy.steps": 800, "policy.workers": 2}

AAC_REPAIRED = {
    "policy.action": "paper",
    "policy.workers": 1,
    "policy.steps": PRINTED_STEPS,
    "policy.limit_weight": 0.0342862,
    "policy.discount": 0.499212,
    "policy.actor_rate": 2.13416e-3,
    "policy.critic_rate": 3.43687e-3,
    "policy.deviation": 0.504315,
    "policy.t_max": 6,
}
"""States and actions as printed, each action in its own range, so that sums over devices can break limits; all else is
the best of a recorded search (docs/searches/aac_stream.toml)."""

DQN_EPISODES, DQN_REPLICAS = 12, 64
DQN_STEPS = DQN_EPISODES * DQN_REPLICAS * EPISODE_STEPS

DQN = {
    "policy.episodes": DQN_EPISODES,
    "policy.replicas": DQN_REPLICAS,
    "policy.updates": 2,
    "policy.batch": 128,
    "policy.warmup": 6400,
    "policy.discount": 0.5,
    "policy.rate_decay": 0.95,
}
DQN_PRINTED = {
    "policy.action": "paper",
    "policy.network": "flat",
    "policy.episodes": 20,
    "policy.replicas": PRINTED_STEPS // EPISODE_STEPS // 20,
    "policy.batch": 64,
    "policy.warmup": 3200,
    "policy.soft_update": 5e-3,
    "policy.rate_decay": 0.95,
    "policy.limit_weight": 0.324849,
    "policy.discount": 0.622604,
    "policy.rate": 6.49002e-3,
    "policy.random": 0.0682761,
    "policy.levels": 2,
}
"""Paper A says of DQN that it discretises actions, and no more: these settings are the best of a recorded search
(docs/searches/dqn_stream.toml)."""

DQN_PRINTED_QUICK = {"policy.episodes": 2, "policy.warmup": 640}

DQN_QUICK = {
    "policy.episodes": 2,
    "policy.replicas": 16,
    "policy.updates": 1,
    "policy.warmup": 640,
}

DDPG_STREAM = DQN | {
    "policy.soft_update": 0.005,
    "policy.actor_rate": 1e-3,
    "policy.critic_rate": 1e-3,
    "policy.noise": 0.3,
    "policy.logit_penalty": 0.05,
}
"""As many steps and updates as `dqn`; not searched for."""

STREAM_COURSE = (
    "system_cost",
    "evaluated_steps",
    "gap_closed",
    "lyapunov_system_cost",
    "local_system_cost",
)


def _of_stream(
    name: str, policy: str, keys: dict[str, Any], quick: dict[str, Any], minutes: float
) -> Trainings:
    """Of paper A's network as it is, whose courses are drawn."""
    return Trainings(
        name,
        NETWORK_A,
        policy,
        (),
        keys,
        quick_keys=quick,
        minutes=(minutes, 0.2),
        kept=STREAM_COURSE,
    )


aac_stream = _of_stream("aac", "aac", AAC, AAC_QUICK, 12.0)
dqn_stream = _of_stream("dqn", "dqn", DQN, DQN_QUICK, 26.0)
ddpg_stream = _of_stream("ddpg-stream", "ddpg", DDPG_STREAM, DQN_QUICK, 30.0)


aac_repaired = _of_stream("aac-repaired", "aac", AAC_REPAIRED, AAC_QUICK, 8.0)


def aac_printed(devices: int, stations: int | None = None) -> Trainings:
    """A flat network fits one number of devices and of SBSs, of which each has an agent."""
    found = _printed("aac", devices, AAC_PRINTED, AAC_PRINTED_QUICK, (16.0, 0.2))
    if stations is None:
        return found
    keys = {"stations.sbs.count": stations, "policy.workers": stations}
    return replace(found, name=f"{found.name}-{stations}", keys={**found.keys, **keys})


def dqn_printed(devices: int) -> Trainings:
    """See `aac_printed`."""
    return _printed("dqn", devices, DQN_PRINTED, DQN_PRINTED_QUICK, (10.0, 0.15))


def _printed(
    policy: str,
    devices: int,
    keys: dict[str, Any],
    quick_keys: dict[str, Any],
    minutes: tuple[float, float],
) -> Trainings:
    count = {"devices.count": devices}
    name = f"{policy}-printed-{devices}"
    return Trainings(
        name, NETWORK_A, policy, (), keys | count, quick_keys=quick_keys, minutes=minutes
    )


# --------------------------------------------------------------------------------- on the task problem

EASY_THETA_0, EASY_CYCLES = 1e-28, (1000, 1500)
EASY = {"energy.theta_0": EASY_THETA_0, "tasks.cycles": [f"{end} Mcycles" for end in EASY_CYCLES]}
"""Offloading pays and every task can stay local."""

EASY_TEXT = f"theta_0 = {EASY_THETA_0:g}, {EASY_CYCLES[0]} to {EASY_CYCLES[1]} Mcycles"

EPISODES, EPISODE_SLOTS = 1000, 10

DDPG_PAPER = {
    "policy.network": "flat",
    "policy.episodes": EPISODES,
    "policy.episode_slots": EPISODE_SLOTS,
}
"""Algorithm 2 with the settings that paper C states; how long an episode is, it does not."""

DDPG_PAPER_QUICK = {"policy.episodes": 20, "policy.warmup": 64}

DDPG_PRINTED = DDPG_PAPER | {"policy.action": "paper"}
"""States, actions and rounding of Algorithm 2 as printed, with no model behind them."""

BATCH = 64
"""Transitions of a gradient step: nothing can be learned before there are so many."""

GUIDED_TASKS = {
    "policy.hidden": [128, 64],
    "policy.episode_slots": 5,
    "policy.discount": 0.0,
}
"""Ours: tasks of different slots are independent. With all below, found on seeds that no figure has, 501 to 540."""

DDPG = GUIDED_TASKS | {
    "policy.episodes": 60,
    "policy.replicas": 64,
    "policy.updates": 8,
    "policy.batch": 256,
    "policy.warmup": 320,
    "policy.actor_rate": 3e-5,
    "policy.critic_rate": 1e-3,
    "policy.rate_decay": 0.95,
    "policy.noise": 0.1,
    "policy.noise_decay": 0.5,
    "policy.logit_penalty": 0.1,
    "policy.reward_unit": 0.01,
}
DDPG_REPAIRED = GUIDED_TASKS | {
    "policy.action": "paper",
    "policy.episodes": 60,
    "policy.replicas": 64,
    "policy.updates": 8,
    "policy.batch": 256,
    "policy.warmup": 640,
    "policy.actor_rate": 3.84203e-4,
    "policy.critic_rate": 5.26208e-3,
    "policy.rate_decay": 0.95,
    "policy.noise": 0.124797,
    "policy.random": 0.0361020,
    "policy.limit_weight": 8.8672,
    "policy.reward_unit": 0.01,
}
"""States, actions and rounding as printed; all else is the best of a recorded search (docs/searches/ddpg_tasks.toml)."""

DDPG_QUICK = {"policy.episodes": 4, "policy.updates": 2}

AAC_TASKS = GUIDED_TASKS | {
    "policy.workers": 1,
    "policy.replicas": 264,
    "policy.steps": 198_000,
    "policy.t_max": 1,
    "policy.actor_rate": 3e-4,
    "policy.deviation": 0.15,
    "policy.norm": 0.5,
}

AAC_TASKS_QUICK = {"policy.steps": 5_000}

TASK_COURSE = ("excess", "feasible", "evaluated_steps")


def _of_tasks(
    name: str,
    policy: str,
    keys: dict[str, Any],
    quick: dict[str, Any],
    minutes: tuple[float, float],
) -> Trainings:
    """Of paper C's network with `EASY` tasks."""
    return Trainings(
        name,
        NETWORK_C,
        policy,
        (),
        EASY | keys,
        quick_keys=quick,
        minutes=minutes,
        kept=TASK_COURSE,
    )


ddpg_tasks = _of_tasks("ddpg", "ddpg", DDPG, DDPG_QUICK, (17.0, 0.1))
ddpg_repaired = _of_tasks("ddpg-repaired", "ddpg", DDPG_REPAIRED, DDPG_QUICK, (10.0, 0.1))
ddpg_printed = _of_tasks(
    "ddpg-printed", "ddpg", DDPG_PRINTED | {"policy.warmup": BATCH}, DDPG_PAPER_QUICK, (16.0, 0.1)
)
aac_tasks = _of_tasks("aac-tasks", "aac", AAC_TASKS, AAC_TASKS_QUICK, (15.0, 0.1))
