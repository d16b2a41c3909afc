"""Errors of a run that are not the program's fault."""


class RunError(Exception):
    """A policy or model raised an exception, or a policy answered with what cannot be carried out."""
