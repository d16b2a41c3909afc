"""Single environments: vectors of one, without their axis."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from .encoding import Features
from .environment import Info, StreamVectorEnvironment, TaskVectorEnvironment, VectorEnvironment


class Environment(gymnasium.Env[Features, NDArray[np.floating]]):
    """One environment: a vector of one, without its axis.

    Attributes:
        vector: the vector.
    """

    vector_class: type[Any]

    def __init__(self, **keywords: Any) -> None:
        self.vector: VectorEnvironment = self.vector_class(
            **keywords, autoreset_mode=AutoresetMode.DISABLED
        )
        self.observation_space = self.vector.single_observation_space
        self.action_space = self.vector.single_action_space
        self.metadata = self.vector.metadata
        self.render_mode = self.vector.render_mode

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Features, Info]:
        """Start an episode: the run with this seed, see `VectorEnvironment.reset`."""
        observation, info = self.vector.reset(seed=seed, options=options)
        self._np_random, self._np_random_seed = self.vector.np_random, self.vector.np_random_seed
        return observation[0], info

    def render(self) -> NDArray[np.uint8] | None:
        """The network as it is now, (height, width, 3), or None; see `VectorEnvironment.render`."""
        frames = self.vector.render()
        return None if frames is None else frames[0]

    def close(self) -> None:
        """End the trace of an episode that is under way; the window goes."""
        self.vector.close()

    def step(self, action: NDArray[np.floating]) -> tuple[Features, float, bool, bool, Info]:
        """One slot, after an action of the action space's shape; see `VectorEnvironment.step`."""
        observation, reward, _, truncated, info = self.vector.step(np.asarray(action)[None])
        names = [name for name in info if f"_{name}" in info and info[f"_{name}"][0]]
        one = {name: info[name][0] for name in names}
        one = {name: value if value.ndim else value.item() for name, value in one.items()}
        return observation[0], float(reward[0]), False, bool(truncated[0]), one


class StreamEnvironment(Environment):
    """The stream problem; its keywords are those of `StreamVectorEnvironment`."""

    vector_class = StreamVectorEnvironment


class TaskEnvironment(Environment):
    """The task problem; its keywords are those of `TaskVectorEnvironment`."""

    vector_class = TaskVectorEnvironment
