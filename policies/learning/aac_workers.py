"""Learning agents in processes of their own, as the global agent sees them.

Which of several agents' updates comes first is up to the machine.
"""

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from pickle import PicklingError
from typing import Any, NamedTuple, Protocol

import torch
import torch.multiprocessing  # which lets processes share the memory of tensors
from torch import Tensor, nn

from ...simulator.core.forked_processes import started
from .seeding import own_settings
from .trainable import TrainingError


class Update(NamedTuple):
    """What a learning agent sends.

    Attributes:
        gradients: of each parameter.
        steps: environment steps that it took.
        means: of reward and losses, by name.
        cpu_s: CPU time so far of the agent's process, if it has one of its own.
    """

    gradients: Sequence[Tensor]
    steps: int
    means: Mapping[str, float]
    cpu_s: float = 0.0


class Agent(Protocol):
    """A learning agent."""

    def work(self, shared: nn.Module) -> Update:
        """Act and learn for some steps, from the global parameters."""


class RemoteAgent:
    """A learning agent in a process of its own.

    Attributes:
        connection: brings an `Update`, or the text of a failure; the agent then waits for `resume`.
        cpu_s: CPU time of the process up to its last update.

    Args:
        make_agent: called in the process.
        shared: the global parameters, in shared memory.

    Raises:
        TrainingError: the process cannot be started, or what it needs cannot be handed to it.
    """

    def __init__(self, make_agent: Callable[[], Agent], shared: nn.Module) -> None:
        self.cpu_s = 0.0
        self._gradients = [
            torch.zeros_like(one).share_memory_()  # type: ignore[no-untyped-call]
            for one in shared.parameters()
        ]
        try:
            self._process, self.connection = started(_learn, (make_agent, shared, self._gradients))
        except (PicklingError, AttributeError, TypeError, OSError) as error:
            what = f"a learning agent cannot have a process of its own: {error}"
            raise TrainingError(f"{what}; with policy.workers = 1 it needs none") from None

    def receive(self) -> Update:
        """The agent's update, whose gradients lie in memory that both share.

        Raises:
            TrainingError: it failed.
        """
        try:
            message: Update | str = self.connection.recv()
        except EOFError:
            raise TrainingError("a learning agent's process has died") from None
        if isinstance(message, str):
            raise TrainingError(message)
        self.cpu_s = message.cpu_s
        return message._replace(gradients=self._gradients)

    def resume(self) -> None:
        """Let the agent take the new parameters."""
        self.connection.send(None)

    def close(self) -> None:
        """End its process."""
        self.connection.close()
        self._process.kill()
        self._process.join()


def received(agents: Sequence[RemoteAgent]) -> Iterator[Update]:
    """The updates that are there, one at least; each agent resumes once its own has been used.

    Raises:
        TrainingError: an agent failed.
    """
    ready = wait([one.connection for one in agents])
    for agent in agents:
        if agent.connection in ready:
            yield agent.receive()
            agent.resume()


def _learn(
    connection: "Connection[Any, Any]",
    make_agent: Callable[[], Agent],
    shared: nn.Module,
    gradients: Sequence[Tensor],
) -> None:
    """A learning agent's process: works until the global agent is gone."""
    # A terminal sends SIGINT to all, a cluster SIGTERM: the global agent decides when to stop.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with own_settings(learning=True):
        agent = make_agent()
        try:
            while True:
                update = agent.work(shared)
                for ours, theirs in zip(gradients, update.gradients, strict=True):
                    ours.copy_(theirs)
                connection.send(update._replace(gradients=(), cpu_s=time.process_time()))
                connection.recv()
        except (EOFError, ConnectionError):
            pass
        except Exception as failure:  # noqa: BLE001 - the global agent reports it
            connection.send(f"{type(failure).__name__}: {failure}")
