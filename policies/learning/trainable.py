"""What all policies that learn have in common: a trained network acts, and comes from a checkpoint."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ...scenarios.units import Count, Positive
from ...simulator.core.randomness import Generators
from ...simulator.stream.problem import DriftPlusPenalty
from .checkpoint import FORMAT, TRAINED, check_fit, check_network, fits, read, shipped, write
from .encoding import AnyProblem, Encoding
from .encodings import ActionKind, encoding_of, encoding_version

if TYPE_CHECKING:
    from torch import nn

NetworkKind = Literal["flat", "shared"]
Head = Literal["grouped", "paper"]

MakeEnvironment = Callable[..., Any]
"""From R replications, an episode's slots, the weight of violated limits (1 by default), the kind of
action ("guided" by default) and the weight of energy (0 by default), to a `VectorEnvironment` of (R, N, F) features. It can be sent to other processes."""


class TrainingError(Exception):
    """Training has failed: a loss or a parameter is not a number any more, or an agent has died."""


class Learner(Protocol):
    """A training under way, as `edgesim train` drives it.

    Its whole state between two calls of `advance` is `state_dict()`: a new learner that loads it goes
    on bit for bit (AAC with several workers excepted).

    Attributes:
        steps: environment steps so far, over all replicas.
    """

    steps: int

    @property
    def cpu_s(self) -> float:
        """CPU time of processes of its own."""

    @property
    def actor(self) -> "nn.Module":
        """The network so far, (R, N, F) features to (R, N, A) actions."""

    def advance(self) -> Mapping[str, float]:
        """Act and learn for some seconds at most, as a rule one episode.

        Returns:
            Means since the last call, by name: "reward", losses.

        Raises:
            TrainingError: a loss or a parameter is not a number any more.
        """

    def state_dict(self) -> dict[str, Any]:
        """Networks, optimisers, replay, noise, generators: tensors, numbers, text, dicts, lists."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there; before the first `advance`."""

    def close(self) -> None:
        """End its environments and processes."""


class _KeysOfTraining:
    """Of a class the keys that do not say how its checkpoint is read, with their defaults."""

    def __get__(self, policy: object, cls: type[Any]) -> dict[str, Any]:
        known = getattr(cls, "__dataclass_fields__", {})  # not yet while it is made a dataclass
        return {
            name: one.default for name, one in known.items() if name not in ("checkpoint", "action")
        }


class _Worlds:
    """Says what a training's variants are named by."""

    allowed: ClassVar[str] = "a table of the scenario's keys, each with a list of values"


