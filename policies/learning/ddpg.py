"""Deep deterministic policy gradient: Algorithm 2 of paper C. Line numbers are that algorithm's.

1, 2      networks and their targets                    DdpgLearner.init_networks
3         replay buffer, exploration noise              ReplayBuffer, Ddpg.exploration
4 to 10   an episode: act, store, sample a minibatch    OffPolicyLearner.advance
11 to 14  target, critic, actor, target networks        DdpgLearner.update
15 to 17  next state, step and episode                  OffPolicyLearner.advance

Paper C: D. V. Huynh et al., "Carbon-Aware Edge Computing for Internet of Everything Networks: A Digital
Twin Approach", IEEE Internet of Things Journal, 2025.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import Field
from torch.nn import functional

from ...scenarios.units import Positive, Share
from .exploration import OrnsteinUhlenbeck
from .networks import Actor, Critic, finite, frozen
from .off_policy import OffPolicy, OffPolicyLearner, adam, target_of
from .replay_buffer import Batch
from .trainable import Head


class DdpgLearner(OffPolicyLearner["Ddpg"]):
    """Algorithm 2: mu is `actor`, Q is `critic`."""

    actor: Actor
    networks = ("actor", "critic")
    targets = ("target_actor", "target_critic")
    optimisers = ("actor_optimiser", "critic_optimiser")

    def init_networks(self, devices: int, features: int, actions: int) -> None:
        """Lines 1 and 2."""
        config = self.config
        shape, sizes = config.architecture, (devices, features, actions)
        # 1: Initialise actor and critic.
        self.actor = config.make_actor(shape, *sizes).to(self.device)
        self.critic = Critic(shape["network"], shape["hidden"], *sizes).to(self.device)
        # 2: Initialise target networks with the same weights.
        self.target_actor = target_of(self.actor)
        self.target_critic = target_of(self.critic)
        self.actor_optimiser = adam(self.actor, config.actor_rate)
        self.critic_optimiser = adam(self.critic, config.critic_rate)
        self._logit_penalty = config.logit_penalty

    def anneal(self, progress: float) -> None:
        """Lower the penalty too, to zero."""
        super().anneal(progress)
        self._logit_penalty = self.config.logit_penalty * (1.0 - progress)

    def update(self, batch: Batch) -> dict[str, float]:
        """Lines 11 to 14, on the minibatch of line 10."""
        s, a, r, s2 = batch
        # 11: Compute the target.
        y = r
        if self.config.discount > 0.0:
            with torch.no_grad():
                y = r + self.config.discount * self.target_critic(s2, self.target_actor(s2))
        # 12: Update the critic by minimising the loss, C(24).
        critic_loss = functional.mse_loss(self.critic(s, a), y)
        self.critic_optimiser.zero_grad(set_to_none=True)
        critic_loss.backward()  # type: ignore[no-untyped-call]
        self.critic_optimiser.step()
        # 13: Update the actor by the policy gradient, C(23).
        with frozen(self.critic):
            logits = self.actor.logits(s)
            actor_loss = -self.critic(s, self.actor.squash(logits)).mean()
            if self._logit_penalty > 0.0:
                actor_loss = actor_loss + self._logit_penalty * logits.square().mean()
            self.actor_optimiser.zero_grad(set_to_none=True)
            actor_loss.backward()
        self.actor_optimiser.step()
        # 14: Update the target networks.
        self.update_targets()
        return finite(critic_loss=critic_loss, actor_loss=actor_loss)


@dataclass
class Ddpg(OffPolicy):
    """DDPG, Algorithm 2 of paper C: an actor that follows its critic's gradient; has to be trained.

    Attributes:
        head: the actor's last layer; "paper" is paper A's single softmax over all outputs.
        actor_rate: learning rate of the actor.
        critic_rate: learning rate of the critic.
        noise: sigma of the Ornstein-Uhlenbeck noise on the actions.
        noise_reversion: its theta.
        noise_dt: its time step; 1 gives a correlation time of 1 / theta steps, 0.01 of 100 times that.
        random: the share of the actions' numbers that are drawn at random in training, beside the
            noise: it still tries the other side where an action lies at an end of its range.
        noise_decay: the share of noise and random numbers that is gone at the end, linearly over the
            training.
        logit_penalty: weight of the mean square of the actor's outputs before they are squashed, which
            keeps them where noise still tries both sides; it falls to zero over the training.
    """

    head: Head = "grouped"
    actor_rate: Positive = 3e-5
    critic_rate: Positive = 1e-4
    noise: Annotated[float, Field(ge=0)] = 0.2
    noise_reversion: Share = 0.15
    noise_dt: Positive = 1.0
    random: Share = 0.0
    noise_decay: Share = 0.0
    logit_penalty: Annotated[float, Field(ge=0)] = 0.0

    name = "ddpg"
    flat_hidden = (512, 256, 128)
    learner_class = DdpgLearner
    actor_class = Actor

    @property
    def architecture(self) -> dict[str, Any]:
        """Of actor and critic."""
        return {**super().architecture, "head": self.head}

    def exploration(
        self, shape: tuple[int, int, int], rng: np.random.Generator
    ) -> OrnsteinUhlenbeck:
        """3: The noise N on (R, N, A) actions."""
        return OrnsteinUhlenbeck(
            shape,
            self.noise,
            self.noise_reversion,
            self.noise_dt,
            self.random,
            self.noise_decay,
            rng,
        )
