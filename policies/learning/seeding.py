"""Torch for a while: with settings of our own, and random numbers from the program's seeds."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch


@contextmanager
def own_settings(*, learning: bool = False) -> Iterator[None]:
    """Torch as networks here need it, whatever the rest of the process has set, and has again afterwards.

    One thread: networks are so small that more would mostly wait for each other, and the last bit of a
    result may depend on how many there are. Numbers of 32 bits, on the CPU.

    Args:
        learning: gradients too, and torch's own generator is kept as it was. What is too small for a normal
            number is zero: gradients and their moments get there, and take processors several times as long.
    """
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    with ExitStack() as kept:
        kept.callback(torch.set_num_threads, threads)
        torch.set_num_threads(1)
        kept.callback(torch.set_default_dtype, dtype)
        torch.set_default_dtype(torch.float32)
        if torch.get_default_device().type != "cpu":
            kept.enter_context(torch.device("cpu"))
        if learning:
            kept.enter_context(torch.random.fork_rng(devices=[]))
            kept.enter_context(torch.inference_mode(mode=False))
            kept.enter_context(torch.enable_grad())
            kept.callback(torch.set_flush_denormal, _denormals_are_zero())
            torch.set_flush_denormal(True)
        yield


def _denormals_are_zero() -> bool:
    """Whether this thread takes them for that; torch can set it, and does not tell."""
    return float(np.float32(1e-40) * np.float32(1.0)) == 0.0


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw weights from this seed, and leave torch's own generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(torch_seed(seed))  # those of GPUs stay as they are
        yield


def torch_seed(seed: int) -> int:
    """A number that depends on all bits of a seed, of which torch uses the lowest 32 alone."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0])
