"""What all policies that learn have in common: a trained network acts, and comes from a checkpoint."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from ...scenarios.errors import as_toml
from ...simulator.core.randomness import Generators
from ...simulator.stream.problem import DriftPlusPenalty
from ...simulator.tasks.problem import WorstCaseEmission
from .encoding import Encoding, encoding_of

if TYPE_CHECKING:
    from torch import nn

Problem = DriftPlusPenalty | WorstCaseEmission

MakeEnvironment = Callable[..., Any]
"""From a number of replications, one of slots in an episode, and in world C the weight of violated limits
(1 by default), to a vector environment (`simulator.environment`). It can be sent to other processes."""

Actions = NDArray[np.float32]
"""(R, N, A) in [-1, 1]."""

FORMAT = "edgesim policy 1"

TRAINED = Path(__file__).resolve().parent / "trained"
"""Checkpoints that come with the program, POLICY_SCENARIO.pt; docs/learning.md has their commands."""


class TrainingError(Exception):
    """Learning came to nothing: a loss or a parameter is not a number any more."""


class Learner(Protocol):
    """A training under way, as `edgesim train` drives it.

    All that it is lies in `state_dict()` between two calls of `advance`: a learner that is made anew
    and given it goes on bit for bit (AAC with several workers excepted).

    Attributes:
        steps: environment steps so far, over all replicas.
        actor: what has been learned so far, (R, N, F) features to (R, N, A) actions.
    """

    steps: int
    actor: "nn.Module"

    def advance(self) -> Mapping[str, float]:
        """Act and learn for a while: some seconds at most.

        Returns:
            Means since the last call, by name: "reward", losses.

        Raises:
            TrainingError: a loss or a parameter is not a number any more.
        """

    def state_dict(self) -> dict[str, Any]:
        """Networks, optimisers, replay, noise, generators: tensors, numbers, text, dicts, lists."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""

    def close(self) -> None:
        """End its environments and processes."""


class Learned(ABC):
    """A policy that acts by a trained network, in both worlds. Its subclasses are dataclasses of keys.

    Attributes:
        checkpoint: a file that `edgesim train` left, or the name of a shipped one.
        name: in the registry, which checkpoints carry.
    """

    checkpoint: str | None
    name: ClassVar[str]
    _actor: "nn.Module | None" = None
    _encoding: Encoding

    @property
    @abstractmethod
    def steps(self) -> int:
        """How many environment steps a training has, over all replicas."""

    @property
    @abstractmethod
    def architecture(self) -> dict[str, Any]:
        """What `make_actor` needs to know beside the sizes, from the keys."""

    @staticmethod
    @abstractmethod
    def make_actor(
        architecture: Mapping[str, Any], devices: int, features: int, actions: int
    ) -> "nn.Module":
        """An untrained network from (R, N, F) features to (R, N, A) actions in [-1, 1]."""

    @abstractmethod
    def learner(self, problem: Problem, make: MakeEnvironment, seed: int) -> Learner:
        """A training from its start.

        Args:
            problem: what is minimised.
            make: its environments.
            seed: of networks, noise, replay and environments.
        """

    def use(self, actor: "nn.Module") -> None:
        """Act by this network."""
        self._actor = actor.eval()

    def draw(self, problem: Problem, seed: int) -> None:
        """Act by an untrained network."""
        from .networks import seeded

        encoding = encoding_of(problem)
        sizes = (problem.network.devices, encoding.feature_count, encoding.action_count)
        with seeded(seed):
            self.use(self.make_actor(self.architecture, *sizes))

    def load(self, problem: Problem) -> None:
        """Act by the network of `checkpoint`.

        Raises:
            ValueError: there is none, it is none, or it does not fit; says what to do.
        """
        encoding = encoding_of(problem)
        wanted = fit(self.name, problem, encoding)
        if self.checkpoint is None:
            fitting = [path.stem for path in shipped() if fits(path, wanted)]
            raise ValueError(
                f"{self.name} has to be trained first: `edgesim train SCENARIO --policy {self.name}`, "
                "then run with --checkpoint FILE; or let --train-first do both"
                + (f"; shipped for --checkpoint: {', '.join(fitting)}" if fitting else "")
            )
        path, named = Path(self.checkpoint), TRAINED / f"{self.checkpoint}.pt"
        saved = read(named if named in shipped() and not path.exists() else path, FORMAT)
        check_fit(saved, wanted, saved["architecture"])
        sizes = (problem.network.devices, encoding.feature_count, encoding.action_count)
        actor = self.make_actor(saved["architecture"], *sizes)
        actor.load_state_dict(saved["actor"])
        self.use(actor)

    def save(self, path: Path, problem: Problem, about: str) -> None:
        """Write the network in use to a checkpoint that `load` reads.

        Args:
            path: of the file, which is replaced at once or not at all.
            problem: that it was trained for.
            about: the command that trained it.
        """
        assert self._actor is not None  # `use` gave it
        header = {"format": FORMAT, "about": about, "architecture": self.architecture}
        write(
            path,
            {
                **header,
                **fit(self.name, problem, encoding_of(problem)),
                "actor": self._actor.state_dict(),
            },
        )

    def reset(self, network: Any, problem: Problem, rngs: Generators) -> None:
        """Get the network ready, and torch to use one thread in this process.

        Networks are so small that more would mostly wait for each other, and the last bit of what they
        say may depend on how many there are.
        """
        import torch

        torch.set_num_threads(1)
        if self._actor is None:
            self.load(problem)
        self._encoding = encoding_of(problem)

    def decide(self, observation: Any) -> Any:
        """What the network says, without noise.

        One replication at a time, in memory of its own: the last bit of a matrix product may depend
        on how many rows it has and on how they lie, and a replication's decisions must not depend
        on how many run beside it.
        """
        import torch

        assert self._actor is not None  # by `reset`
        features = torch.from_numpy(self._encoding.features(observation))
        with torch.inference_mode():
            action = np.concatenate(
                [self._actor(one.clone()).numpy() for one in torch.split(features, 1)]
            )
        return self._encoding.decision(action, observation)


