"""Errors in a scenario: file, key, value, and the values that are allowed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, time
from difflib import get_close_matches
from typing import Self

_WIDTH = 60


@dataclass(frozen=True)
class Issue:
    """One thing to correct.

    Attributes:
        source: the file as the user named it, or "--set".
        what: the fault, in words.
        key: path of the key, "stations.sbs.count"; empty when it is about the file as a whole.
        value: of the key, as TOML writes it; None when the key is missing.
        allowed: values that would be right, in words.
        near: the valid key or value that was probably meant.
        named_by: of a data file, the scenario's key that names it.
    """

    source: str
    what: str
    key: str = ""
    value: str | None = None
    allowed: str = ""
    near: str = ""
    named_by: str = ""

    def __str__(self) -> str:
        text = f"{self.source} (`{self.named_by}`): " if self.named_by else f"{self.source}: "
        if self.key:
            text += f"key `{self.key}`"
            text += f" = {self.value}: " if self.value is not None else ": "
        text += self.what
        if self.allowed:
            text += f"; allowed: {self.allowed}"
        if self.near:
            text += f"; did you mean `{self.near}`?"
        if text.isprintable():
            return text
        # What is in a file may be no text: a message is a line, whatever stands there.
        return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


class ScenarioError(ValueError):
    """A scenario that cannot be run.

    Attributes:
        issues: all that was found wrong, not only the first.
        rest: what the keys that are right make, with those that were probably meant, if they make
            anything, a scenario or a model: what else is wrong can be told.
    """

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(*issues)
        self.issues = tuple(issues)
        self.rest: object = None

    def __str__(self) -> str:
        return "\n".join(str(issue) for issue in self.issues)


class Mistakes(list[Issue]):
    """Collects what is wrong, to tell it at once: what a `with` of it raises as a ScenarioError is kept."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, ScenarioError):
            return False
        self.extend(error.issues)
        return True

    def tell(self) -> None:
        """Nothing, if nothing is wrong.

        Raises:
            ScenarioError: with all that is, each once.
        """
        if self:
            raise ScenarioError(list(dict.fromkeys(self)))


@contextmanager
def naming(files: Mapping[str, str]) -> Iterator[None]:
    """What is wrong within a data file says which key names it.

    Args:
        files: keys by the paths that they lead to; may grow meanwhile.
    """
    try:
        yield
    except ScenarioError as error:
        error.issues = tuple(
            replace(issue, named_by=issue.named_by or files.get(issue.source, ""))
            for issue in error.issues
        )
        raise


def as_toml(value: object) -> str:
    """A value as a TOML file writes it, cut to a readable length."""
    if isinstance(value, date | time):
        text = value.isoformat()
    elif isinstance(value, dict):
        text = "{" + ", ".join(f"{key} = {as_toml(item)}" for key, item in value.items()) + "}"
    elif isinstance(value, list | tuple):
        text = "[" + ", ".join(as_toml(item) for item in value[:_WIDTH]) + "]"
    elif isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif isinstance(value, bool):
        text = str(value).lower()
    elif isinstance(value, int) and value.bit_length() > 200:
        text = hex(value)
    else:
        text = str(value)
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"


def likely(word: str, words: Sequence[str]) -> str:
    """The one of `words` that was probably meant by who knows a part of its name, or ""."""
    folded = word.casefold()
    having = [one for one in words if folded in one.casefold()] if len(folded) > 2 else []
    if not having:
        return nearest(word, words)
    return min(having, key=lambda one: (not one.casefold().startswith(folded), len(one)))


def nearest(word: str, words: Sequence[str]) -> str:
    """The one of `words` that was probably meant, or ""."""
    folded = {candidate.lower(): candidate for candidate in words}
    close = get_close_matches(word.lower(), folded, n=1, cutoff=0.6)
    return folded[close[0]] if close else ""
