"""How many tasks of each class are late: from the rows of a trace's tasks, as these tell classes by deadlines."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from ..simulator.core.arrays import FloatArray
from ..simulator.core.by_deadline import ByDeadline
from ..simulator.core.recorder import LATE
from .confidence_intervals import Estimate
from .open_file import read_values
from .statistics import CountedBatches


@dataclass(frozen=True)
class LateClass:
    """The completed tasks of a class of `tasks.classes`.

    Attributes:
        deadline_s: of the class; infinite without one.
        late: share of them that were late; NaN where none was completed.
    """

    deadline_s: float
    late: Estimate

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; no deadline is null."""
        finite = math.isfinite(self.deadline_s)
        return {"deadline_s": self.deadline_s if finite else None, **self.late.to_dict()}


def late_classes(
    file: h5py.File, scenario: Mapping[str, Any], counted: CountedBatches
) -> list[LateClass]:
    """By class, in the scenario's order; none without classes, or where the trace has no tasks.

    Args:
        file: of the trace.
        scenario: resolved, as a table.
        counted: its totals, after the warm-up.
    """
    classes = scenario.get("tasks", {}).get("classes") or ()
    deadlines_s = np.array([one.get("deadline", math.inf) for one in classes], dtype=np.float64)
    if not len(deadlines_s) or "tasks" not in file:
        return []
    ended = counted.ended
    rows = slice(0, min(int(ended[-1]), len(file["tasks/completion_s"])))
    names = ("outcome", "replication", "arrival_s", "deadline_s")
    outcome, replication, arrival_s, due_s = (
        read_values(file["tasks"], name, (rows,)) for name in names
    )
    batch = np.searchsorted(ended, np.arange(len(outcome)), side="right")
    kind = ByDeadline(deadlines_s).of(due_s - arrival_s)

    def count(of: Any) -> FloatArray:
        found = np.zeros((counted.replications, len(ended)))
        np.add.at(found, (replication[of], batch[of]), 1.0)
        return found

    completed, late = outcome <= LATE, outcome == LATE
    return [
        LateClass(
            float(deadline_s),
            counted.share(count(late & (kind == k)), count(completed & (kind == k))),
        )
        for k, deadline_s in enumerate(deadlines_s)
    ]
