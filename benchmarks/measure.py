"""How the benchmarks measure: CPU time, because machines are shared, in interleaved rounds."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgesim.experiments.run import execute, prepare
from edgesim.scenarios.loading import load_scenario
from edgesim.scenarios.schema import Scenario
from edgesim.simulator.core.arrays import FloatArray


@dataclass(frozen=True)
class Row:
    """One result.

    Attributes:
        what: was measured.
        value: of it.
        unit: of the value.
        at_least: the target, where there is one.
        at_most: likewise; there may be both.
    """

    what: str
    value: float
    unit: str
    at_least: float | None = None
    at_most: float | None = None

    @property
    def met(self) -> bool | None:
        """Whether the target is met; None if there is none."""
        if self.at_least is None and self.at_most is None:
            return None
        least = self.value if self.at_least is None else self.at_least
        most = self.value if self.at_most is None else self.at_most
        return least <= self.value <= most


Measure = Callable[[], Iterator[Row]]


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of this process, user and system, that the work takes."""
    start = time.process_time()
    work()
    return time.process_time() - start


def rounds(*works: Callable[[], object], count: int = 5) -> FloatArray:
    """(count, works) CPU seconds, the works in turn, so that a busy spell hits all of them.

    Whoever calls has let each of them run before, to compile it and to fill the caches.
    """
    return np.array([[cpu_s(work) for work in works] for _ in range(count)])


def scenario(*overrides: str, slots: int, name: str = "iiot_20dev") -> Scenario:
    """A shipped scenario with some keys changed."""
    return load_scenario(name, [*overrides, f"run.slots={slots}"])


def end_to_end(what: Scenario) -> None:
    """A run from its first slot to the closed trace, on disk."""
    with TemporaryDirectory() as folder:
        execute(prepare(what), Path(folder, "trace.h5"))
