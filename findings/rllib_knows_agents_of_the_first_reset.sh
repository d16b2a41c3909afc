#!/usr/bin/env bash
# Guess: RLlib's ParallelPettingZooEnv takes its agents from PettingZoo's `possible_agents`. It takes those that are in
#        `agents` after one reset in its constructor: of an agent that joins later it has no spaces (a KeyError, deep
#        in a connector). And an episode in whose last step some agents are terminated and the others truncated does
#        not end: "__all__" asks all(terminateds) or all(truncateds).
# Ray 2.60.0, ray/rllib/env/wrappers/pettingzoo_env.py, ParallelPettingZooEnv.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check "ray[rllib]==2.60.0" pettingzoo==1.27.0
"$place/venv/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import numpy as np
from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv
from ray.rllib.env.wrappers.pettingzoo_env import ParallelPettingZooEnv


class Street(ParallelEnv):
    """a is there for two steps, b joins after the first; as a leaves, the time of b is over."""

    metadata = {"name": "street_v0", "render_modes": []}
    possible_agents = ["a", "b"]

    def __init__(self):
        self.spaces = {agent: (Box(0, 9, (1,), np.float32), Discrete(2)) for agent in "ab"}

    def observation_space(self, agent):
        return self.spaces[agent][0]

    def action_space(self, agent):
        return self.spaces[agent][1]

    def reset(self, seed=None, options=None):
        self.t, self.agents = 0, ["a"]
        return {"a": np.ones(1, np.float32)}, {"a": {}}

    def step(self, actions):
        self.t += 1
        over = self.t == 2
        self.agents = [] if over else ["a", "b"]
        seen = {agent: np.ones(1, np.float32) for agent in "ab"}
        ends = {"a": over, "b": False}, {"a": False, "b": over}
        return seen, {"a": 1.0, "b": 1.0}, *ends, {"a": {}, "b": {}}


env = ParallelPettingZooEnv(Street())
print("ray", version("ray"), "pettingzoo", version("pettingzoo"))
print("possible agents of the environment:", env.par_env.possible_agents)
print("known to RLlib:", env.possible_agents, "spaces:", list(env.action_space.spaces))
env.reset()
env.step({"a": 0})
_, _, terminated, truncated, _ = env.step({"a": 0, "b": 0})
print("agents after the last step:", env.par_env.agents)
print("episode over, by RLlib:", terminated["__all__"] or truncated["__all__"])
assert env.possible_agents == ["a"] and list(env.action_space.spaces) == ["a"]
assert not env.par_env.agents and not terminated["__all__"] and not truncated["__all__"]
PYTHON
