"""Errors of a run that are not the program's fault."""


class RunError(Exception):
    """A policy or model raised an exception, or a policy answered with what cannot be carried out."""


class DecisionError(ValueError):
    """A decision that cannot be carried out: a wrong shape or type, NaN, or a negative resource.

    Attributes:
        field: the field of `Decision`.
        problem: what is wrong with it.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"
