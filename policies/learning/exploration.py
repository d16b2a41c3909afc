"""Exploration noise: added to continuous actions, or in place of discrete ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Actions = NDArray[np.float32]
"""(R, N, A) in [-1, 1]."""


class Exploration:
    """Actions that differ from the actor's. Between two episodes its state is its generator's.

    Args:
        rng: its source of randomness.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def random(self) -> Actions:
        """(R, N, A) random actions, for the time before learning starts."""
        raise NotImplementedError

    def explore(self, action: Actions) -> Actions:
        """The actor's (R, N, A) actions with noise, in [-1, 1]."""
        raise NotImplementedError

    def reset(self) -> None:
        """An episode begins."""

    def anneal(self, progress: float) -> None:
        """Explore less as the training's progress goes from 0 to 1."""

    def state_dict(self) -> dict[str, Any]:
        """The generator's state."""
        return {"rng": self._rng.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse."""
        self._rng.bit_generator.state = state["rng"]


class OrnsteinUhlenbeck(Exploration):
    """Noise that is correlated in time: x <- x - theta x dt + sigma sqrt(dt) N(0, 1).

    Args:
        shape: of x, one process for each entry.
        sigma: its scale.
        theta: how fast it returns to zero.
        dt: its time step.
        random: the share of its entries that are drawn at random instead.
        decay: the share of noise and random entries that is gone at the end of the training.
        rng: its source.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        sigma: float,
        theta: float,
        dt: float,
        random: float,
        decay: float,
        rng: np.random.Generator,
    ) -> None:
        super().__init__(rng)
        self._x = np.zeros(shape, np.float32)
        self._kept = np.float32(1.0 - theta * dt)
        self._scale = np.float32(sigma * dt**0.5)
        self._random = random
        self._decay = decay
        self._strength = 1.0

    def reset(self) -> None:
        """The noise starts from zero in every episode."""
        self._x = np.zeros_like(self._x)

    def anneal(self, progress: float) -> None:
        """Less noise, and fewer random entries, down to 1 - decay of both."""
        self._strength = 1.0 - self._decay * progress

    def random(self) -> Actions:
        """(R, N, A) uniform over [-1, 1]."""
        return self._rng.uniform(-1.0, 1.0, self._x.shape).astype(np.float32)

    def explore(self, action: Actions) -> Actions:
        """(R, N, A): a = mu(s) + N, cut to [-1, 1]; some entries uniform instead."""
        fresh = self._rng.standard_normal(self._x.shape, dtype=np.float32)
        self._x = self._kept * self._x + self._scale * fresh
        noisy: Actions = np.clip(action + np.float32(self._strength) * self._x, -1.0, 1.0)
        if self._random > 0.0:
            chosen = self._rng.random(self._x.shape) < self._strength * self._random
            noisy[chosen] = self.random()[chosen]
        return noisy


class OwnNoise(Exploration):
    """The random numbers of a policy that acts by chance anyway: nothing is added to its actions.

    Args:
        shape: (R, N, A).
        rng: its source.
    """

    def __init__(self, shape: tuple[int, int, int], rng: np.random.Generator) -> None:
        super().__init__(rng)
        self._shape = shape

    def random(self) -> Actions:
        """(R, N, A) uniform over [-1, 1]."""
        return self._rng.uniform(-1.0, 1.0, self._shape).astype(np.float32)

    def explore(self, action: Actions) -> Actions:
        """(R, N, A), as they are."""
        return action

    def normal(self, count: int) -> Actions:
        """(count, N, A) standard normal numbers, of which an actor makes its actions."""
        return self._rng.standard_normal((count, *self._shape[1:]), dtype=np.float32)


class EpsilonGreedy(Exploration):
    """Some devices take any discrete action, the others the best.

    Args:
        shape: (R, N, A).
        levels: values that each number of an action takes.
        epsilon: the share of devices that act at random.
        rng: its source.
    """

    def __init__(
        self, shape: tuple[int, int, int], levels: int, epsilon: float, rng: np.random.Generator
    ) -> None:
        super().__init__(rng)
        self._shape = shape
        self._levels = levels
        self._epsilon = epsilon

    def random(self) -> Actions:
        """(R, N, A), each number one of the levels."""
        digits = self._rng.integers(0, self._levels, self._shape)
        return (2.0 * digits / (self._levels - 1) - 1.0).astype(np.float32)

    def explore(self, action: Actions) -> Actions:
        """(R, N, A): the actor's, but for a share epsilon of the devices."""
        chosen = self._rng.random(self._shape[:2]) < self._epsilon
        return np.where(chosen[:, :, None], self.random(), action)
