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


def interrupted(message: str, left: Path) -> KeyboardInterrupt:
    """An interrupt, as of Ctrl-C, with what was made until then, as its attribute `left`.

    It has no class of its own: a program that nobody catches it in ends by its signal, as shells expect,
    for `KeyboardInterrupt` itself alone.

    Args:
        message: what is left, and how to go on.
        left: the trace of a run, or the folder of several runs or of a training.
    """
    interrupt = KeyboardInterrupt(message)
    interrupt.left = left  # type: ignore[attr-defined]
    return interrupt
