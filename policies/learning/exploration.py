"""How learners try what they would not do: noise for continuous actions, chance for discrete ones."""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from .trainable import Actions


class Exploration(Protocol):
    """How actions are found that the actor would not take."""

    def reset(self) -> None:
        """An episode begins."""

    def progress(self, done: float) -> None:
        """Try less, the more of the training is done."""

    def random(self) -> Actions:
        """Actions before anything is known."""

    def explore(self, action: Actions) -> Actions:
        """The actor's actions, varied."""

    def state_dict(self) -> dict[str, Any]:
        """All that is kept from one episode to the next."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse."""


class OrnsteinUhlenbeck:
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
        self._x = np.zeros(shape, np.float32)
        self._decay = np.float32(1.0 - theta * dt)
        self._scale = np.float32(sigma * dt**0.5)
        self._share = random
        self._exploring = 1.0
        self._gone = decay
        self._rng = rng

    def reset(self) -> None:
        """Start from zero, as at the start of an episode."""
        self._x = np.zeros_like(self._x)

    def progress(self, done: float) -> None:
        """Less noise, and fewer random entries."""
        self._exploring = 1.0 - self._gone * done

    def random(self) -> Actions:
        """Uniform actions, before anything is known."""
        return self._rng.uniform(-1.0, 1.0, self._x.shape).astype(np.float32)

    def explore(self, action: Actions) -> Actions:
        """7: the actor's action with noise, within the range of actions."""
        fresh = self._rng.standard_normal(self._x.shape, dtype=np.float32)
        self._x = self._decay * self._x + self._scale * fresh
        noisy: Actions = np.clip(action + np.float32(self._exploring) * self._x, -1.0, 1.0)
        if self._share > 0.0:
            chosen = self._rng.random(self._x.shape) < self._exploring * self._share
            noisy[chosen] = self.random()[chosen]
        return noisy

    def state_dict(self) -> dict[str, Any]:
        """Between two episodes, only where the generator stands."""
        return {"rng": self._rng.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse."""
        self._rng.bit_generator.state = state["rng"]


class EpsilonGreedy:
    """Some devices take any action of the table, the others the best.

    Args:
        shape: (R, N, A).
        levels: values that each number of an action takes.
        share: epsilon.
        rng: its source.
    """

    def __init__(
        self, shape: tuple[int, int, int], levels: int, share: float, rng: np.random.Generator
    ) -> None:
        self._shape = shape
        self._levels = levels
        self._share = share
        self._rng = rng

    def reset(self) -> None:
        """Nothing is kept from slot to slot."""

    def progress(self, done: float) -> None:
        """The share stays as it is."""

    def random(self) -> Actions:
        """Any actions."""
        digits = self._rng.integers(0, self._levels, self._shape)
        return (2.0 * digits / (self._levels - 1) - 1.0).astype(np.float32)

    def explore(self, action: Actions) -> Actions:
        """The actor's, but for some devices."""
        chosen = self._rng.random(self._shape[:2]) < self._share
        return np.where(chosen[:, :, None], self.random(), action)

    def state_dict(self) -> dict[str, Any]:
        """Where the generator stands."""
        return {"rng": self._rng.bit_generator.state}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse."""
        self._rng.bit_generator.state = state["rng"]
