"""The checkpoint of a run: all that it is at a slot's boundary, in a file beside its trace."""

import json
import os
import pickle
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from .. import __version__
from ..policies.base import Policy
from ..simulator.simulation import Snapshot
from ..traces.file_errors import replaced
from ..traces.writer import Written
from .errors import CheckpointError

SUFFIX = ".checkpoint"
_MAGIC = "edgesim run checkpoint"


@dataclass(frozen=True)
class Checkpoint:
    """A run that can be continued.

    Attributes:
        scenario: the resolved scenario, TOML.
        every: slots between checkpoints.
        policy: with all that it has learned or remembers.
        simulation: world, twin and clocks, with the models' and the generators' states.
        written: how far the trace goes that belongs to it.
    """

    scenario: str
    every: int
    policy: Policy
    simulation: Snapshot
    written: Written


def checkpoint_path(trace: Path) -> Path:
    """The checkpoint of the run whose trace this is: a file beside it."""
    return trace.with_name(trace.name + SUFFIX)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in place of the one that is there, which is never damaged.

    Raises:
        CheckpointError: a user's policy or model has a state that cannot be pickled.
        OSError: the file cannot be written.
    """
    content = pickled(checkpoint, path)
    header = {
        "format": _MAGIC,
        "edgesim_version": __version__,
        "sha256": sha256(content).hexdigest(),
    }
    with replaced(path) as hidden, hidden.open("wb") as file:
        file.write(json.dumps(header).encode() + b"\n" + content)
        file.flush()
        os.fsync(file.fileno())


def pickled(state: object, path: Path) -> bytes:
    """The state of a run as bytes.

    Args:
        state: the whole of it, or the policy alone to see whether it can be saved.
        path: of the checkpoint, for the message.

    Raises:
        CheckpointError: a user's policy or model cannot be pickled.
    """
    try:
        return pickle.dumps(state, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise CheckpointError(
            f"{path}: this run cannot be saved: {type(error).__name__}: {error}; what a policy or "
            "model keeps must be picklable, or run without `checkpoint_every`"
        ) from error


def load(path: Path) -> Checkpoint:
    """Read a checkpoint. It is unpickled: trust only your own ones.

    Raises:
        CheckpointError: damaged, no checkpoint, or of another version.
        OSError: it cannot be read.
    """
    first, _, content = path.read_bytes().partition(b"\n")
    try:
        header: Any = json.loads(first)
        known = header["format"] == _MAGIC
        version, checksum = header["edgesim_version"], header["sha256"]
    except (ValueError, TypeError, KeyError):
        known = False
    if not known:
        raise CheckpointError(f"{path}: this is not a checkpoint of a run")
    if version != __version__:
        raise CheckpointError(f"{path}: of edgesim {version}; this is edgesim {__version__}")
    if sha256(content).hexdigest() != checksum:
        raise CheckpointError(f"{path}: the checkpoint is damaged")
    try:
        checkpoint = pickle.loads(content)
    except Exception as error:
        raise CheckpointError(
            f"{path}: it cannot be restored here: {type(error).__name__}: {error}"
        ) from error
    assert isinstance(checkpoint, Checkpoint)
    return checkpoint
