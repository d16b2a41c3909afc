"""Deep deterministic policy gradient: Algorithm 2 of paper C. Line numbers are that algorithm's."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Protocol

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ...scenarios.units import Count, Positive, Share
from ...simulator.core.arrays import FloatArray
from .exploration import Exploration, OrnsteinUhlenbeck
from .networks import Actor, Critic, Head, Kind, check_finite, finite, seeded
from .replay_buffer import Batch, Replay
from .trainable import Actions, Learned, MakeEnvironment, Problem


@dataclass
class Ddpg(Learned):
    """DDPG, Algorithm 2 of paper C: an actor that follows its critic's gradient; has to be trained.

    Attributes:
        checkpoint: a file that `edgesim train` left, or the name of a shipped one; its own keys
            `network`, `hidden` and `head` hold.
        network: "flat" of all devices' features at once, as in the papers, for one N; or "shared",
            the same weights for each device, for any N.
        hidden: widths of the hidden layers; by default the paper's [512, 256, 128] of a flat network,
            [64, 64] of a shared one.
        head: the actor's last layer; "paper" is paper A's single softmax over all outputs.
        episodes: K.
        episode_slots: T, the slots of an episode.
        replicas: environments that are stepped together; the paper's one by default.
        updates: gradient steps after each step of all replicas, lines 10 to 14.
        warmup: transitions with random actions before learning starts.
        batch: N_b.
        capacity: of the replay buffer, in transitions.
        actor_rate: learning rate of the actor.
        critic_rate: learning rate of the critic.
        rate_decay: the share of both rates that is gone at the end, linearly over the training.
        discount: gamma.
        soft_update: tau, the step of the target networks.
        noise: sigma of the Ornstein-Uhlenbeck noise on the actions.
        noise_reversion: its theta.
        noise_dt: its time step; 1 gives a correlation time of 1 / theta steps, 0.01 of 100 times that.
        random: the share of the actions' numbers that are drawn at random in training, beside the
            noise: it still tries the other side where an action lies at an end of its range.
        noise_decay: the share of noise and random numbers that is gone at the end, linearly over the
            training.
        logit_penalty: weight of the mean square of the actor's outputs before they are squashed, which
            keeps them where noise still tries both sides; it falls to zero over the training.
        reward_unit: if given, rewards are learned as sign(r) ln(1 + |r| / reward_unit), for costs that
            span decades, as world C's do.
        reward_floor: if given, rewards below it count as it: a device that sends for ever emits without
            end, and how long for ever takes teaches nothing.
        limit_weight: in world C, what violated limits weigh in the reward C(22), l2 to l5.
    """

    name: ClassVar[str] = "ddpg"

    checkpoint: str | None = None
    network: Kind = "shared"
    hidden: Sequence[Count] | None = None
    head: Head = "grouped"
    episodes: Count = 1000
    episode_slots: Count = 200
    replicas: Count = 1
    updates: Count = 1
    warmup: Count = 1000
    batch: Count = 64
    capacity: Count = 100_000
    actor_rate: Positive = 3e-5
    critic_rate: Positive = 1e-4
    rate_decay: Share = 0.0
    discount: Share = 0.99
    soft_update: Share = 1e-3
    noise: Annotated[float, Field(ge=0)] = 0.2
    noise_reversion: Share = 0.15
    noise_dt: Positive = 1.0
    random: Share = 0.0
    noise_decay: Share = 0.0
    logit_penalty: Annotated[float, Field(ge=0)] = 0.0
    reward_unit: Positive | None = None
    reward_floor: float | None = None
    limit_weight: Positive = 1.0

    def __post_init__(self) -> None:
        if self.capacity < max(self.warmup, self.replicas):
            raise ValueError(f"capacity: {self.capacity} is less than warmup or replicas")

    @property
    def steps(self) -> int:
        """K T, of all replicas."""
        return self.episodes * self.episode_slots * self.replicas

    @property
    def architecture(self) -> dict[str, Any]:
        """Of actor and critic."""
        hidden = self.hidden or ([512, 256, 128] if self.network == "flat" else [64, 64])
        return {"network": self.network, "hidden": list(hidden), "head": self.head}

    @staticmethod
    def make_actor(
        architecture: Mapping[str, Any], devices: int, features: int, actions: int
    ) -> Actor:
        """mu(s | theta^mu)."""
        a = architecture
        return Actor(a["network"], devices, features, actions, a["hidden"], a["head"])

    def learner(self, problem: Problem, make: MakeEnvironment, seed: int) -> "Training":
        """Lines 1 to 3."""
        env = make(self.replicas, self.episode_slots, self.limit_weight)
        devices, features = env.single_observation_space.shape
        actions = env.single_action_space.shape[1]
        with seeded(seed):
            agent = Agent(self, devices, features, actions)
        noise_seed, replay_seed = np.random.SeedSequence(seed).spawn(2)
        noise = OrnsteinUhlenbeck(
            (self.replicas, devices, actions),
            self.noise,
            self.noise_reversion,
            self.noise_dt,
            self.random,
            self.noise_decay,
            np.random.default_rng(noise_seed),
        )
        replay = Replay(
            self.capacity,
            (devices, features),
            (devices, actions),
            np.random.default_rng(replay_seed),
        )
        return Training(self, env, agent, noise, replay, seed)


class Agent:
    """Actor, critic and their targets; `update` is lines 10 to 14.

    Args:
        keys: of the policy.
        devices: N.
        features: F.
        actions: A.
    """

    def __init__(self, keys: Ddpg, devices: int, features: int, actions: int) -> None:
        shape = keys.architecture
        # 1: Initialise actor and critic.
        self.actor = keys.make_actor(shape, devices, features, actions)
        self.critic = Critic(shape["network"], devices, features, actions, shape["hidden"])
        # 2: Initialise target networks with the same weights.
        self.target_actor = deepcopy(self.actor).requires_grad_(False)
        self.target_critic = deepcopy(self.critic).requires_grad_(False)
        self.actor_optimiser = torch.optim.Adam(
            self.actor.parameters(), lr=keys.actor_rate, fused=True
        )
        self.critic_optimiser = torch.optim.Adam(
            self.critic.parameters(), lr=keys.critic_rate, fused=True
        )
        self._rates = {
            self.actor_optimiser: keys.actor_rate,
            self.critic_optimiser: keys.critic_rate,
        }
        self._rate_decay = keys.rate_decay
        self._discount = keys.discount
        self._soft_update = keys.soft_update
        self._first_penalty = self._logit_penalty = keys.logit_penalty
        self._online: list[Tensor] = [*self.actor.parameters(), *self.critic.parameters()]
        self._targets: list[Tensor] = [
            *self.target_actor.parameters(),
            *self.target_critic.parameters(),
        ]

    def progress(self, done: float) -> None:
        """Adapt learning rates and penalty to the share of the training that is done."""
        self._logit_penalty = self._first_penalty * (1.0 - done)
        for optimiser, rate in self._rates.items():
            for group in optimiser.param_groups:
                group["lr"] = rate * (1.0 - self._rate_decay * done)

    def update(self, batch: Batch) -> dict[str, float]:
        """One gradient step of critic and actor, and a small one of the targets.

        Args:
            batch: 10: the minibatch.

        Returns:
            The losses by name.

        Raises:
            TrainingError: one of them is not a number.
        """
        s, a, r, s2 = batch
        # 11: Compute the target.
        y = r
        if self._discount > 0.0:
            with torch.no_grad():
                y = r + self._discount * self.target_critic(s2, self.target_actor(s2))
        # 12: Update the critic by minimising the loss.
        critic_loss = functional.mse_loss(self.critic(s, a), y)
        self.critic_optimiser.zero_grad(set_to_none=True)
        critic_loss.backward()  # type: ignore[no-untyped-call]
        self.critic_optimiser.step()
        # 13: Update the actor by the policy gradient.
        with frozen(self.critic):
            logits = self.actor.logits(s)
            actor_loss = -self.critic(s, self.actor.squash(logits)).mean()
            if self._logit_penalty > 0.0:
                actor_loss = actor_loss + self._logit_penalty * logits.square().mean()
            self.actor_optimiser.zero_grad(set_to_none=True)
            actor_loss.backward()
        self.actor_optimiser.step()
        # 14: Update the targets.
        torch._foreach_lerp_(self._targets, self._online, self._soft_update)
        return finite(critic_loss=critic_loss, actor_loss=actor_loss)

    def state_dict(self) -> dict[str, Any]:
        """Networks and optimisers."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        names = ("actor", "critic", "target_actor", "target_critic")
        optimisers = ("actor_optimiser", "critic_optimiser")
        return {name: getattr(self, name) for name in (*names, *optimisers)}