@dataclass
class TrainablePolicy(ABC):
    """A policy that acts by a trained network, in both problems. Subclasses add keys of their own.

    Attributes:
        checkpoint: a file that `edgesim train` left, or the name of a shipped one; its own keys
            `network`, `hidden`, `head` and `levels` hold.
        action: what the network sees and decides. "guided" shifts a decision that a model has worked
            out; "paper" has the papers' states and actions as printed, with no model behind them;
            "corrected" changes what an optimiser is told of the network, for a twin that is old or wrong:
            `lyapunov` in the stream problem, `exact` in the task problem.
        network: "flat" of all devices' features at once, as in the papers, for one N; or "shared",
            the same weights for each device, for any N.
        hidden: widths of the hidden layers; by default the paper's of a flat network ([512, 256, 128]
            of `ddpg`, [128, 128, 128] of `aac` and `dqn`, [256, 256] of `sac`), [64, 64] of a shared one.
        episode_slots: T, the slots of an episode.
        limit_weight: in the task problem, what violated limits weigh in the reward C(22), l2 to l5; in
            the stream problem with action = "paper", the penalty of a slot that breaks A(14).
        variants: lists of values for keys of the scenario, as `variants.energy.theta_0 = [1e-28, 1e-27]`; every
            combination is a world, the training's replicas are divided among them (domain
            randomisation), and each is evaluated. They have the scenario's numbers of devices and stations.
        energy_price: in the stream problem, what a joule costs in the reward beside P2's value, in units of V (a
            gram, where P2's penalty is emission). Over many slots P2's value alone has no energy in it.
        name: in the registry, which checkpoints carry.
        flat_hidden: `hidden` of a flat network, by default.
        actor_class: the network that acts.
        learner_class: the `Learner` that trains it.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_actor",)
    not_read_by: ClassVar[Any] = _KeysOfTraining()

    checkpoint: str | None = None
    action: ActionKind = "guided"
    network: NetworkKind = "shared"
    hidden: Sequence[Count] | None = None
    episode_slots: Count = 200
    limit_weight: Positive = 1.0
    variants: Annotated[Mapping[str, Any] | None, _Worlds()] = None
    energy_price: Annotated[float, Field(ge=0)] = 0.0

    name: ClassVar[str]
    flat_hidden: ClassVar[Sequence[int]] = (128, 128, 128)
    actor_class: ClassVar[type[Any]]
    learner_class: ClassVar[type[Any]]
    _actor: "nn.Module | None" = field(default=None, init=False, repr=False)
    _encoding: Encoding = field(init=False, repr=False)

    @property
    @abstractmethod
    def steps(self) -> int:
        """Environment steps of a training, over all replicas."""

    @property
    def unlearned(self) -> int:
        """Of these, those before learning starts."""
        return 0

    def wrong_keys(self, kind: str) -> Iterator[tuple[str, str, str, str]]:
        """What a training of a problem, as in `run.problem`, cannot have: keys, why, their values, what is allowed."""
        if self.energy_price and kind != "drift-plus-penalty":
            what = "is of the stream problem alone"
            yield "energy_price", what, f"{self.energy_price:g}", "0"

    @property
    def architecture(self) -> dict[str, Any]:
        """The keys that shape the networks, as `make_actor` takes them and checkpoints keep them."""
        hidden = self.hidden or (self.flat_hidden if self.network == "flat" else (64, 64))
        return {"network": self.network, "hidden": list(hidden)}

    @classmethod
    def make_actor(
        cls, architecture: Mapping[str, Any], devices: int, features: int, actions: int
    ) -> Any:
        """An untrained `nn.Module` from (R, N, F) features to (R, N, A) actions in [-1, 1].

        Args:
            architecture: of this policy or a checkpoint.
            devices: N.
            features: F.
            actions: A.
        """
        return cls.actor_class(**architecture, devices=devices, features=features, actions=actions)

    @abstractmethod
    def length(self, steps: int) -> tuple[str, int]:
        """The key that says how long a training is, and its value for this many steps or about as many.

        Args:
            steps: environment steps, over all replicas.
        """

    def brief(self, slots: int) -> Self:
        """The same training in episodes of so few slots, such that its pace is soon seen.

        Where it has a time without learning, that is two episodes.
        """
        return replace(self, episode_slots=slots)

    def environment(self, make: MakeEnvironment, replicas: int) -> Any:
        """So many of the environments that it learns in, as `make` makes them."""
        return make(replicas, self.episode_slots, self.limit_weight, self.action, self.energy_price)

    def learner(self, make: MakeEnvironment, seed: int, device: str = "cpu") -> Learner:
        """A training from its start.

        Args:
            make: its environments.
            seed: of networks, noise, replay and environments.
            device: of torch's, where networks and replay lie.
        """
        learner: Learner = self.learner_class(self, make, seed, device)
        return learner

    def set_actor(self, actor: "nn.Module") -> None:
        """Act by this network; one that lies elsewhere is copied to the CPU, where decisions are made."""
        if any(weight.device.type != "cpu" for weight in actor.parameters()):
            actor = deepcopy(actor).cpu()
        self._actor = actor.eval()

    def init_random(self, problem: AnyProblem, seed: int) -> None:
        """Act by an untrained network with weights from this seed."""
        from .seeding import own_settings, seeded

        with own_settings(learning=True), seeded(seed):
            self.set_actor(self.make_actor(self.architecture, **self._sizes(problem)))

    def load(self, problem: AnyProblem) -> None:
        """Act by the network of `checkpoint`.

        Raises:
            ValueError: there is none, it is none, or it does not fit; says what to do.
        """
        from .seeding import own_settings

        path, saved = self._saved(self._requirements(problem))
        try:
            with own_settings(learning=True):
                actor = self.make_actor(saved["architecture"], **self._sizes(problem))
                actor.load_state_dict(saved["actor"])
        except Exception as error:
            raise ValueError(_damaged(path, error)) from error
        self.set_actor(actor)

    def look(self, kind: str) -> None:
        """Look at `checkpoint` where the sizes of the problem are not known.

        Args:
            kind: of the problem, as in `run.problem`.

        Raises:
            ValueError: there is none, it is none, or it is of another problem; says what to do.
        """
        self._saved(self._about(kind))

    def _saved(self, wanted: Mapping[str, Any]) -> tuple[Path, dict[str, Any]]:
        """The file, and what is in it.

        Args:
            wanted: what it and the scenario must agree in.

        Raises:
            ValueError: as `load`.
        """
        if self.checkpoint is None:
            fitting = [path.stem for path in shipped() if fits(path, wanted)]
            raise ValueError(
                f"{self.name} has to be trained first: `edgesim train SCENARIO --policy {self.name}`, "
                "then run with --checkpoint FILE; or let --train-first do both"
                + (f"; shipped for --checkpoint: {', '.join(fitting)}" if fitting else "")
            )
        path, named = Path(self.checkpoint), TRAINED / f"{self.checkpoint}.pt"
        path = named if named in shipped() and not path.exists() else path
        saved = read(path, FORMAT)
        check_fit(saved, wanted)
        try:
            check_network(saved, path.stat().st_size)
        except Exception as error:
            raise ValueError(_damaged(path, error)) from error
        return path, saved

    def save(self, path: Path, problem: AnyProblem, about: str) -> None:
        """Write the network in use to a checkpoint that `load` reads.

        Args:
            path: of the file, which is replaced at once or not at all.
            problem: that it was trained for.
            about: the command that trained it.
        """
        assert self._actor is not None  # by `set_actor`
        header = {"format": FORMAT, "about": about, "architecture": self.architecture}
        actor = {"actor": self._actor.state_dict()}
        write(path, {**header, **self._requirements(problem), **actor})

    def _requirements(self, problem: AnyProblem) -> dict[str, Any]:
        """What a checkpoint and the scenario that it is used in must agree in."""
        stream = isinstance(problem, DriftPlusPenalty)
        kind = "drift-plus-penalty" if stream else "worst-case-emission"
        return {**self._about(kind), **self._sizes(problem)}

    def _about(self, kind: str) -> dict[str, Any]:
        """Of these what is no size."""
        return {
            "policy": self.name,
            "problem": kind,
            "action": self.action,
            "encoding": encoding_version(kind, self.action),
        }

    def reset(self, network: Any, problem: AnyProblem, rngs: Generators) -> None:
        """Get the network ready.

        Raises:
            ValueError: as `load`, where no network is in use yet.
        """
        if self._actor is None:
            self.load(problem)
        self._encoding = encoding_of(problem, self.action)

    def decide(self, observation: Any) -> Any:
        """The decision that the encoding makes from the network's actions."""
        return self._encoding.decision(self.actions(observation), observation)

    def actions(self, observation: Any) -> NDArray[np.floating]:
        """(R, N, A) of the network, without noise.

        One replication at a time, in memory of its own: the last bit of a matrix product may depend
        on how many rows it has and on how they lie, and a replication's decisions must not depend
        on how many run beside it.
        """
        import torch

        from .seeding import own_settings

        assert self._actor is not None  # by `reset`
        features = torch.from_numpy(self._encoding.features(observation))
        with own_settings(), torch.inference_mode():
            return np.concatenate(
                [self._actor(one.clone()).numpy() for one in torch.split(features, 1)]
            )

    def _sizes(self, problem: AnyProblem) -> dict[str, int]:
        """F, A and N."""
        encoding = encoding_of(problem, self.action)
        return {
            "features": encoding.feature_count,
            "actions": encoding.action_count,
            "devices": problem.network.devices,
        }


def _damaged(path: Path, error: Exception) -> str:
    reason = str(error).partition("\n")[0] or type(error).__name__
    return f"{path}: the checkpoint is damaged: {reason}"
