"""Asynchronous actor-critic: Algorithms 2 and 3 of paper A. Line numbers are those algorithms'.

Learning agents, each with replicas of the environment, act for t_max steps on a copy of the global
parameters, work out what to change, and send it to the global agent, which changes the parameters
without waiting for the others. `aac_training` puts them to work.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn

from ...scenarios.units import Count, Positive, Share
from .networks import Actor, Critic, Head, Kind, finite, torch_seed
from .trainable import (
    Learned,
    Learner,
    MakeEnvironment,
    Problem,
    TrainingError,
)


@dataclass
class Aac(Learned):
    """AAC, Algorithms 2 and 3 of paper A: actors and critics that learn side by side; to be trained.

    Attributes:
        checkpoint: a file that `edgesim train` left, or the name of a shipped one; its own keys
            `network`, `hidden` and `head` hold.
        network: "flat" of all devices' features at once, as in the papers, for one N; or "shared",
            the same weights for each device, for any N.
        hidden: widths of the hidden layers; by default the paper's [128, 128, 128] of a flat network,
            [64, 64] of a shared one.
        head: the actor's last layer; "paper" is paper A's single softmax over all outputs.
        workers: learning agents. The paper has one at each SBS; more than there are cores gain
            nothing.
        replicas: environments that each agent steps together.
        steps: T_max, environment steps over all agents and replicas.
        t_max: steps of each replica between two updates.
        episode_slots: slots of an episode.
        actor_rate: alpha_pi.
        critic_rate: alpha_v.
        discount: delta.
        entropy: weight of the policy's entropy, which keeps it exploring.
        deviation: standard deviation of the noise on the actor's logits, at the start; it is learned.
        norm: longest gradient; a longer one is scaled down.
        final_rate: both rates fall linearly over the training, to this share of what they were.
        logit_penalty: weight of the mean square of the actor's outputs before they are squashed, which
            keeps them where noise still tries something else.
        limit_weight: in world C, what violated limits weigh in the reward C(22), l2 to l5.
    """

    name: ClassVar[str] = "aac"

    checkpoint: str | None = None
    network: Kind = "shared"
    hidden: Sequence[Count] | None = None
    head: Head = "grouped"
    workers: Count = 2
    replicas: Count = 64
    steps: Count = 600_000
    t_max: Count = 8
    episode_slots: Count = 200
    actor_rate: Positive = 1e-3
    critic_rate: Positive = 1e-3
    discount: Share = 0.5
    entropy: Annotated[float, Field(ge=0)] = 0.0
    deviation: Positive = 0.6
    norm: Positive = 0.5
    final_rate: Share = 0.05
    logit_penalty: Annotated[float, Field(ge=0)] = 0.01
    limit_weight: Positive = 1.0

    @property
    def architecture(self) -> dict[str, Any]:
        """Of actor and critic."""
        hidden = self.hidden or ([128, 128, 128] if self.network == "flat" else [64, 64])
        return {"network": self.network, "hidden": list(hidden), "head": self.head}

    @staticmethod
    def make_actor(
        architecture: Mapping[str, Any], devices: int, features: int, actions: int
    ) -> Actor:
        """pi(s | theta_pi), without its noise."""
        a = architecture
        return Actor(a["network"], devices, features, actions, a["hidden"], a["head"])

    def learner(self, problem: Problem, make: MakeEnvironment, seed: int) -> Learner:
        """Global agent and learning agents."""
        from .aac_workers import Training

        return Training(self, make, seed)


class ActorCritic(nn.Module):
    """theta_pi and theta_v.

    The policy is normal on the actor's logits, with one learned deviation for each of a device's
    actions; squashing is part of the environment, so it has no part in the density.

    Args:
        keys: of the policy.
        devices: N.
        features: F.
        actions: A.
    """

    def __init__(self, keys: Aac, devices: int, features: int, actions: int) -> None:
        super().__init__()
        shape = keys.architecture
        self.actor = keys.make_actor(shape, devices, features, actions)
        self.critic = Critic(shape["network"], devices, features, 0, shape["hidden"])
        self.log_deviation = nn.Parameter(torch.full((actions,), keys.deviation).log())

    def log_density(self, mean: Tensor, logits: Tensor) -> Tensor:
        """(R,) log pi(a | s) of (R, N, A) logits around the actor's, without the constant."""
        standard = (logits - mean) * (-self.log_deviation).exp()
        return -(0.5 * standard * standard + self.log_deviation).sum(dim=(1, 2))

    def entropy(self, devices: int) -> Tensor:
        """Of the policy's noise on all devices, without the constant."""
        return self.log_deviation.sum() * devices


class Update(NamedTuple):
    """What an agent sends with its gradient.

    Attributes:
        steps: environment steps that it took.
        means: reward and losses.
    """

    steps: int
    means: dict[str, float]


