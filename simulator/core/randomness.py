"""One seed, many independent streams, each known by its name."""

from collections.abc import Sequence
from hashlib import sha256

import numpy as np

Generators = Sequence[np.random.Generator]
"""One generator per replication."""


class Streams:
    """Named random streams, one generator per replication.

    A stream depends on its name and on its replication's seed, and on nothing else: neither on which
    other streams exist, nor on how many replications run beside it. Replication r of seed s is the
    run with seed s + r.

    Args:
        seed: of the first replication, or of each.
        replications: R.
    """

    def __init__(self, seed: int | Sequence[int], replications: int) -> None:
        self.seeds = (
            [seed + r for r in range(replications)] if isinstance(seed, int) else list(seed)
        )

    def generators(self, name: str) -> list[np.random.Generator]:
        """The stream `name`: one generator per replication, each at its beginning."""
        key = int.from_bytes(sha256(name.encode()).digest()[:16], "little")
        return [
            np.random.Generator(np.random.PCG64DXSM(np.random.SeedSequence([seed, key])))
            for seed in self.seeds
        ]
