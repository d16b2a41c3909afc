"""Asynchronous actor-critic: Algorithms 2 and 3 of paper A. Line numbers are those algorithms'.

Algorithm 2, `LearningAgent`: an agent with replicas of the environment acts for t_max steps on a copy of
the global parameters, and works out the gradients. Algorithm 3, `GlobalAgent`: changes the global
parameters by each agent's gradients as they arrive, without waiting for the others.

Paper A: Y. Dai, K. Zhang, S. Maharjan, Y. Zhang, "Deep Reinforcement Learning for Stochastic Computation
Offloading in Digital Twin Networks", IEEE Transactions on Industrial Informatics, doi
10.1109/TII.2020.3016320.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from ...scenarios.units import Count, Positive, Share
from .aac_workers import RemoteAgent, Update, received
from .networks import Actor, Critic, check_finite, check_moments, finite, numbers_only
from .seeding import seeded, torch_seed
from .trainable import Head, MakeEnvironment, TrainablePolicy, TrainingError


class ActorCritic(nn.Module):
    """theta_pi and theta_v.

    The policy is normal on the actor's logits, with one learned deviation for each of a device's
    actions; squashing is part of the environment, so it has no part in the density.

    Args:
        config: the policy.
        devices: N.
        features: F.
        actions: A.
    """

    def __init__(self, config: "Aac", devices: int, features: int, actions: int) -> None:
        super().__init__()
        shape = config.architecture
        self.actor: Actor = config.make_actor(shape, devices, features, actions)
        self.critic = Critic(shape["network"], shape["hidden"], devices, features, 0)
        self.log_deviation = nn.Parameter(torch.full((actions,), config.deviation).log())

    def log_density(self, mean: Tensor, logits: Tensor) -> Tensor:
        """(R,) log pi(a | s) of (R, N, A) logits around the actor's, without the constant."""
        standard = (logits - mean) * (-self.log_deviation).exp()
        return -(0.5 * standard * standard + self.log_deviation).sum(dim=(1, 2))

    def entropy(self, devices: int) -> Tensor:
        """() of the policy's noise on all devices, without the constant."""
        return self.log_deviation.sum() * devices


