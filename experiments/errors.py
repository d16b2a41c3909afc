"""What keeps a run from being saved or continued."""


class CheckpointError(Exception):
    """A checkpoint that cannot be written or used; the message says which and why."""
