"""Errors of experiments.

Their messages name arguments of Python's functions as `` `argument` ``; the command writes them as its
options.
"""


class CheckpointError(Exception):
    """A checkpoint of a run that cannot be written or used."""


class ArgumentError(ValueError):
    """Arguments that exclude each other, or an output that must not be replaced."""
