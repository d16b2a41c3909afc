"""AAC at work: one learning agent in this process, or several in processes of their own.

A training of one agent can be repeated bit for bit; of several, whose update comes first is up to the
machine.
"""

import signal
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
import torch.multiprocessing
from torch import Tensor, nn

from .aac import Aac, ActorCritic, GlobalAgent, LearningAgent, Update
from .networks import check_finite, seeded
from .trainable import MakeEnvironment, TrainingError


class Training:
    """Both algorithms at work; one call of `advance` is an episode of every agent, or as much.

    Args:
        keys: of the policy.
        make: the environments.
        seed: of the weights, the noise, and the first episode's first replica.
    """

    def __init__(self, keys: Aac, make: MakeEnvironment, seed: int) -> None:
        self._keys = keys
        self._make = make
        self._seed = seed
        self.steps = 0
        env = _environment(keys, make)
        devices, features = env.single_observation_space.shape
        with seeded(seed):
            model = ActorCritic(keys, devices, features, env.single_action_space.shape[1])
        self._global = GlobalAgent(keys, model)
        self.actor: nn.Module = model.actor
        self._alone: LearningAgent | None = None
        self._others: list[Remote] = []
        if keys.workers == 1:
            self._alone = LearningAgent(keys, env, seed, seed, keys.replicas)
        else:
            env.close()
            model.share_memory()

    def advance(self) -> dict[str, float]:
        """Lines 2 to 12 of Algorithm 3, for an episode of every agent, or as many steps.

        Raises:
            TrainingError: a loss or a weight is not a number any more, or an agent failed.
        """
        updates = self._alone_through_episode() if self._alone else self._by_others()
        check_finite(self._global.model)
        weight = [update.steps / sum(one.steps for one in updates) for update in updates]
        return {
            name: sum(w * update.means[name] for w, update in zip(weight, updates, strict=True))
            for name in updates[0].means
        }

    def _alone_through_episode(self) -> list[Update]:
        agent, updates = self._alone, list[Update]()
        assert agent is not None  # its caller looked
        while not updates or not agent.between_episodes:
            updates.append(agent.work(self._global.model))
            self._global.update([one.grad for one in agent.model.parameters()], self.steps)  # type: ignore[misc]
            self.steps += updates[-1].steps
        return updates

    def _by_others(self) -> list[Update]:
        keys, updates = self._keys, list[Update]()
        if not self._others:
            episodes = self.steps // (keys.replicas * keys.episode_slots)
            first = self._seed + episodes * keys.replicas
            self._others = [
                Remote(keys, self._make, self._global.model, first, agent)
                for agent in range(keys.workers)
            ]
        enough = self.steps + keys.workers * keys.replicas * keys.episode_slots
        while self.steps < enough:
            ready = wait([one.connection for one in self._others])
            for one in self._others:
                if one.connection in ready:
                    updates.append(one.receive())
                    self._global.update(one.gradients, self.steps)
                    one.go_on()
                    self.steps += updates[-1].steps
        return updates

    def state_dict(self) -> dict[str, Any]:
        """Parameters, optimiser, noise. Several agents start episodes afresh from it."""
        return {
            "steps": self.steps,
            "model": self._global.model.state_dict(),
            "optimiser": self._global.optimiser.state_dict(),
            "noise": self._alone.noise.get_state() if self._alone else None,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The inverse; before the first `advance`."""
        keys = self._keys
        self.steps = state["steps"]
        self._global.model.load_state_dict(state["model"])
        self._global.optimiser.load_state_dict(state["optimiser"])
        if self._alone is not None:
            env = _environment(keys, self._make)
            first = self._seed + self.steps // keys.episode_slots
            self._alone = LearningAgent(keys, env, self._seed, first, keys.replicas)
            self._alone.noise.set_state(state["noise"])

    def close(self) -> None:
        """End all agents."""
        if self._alone:
            self._alone.close()
        for one in self._others:
            one.close()


class Remote:
    """A learning agent in a process of its own, as the global agent sees it.

    Attributes:
        connection: brings an `Update`, or the text of a failure, when there is a gradient.
        gradients: in memory that both share; the agent waits until they are used.

    Args:
        keys: of the policy.
        make: its environments.
        model: the global parameters, in shared memory.
        first: seed of the first agent's first episode's first replica.
        number: of the agent, from 0.
    """

    def __init__(
        self, keys: Aac, make: MakeEnvironment, model: ActorCritic, first: int, number: int
    ) -> None:
        context = torch.multiprocessing.get_context("spawn")
        self.gradients = [_shared(one) for one in model.parameters()]
        self.connection, theirs = context.Pipe()
        arguments = (keys, make, model, self.gradients, theirs, first, number)
        self._process = context.Process(target=_learn, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def receive(self) -> Update:
        """What the agent sends.

        Raises:
            TrainingError: it failed.
        """
        try:
            told: Update | str = self.connection.recv()
        except EOFError:
            raise TrainingError("a learning agent's process has died") from None
        if isinstance(told, str):
            raise TrainingError(told)
        return told

    def go_on(self) -> None:
        """Let the agent take the new parameters."""
        self.connection.send(None)

    def close(self) -> None:
        """End its process."""
        self.connection.close()
        self._process.terminate()
        self._process.join()


def _environment(keys: Aac, make: MakeEnvironment) -> Any:
    return make(keys.replicas, keys.episode_slots, keys.limit_weight)


def _shared(like: Tensor) -> Tensor:
    zeros: Tensor = torch.zeros_like(like).share_memory_()  # type: ignore[no-untyped-call]
    return zeros


def _learn(
    keys: Aac,
    make: MakeEnvironment,
    model: ActorCritic,
    gradients: Sequence[Tensor],
    connection: "Connection[Any, Any]",
    first: int,
    number: int,
) -> None:
    """A learning agent's process: works until the global agent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the global agent decides when to stop
    torch.set_num_threads(1)
    stride = keys.workers * keys.replicas
    mine = first + number * keys.replicas
    agent = LearningAgent(keys, _environment(keys, make), mine, mine, stride)
    try:
        while True:
            update = agent.work(model)
            for mail, parameter in zip(gradients, agent.model.parameters(), strict=True):
                mail.copy_(parameter.grad)  # type: ignore[arg-type]
            connection.send(update)
            connection.recv()
    except (EOFError, BrokenPipeError):
        pass
    except Exception as failure:  # noqa: BLE001 - whatever it is, it is told
        connection.send(f"{type(failure).__name__}: {failure}")
