"""Errors of experiments.

Their messages name arguments of Python's functions as `` `argument` ``; the command writes them as its
options.
"""


class ArgumentError(ValueError):
    """Arguments that exclude each other, or an output that must not be replaced."""


class CheckpointError(Exception):
    """A checkpoint of a run that cannot be written or used."""


class SweepStoppedError(Exception):
    """Something stands in the way of all runs of a sweep alike, such as a full disk."""
