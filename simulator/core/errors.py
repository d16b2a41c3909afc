"""Errors of a run that are not the program's fault."""

import traceback
from pathlib import Path


class RunError(Exception):
    """A policy or model raised an exception, or answered with what cannot be carried out."""


class AnswerError(ValueError):
    """An answer that no network can do: a wrong shape or type, NaN, or a negative resource.

    Attributes:
        field: what of the answer: a field of `Decision`, a column of `Tasks`, …
        problem: what is wrong with it.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


class ModelError(Exception):
    """A model of somebody else's failed, or gave an answer that no network can do.

    Attributes:
        model: which.
        error: what it raised, in words, or its `AnswerError`.
    """

    def __init__(self, model: str, error: str | AnswerError) -> None:
        super().__init__(model, error)
        self.model = model
        self.error = error

    def in_slot(self, slot: int) -> str:
        """The message of the run that it ends."""
        about = ", field " if isinstance(self.error, AnswerError) else ": "
        return f"{self.model}, slot {slot}{about}{self.error}"


def in_one_line(error: Exception) -> str:
    """What was raised, and where."""
    where = traceback.extract_tb(error.__traceback__)[-1]
    what = f"{type(error).__name__}: {error}".partition("\n")[0]
    return f"{what} ({Path(where.filename).name}, line {where.lineno})"
