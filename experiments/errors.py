"""Errors of experiments.

Their messages name arguments of Python's functions as `` `argument` ``; the command writes them as its
options.
"""

from pathlib import Path


class ArgumentError(ValueError):
    """Arguments that exclude each other, or an output that must not be replaced."""


class CheckpointError(Exception):
    """A checkpoint of a run that cannot be written or used."""


class SweepStoppedError(Exception):
    """Something stands in the way of all runs of a sweep alike, such as a full disk."""


class Interrupted(KeyboardInterrupt):
    """An interrupt, as of Ctrl-C, and what was made until then.

    Attributes:
        left: the trace of a run, or the folder of several runs or of a training.
    """

    def __init__(self, message: str, left: Path) -> None:
        super().__init__(message)
        self.left = left
