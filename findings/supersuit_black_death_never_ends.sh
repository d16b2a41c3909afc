#!/usr/bin/env bash
# Guess: SuperSuit's black_death_v3, made for agents that die, ends an episode when the environment does. One that
#        ends by truncation (a time limit, as PettingZoo has it: truncated, not terminated) never ends: done is
#        `(terminations & truncations).all()`. Agents that join after reset are not kept alive either, and
#        MarkovVectorEnv(black_death=True) refuses them. Nothing says so.
# SuperSuit 3.11.0, supersuit/multiagent_wrappers/black_death.py, step and reset.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check supersuit==3.11.0 pettingzoo==1.27.0 gymnasium==1.2.2
"$place/venv/bin/python" -W ignore - <<'PYTHON'
import sys
from importlib.metadata import version

import numpy as np
from gymnasium.spaces import Box, Discrete
from pettingzoo import ParallelEnv
from supersuit import black_death_v3
from supersuit.vector import MarkovVectorEnv


class Street(ParallelEnv):
    """Three steps. b joins after the first one, a leaves after the second; the end is a truncation."""

    metadata = {"name": "street_v0", "render_modes": []}
    possible_agents = ["a", "b"]
    render_mode = None

    def __init__(self, joins=True):
        self.spaces = {agent: (Box(0, 9, (1,), np.float32), Discrete(2)) for agent in "ab"}
        self.here = [["a"], ["a", "b"], ["b"]] if joins else [["a", "b"]] * 3

    def observation_space(self, agent):
        return self.spaces[agent][0]

    def action_space(self, agent):
        return self.spaces[agent][1]

    def reset(self, seed=None, options=None):
        self.t, self.agents = 0, list(self.here[0])
        return {a: np.ones(1, np.float32) for a in self.agents}, {a: {} for a in self.agents}

    def step(self, actions):
        self.t += 1
        over = self.t >= 3
        later = [] if over else list(self.here[self.t])
        about = list(dict.fromkeys(self.agents + later))
        left = {a: a not in later and not over for a in about}
        self.agents = later
        seen = {a: np.ones(1, np.float32) for a in about}
        return seen, dict.fromkeys(about, 1.0), left, dict.fromkeys(about, over), {a: {} for a in about}


env = black_death_v3(Street(joins=False))
env.reset(seed=1)
ended = []
for t in range(3):
    _, _, terminated, truncated, _ = env.step({"a": 0, "b": 0})
    ended.append(any(terminated.values()) or any(truncated.values()))
print("SuperSuit", version("supersuit"))
print("black_death_v3, after the step that truncates: ended", ended[-1], "agents", env.agents)

seen, _ = black_death_v3(Street()).reset(seed=1)
print("black_death_v3, agents shown of a and b, if b joins later:", sorted(seen))
try:
    MarkovVectorEnv(Street(), black_death=True).reset(seed=1)
    vector = "works"
except AssertionError as error:
    vector = f"AssertionError: {error}"
print("MarkovVectorEnv(black_death=True), if b joins later:", vector)
held = ended == [False] * 3 and env.agents == ["a", "b"] and sorted(seen) == ["a"]
sys.exit(0 if held and "unless black_death is True" in vector else 1)
PYTHON
