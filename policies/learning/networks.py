"""The neural networks of the policies that learn.

Two kinds. "flat" is the papers': one network of all devices' numbers, hence for one N only. "shared"
applies the same weights to each device, which sees the others through a pooled context (deep sets,
Zaheer et al. 2017); it runs with any N, and the order in which devices are listed does not matter.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from .trainable import TrainingError

Kind = Literal["flat", "shared"]
Head = Literal["grouped", "paper"]

SMALL = 3e-3
"""Last layers start uniform within this, so that squashed outputs start in the middle of their range
and not saturated (Lillicrap et al. 2016)."""


class Flat(nn.Module):
    """One multi-layer perceptron with ReLU of all devices' inputs.

    Args:
        devices: N.
        inputs: numbers per device.
        outputs: numbers per device.
        hidden: widths of the hidden layers.
    """

    def __init__(self, devices: int, inputs: int, outputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.layers = perceptron([devices * inputs, *hidden, devices * outputs])

    def forward(self, x: Tensor) -> Tensor:
        """(R, N, inputs) -> (R, N, outputs)."""
        out: Tensor = self.layers(x.flatten(1))
        return out.view(x.shape[0], x.shape[1], -1)


class Shared(nn.Module):
    """The same weights for every device: an encoder, a pooled context, a head.

    The context is the mean and the maximum of all devices' codes: neither depends on how many there
    are, and the maximum is what a worst case is about.

    Args:
        inputs: numbers per device.
        outputs: numbers per device.
        hidden: widths of the encoder's layers, and of the head's.
    """

    def __init__(self, inputs: int, outputs: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.encoder = nn.Sequential(perceptron([inputs, *hidden]), nn.ReLU())
        # One layer on a device's code and the context, in two parts: the context's is done once.
        self.own = nn.Linear(hidden[-1], hidden[0])
        self.context = nn.Linear(2 * hidden[-1], hidden[0], bias=False)
        self.head = nn.Sequential(nn.ReLU(), perceptron([*hidden, outputs]))

    def forward(self, x: Tensor) -> Tensor:
        """(R, N, inputs) -> (R, N, outputs)."""
        code = self.encoder(x)
        out: Tensor = self.head(self.own(code) + self.context(pooled(code))[:, None])
        return out


class Actor(nn.Module):
    """What to do in a state: (R, N, F) features to (R, N, A) actions in [-1, 1].

    Args:
        kind: of network.
        devices: N; a shared network runs with any other too.
        features: F.
        actions: A.
        hidden: widths of the hidden layers.
        head: the last layer. "grouped": each action has its own range, by tanh, and the environment
            makes the shares of a station's devices out of it. "paper": one softmax over all N A
            outputs, as paper A has it, so that all of them together are at most one.
    """

    def __init__(
        self,
        kind: Kind,
        devices: int,
        features: int,
        actions: int,
        hidden: Sequence[int],
        head: Head = "grouped",
    ) -> None:
        super().__init__()
        self.head = head
        self.body = body(kind, devices, features, actions, hidden)
        start_small(self)

    def logits(self, features: Tensor) -> Tensor:
        """(R, N, A) before they are squashed: where a stochastic policy puts its noise."""
        out: Tensor = self.body(features)
        return out

    def squash(self, logits: Tensor) -> Tensor:
        """From logits to actions."""
        if self.head == "grouped":
            return torch.tanh(logits)
        share = torch.softmax(logits.flatten(1), dim=1).view_as(logits)
        return 2.0 * share - 1.0

    def forward(self, features: Tensor) -> Tensor:
        """(R, N, F) -> (R, N, A)."""
        return self.squash(self.logits(features))


class Critic(nn.Module):
    """What a state, or an action in it, is worth: (R, N, F) and (R, N, A) to (R,).

    Args:
        kind: of network.
        devices: N; a shared network runs with any other too.
        features: F.
        actions: A; zero for the value of a state.
        hidden: widths of the hidden layers.
    """

    def __init__(
        self, kind: Kind, devices: int, features: int, actions: int, hidden: Sequence[int]
    ) -> None:
        super().__init__()
        inputs = features + actions
        self.flat = kind == "flat"
        if self.flat:
            self.body: nn.Module = perceptron([devices * inputs, *hidden, 1])
        else:
            self.body = Shared(inputs, hidden[-1], hidden)
            self.value = nn.Sequential(nn.ReLU(), perceptron([2 * hidden[-1], hidden[-1], 1]))
        start_small(self)

    def forward(self, features: Tensor, action: Tensor | None = None) -> Tensor:
        """(R, N, F), (R, N, A) -> (R,)."""
        parts = [features] if action is None else [features, action]
        out: Tensor
        if self.flat:
            out = self.body(torch.cat([part.flatten(1) for part in parts], dim=1))
        else:
            out = self.value(pooled(self.body(torch.cat(parts, dim=2))))
        return out.squeeze(1)


def body(
    kind: Kind, devices: int, inputs: int, outputs: int, hidden: Sequence[int]
) -> Flat | Shared:
    """A network from (R, N, inputs) to (R, N, outputs)."""
    if kind == "flat":
        return Flat(devices, inputs, outputs, hidden)
    return Shared(inputs, outputs, hidden)


def start_small(network: nn.Module) -> None:
    """Draw the last layer's parameters from within `SMALL`."""
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    for parameter in last.parameters():
        nn.init.uniform_(parameter, -SMALL, SMALL)


def pooled(code: Tensor) -> Tensor:
    """(R, N, H) -> (R, 2 H), mean and maximum over the devices."""
    return torch.cat((code.mean(dim=1), code.amax(dim=1)), dim=1)


def perceptron(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw weights from this seed, and leave torch's own generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed))
        yield


def torch_seed(seed: int) -> int:
    """For torch, which looks at the lowest 32 bits alone, a number that depends on all of them."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0])


def finite(**losses: Tensor) -> dict[str, float]:
    """Losses as plain numbers.

    Raises:
        TrainingError: one is not a number, or infinite.
    """
    values = {name: loss.item() for name, loss in losses.items()}
    for name, value in values.items():
        if not math.isfinite(value):
            raise TrainingError(f"{name} is {value}")
    return values


def check_finite(network: nn.Module) -> None:
    """Refuse a network whose weights are not numbers, which a gradient that is none has made.

    Raises:
        TrainingError: names the first such weight.
    """
    for name, parameter in network.named_parameters():
        if not torch.isfinite(parameter).all():
            raise TrainingError(f"weight {name} is not a number any more")
