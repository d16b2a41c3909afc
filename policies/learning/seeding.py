"""Torch's random numbers from the program's seeds, which have more than 32 bits."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw weights from this seed, and leave torch's own generator as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed))
        yield


def torch_seed(seed: int) -> int:
    """A number that depends on all bits of a seed; torch uses the lowest 32 alone."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0])
