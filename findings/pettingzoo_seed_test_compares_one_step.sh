#!/usr/bin/env bash
# Guess: PettingZoo's parallel_seed_test(env_fn, num_cycles=500) plays two environments with one seed for up to
#        500 steps and compares them. It compares one: `any(terminations)` looks at a dict's keys, and names of
#        agents are true. Random numbers of the operating system from the second step on pass.
# PettingZoo 1.27.0, pettingzoo/test/seed_test.py, check_environment_deterministic_parallel.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check pettingzoo==1.27.0 gymnasium==1.2.2 pygame==2.6.1
"$place/venv/bin/python" -W ignore - <<'PYTHON'
import os
import sys

import numpy as np
import pettingzoo
from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv
from pettingzoo.test import parallel_seed_test

steps = []


class Unseeded(ParallelEnv):
    """From its second step on, rewards and observations are drawn without any seed."""

    metadata = {"name": "unseeded_v0", "render_modes": []}
    possible_agents = ["a", "b"]

    def __init__(self):
        self.spaces = {agent: (Box(0, 255, (8,), np.uint8), Discrete(2)) for agent in "ab"}

    def observation_space(self, agent):
        return self.spaces[agent][0]

    def action_space(self, agent):
        return self.spaces[agent][1]

    def reset(self, seed=None, options=None):
        self.agents, self.t = ["a", "b"], 0
        return {agent: np.zeros(8, np.uint8) for agent in "ab"}, {"a": {}, "b": {}}

    def step(self, actions):
        self.t += 1
        steps.append(self.t)
        drawn = os.urandom(8) if self.t > 1 else bytes(8)
        seen = {agent: np.frombuffer(drawn, np.uint8) for agent in "ab"}
        no = {"a": False, "b": False}
        return seen, {agent: float(drawn[0]) for agent in "ab"}, no, no, {"a": {}, "b": {}}


try:
    parallel_seed_test(Unseeded, num_cycles=500)
    outcome = "passes"
except AssertionError as error:
    outcome = f"fails: {error}"
print("PettingZoo", pettingzoo.__version__)
print("an environment that draws unseeded numbers from step 2 on:", outcome)
print("steps that the test took in each of the two:", max(steps))
sys.exit(0 if outcome == "passes" and max(steps) == 1 else 1)
PYTHON
