"""Soft actor-critic with a temperature that is learned. Line numbers are those of its Algorithm 1.

Input, 1       networks and their targets                   SacLearner.init_networks
2              replay pool                                  ReplayBuffer
3, 4           iterations, environment steps                OffPolicyLearner.advance
5              an action of the policy                      SacLearner._act
6 to 8         execute and store it                         OffPolicyLearner.advance
9, 14, 15      gradient steps, next iteration               OffPolicyLearner.advance
10 to 13       critics, actor, temperature, targets         SacLearner.update

T. Haarnoja, A. Zhou, P. Abbeel, S. Levine, "Soft Actor-Critic: Off-Policy Maximum Entropy Deep Reinforcement
Learning with a Stochastic Actor", ICML 2018, arXiv 1801.01290. The algorithm is Algorithm 1 of its sequel, which
learns the temperature and has no network of state values: T. Haarnoja et al., "Soft Actor-Critic Algorithms and
Applications", arXiv 1812.05905. The print has no line numbers; they count the lines below "Input".

The policy is on the numbers in [-1, 1] that the environment is handed, each by its own tanh. What an encoding
makes of several devices' numbers, such as the shares of a station's band, is part of the environment: it takes
numbers to decisions without chance, so it has no part in the density. There is no `head` with a softmax over all
numbers: its values lie on a plane, where they have no density.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ...scenarios.units import Count, Positive, Share
from .exploration import Actions, OwnNoise
from .networks import Actor, Critic, finite, frozen, is_present
from .off_policy import OffPolicy, OffPolicyLearner, adam, target_of
from .replay_buffer import Batch
from .trainable import NetworkKind

LOG_DEVIATION = -20.0, 2.0
"""The range of the logarithm of the deviation, as of the authors' program."""


class GaussianActor(Actor):
    """pi: normal numbers, with a mean and a deviation for each, squashed by tanh to [-1, 1].

    Args:
        network: its kind.
        hidden: widths of the hidden layers.
        devices: N; a shared network runs with any other too.
        features: F.
        actions: A.
    """

    def __init__(
        self,
        network: NetworkKind,
        hidden: Sequence[int],
        devices: int,
        features: int,
        actions: int,
    ) -> None:
        super().__init__(network, hidden, devices, features, 2 * actions)

    def forward(self, features: Tensor) -> Tensor:
        """(R, N, F) -> (R, N, A): the action of the mean, without chance."""
        return self.squash(self.normal(features)[0])

    def normal(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(R, N, F) -> (R, N, A) means, and logarithms of deviations, before tanh."""
        mean, log_deviation = self.logits(features).chunk(2, dim=2)
        return mean, log_deviation.clamp(*LOG_DEVIATION)

    def sample(self, features: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Actions of the policy, and the logarithm of its density at them, in closed form.

        Args:
            features: (R, N, F).
            noise: (R, N, A), standard normal.

        Returns:
            (R, N, A) actions and (R,) log densities, over the numbers of devices that are there: what
            others do has no effect, and counts for nothing in the entropy.
        """
        mean, log_deviation = self.normal(features)
        u = mean + log_deviation.exp() * noise
        normal = -0.5 * (noise * noise + math.log(2.0 * math.pi)) - log_deviation
        # ln(1 - tanh(u)^2), also where that is next to zero.
        squashed = 2.0 * (math.log(2.0) - u - functional.softplus(-2.0 * u))
        density = (normal - squashed).sum(dim=2)
        return self.squash(u), density.masked_fill(~is_present(features), 0.0).sum(dim=1)


class Twins(nn.Module):
    """Q of two critics with weights of their own, of which the smaller is believed: (2, R).

    Args:
        first: one of them.
        second: the other.
    """

    def __init__(self, first: Critic, second: Critic) -> None:
        super().__init__()
        self.both = nn.ModuleList((first, second))

    def forward(self, features: Tensor, action: Tensor) -> Tensor:
        """(R, N, F), (R, N, A) -> (2, R)."""
        return torch.stack([one(features, action) for one in self.both])


class Temperature(nn.Module):
    """alpha, what a nat of entropy is worth in reward; its logarithm is learned, so it is positive.

    Args:
        start: alpha at first.
    """

    def __init__(self, start: float) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(start)))


