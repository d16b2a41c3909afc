"""How results are shown: as tables for people, as JSON for machines."""

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from html import escape
from io import StringIO
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

WIDTH = 200
"""Columns of a printed table, at most."""


class Printable(ABC):
    """A result that prints as the table of its command."""

    @abstractmethod
    def to_table(self) -> "RenderableType":
        """A table for people."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes."""

    def to_json(self) -> str:
        """For machines: SI units, full precision, null for what is not known."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)

    def __str__(self) -> str:
        from rich.console import Console

        text = StringIO()
        Console(file=text, width=WIDTH, color_system=None).print(self.to_table())
        return shown(text.getvalue().rstrip("\n"))

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor, changes it, or turns text around; not the ends of lines, and tabs."""


def shown(text: object) -> str:
    """A text for a terminal, in which characters that would control it are written out."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], str(text))


def finite(value: float | None) -> float | None:
    """The value, or None where JSON has no number for it."""
    return value if value is not None and math.isfinite(value) else None


def spoken(numbers: Sequence[int]) -> str:
    """'3', '1 to 30' or '1, 5, 9'."""
    first, last = numbers[0], numbers[-1]
    if len(numbers) > 1 and list(numbers) == list(range(first, last + 1)):
        return f"{first} to {last}"
    return ", ".join(map(str, numbers))


def duration(seconds: float) -> str:
    """'3 h 20 min', '2 min 5 s' or '0.4 s'."""
    if seconds < 60.0:
        return f"{seconds:.2g} s" if seconds < 10.0 else f"{seconds:.0f} s"
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    (name, large), (lesser, small) = next(two for two in pairwise(units) if seconds >= two[0][1])
    return f"{seconds // large:.0f} {name} {seconds % large // small:.0f} {lesser}"


def counted(number: int, what: str) -> str:
    """As in "1 station", "1,000 stations"."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
