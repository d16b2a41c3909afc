"""Deep Q-network on discretised actions: what paper A compares its algorithm with.

Mnih et al., Human-level control through deep reinforcement learning, Nature 2015. The continuous
actions become discrete thus: each of a device's A numbers takes one of `levels` values, evenly spaced
over [-1, 1], so a device has levels^A actions. A network's joint actions are too many to list, so the
value of a joint action is the mean of what each device's action is worth (value decomposition, Sunehag
et al. 2018), and its greatest is where each device's is.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ...scenarios.units import Count, Positive, Share
from .ddpg import Training
from .exploration import EpsilonGreedy
from .networks import Kind, body, finite, seeded
from .replay_buffer import Batch, Replay
from .trainable import Learned, MakeEnvironment, Problem

MAX_ACTIONS = 4096
"""A device may have so many actions."""


@dataclass
class Dqn(Learned):
    """DQN on discretised actions, paper A's comparison; has to be trained.

    Attributes:
        checkpoint: a file that `edgesim train` left, or the name of a shipped one; its own keys
            `network`, `hidden`, `levels` hold.
        network: "flat" of all devices' features at once, for one N; or "shared", the same weights for
            each device, for any N.
        hidden: widths of the hidden layers; by default [128, 128, 128] of a flat network, [64, 64]
            of a shared one.
        levels: values that each number of an action takes.
        episodes: of the training.
        episode_slots: slots of an episode.
        replicas: environments that are stepped together.
        updates: gradient steps after each step of all replicas.
        warmup: transitions with random actions before learning starts.
        batch: transitions of a gradient step.
        capacity: of the replay buffer, in transitions.
        rate: learning rate.
        rate_decay: the share of it that is gone at the end, linearly over the training.
        discount: gamma.
        soft_update: the step of the target network.
        random: epsilon, the share of devices that act at random in each step.
        reward_unit: if given, rewards are learned as sign(r) ln(1 + |r| / reward_unit), for costs that
            span decades, as world C's do.
        reward_floor: if given, rewards below it count as it: a device that sends for ever emits without
            end, and how long for ever takes teaches nothing.
        limit_weight: in world C, what violated limits weigh in the reward C(22), l2 to l5.
    """

    name: ClassVar[str] = "dqn"

    checkpoint: str | None = None
    network: Kind = "shared"
    hidden: Sequence[Count] | None = None
    levels: Annotated[int, Field(ge=2)] = 3
    episodes: Count = 1000
    episode_slots: Count = 200
    replicas: Count = 1
    updates: Count = 1
    warmup: Count = 1000
    batch: Count = 64
    capacity: Count = 100_000
    rate: Positive = 1e-3
    rate_decay: Share = 0.0
    discount: Share = 0.99
    soft_update: Share = 5e-3
    random: Share = 0.1
    reward_unit: Positive | None = None
    reward_floor: float | None = None
    limit_weight: Positive = 1.0

    @property
    def steps(self) -> int:
        """Of all replicas."""
        return self.episodes * self.episode_slots * self.replicas

    @property
    def architecture(self) -> dict[str, Any]:
        """Of the Q-network, and the discretisation."""
        hidden = self.hidden or ([128, 128, 128] if self.network == "flat" else [64, 64])
        return {"network": self.network, "hidden": list(hidden), "levels": self.levels}

    @staticmethod
    def make_actor(
        architecture: Mapping[str, Any], devices: int, features: int, actions: int
    ) -> "Greedy":
        """The Q-network, taken greedily."""
        return Greedy(**architecture, devices=devices, features=features, actions=actions)

    def learner(self, problem: Problem, make: MakeEnvironment, seed: int) -> Training:
        """Networks, exploration and an empty replay."""
        env = make(self.replicas, self.episode_slots, self.limit_weight)
        devices, features = env.single_observation_space.shape
        actions = env.single_action_space.shape[1]
        with seeded(seed):
            agent = Agent(self, devices, features, actions)
        random_seed, replay_seed = np.random.SeedSequence(seed).spawn(2)
        shape = (self.replicas, devices, actions)
        exploration = EpsilonGreedy(
            shape, self.levels, self.random, np.random.default_rng(random_seed)
        )
        replay = Replay(
            self.capacity,
            (devices, features),
            (devices, actions),
            np.random.default_rng(replay_seed),
        )
        return Training(self, env, agent, exploration, replay, seed)


class Greedy(nn.Module):
    """Q(s, a) of every action of every device, and the best of them.

    Args:
        network: kind of network.
        hidden: widths of its hidden layers.
        levels: values that each number of an action takes.
        devices: N; a shared network runs with any other too.
        features: F.
        actions: A.

    Raises:
        ValueError: too many actions.
    """

    def __init__(
        self,
        network: Kind,
        hidden: Sequence[int],
        levels: int,
        devices: int,
        features: int,
        actions: int,
    ) -> None:
        super().__init__()
        count = levels**actions
        if count > MAX_ACTIONS:
            raise ValueError(f"levels: {levels}^{actions} actions are more than {MAX_ACTIONS}")
        self.levels = levels
        self.q = body(network, devices, features, count, hidden)
        # Each action's numbers: the digits of its index, first number first.
        index = torch.arange(count)[:, None] // levels ** torch.arange(actions) % levels
        self.register_buffer("table", 2.0 * index / (levels - 1) - 1.0, persistent=False)
        self.table: Tensor

    def index(self, action: Tensor) -> Tensor:
        """(R, N) which action of the table each device's is."""
        digits = ((action + 1.0) * (0.5 * (self.levels - 1))).round().long()
        weight = self.levels ** torch.arange(action.shape[2])
        return (digits * weight).sum(dim=2)

    def forward(self, features: Tensor) -> Tensor:
        """(R, N, F) -> (R, N, A)."""
        best: Tensor = self.table[self.q(features).argmax(dim=2)]
        return best


