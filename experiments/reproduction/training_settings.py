"""The trainings that figures share, and the settings of all of them: one place to change.

A training of the same settings is made once, whatever figures ask for it. Settings that are not here
are the policies' defaults, which are the papers' where these state a value (docs/learning.md).
"""

from .figure import Training

AAC_STEPS = 600_000

AAC = {"policy.workers": 1, "policy.steps": AAC_STEPS}
"""What makes `aac` learn world A; one worker, such that a training can be repeated bit for bit."""

AAC_QUICK = {"policy.steps": 16_000, "policy.replicas": 8, "devices.count": 5}

DQN_EPISODES, DQN_REPLICAS = 12, 64
DQN_STEPS = DQN_EPISODES * DQN_REPLICAS * 200

DQN = {
    "policy.episodes": DQN_EPISODES,
    "policy.replicas": DQN_REPLICAS,
    "policy.updates": 2,
    "policy.batch": 128,
    "policy.warmup": 6400,
    "policy.discount": 0.5,
    "policy.rate_decay": 0.95,
}
"""What makes `dqn` learn world A."""

DQN_QUICK = {
    "policy.episodes": 2,
    "policy.replicas": 16,
    "policy.warmup": 640,
    "devices.count": 5,
}

EPISODE_SLOTS = 10

DDPG_PAPER = {
    "policy.network": "flat",
    "policy.episodes": 1000,
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
"""What makes `ddpg` learn world C."""

DDPG_QUICK = {"policy.episodes": 4, "policy.updates": 2}

DDPG_STREAM = DQN | {
    "policy.soft_update": 0.005,
    "policy.actor_rate": 1e-3,
    "policy.critic_rate": 1e-3,
    "policy.noise": 0.3,
    "policy.logit_penalty": 0.05,
}
"""`ddpg` in world A: as many steps and updates as `dqn`; not searched for."""

AAC_TASKS = {
    "policy.workers": 1,
    "policy.steps": 600_000,
    "policy.episode_slots": 5,
    "policy.t_max": 5,
    "policy.discount": 0.0,
}
"""`aac` in world C: tasks of different slots have nothing to do with each other; not searched for."""

AAC_TASKS_QUICK = {"policy.steps": 5_000}

WORLD_A = "iiot_20dev"
WORLD_C = "carbon_6ue"

EASY = {"energy.theta_0": 1e-28, "tasks.cycles": ["1000 Mcycles", "1500 Mcycles"]}
"""World C where offloading pays and every task can stay local."""

aac_stream = Training("aac", WORLD_A, "aac", keys=AAC, quick_keys=AAC_QUICK, minutes=(13.0, 0.3))
dqn_stream = Training("dqn", WORLD_A, "dqn", keys=DQN, quick_keys=DQN_QUICK, minutes=(13.0, 0.3))
ddpg_stream = Training(
    "ddpg-stream", WORLD_A, "ddpg", keys=DDPG_STREAM, quick_keys=DQN_QUICK, minutes=(15.0, 0.3)
)
ddpg_tasks = Training(
    "ddpg", WORLD_C, "ddpg", keys=EASY | DDPG, quick_keys=DDPG_QUICK, minutes=(47.0, 0.5)
)
aac_tasks = Training(
    "aac-tasks",
    WORLD_C,
    "aac",
    keys=EASY | AAC_TASKS,
    quick_keys=AAC_TASKS_QUICK,
    minutes=(12.0, 0.4),
)