class LearningAgent:
    """Algorithm 2, for each learning agent.

    Attributes:
        model: the agent's parameters.
        noise: the generator of its actions' noise.
        episode_seed: of its next episode's first replica.

    Args:
        config: the policy.
        make: its replicas of the environment.
        seed: of its noise, and of its first episode's first replica.
        device: where its parameters lie.
    """

    def __init__(
        self, config: "Aac", make: MakeEnvironment, seed: int, device: str = "cpu"
    ) -> None:
        self._config = config
        self._device = torch.device(device)
        self._env = env = config.environment(make, config.replicas)
        self.episode_seed = seed
        self.noise = torch.Generator().manual_seed(torch_seed(seed))
        self.sizes = (*env.single_observation_space.shape, env.single_action_space.shape[1])
        # 1: Agent parameters theta'_pi and theta'_v.
        self.model = ActorCritic(config, *self.sizes).to(self._device)
        # 2: No step yet: the next one is an episode's first.
        self._state: Tensor | None = None

    def work(self, shared: nn.Module) -> Update:
        """Lines 4 to 18, which lines 3 and 19 repeat.

        Args:
            shared: the global parameters.

        Returns:
            The gradients, which lie in the parameters of `model`, and what goes with them.

        Raises:
            TrainingError: a loss is not a number.
        """
        model, config = self.model, self._config
        # 4: Synchronise agent parameters.
        model.load_state_dict(shared.state_dict())
        # 5 to 13: Act for t_max steps, or to the episode's end.
        states, logits, rewards = self._act()
        # 14: The value of the state reached. An episode's end is no end of the network.
        with torch.no_grad():
            reached = model.critic(states[-1])
        # 15 to 17: The rewards from each step on.
        returns = [reached]
        for reward in reversed(rewards):
            returns.insert(0, reward + config.discount * returns[0])
        s, a, R = torch.cat(states[:-1]), torch.cat(logits), torch.cat(returns[:-1])
        # 18, and Algorithm 3, 3 to 7: Accumulate the gradients A(24) and A(27), as means over steps.
        value = model.critic(s)
        advantage = R - value
        mean = model.actor.logits(s)
        actor_loss = -(advantage.detach() * model.log_density(mean, a)).mean()
        critic_loss = advantage.square().mean()
        explore = config.entropy * model.entropy(a.shape[1])
        moderate = config.logit_penalty * mean.square().mean()
        model.zero_grad(set_to_none=False)
        (actor_loss + critic_loss - explore + moderate).backward()
        losses = finite(actor_loss=actor_loss, critic_loss=critic_loss)
        means = {
            "reward": torch.stack(rewards).mean().item(),
            **losses,
            "deviation": model.log_deviation.detach().exp().mean().item(),
        }
        gradients = [one.grad for one in model.parameters() if one.grad is not None]
        return Update(gradients, len(R), means)

    def _act(self) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Lines 6 to 13: (R, N, F) states, one more than steps; (R, N, A) logits; (R,) rewards."""
        env, model, config = self._env, self.model, self._config
        if self._state is None:
            # 7: Construct the current state.
            self._state = self._there(env.reset(seed=self.episode_seed)[0])
            self.episode_seed += config.workers * config.replicas
        states, logits, rewards = [self._state], list[Tensor](), list[Tensor]()
        deviation = model.log_deviation.detach().exp()
        over = False
        # 8, 13: Repeat until t - t_start = t_max.
        while len(rewards) < config.t_max and not over:
            # 9: Perform an action of the policy.
            with torch.inference_mode():
                mean = model.actor.logits(states[-1])
                noise = torch.randn(mean.shape, generator=self.noise).to(self._device)
                chosen = mean + deviation * noise
                action = numbers_only(model.actor.squash(chosen).cpu().numpy())
            # 10: New state and immediate reward.
            state, reward, _, truncated, _ = env.step(action)
            # 11: t <- t + 1. 12, T <- T + 1, is left to `GlobalAgent.apply`.
            states.append(self._there(state))
            logits.append(chosen.clone())
            rewards.append(self._there(reward).float())
            over = bool(truncated[0])
        self._state = None if over else states[-1]
        return states, logits, rewards

    def _there(self, values: NDArray[np.floating]) -> Tensor:
        return torch.from_numpy(values).to(self._device)

    def close(self) -> None:
        """End the environments."""
        self._env.close()


class GlobalAgent:
    """Algorithm 3, for the global agent: the learner of AAC.

    One learning agent works in this process, and its training can be repeated bit for bit; several
    have processes of their own.

    Attributes:
        steps: T, environment steps so far, over all agents and replicas.
        model: the global parameters theta_pi and theta_v.
        actor: the part of them that acts.

    Args:
        config: the policy.
        make: the environments of each agent.
        seed: of the weights, the noise, and the first episode's first replica.
        device: where the agents' parameters lie. The global ones of several agents lie in memory that their
            processes share, that of the CPU.
    """

    def __init__(
        self, config: "Aac", make: MakeEnvironment, seed: int, device: str = "cpu"
    ) -> None:
        self._config = config
        self._make_agent = partial(LearningAgent, config, make, device=device)
        self._seed = seed
        agent = self._make_agent(seed)
        # 1: Global parameters theta_pi and theta_v, and the global counter T.
        with seeded(seed):
            self.model = ActorCritic(config, *agent.sizes)
        if config.workers == 1:
            self.model.to(device)
        self.steps = 0
        self.actor = self.model.actor
        actor = [*self.actor.parameters(), self.model.log_deviation]
        groups = [
            {"params": actor, "lr": config.actor_rate},
            {"params": [*self.model.critic.parameters()], "lr": config.critic_rate},
        ]
        self._optimiser = torch.optim.Adam(groups, eps=1e-5, fused=True)
        self._alone: LearningAgent | None = agent if config.workers == 1 else None
        self._others: list[RemoteAgent] = []
        if self._alone is None:
            agent.close()
            self.model.share_memory()

    def advance(self) -> dict[str, float]:
        """Lines 2 to 12, for an episode of every agent, or as many steps.

        Returns:
            Means over these steps, by name: reward, losses, deviation.

        Raises:
            TrainingError: a loss or a weight is not a number any more, or an agent failed.
        """
        config, updates = self._config, list[Update]()
        # 9 to 11: T > T_max ends the training, between two calls.
        enough = self.steps + config.workers * config.replicas * config.episode_slots
        while self.steps < enough:
            # 2: While receiving from an agent; its gradients are those of lines 3 to 7.
            for update in self._received():
                self.apply(update)
                updates.append(update)
        check_finite(self.model)
        weight = [update.steps / sum(one.steps for one in updates) for update in updates]
        return {
            name: sum(w * update.means[name] for w, update in zip(weight, updates, strict=True))
            for name in updates[0].means
        }

    def apply(self, update: Update) -> None:
        """8: Update theta_pi and theta_v by an agent's gradients, and count its steps.

        Raises:
            TrainingError: a gradient is not a number; nothing was changed.
        """
        config = self._config
        left = 1.0 - (1.0 - config.final_rate) * min(self.steps / config.steps, 1.0)
        rates = (config.actor_rate, config.critic_rate)
        for group, rate in zip(self._optimiser.param_groups, rates, strict=True):
            group["lr"] = rate * left
        parameters = [*self.model.parameters()]
        for parameter, gradient in zip(parameters, update.gradients, strict=True):
            parameter.grad = gradient
        norm = nn.utils.clip_grad_norm_(parameters, config.norm)
        if not torch.isfinite(norm):
            raise TrainingError(f"the norm of a gradient is {norm.item()}")
        self._optimiser.step()
        self.steps += update.steps

    def _received(self) -> Iterator[Update]:
        """What agents send: of the one agent here, or of those that are ready."""
        if self._alone is not None:
            yield self._alone.work(self.model)
            return
        if not self._others:
            config = self._config
            episodes = self.steps // (config.replicas * config.episode_slots)
            seeds = [self._seed + (episodes + n) * config.replicas for n in range(config.workers)]
            self._others = [
                RemoteAgent(partial(self._make_agent, one), self.model) for one in seeds
            ]
        yield from received(self._others)

    @property
    def cpu_s(self) -> float:
        """CPU time of the agents' own processes."""
        return sum(agent.cpu_s for agent in self._others)

    def state_dict(self) -> dict[str, Any]:
        """Parameters, optimiser, noise. Several agents start episodes afresh from it."""
        return {
            "steps": self.steps,
            "model": self.model.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "noise": self._alone.noise.get_state() if self._alone else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse; before the first `advance`."""
        self.steps = state["steps"]
        self.model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])
        check_moments(self._optimiser)
        if self._alone is not None:
            self._alone.episode_seed = self._seed + self.steps // self._config.episode_slots
            self._alone.noise.set_state(state["noise"])

    def close(self) -> None:
        """End all agents."""
        for agent in (self._alone, *self._others):
            if agent is not None:
                agent.close()


@dataclass
class Aac(TrainablePolicy):
    """AAC, Algorithms 2 and 3 of paper A: actors and critics that learn side by side; to be trained.

    Attributes:
        head: the actor's last layer; "paper" is paper A's single softmax over all outputs.
        workers: learning agents. The paper has one at each SBS; more than there are cores gain
            nothing.
        replicas: environments that each agent steps together.
        steps: T_max, environment steps over all agents and replicas.
        t_max: steps of each replica between two updates.
        actor_rate: alpha_pi.
        critic_rate: alpha_v.
        discount: delta.
        entropy: weight of the policy's entropy, which keeps it exploring.
        deviation: standard deviation of the noise on the actor's logits, at the start; it is learned.
        norm: longest gradient; a longer one is scaled down.
        final_rate: both rates fall linearly over the training, to this share of what they were.
        logit_penalty: weight of the mean square of the actor's outputs before they are squashed, which
            keeps them where noise still tries something else.
    """

    head: Head = "grouped"
    workers: Count = 2
    replicas: Count = 16
    steps: Count = 600_000
    t_max: Count = 8
    actor_rate: Positive = 1e-3
    critic_rate: Positive = 1e-3
    discount: Share = 0.5
    entropy: Annotated[float, Field(ge=0)] = 0.0
    deviation: Positive = 0.6
    norm: Positive = 5.0
    final_rate: Share = 0.05
    logit_penalty: Annotated[float, Field(ge=0)] = 0.01

    name = "aac"
    learner_class = GlobalAgent
    actor_class = Actor

    @property
    def architecture(self) -> dict[str, Any]:
        """Of actor and critic."""
        return {**super().architecture, "head": self.head}

    def length(self, steps: int) -> tuple[str, int]:
        """As many."""
        return "steps", steps

    def brief(self, slots: int) -> Self:
        """With room for t_max steps between two updates."""
        return replace(self, episode_slots=min(self.episode_slots, max(slots, self.t_max)))