class Agent:
    """The Q-network and its target.

    Args:
        keys: of the policy.
        devices: N.
        features: F.
        actions: A.
    """

    def __init__(self, keys: Dqn, devices: int, features: int, actions: int) -> None:
        self.actor = keys.make_actor(keys.architecture, devices, features, actions)
        self.target = deepcopy(self.actor).requires_grad_(False)
        self.optimiser = torch.optim.Adam(self.actor.parameters(), lr=keys.rate, fused=True)
        self._rate, self._rate_decay = keys.rate, keys.rate_decay
        self._discount = keys.discount
        self._soft_update = keys.soft_update
        self._online: list[Tensor] = list(self.actor.parameters())
        self._targets: list[Tensor] = list(self.target.parameters())

    def progress(self, done: float) -> None:
        """Adapt the learning rate to the share of the training that is done."""
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate * (1.0 - self._rate_decay * done)

    def update(self, batch: Batch) -> dict[str, float]:
        """One gradient step on the squared error, linear beyond 1, and a small one of the target.

        Raises:
            TrainingError: the loss is not a number.
        """
        s, a, r, s2 = batch
        with torch.no_grad():
            y = r + self._discount * self.target.q(s2).amax(dim=2).mean(dim=1)
        chosen = self.actor.q(s).gather(2, self.actor.index(a)[:, :, None])
        loss = functional.smooth_l1_loss(chosen.mean(dim=(1, 2)), y)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        torch._foreach_lerp_(self._targets, self._online, self._soft_update)
        return finite(q_loss=loss)

    def state_dict(self) -> dict[str, Any]:
        """Networks and optimiser."""
        return {name: getattr(self, name).state_dict() for name in _PARTS}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse."""
        for name in _PARTS:
            getattr(self, name).load_state_dict(state[name])


_PARTS = ("actor", "target", "optimiser")