def symlog(r: FloatArray, unit: float) -> FloatArray:
    """sign(r) ln(1 + |r| / unit): a relative change counts alike in small and in large rewards."""
    return np.copysign(np.log1p(np.abs(r) / unit), r)


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Spare the gradients of its weights, which nobody would use."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


class Keys(Protocol):
    """What `Training` asks of a policy's keys."""

    episode_slots: int
    replicas: int
    updates: int
    warmup: int
    batch: int
    reward_unit: float | None
    reward_floor: float | None

    @property
    def steps(self) -> int:
        """Of the whole training, over all replicas."""


class Learning(Protocol):
    """What `Training` asks of what learns."""

    @property
    def actor(self) -> nn.Module:
        """What it would do: (R, N, F) features to (R, N, A) actions."""

    def progress(self, done: float) -> None:
        """Adapt the learning rates to the share of the training that is done."""

    def update(self, batch: Batch) -> dict[str, float]:
        """Learn from a minibatch; losses by name."""

    def state_dict(self) -> dict[str, Any]:
        """Networks and optimisers."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse."""


class Training:
    """Lines 4 to 17; one call of `advance` is one episode.

    Every episode starts from environments with seeds of its own, so that between two episodes they
    have nothing to remember.

    Args:
        keys: of the policy.
        env: `keys.replicas` environments.
        agent: what learns.
        exploration: what it tries.
        replay: what it remembers.
        seed: of the first episode's first environment.
    """

    def __init__(
        self,
        keys: Keys,
        env: Any,
        agent: Learning,
        exploration: Exploration,
        replay: Replay,
        seed: int,
    ) -> None:
        self.actor = agent.actor
        self.steps = 0
        self._keys = keys
        self._env = env
        self._agent = agent
        self._exploration = exploration
        self._replay = replay
        self._seed = seed

    def advance(self) -> dict[str, float]:
        """One episode of all replicas."""
        keys, replay = self._keys, self._replay
        rewards: list[float] = []
        losses: list[dict[str, float]] = []
        # 5: The agent receives the initial state.
        s, _ = self._env.reset(seed=self._seed + self.steps // keys.episode_slots)
        self._exploration.reset()
        for part in (self._agent, self._exploration):
            part.progress(self.steps / keys.steps)
        for _ in range(keys.episode_slots):
            warm = len(replay) >= keys.warmup
            # 7: Get an action with noise.
            a = self._exploration.explore(self._act(s)) if warm else self._exploration.random()
            # 8: Execute it, observe reward and next state.
            s2, r, _, _, _ = self._env.step(a)
            # 9: Store the transition.
            replay.add(s, a, self._learned(r), s2)
            # 10 to 14.
            if warm:
                losses += [
                    self._agent.update(replay.sample(keys.batch)) for _ in range(keys.updates)
                ]
            rewards.append(r.mean())
            # 15: Update the state.
            s = s2
        self.steps += keys.episode_slots * keys.replicas
        check_finite(self.actor)
        names = losses[0] if losses else ()
        means = {name: float(np.mean([loss[name] for loss in losses])) for name in names}
        return {"reward": float(np.mean(rewards)), **means}

    def _learned(self, r: FloatArray) -> FloatArray:
        """Rewards as they are learned."""
        keys = self._keys
        if keys.reward_floor is not None:
            r = np.maximum(r, keys.reward_floor)
        return r if keys.reward_unit is None else symlog(r, keys.reward_unit)

    def _act(self, s: Actions) -> Actions:
        with torch.inference_mode():
            action: Actions = self.actor(torch.from_numpy(s)).numpy()
        return action

    def state_dict(self) -> dict[str, Any]:
        """All that an episode starts from."""
        return {
            "steps": self.steps,
            "agent": self._agent.state_dict(),
            "exploration": self._exploration.state_dict(),
            "replay": self._replay.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse."""
        self.steps = state["steps"]
        self._agent.load_state_dict(state["agent"])
        self._exploration.load_state_dict(state["exploration"])
        self._replay.load_state_dict(state["replay"])

    def close(self) -> None:
        """End the environments."""
        self._env.close()
