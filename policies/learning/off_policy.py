"""What DDPG, DQN and SAC share: the loop that acts, stores and replays, and all that a training holds.

The comments have the line numbers of Algorithm 2 of paper C, which is that of `ddpg`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
from torch import nn

from ...scenarios.units import Count, Positive, Share
from ...simulator.core.arrays import FloatArray
from .exploration import Actions, Exploration
from .networks import check_finite, check_moments, numbers_only
from .replay_buffer import Batch, ReplayBuffer
from .seeding import seeded
from .trainable import MakeEnvironment, TrainablePolicy


@dataclass
class OffPolicy(TrainablePolicy):
    """A policy that learns from a replay buffer.

    Attributes:
        episodes: K, episodes of the training.
        replicas: environments that are stepped together; the paper's one by default.
        updates: gradient steps after each step of all replicas, lines 10 to 14 of Algorithm 2 of
            paper C.
        warmup: transitions with random actions before learning starts.
        batch: N_b, transitions of a gradient step.
        capacity: of the replay buffer, in transitions.
        rate_decay: the share of the learning rates that is gone at the end, linearly over the training.
        discount: gamma.
        soft_update: tau, the step of the target networks.
        reward_unit: if given, rewards are learned as sign(r) ln(1 + |r| / reward_unit), for costs that
            span decades, as those of the task problem do.
        reward_floor: if given, the least reward that is learned: a device that transmits for very long
            emits without bound, and beyond some point the difference teaches nothing.
    """

    episodes: Count = 1000
    replicas: Count = 1
    updates: Count = 1
    warmup: Count = 1000
    batch: Count = 64
    capacity: Count = 100_000
    rate_decay: Share = 0.0
    discount: Share = 0.99
    soft_update: Share = 1e-3
    reward_unit: Positive | None = None
    reward_floor: float | None = None

    def __post_init__(self) -> None:
        if self.capacity < max(self.warmup, self.replicas):
            raise ValueError(f"capacity: {self.capacity} is less than warmup or replicas")

    @property
    def steps(self) -> int:
        """K T, of all replicas."""
        return self.episodes * self.episode_slots * self.replicas

    @property
    def unlearned(self) -> int:
        """The warm-up."""
        return min(self.warmup, self.steps)

    def length(self, steps: int) -> tuple[str, int]:
        """Whole episodes, at least one."""
        return "episodes", max(1, round(steps / (self.episode_slots * self.replicas)))

    def brief(self, slots: int) -> Self:
        """Two episodes of warm-up, and far from its end, where rates and noise are as at the start."""
        warmup = 2 * slots * self.replicas
        capacity = max(self.capacity, warmup)
        short = replace(self, episode_slots=slots, episodes=1_000_000)
        return replace(short, warmup=warmup, capacity=capacity)

    @abstractmethod
    def exploration(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Exploration:
        """Noise on (R, N, A) actions."""


Config = TypeVar("Config", bound=OffPolicy)


class OffPolicyLearner(ABC, Generic[Config]):
    """A training. Subclasses make the networks, and learn from a minibatch.

    Every episode starts from environments with seeds of its own, so nothing of them has to be saved
    between two episodes.

    Attributes:
        config: the policy.
        actor: the network that acts, (R, N, F) features to (R, N, A) actions.
        steps: environment steps so far, over all replicas.
        cpu_s: CPU time of processes of its own, of which it has none.
        device: where networks and replay lie.
        networks: the names of the networks that learn.
        targets: for the first of them, the names of the networks that follow them slowly.
        optimisers: for each of them, the name of its optimiser.

    Args:
        config: the policy.
        make: the environments.
        seed: of networks, noise, replay and the first episode's first replica.
        device: where networks and replay lie; their first weights and all noise are the same on any.
    """

    actor: nn.Module
    cpu_s = 0.0
    networks: ClassVar[tuple[str, ...]]
    targets: ClassVar[tuple[str, ...]]
    optimisers: ClassVar[tuple[str, ...]]

    def __init__(
        self, config: Config, make: MakeEnvironment, seed: int, device: str = "cpu"
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        self.steps = 0
        self._seed = seed
        self._env = config.environment(make, config.replicas)
        devices, features = self._env.single_observation_space.shape
        actions = self._env.single_action_space.shape[1]
        # 1, 2: Initialise the networks and their targets.
        with seeded(seed):
            self.init_networks(devices, features, actions)
        # 3: Initialise replay buffer and exploration noise.
        noise_rng, replay_rng = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(2))
        self._noise = config.exploration((config.replicas, devices, actions), noise_rng)
        shapes = (devices, features), (devices, actions)
        self._replay = ReplayBuffer(config.capacity, *shapes, replay_rng, self.device)
        self._rates = {
            one: one.param_groups[0]["lr"] for one in self._parts(self.optimisers).values()
        }
        self._online, self._following = (
            [weight for part in self._parts(names).values() for weight in part.parameters()]
            for names in (self.networks[: len(self.targets)], self.targets)
        )

    @abstractmethod
    def init_networks(self, devices: int, features: int, actions: int) -> None:
        """Make networks, targets and optimisers for N devices with F features and A actions each.

        They lie on `device` before an optimiser is handed their weights, which may be others then.
        """

    @abstractmethod
    def update(self, batch: Batch) -> dict[str, float]:
        """Learn from a minibatch.

        Args:
            batch: K transitions.

        Returns:
            The losses by name.

        Raises:
            TrainingError: one of them is not a number.
        """

    def advance(self) -> dict[str, float]:
        """One episode of all replicas, of the K of lines 4 and 17.

        Returns:
            The mean reward, and the mean of each loss once learning has started.

        Raises:
            TrainingError: a loss or a weight is not a number any more.
        """
        config, replay = self.config, self._replay
        rewards: list[float] = []
        losses: list[dict[str, float]] = []
        self.anneal(self.steps / config.steps)
        # 5: The agent receives the initial state.
        s, _ = self._env.reset(seed=self._seed + self.steps // config.episode_slots)
        self._noise.reset()
        # 6: For step t = 1 to T.
        for _ in range(config.episode_slots):
            learning = len(replay) >= config.warmup
            # 7: Get an action with noise.
            a = self._noise.explore(self._act(s)) if learning else self._noise.random()
            # 8: Execute it, observe reward and next state.
            s2, r, _, _, _ = self._env.step(numbers_only(a))
            # 9: Store the transition.
            replay.add(s, a, self._learned(r), s2)
            rewards.append(r.mean())
            for _ in range(config.updates if learning else 0):
                # 10: Sample a minibatch, from which lines 11 to 14 learn.
                losses.append(self.update(replay.sample(config.batch)))
            # 15: Update the state.
            s = s2
        self.steps += config.episode_slots * config.replicas
        check_finite(self.actor)
        names = losses[0] if losses else ()
        means = {name: float(np.mean([loss[name] for loss in losses])) for name in names}
        return {"reward": float(np.mean(rewards)), **means}

    def anneal(self, progress: float) -> None:
        """Lower learning rates and noise as the training's progress goes from 0 to 1."""
        self._noise.anneal(progress)
        for optimiser, rate in self._rates.items():
            for group in optimiser.param_groups:
                group["lr"] = rate * (1.0 - self.config.rate_decay * progress)

    def update_targets(self) -> None:
        """Theta' <- tau theta + (1 - tau) theta', of all targets."""
        torch._foreach_lerp_(self._following, self._online, self.config.soft_update)

    def _act(self, s: Actions) -> Actions:
        """(R, N, F) -> (R, N, A), what the noise is added to."""
        with torch.inference_mode():
            action: Actions = self.actor(torch.from_numpy(s).to(self.device)).cpu().numpy()
        return action

    def _learned(self, r: FloatArray) -> FloatArray:
        """(R,) rewards as they are learned."""
        config = self.config
        if config.reward_floor is not None:
            r = np.maximum(r, config.reward_floor)
        if config.reward_unit is None:
            return r
        # A relative change counts alike in small and in large rewards.
        return np.copysign(np.log1p(np.abs(r) / config.reward_unit), r)

    def state_dict(self) -> dict[str, Any]:
        """All that an episode starts from."""
        parts = self._parts((*self.networks, *self.targets, *self.optimisers))
        return {
            "steps": self.steps,
            "agent": {name: part.state_dict() for name, part in parts.items()},
            "exploration": self._noise.state_dict(),
            "replay": self._replay.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse; before the first `advance`."""
        self.steps = state["steps"]
        for name, part in self._parts((*self.networks, *self.targets, *self.optimisers)).items():
            part.load_state_dict(state["agent"][name])
            check_moments(part)
        self._noise.load_state_dict(state["exploration"])
        self._replay.load_state_dict(state["replay"])

    def close(self) -> None:
        """End the environments."""
        self._env.close()

    def _parts(self, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}


def target_of(network: Any) -> Any:
    """A copy with the same weights, which only `update_targets` changes."""
    return deepcopy(network).requires_grad_(False)


def adam(network: nn.Module, rate: float) -> torch.optim.Adam:
    """The optimiser of a network, with its first learning rate."""
    return torch.optim.Adam(network.parameters(), lr=rate, fused=True)