class LearningAgent:
    """Algorithm 2.

    Args:
        keys: of the policy.
        env: its replicas.
        seed: of its noise.
        first: seed of its first episode's first replica.
        stride: from one of its episodes to the next.
    """

    def __init__(self, keys: Aac, env: Any, seed: int, first: int, stride: int) -> None:
        self._keys = keys
        self._env = env
        self._episode_seed = first
        self._stride = stride
        self._state: Tensor | None = None
        self.noise = torch.Generator().manual_seed(torch_seed(seed))
        devices, features = env.single_observation_space.shape
        # 1: Agent parameters theta'_pi and theta'_v.
        self.model = ActorCritic(keys, devices, features, env.single_action_space.shape[1])

    @property
    def between_episodes(self) -> bool:
        """Whether the next step is an episode's first."""
        return self._state is None

    def work(self, shared: nn.Module) -> Update:
        """Lines 4 to 18, once: leaves the gradient in the parameters of `model`.

        Args:
            shared: the global parameters.

        Raises:
            TrainingError: a loss is not a number.
        """
        model, keys = self.model, self._keys
        # 4: Synchronise agent parameters.
        model.load_state_dict(shared.state_dict())
        # 6 to 13: Act for t_max steps, or to the episode's end.
        states, logits, rewards = self._act()
        # 14: The value of the state reached. An episode's end is no end of the network.
        with torch.no_grad():
            reached = model.critic(states[-1])
        # 15 to 17: The rewards from each step on.
        returns = [reached]
        for reward in reversed(rewards):
            returns.insert(0, reward + keys.discount * returns[0])
        s, a, R = torch.cat(states[:-1]), torch.cat(logits), torch.cat(returns[:-1])
        # 18, and Algorithm 3, 3 to 7: Accumulate the gradients (24) and (27), as means over steps.
        value = model.critic(s)
        advantage = R - value
        mean = model.actor.logits(s)
        actor_loss = -(advantage.detach() * model.log_density(mean, a)).mean()
        critic_loss = advantage.square().mean()
        explore = keys.entropy * model.entropy(a.shape[1])
        moderate = keys.logit_penalty * mean.square().mean()
        model.zero_grad(set_to_none=False)
        (actor_loss + critic_loss - explore + moderate).backward()
        losses = finite(actor_loss=actor_loss, critic_loss=critic_loss)
        reward_mean = torch.stack(rewards).mean().item()
        deviation = model.log_deviation.detach().exp().mean().item()
        return Update(len(R), {"reward": reward_mean, **losses, "deviation": deviation})

    def _act(self) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """States (one more than steps), logits and rewards."""
        env, model = self._env, self.model
        if self._state is None:
            # 7: Construct the current state.
            self._state = torch.from_numpy(env.reset(seed=self._episode_seed)[0])
            self._episode_seed += self._stride
        states, logits, rewards = [self._state], list[Tensor](), list[Tensor]()
        deviation = model.log_deviation.detach().exp()
        over = False
        while len(rewards) < self._keys.t_max and not over:
            # 9: Perform an action of the policy.
            with torch.inference_mode():
                mean = model.actor.logits(states[-1])
                noise = torch.randn(mean.shape, generator=self.noise)
                chosen = mean + deviation * noise
                action = model.actor.squash(chosen).numpy()
            # 10: New state and immediate reward.
            state, reward, _, truncated, _ = env.step(action)
            states.append(torch.from_numpy(state))
            logits.append(chosen.clone())
            rewards.append(torch.from_numpy(reward).float())
            over = bool(truncated[0])
        self._state = None if over else states[-1]
        return states, logits, rewards

    def close(self) -> None:
        """End the environments."""
        self._env.close()


class GlobalAgent:
    """Algorithm 3: the global parameters, and their updates by what the agents send.

    Args:
        keys: of the policy.
        model: the global parameters.
    """

    def __init__(self, keys: Aac, model: ActorCritic) -> None:
        self.model = model
        self._keys = keys
        actor = [*model.actor.parameters(), model.log_deviation]
        critic = [*model.critic.parameters()]
        self.optimiser = torch.optim.Adam(
            [
                {"params": actor, "lr": keys.actor_rate},
                {"params": critic, "lr": keys.critic_rate},
            ],
            eps=1e-5,
            fused=True,
        )

    def update(self, gradients: Sequence[Tensor], steps: int) -> None:
        """8: Update theta_pi and theta_v by an agent's gradients.

        Args:
            gradients: of each parameter.
            steps: T, environment steps so far.

        Raises:
            TrainingError: one of them is not a number; nothing was changed.
        """
        keys = self._keys
        left = 1.0 - (1.0 - keys.final_rate) * min(steps / keys.steps, 1.0)
        rates = (keys.actor_rate, keys.critic_rate)
        for group, rate in zip(self.optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * left
        parameters = [*self.model.parameters()]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        norm = nn.utils.clip_grad_norm_(parameters, keys.norm)
        if not torch.isfinite(norm):
            raise TrainingError(f"the norm of a gradient is {norm.item()}")
        self.optimiser.step()
