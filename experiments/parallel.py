"""PettingZoo's parallel environments: the environments of Gymnasium, with an agent per device or station.

env = edgesim.parallel_env("edgesim/Stream-parallel-v0", scenario="sumo_crossing")
observations, infos = env.reset(seed=1)
while env.agents:
    actions = {agent: env.action_space(agent).sample() for agent in env.agents}
    observations, rewards, terminations, truncations, infos = env.step(actions)
"""

from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from ..policies.learning.encoding import FEATURE_MAX, Features
from ..policies.learning.environment import Info
from ..policies.learning.single_environment import Environment
from ..simulator.core.arrays import BoolArray, IntArray
from .rendering import METADATA

_OWN = {"device": ("present", "queue_bits"), "station": ("station_queue_bits",)}
"""Of the info's arrays, those that have an entry for each agent."""


class ParallelEnvironment(ParallelEnv):  # type: ignore[misc]
    """A network whose devices, or whose stations, act for themselves and share the network's reward.

    A device's agent, "device_3", sees the F features of its device and acts for it. It joins when the
    twin shows its device for the first time, and is terminated when the twin shows that the device has
    left. Nobody comes back from the dead in PettingZoo: of a device that does, "device_3_2" is the
    second stay. Slots in which no device is there pass by themselves.

    A station's agent, "mbs" or "sbs-1", sees the rows of the devices that it serves and acts for
    them: (N F,) and (N A,), or with `flat=False` (N, F) and (N, A). The other rows show zeros, and what
    is done in them does nothing.

    Args:
        env: a single environment with `flat=False`.
        name: its name in PettingZoo.
        agents: who acts.
        stays: how often a device may be there in an episode.
        flat: whether a station's observation and action are vectors.
        fixed: every device has its agent from beginning to end. While it is away it shows zeros, and
            its actions do nothing. For trainers that know no agents that join.

    Attributes:
        possible_agents: all that may act in an episode.
        agents: those that act in the slot that begins; empty after the last one.
        state_space: of `state()`.

    Raises:
        ValueError: no such agents, or stays; agents that are stations where there is only one.
    """

    metadata: dict[str, Any]

    def __init__(
        self, env: Environment, name: str, agents: str, stays: int, fixed: bool, flat: bool
    ) -> None:
        stations = env.vector.topology.station_names
        if agents not in _OWN:
            raise ValueError(f"agents = {agents!r}; allowed: {', '.join(_OWN)}")
        if agents == "station" and len(stations) == 1:
            raise ValueError(
                "agents = 'station'; allowed: device, as there is one station, which "
                "edgesim/Stream-v0 or edgesim/Tasks-v0 is about"
            )
        if stays < 1:
            raise ValueError(f"stays = {stays}; allowed: 1 or more")
        self._env, self._each, self._stays, self._fixed = env, agents, stays, fixed
        self.metadata = METADATA | {"name": name, "is_parallelizable": True}
        self.render_mode = env.render_mode
        devices, features = env.observation_space.shape or (0, 0)
        _, actions = env.action_space.shape or (0, 0)
        if agents == "device":
            visits = [(i, n) for i in range(devices) for n in range(1, stays + 1)]
            self._number = {_stay(i, n): i for i, n in visits}
        else:
            self._number = {station: j for j, station in enumerate(stations)}
        self.possible_agents = list(self._number)
        shapes: Any = (features,), (actions,)
        if agents == "station":
            shapes = (devices, features), (devices, actions)
            if flat:
                shapes = (devices * features,), (devices * actions,)
        self.state_space = env.observation_space
        self._spaces = {
            agent: (
                Box(-FEATURE_MAX, FEATURE_MAX, shapes[0], np.float32),
                Box(-1.0, 1.0, shapes[1], np.float32),
            )
            for agent in self.possible_agents
        }
        self.agents: list[str] = []
        self._seen: Features = np.zeros((devices, features), np.float32)
        self._begun: IntArray = np.zeros(devices, np.int64)
        self._there: BoolArray = np.zeros(devices, np.bool_)

    def observation_space(self, agent: str) -> Box:
        """(F,) of a device, (N F,) of a station; features on their scales, without units."""
        return self._spaces[agent][0]

    def action_space(self, agent: str) -> Box:
        """(A,) of a device, (N A,) of a station, in [-1, 1]."""
        return self._spaces[agent][1]

    def state(self) -> Features:
        """(N, F) features of all devices, for whoever trains centrally."""
        return self._seen.copy()

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Features], dict[str, Info]]:
        """Start an episode: the run with this seed, see `VectorEnvironment.reset`.

        Args:
            seed: likewise.
            options: none is known, and all are ignored, as PettingZoo's tests ask.
        """
        self._seen, _ = self._env.reset(seed=seed)
        self._begun[:] = 0
        self._there[:] = False
        over = self._pass_empty_slots(over=False)
        self._begin(over)
        return self._observations(self.agents), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, NDArray[np.floating]]
    ) -> tuple[
        dict[str, Features], dict[str, float], dict[str, bool], dict[str, bool], dict[str, Info]
    ]:
        """One slot.

        Args:
            actions: of each agent in `agents`; beyond [-1, 1] they are cut.

        Returns:
            By agent, of those that acted and those that join: observations (zeros of a device that
            left), the network's reward (0 of who joins), who left, whether the episode is over, and
            infos: the slot's totals, and of a device `present` and `queue_bits`, of a station
            `station_queue_bits`.

        Raises:
            ValueError: an agent has no action, or is not in `agents`; a wrong shape, or NaN; a device
                comes back more often than `stays` allows.
            ResetNeeded: there is no episode under way.
        """
        acted = self.agents
        if not acted:
            raise ResetNeeded("call reset() first")
        if actions.keys() != set(acted):
            wrong = sorted(actions.keys() ^ set(acted))
            raise ValueError(
                f"actions: {', '.join(wrong)}; allowed: those in `agents`, all of them"
            )
        told = {agent: self._number[agent] for agent in acted}
        self._seen, reward, _, over, info = self._env.step(self._together(actions))
        over = self._pass_empty_slots(over)
        self._begin(over)
        here = set(self.agents)
        after = acted + [agent for agent in self.agents if agent not in told]
        observations = self._observations(after)
        rewards = {agent: reward if agent in told else 0.0 for agent in after}
        left = {agent: agent not in here for agent in after}
        infos = {agent: self._info(info, told[agent]) if agent in told else {} for agent in after}
        if over:
            self.agents = []
        return observations, rewards, left, dict.fromkeys(after, over), infos

    def render(self) -> Any:
        """The network's picture, see `Environment.render`."""
        return self._env.render()

    def close(self) -> None:
        """End the trace of an episode that is under way; the window goes."""
        self._env.close()

    def _begin(self, over: bool) -> None:
        """A slot begins, or the last one has ended: who acts, by what the twin shows."""
        if self._each == "station":
            self.agents = list(self.possible_agents)
            return
        there = self._present()
        # After the last slot nobody joins any more.
        joins = there & ~self._there & (not over)
        self._there = there & (self._there | joins)
        self._begun = self._begun + joins
        if (again := np.flatnonzero(self._begun > self._stays)).size:
            raise ValueError(
                f"stays = {self._stays}: device {again[0]} comes back once more; allowed: a larger "
                f"`stays`, the most visits that a device makes"
            )
        self.agents = [_stay(int(i), int(self._begun[i])) for i in np.flatnonzero(self._there)]

    def _pass_empty_slots(self, over: bool) -> bool:
        """Nobody is there to act in them; whether the episode is over."""
        while self._each == "device" and not over and not self._present().any():
            self._there[:] = False
            self._seen, _, _, over, _ = self._env.step(np.zeros(self._env.action_space.shape or ()))
        return over

    def _present(self) -> BoolArray:
        if self._fixed:
            return np.ones(len(self._there), np.bool_)
        seen = self._env.vector.observation
        present: BoolArray = (seen.cells if hasattr(seen, "cells") else seen).present[0]
        return present

    def _serving(self) -> IntArray:
        station: IntArray = self._env.vector.observation.cells.station[0]
        return station

    def _observations(self, agents: list[str]) -> dict[str, Features]:
        if self._each == "device":
            here = set(self.agents)
            nothing = np.zeros(self._seen.shape[1], np.float32)
            return {
                agent: self._seen[self._number[agent]].copy() if agent in here else nothing.copy()
                for agent in agents
            }
        serving = self._serving()[:, None]
        return {
            agent: np.where(serving == j, self._seen, np.float32(0.0)).reshape(
                self._spaces[agent][0].shape
            )
            for j, agent in enumerate(self.possible_agents)
        }

    def _together(self, actions: dict[str, NDArray[np.floating]]) -> NDArray[np.floating]:
        """(N, A) of the agents' actions."""
        joint = np.zeros(self._env.action_space.shape or ())
        serving = self._serving() if self._each == "station" else None
        for agent, action in actions.items():
            expected, given = self._spaces[agent][1].shape, np.shape(action)
            if given != expected:
                raise ValueError(f"action of {agent} has shape {given}; allowed: {expected}")
            mine = self._number[agent]
            own = np.asarray(action).reshape(-1, joint.shape[1])
            rows: Any = mine if serving is None else serving == mine
            joint[rows] = own[0] if serving is None else own[rows]
        return joint

    def _info(self, info: Info, number: int) -> Info:
        totals = {name: value for name, value in info.items() if not isinstance(value, np.ndarray)}
        return totals | {name: info[name][number] for name in _OWN[self._each] if name in info}


def _stay(device: int, number: int) -> str:
    """The name of the agent of a device's stay."""
    return f"device_{device}" if number == 1 else f"device_{device}_{number}"
