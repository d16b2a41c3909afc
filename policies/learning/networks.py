"""The neural networks of the policies that learn.

Two kinds. "flat" is the papers': one network of all devices' numbers, hence for one N only. "shared"
applies the same weights to each device, which sees the others through a pooled context (deep sets,
Zaheer et al. 2017); it runs with any N, and the order in which devices are listed does not matter.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from .exploration import Actions
from .trainable import Head, NetworkKind, TrainingError

OUTPUT_RANGE = 3e-3
"""Output layers start uniform within this, so that squashed outputs start in the middle of their range
and not saturated (Lillicrap et al. 2016)."""


class FlatNetwork(nn.Module):
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


class SharedNetwork(nn.Module):
    """The same weights for every device: an encoder, a pooled context, a head.

    The context is the mean and the maximum of the codes of all devices that are there: neither depends on
    how many there are, and the maximum is what a worst case is about.

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

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        """(R, N, inputs) -> (R, N, outputs); of the devices that are `present`, (R, N)."""
        present = is_present(x) if present is None else present
        code = self.encoder(x)
        out: Tensor = self.head(self.own(code) + self.context(pool(code, present))[:, None])
        return out


class Actor(nn.Module):
    """What to do in a state: (R, N, F) features to (R, N, A) actions in [-1, 1].

    Args:
        network: its kind.
        hidden: widths of the hidden layers.
        devices: N; a shared network runs with any other too.
        features: F.
        actions: A.
        head: the last layer. "grouped": each action has its own range, by tanh, and the environment
            makes the shares of a station's devices out of it. "paper": one softmax over all N A
            outputs, as paper A has it, so that all of them together are at most one.
    """

    def __init__(
        self,
        network: NetworkKind,
        hidden: Sequence[int],
        devices: int,
        features: int,
        actions: int,
        head: Head = "grouped",
    ) -> None:
        super().__init__()
        self.head = head
        self.body = build_network(network, hidden, devices, features, actions)
        init_output_layer(self)

    def logits(self, features: Tensor) -> Tensor:
        """(R, N, F) -> (R, N, A) before the head: where a stochastic policy puts its noise."""
        out: Tensor = self.body(features)
        return out

    def squash(self, logits: Tensor) -> Tensor:
        """(R, N, A) logits -> (R, N, A) actions in [-1, 1]."""
        if self.head == "grouped":
            return torch.tanh(logits)
        share = torch.softmax(logits.flatten(1), dim=1).view_as(logits)
        return 2.0 * share - 1.0

    def forward(self, features: Tensor) -> Tensor:
        """(R, N, F) -> (R, N, A)."""
        return self.squash(self.logits(features))


class Critic(nn.Module):
    """The value of a state, or of an action in it: (R, N, F) and (R, N, A) to (R,).

    Args:
        network: its kind.
        hidden: widths of the hidden layers.
        devices: N; a shared network runs with any other too.
        features: F.
        actions: A; zero for the value of a state.
    """

    def __init__(
        self,
        network: NetworkKind,
        hidden: Sequence[int],
        devices: int,
        features: int,
        actions: int,
    ) -> None:
        super().__init__()
        inputs = features + actions
        self.flat = network == "flat"
        if self.flat:
            self.body: nn.Module = perceptron([devices * inputs, *hidden, 1])
        else:
            self.body = SharedNetwork(inputs, hidden[-1], hidden)
            self.value = nn.Sequential(nn.ReLU(), perceptron([2 * hidden[-1], hidden[-1], 1]))
        init_output_layer(self)

    def forward(self, features: Tensor, action: Tensor | None = None) -> Tensor:
        """(R, N, F), (R, N, A) -> (R,)."""
        parts = [features] if action is None else [features, action]
        out: Tensor
        if self.flat:
            out = self.body(torch.cat([part.flatten(1) for part in parts], dim=1))
        else:
            present = is_present(features)
            out = self.value(pool(self.body(torch.cat(parts, dim=2), present), present))
        return out.squeeze(1)


def build_network(
    network: NetworkKind, hidden: Sequence[int], devices: int, inputs: int, outputs: int
) -> FlatNetwork | SharedNetwork:
    """A network from (R, N, inputs) to (R, N, outputs)."""
    if network == "flat":
        return FlatNetwork(devices, inputs, outputs, hidden)
    return SharedNetwork(inputs, outputs, hidden)


def init_output_layer(network: nn.Module) -> None:
    """Draw the last layer's parameters from within `OUTPUT_RANGE`."""
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1]
    for parameter in last.parameters():
        nn.init.uniform_(parameter, -OUTPUT_RANGE, OUTPUT_RANGE)


def is_present(features: Tensor) -> Tensor:
    """(R, N) which devices are there: an encoding has zeros alone for one that is absent, and for no other."""
    return (features != 0.0).any(dim=2)


def pool(code: Tensor, present: Tensor) -> Tensor:
    """(R, N, H) -> (R, 2 H), mean and maximum over the devices that are there, (R, N); 0 if none is."""
    mean, most = code.mean(dim=1), code.amax(dim=1)
    complete = present.all(dim=1, keepdim=True)
    if not bool(complete.all()):
        # By itself for each replication: where nobody is absent, nothing is other than in such a network.
        there = present[:, :, None]
        count = present.sum(dim=1, keepdim=True).clamp(min=1)
        mean = torch.where(complete, mean, (code * there).sum(dim=1) / count)
        some = code.masked_fill(~there, -torch.inf).amax(dim=1)
        some = torch.where(present.any(dim=1, keepdim=True), some, 0.0)
        most = torch.where(complete, most, some)
    return torch.cat((mean, most), dim=1)


def perceptron(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers with ReLU between them."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Compute no gradients of its weights."""
    network.requires_grad_(False)
    try:
        yield
    finally:
        network.requires_grad_(True)


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


def check_moments(part: object) -> None:
    """Look at what an optimiser keeps for each weight, as a file has it; nothing else has any.

    Raises:
        ValueError: of another shape than the weight: compiled loops would not look.
    """
    if not isinstance(part, torch.optim.Optimizer):
        return
    for weight, kept in part.state.items():
        for name, value in kept.items():
            is_count = name == "step"
            shape = () if is_count else weight.shape
            if not isinstance(value, torch.Tensor) or value.shape != shape:
                raise ValueError(f"an optimiser's {name} is of another shape")
            if value.dtype != torch.float32:
                raise ValueError(f"an optimiser's {name} is of {value.dtype}")


def numbers_only(actions: Actions) -> Actions:
    """Actions as they are.

    Raises:
        TrainingError: one of them is not a number.
    """
    if np.isnan(actions).any():
        raise TrainingError("an action is not a number any more")
    return actions


def check_finite(network: nn.Module) -> None:
    """Refuse a network with a weight that is NaN or infinite.

    Raises:
        TrainingError: names the first such weight.
    """
    for name, parameter in network.named_parameters():
        if not torch.isfinite(parameter).all():
            raise TrainingError(f"weight {name} is not a number any more")
