"""Replay buffer."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Batch = tuple[Tensor, Tensor, Tensor, Tensor]
"""s (K, N, F), a (K, N, A), r (K,) and s' (K, N, F)."""


class ReplayBuffer:
    """A ring of transitions (s, a, r, s'), B in Algorithm 2 of paper C.

    A transition is one row of numbers, as taking rows out of one table is several times faster than
    out of four. There is no mark for the end of an episode: the network goes on when an episode is
    truncated, so every s' has a value.

    Args:
        capacity: how many transitions are kept; the oldest go first.
        state: (N, F).
        action: (N, A).
        rng: draws the batches.
        device: where the transitions lie.
    """

    def __init__(
        self,
        capacity: int,
        state: tuple[int, int],
        action: tuple[int, int],
        rng: np.random.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        self._shapes = state, action, (), state
        self._widths = [int(np.prod(shape)) for shape in self._shapes]
        self._rows = torch.empty((capacity, sum(self._widths)), device=device)
        self._rng = rng
        self._added = 0

    def __len__(self) -> int:
        return min(self._added, len(self._rows))

    def add(self, state: Any, action: Any, reward: NDArray[np.floating], next_state: Any) -> None:
        """Store R transitions: s (R, N, F), a (R, N, A), r (R,) and s' (R, N, F)."""
        count = len(reward)
        parts = [np.reshape(part, (count, -1)) for part in (state, action, reward, next_state)]
        at = self._there((self._added + np.arange(count)) % len(self._rows))
        self._rows[at] = self._there(np.concatenate(parts, axis=1, dtype=np.float32))
        self._added += count

    def sample(self, count: int) -> Batch:
        """`count` transitions, each drawn uniformly from all that are kept."""
        drawn = self._there(self._rng.integers(0, len(self), count))
        parts = torch.split(self._rows.index_select(0, drawn), self._widths, dim=1)
        s, a, r, s2 = (
            part.view(count, *shape) for part, shape in zip(parts, self._shapes, strict=True)
        )
        return s, a, r, s2

    def state_dict(self) -> dict[str, Any]:
        """The transitions and the generator's state."""
        return {
            # By way of numpy, as of a part of a tensor torch saves the whole.
            "rows": torch.from_numpy(self._rows[: len(self)].cpu().numpy()),
            "added": self._added,
            "rng": self._rng.bit_generator.state,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse.

        Raises:
            ValueError: it has not as many transitions as it says.
        """
        rows = state["rows"]
        if len(rows) != min(state["added"], len(self._rows)):
            raise ValueError(f"{len(rows)} transitions of {state['added']}")
        self._rows[: len(rows)] = rows
        self._added = state["added"]
        self._rng.bit_generator.state = state["rng"]

    def _there(self, values: NDArray[Any]) -> Tensor:
        """On the device of the transitions."""
        return torch.from_numpy(values).to(self._rows.device)
