"""What a training leaves, and what it is worth beside its references."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..traces.printing import Printable
from .evaluation import REFERENCES, waste

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class TrainingResult(Printable):
    """What a training leaves.

    Attributes:
        complete: whether it came to its end; False where the program's own handler of a signal goes
            on, and the training with `resume`.
        steps: environment steps, over all replicas.
        best: figures of the policy in `checkpoint`; none before the first evaluation.
        score: of that policy, the least is the best; None before the first evaluation.
        checkpoint: best.pt; not there before the first evaluation.
        cpu_s: CPU time, with that of its agents' processes and of all parts if it was stopped and went on.
        warning: one line where the policy scores better than a reference and takes more energy; else empty.
    """

    complete: bool
    steps: int
    best: Mapping[str, float]
    score: float | None
    checkpoint: Path
    cpu_s: float

    @property
    def warning(self) -> str:
        """Of the best policy's figures."""
        return waste(self.best)

    def to_table(self) -> "Table":
        """The best policy beside its references, for people."""
        from rich.table import Table
        from rich.text import Text

        best = self.best
        known = dict.fromkeys(name for names in REFERENCES.values() for name in names)
        references = [name for name in known if any(key.startswith(f"{name}_") for key in best)]
        table = Table(
            title=Text(f"{self.steps:,} steps"), caption=Text(f"checkpoint: {self.checkpoint}")
        )
        table.add_column("held-out seeds")
        for heading in ("trained", *references):
            table.add_column(heading, justify="right")
        beside = {f"{name}_{key}" for name in references for key in best}
        for key, value in best.items():
            if key not in beside and not key.startswith("above_"):
                others = [best.get(f"{name}_{key}") for name in references]
                table.add_row(
                    key, *("" if one is None else f"{one:.4g}" for one in [value, *others])
                )
        return table

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""
        return {"steps": self.steps, **self.best, "checkpoint": str(self.checkpoint)}
