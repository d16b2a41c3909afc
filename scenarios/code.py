"""Which classes of its own a scenario may name: what is read from a file runs nothing unasked."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Code:
    """From where the classes come that a scenario names "module:Class", docs/security.md.

    Attributes:
        beside: folders whose .py files it may name: of its own file, none of a trace.
        given: keys that the caller gave, on the command line or as arguments; who names a class there
            may name any.
        trust: whether the file may, too.
        foreign: whether it is a trace, which names no data files but those beside it and in the data
            folders either.
        unseen: whether classes that the file names are not even imported.
    """

    beside: tuple[Path, ...] = ()
    given: frozenset[str] = frozenset()
    trust: bool = False
    foreign: bool = False
    unseen: bool = False

    def adding(self, given: Iterable[str], *, trust: bool = False) -> "Code":
        """The same with more keys that the caller gave, and with trust if there was none."""
        return replace(self, given=self.given | {*given}, trust=self.trust or trust)

    def may_leave(self, key: str) -> bool:
        """Whether the path that a key names may lead out of the folders where it is looked up."""
        return self.trust or not self.foreign or self.is_given(key)

    def is_given(self, key: str) -> bool:
        """Whether the caller gave a key, or a table that it stands in."""
        return any(key == one or key.startswith(f"{one}.") for one in self.given)


NO_CODE = Code()
"""What names none but entry points: a text from anywhere."""
