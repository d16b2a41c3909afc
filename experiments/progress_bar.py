"""A progress bar on a terminal; imported only where there is one, as rich takes a tenth of a second."""

from collections.abc import Iterator

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Count(ProgressColumn):
    """How much is done of how much, once that is known."""

    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text("preparing")
        return Text(f"{task.completed:,.0f} / {task.total:,.0f} {task.fields['unit']}")


class Bar(Progress):
    """A bar on stderr that vanishes at its end, and below it a line of figures, if there are any.

    Args:
        unit: of the count.
        what: stands before the bar.
        style: of the text behind the bar.
    """

    def __init__(self, unit: str, what: str = "", style: str = "none") -> None:
        super().__init__(
            *([TextColumn("{task.description}", markup=False)] if what else []),
            _Count(),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[text]}", style, markup=False),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self.add_task(what, total=None, text="", unit=unit, figures="")

    def get_renderables(self) -> Iterator[RenderableType]:
        """The bar, and the line below it."""
        yield from super().get_renderables()
        for task in self.tasks:
            if figures := task.fields["figures"]:
                yield Text(figures, no_wrap=True, overflow="ellipsis")
