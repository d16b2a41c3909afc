"""Deep Q-network on discretised actions: what paper A compares its algorithm with.

Mnih et al., "Human-level control through deep reinforcement learning", Nature, 2015; its loop is
`OffPolicyLearner.advance`. The continuous actions become discrete thus: each of a device's A numbers takes
one of `levels` values, evenly spaced over [-1, 1], so a device has levels^A actions. A network's joint
actions are too many to list, so the value of a joint action is the mean of the values of each device's
action (value decomposition, Sunehag et al. 2018), and its greatest is where each device's is.

Paper A: Y. Dai, K. Zhang, S. Maharjan, Y. Zhang, "Deep Reinforcement Learning for Stochastic Computation
Offloading in Digital Twin Networks", IEEE Transactions on Industrial Informatics, doi
10.1109/TII.2020.3016320.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ...scenarios.units import Positive, Share
from .encodings import action_count
from .exploration import EpsilonGreedy
from .networks import build_network, finite
from .off_policy import OffPolicy, OffPolicyLearner, adam, target_of
from .replay_buffer import Batch
from .trainable import NetworkKind

MAX_ACTIONS = 4096
"""The most actions that a device may have."""


class QNetwork(nn.Module):
    """Q(s, a) of every action of every device, and the best of them.

    Args:
        network: its kind.
        hidden: widths of the hidden layers.
        levels: values that each number of an action takes.
        devices: N; a shared network runs with any other too.
        features: F.
        actions: A.

    Raises:
        ValueError: too many actions.
    """

    def __init__(
        self,
        network: NetworkKind,
        hidden: Sequence[int],
        levels: int,
        devices: int,
        features: int,
        actions: int,
    ) -> None:
        super().__init__()
        count = levels**actions
        if count > MAX_ACTIONS:  # by a file's word: a training's are looked at before
            raise ValueError(f"levels: {levels}^{actions} actions are more than {MAX_ACTIONS}")
        self.levels = levels
        self.q = build_network(network, hidden, devices, features, count)
        # Each action's numbers: the digits of its index, first number first.
        index = torch.arange(count)[:, None] // levels ** torch.arange(actions) % levels
        self.register_buffer("table", 2.0 * index / (levels - 1) - 1.0, persistent=False)
        self.table: Tensor

    def index(self, action: Tensor) -> Tensor:
        """(R, N, A) -> (R, N): which action of the table each device's is."""
        digits = ((action + 1.0) * (0.5 * (self.levels - 1))).round().long()
        weight = self.levels ** torch.arange(action.shape[2], device=action.device)
        return (digits * weight).sum(dim=2)

    def forward(self, features: Tensor) -> Tensor:
        """(R, N, F) -> (R, N, A), the best actions."""
        best: Tensor = self.table[self.q(features).argmax(dim=2)]
        return best


class DqnLearner(OffPolicyLearner["Dqn"]):
    """The Q-network, taken greedily, and its target."""

    actor: QNetwork
    networks = ("actor",)
    targets = ("target",)
    optimisers = ("optimiser",)

    def init_networks(self, devices: int, features: int, actions: int) -> None:
        """The target begins with the same weights."""
        config = self.config
        actor = config.make_actor(config.architecture, devices, features, actions)
        self.actor = actor.to(self.device)
        self.target = target_of(self.actor)
        self.optimiser = adam(self.actor, config.rate)

    def update(self, batch: Batch) -> dict[str, float]:
        """One gradient step on the squared error, linear beyond 1, and one of the target."""
        s, a, r, s2 = batch
        with torch.no_grad():
            y = r + self.config.discount * self.target.q(s2).amax(dim=2).mean(dim=1)
        chosen = self.actor.q(s).gather(2, self.actor.index(a)[:, :, None])
        loss = functional.smooth_l1_loss(chosen.mean(dim=(1, 2)), y)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.update_targets()
        return finite(q_loss=loss)


@dataclass
class Dqn(OffPolicy):
    """DQN on discretised actions, paper A's comparison; has to be trained.

    Attributes:
        levels: values that each number of an action takes.
        rate: learning rate.
        random: epsilon, the share of devices that act at random in each step.
    """

    levels: Annotated[int, Field(ge=2)] = 3
    rate: Positive = 1e-3
    random: Share = 0.1
    soft_update: Share = 5e-3

    name = "dqn"
    learner_class = DqnLearner
    actor_class = QNetwork

    def wrong_keys(self, kind: str) -> Iterator[tuple[str, str, str, str]]:
        """So many levels that a device has more than `MAX_ACTIONS` actions, too."""
        yield from super().wrong_keys(kind)
        numbers = action_count(kind, self.action)
        if self.levels**numbers > MAX_ACTIONS:
            most = max(n for n in range(2, self.levels) if n**numbers <= MAX_ACTIONS)
            what = f"{self.levels}^{numbers} actions of each device are more than {MAX_ACTIONS}"
            yield "levels", what, str(self.levels), f"2 to {most}"

    @property
    def architecture(self) -> dict[str, Any]:
        """Of the Q-network, and the discretisation."""
        return {**super().architecture, "levels": self.levels}

    def exploration(self, shape: tuple[int, int, int], rng: np.random.Generator) -> EpsilonGreedy:
        """Random actions of some devices, of (R, N, A)."""
        return EpsilonGreedy(shape, self.levels, self.random, rng)