class SacLearner(OffPolicyLearner["Sac"]):
    """Algorithm 1: theta are `critic`, phi is `actor`, alpha is `temperature`."""

    actor: GaussianActor
    networks = ("critic", "actor", "temperature")
    targets = ("target_critic",)
    optimisers = ("critic_optimiser", "actor_optimiser", "temperature_optimiser")
    _noise: OwnNoise

    def init_networks(self, devices: int, features: int, actions: int) -> None:
        """Input and line 1."""
        config = self.config
        shape, sizes = config.architecture, (devices, features, actions)
        # Input: theta_1, theta_2, phi.
        self.actor = config.make_actor(shape, *sizes).to(self.device)
        first, second = (Critic(shape["network"], shape["hidden"], *sizes) for _ in range(2))
        self.critic = Twins(first, second).to(self.device)
        self.temperature = Temperature(config.temperature).to(self.device)
        # 1: Initialise target network weights.
        self.target_critic = target_of(self.critic)
        self.critic_optimiser = adam(self.critic, config.rate)
        self.actor_optimiser = adam(self.actor, config.rate)
        self.temperature_optimiser = adam(self.temperature, config.rate)

    def update(self, batch: Batch) -> dict[str, float]:
        """Lines 10 to 13."""
        config = self.config
        s, a, r, s2 = batch
        alpha = self.temperature.log.detach().exp()
        # 10: Update the critics by J_Q, towards the smaller target and the entropy from there on.
        y = r
        if config.discount > 0.0:
            with torch.no_grad():
                a2, log_pi2 = self.actor.sample(s2, self._drawn(len(s2)))
                value = self.target_critic(s2, a2).amin(dim=0) - alpha * log_pi2
                y = r + config.discount * value
        critic_loss = 0.5 * (self.critic(s, a) - y).square().mean(dim=1).sum()
        descend(self.critic_optimiser, critic_loss)
        # 11: Update the actor by J_pi, through the action that it samples.
        with frozen(self.critic):
            chosen, log_pi = self.actor.sample(s, self._drawn(len(s)))
            actor_loss = (alpha * log_pi - self.critic(s, chosen).amin(dim=0)).mean()
            descend(self.actor_optimiser, actor_loss)
        # 12: Adjust the temperature by J(alpha); as in the authors' program, with ln(alpha) for the factor alpha.
        aimed = config.target_entropy * a.shape[2] * is_present(s).sum(dim=1)
        self.temperature.log.grad = -(log_pi.detach() + aimed).mean()
        self.temperature_optimiser.step()
        # 13: Update target network weights.
        self.update_targets()
        entropy = -log_pi.mean()
        return finite(
            critic_loss=critic_loss, actor_loss=actor_loss, temperature=alpha, entropy=entropy
        )

    def _act(self, s: Actions) -> Actions:
        """Line 5: (R, N, F) -> (R, N, A), by chance."""
        with torch.inference_mode():
            features = torch.from_numpy(s).to(self.device)
            action: Actions = self.actor.sample(features, self._drawn(len(s)))[0].cpu().numpy()
        return action

    def _drawn(self, count: int) -> Tensor:
        """(count, N, A) standard normal numbers, the same on any device."""
        return torch.from_numpy(self._noise.normal(count)).to(self.device)


@dataclass
class Sac(OffPolicy):
    """SAC: an actor that acts by chance, rewarded for its entropy; has to be trained, then acts by its mean.

    Attributes:
        rate: learning rate of actor, critics and temperature.
        temperature: alpha at the start, what a nat of entropy is worth in (learned) reward; uniform actions of
            20 devices have some 50 nats.
        target_entropy: that the temperature keeps the policy at, in nats for each action number of a device
            that is present; -1 is the papers' minus the number of action numbers. Uniform ones have ln 2 = 0.693, the most there is.
    """

    rate: Positive = 3e-4
    temperature: Positive = 0.01
    target_entropy: Annotated[float, Field(le=0.69)] = -1.0
    batch: Count = 256
    soft_update: Share = 5e-3

    name = "sac"
    flat_hidden = (256, 256)
    learner_class = SacLearner
    actor_class = GaussianActor

    def exploration(self, shape: tuple[int, int, int], rng: np.random.Generator) -> OwnNoise:
        """None on (R, N, A) actions but the policy's own."""
        return OwnNoise(shape, rng)


def descend(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step down the gradient of a loss."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
