"""The trainings that figures share, and the settings of all of them: one place to change.

A training of the same settings is made once, whatever figures ask for it. Settings that are not here
are the policies' defaults, which are the papers' where these state a value (docs/learning.md).
"""

from .figure import Trainings

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

# ------------------------------------------------------------------------------- on the stream problem

AAC_STEPS, EPISODE_STEPS = 600_000, 200
"""Steps of a training of the stream problem, and those that are called an episode."""

# One worker, so that a training can be repeated bit for bit.
AAC = {"policy.workers": 1, "policy.steps": AAC_STEPS}
AAC_QUICK = {"policy.steps": 16_000, "policy.replicas": 8, "devices.count": 5}

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
DQN_QUICK = {"policy.episodes": 2, "policy.replicas": 16, "policy.warmup": 640, "devices.count": 5}

DDPG_STREAM = DQN | {
    "policy.soft_update": 0.005,
    "policy.actor_rate": 1e-3,
    "policy.critic_rate": 1e-3,
    "policy.noise": 0.3,
    "policy.logit_penalty": 0.05,
}
"""As many steps and updates as `dqn`; not searched for."""

aac_stream = Trainings("aac", NETWORK_A, "aac", (), AAC, quick_keys=AAC_QUICK, minutes=(13.0, 0.3))
dqn_stream = Trainings("dqn", NETWORK_A, "dqn", (), DQN, quick_keys=DQN_QUICK, minutes=(13.0, 0.3))
ddpg_stream = Trainings(
    "ddpg-stream", NETWORK_A, "ddpg", (), DDPG_STREAM, quick_keys=DQN_QUICK, minutes=(15.0, 0.3)
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

DDPG = {
    "policy.hidden": [128, 64],
    "policy.episodes": 400,
    "policy.episode_slots": 5,
    "policy.replicas": 64,
    "policy.updates": 16,
    "policy.batch": 128,
    "policy.discount": 0.0,
    "policy.actor_rate": 1e-3,
    "policy.critic_rate": 1e-3,
    "policy.rate_decay": 0.95,
    "policy.noise": 0.2,
    "policy.random": 0.05,
    "policy.noise_decay": 0.8,
    "policy.logit_penalty": 0.02,
    "policy.reward_unit": 0.1,
}
DDPG_QUICK = {"policy.episodes": 4, "policy.updates": 2}

AAC_TASKS = {
    "policy.workers": 1,
    "policy.steps": 600_000,
    "policy.episode_slots": 5,
    "policy.t_max": 5,
    "policy.discount": 0.0,
}
"""Tasks of different slots are independent; not searched for."""

AAC_TASKS_QUICK = {"policy.steps": 5_000}

ddpg_tasks = Trainings(
    "ddpg", NETWORK_C, "ddpg", (), EASY | DDPG, quick_keys=DDPG_QUICK, minutes=(47.0, 0.5)
)
aac_tasks = Trainings(
    "aac-tasks",
    NETWORK_C,
    "aac",
    (),
    EASY | AAC_TASKS,
    quick_keys=AAC_TASKS_QUICK,
    minutes=(12.0, 0.4),
)