def shipped() -> list[Path]:
    """The checkpoints that come with the program."""
    return sorted(TRAINED.glob("*.pt"))


def fit(name: str, problem: Problem, encoding: Encoding) -> dict[str, Any]:
    """What a checkpoint and the scenario that it is used in must agree in."""
    stream = isinstance(problem, DriftPlusPenalty)
    return {
        "policy": name,
        "problem": "drift-plus-penalty" if stream else "worst-case-emission",
        "features": encoding.feature_count,
        "actions": encoding.action_count,
        "devices": problem.network.devices,
    }


def check_fit(
    saved: Mapping[str, Any], wanted: Mapping[str, Any], architecture: Mapping[str, Any]
) -> None:
    """Refuse a checkpoint of something else.

    Raises:
        ValueError: names the first thing in which they differ.
    """
    for key, here in wanted.items():
        if key == "devices" and architecture.get("network") == "shared":
            continue  # runs with any N
        if saved.get(key) != here:
            what = f"the checkpoint has {key} = {as_toml(saved.get(key))}, the scenario {as_toml(here)}"
            if key == "devices":
                what += (
                    '; only network = "shared" runs with another number than it was trained with'
                )
            raise ValueError(what)


def fits(path: Path, wanted: Mapping[str, Any]) -> bool:
    """Whether a shipped checkpoint is of this, as `fit` says it."""
    saved = read(path, FORMAT)
    try:
        check_fit(saved, wanted, saved["architecture"])
    except ValueError:
        return False
    return True


def read(path: Path, form: str) -> dict[str, Any]:
    """A file written by `write`. No code in it is executed, and its checksums must be right.

    Raises:
        ValueError: there is no such file, it is not such a file, or it is damaged.
    """
    import torch

    try:
        with ZipFile(path) as file:  # torch itself takes any weights for what they are
            if damaged := file.testzip():
                raise BadZipFile(f"{damaged} is damaged")
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # noqa: BLE001 - a damaged file raises whatever it likes
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ValueError(f"{path} is not a checkpoint ({reason})") from None
    if not isinstance(saved, dict) or saved.get("format") != form:
        raise ValueError(f"{path} is not a checkpoint of this kind ({form})")
    return saved


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file at once or not at all, whatever happens meanwhile."""
    import os

    import torch

    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        torch.save(dict(content), file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
