"""The checkpoint of a run: all that it is at a slot's boundary, as data, in a file beside its trace.

A line of JSON with the file's format, the program's version and a checksum; then, as `numpy.savez` has
them, arrays, the first of which is the text of a JSON tree. Nothing in it is code, or names any.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, ZipFile

import numpy as np

from .. import __version__
from ..simulator.core.outputs import put_bytes
from ..simulator.core.saved_state import Saved, StateError, save_state
from .errors import CheckpointError

SUFFIX = ".checkpoint"
_MAGIC = "edgesim run checkpoint, data"
_TREE = "tree"


@dataclass(frozen=True)
class Checkpoint:
    """A run that can be continued.

    Attributes:
        scenario: the resolved scenario, TOML.
        every: slots between checkpoints.
        state: of the policy, the simulation's parts, and the writer.
    """

    scenario: str
    every: int
    state: Saved


def checkpoint_path(trace: Path) -> Path:
    """The checkpoint of the run whose trace this is: a file beside it."""
    return trace.with_name(trace.name + SUFFIX)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in place of the one that is there, which is never damaged.

    Raises:
        OSError: the file cannot be written.
    """
    about = {
        "scenario": checkpoint.scenario,
        "every": checkpoint.every,
        "state": checkpoint.state.tree,
    }
    text = np.frombuffer(json.dumps(about).encode(), np.uint8)
    arrays = {str(number): array for number, array in enumerate(checkpoint.state.arrays)}
    content = BytesIO()
    np.savez(content, allow_pickle=False, **{_TREE: text}, **arrays)
    header = {
        "format": _MAGIC,
        "edgesim_version": __version__,
        "sha256": sha256(content.getbuffer()).hexdigest(),
    }
    put_bytes(path, json.dumps(header).encode() + b"\n", content.getbuffer())


def state_of(parts: Mapping[str, Any], path: Path, known: frozenset[str] | None = None) -> Saved:
    """The state of a run, or of a part of it.

    Args:
        parts: objects and data by name.
        path: of the checkpoint, for the message.
        known: where objects were when the run began, if it has: only there can they be again.

    Raises:
        CheckpointError: a user's policy or model keeps what is no data.
    """
    try:
        saved = save_state(parts)
        if new := saved.places - (saved.places if known is None else known):
            raise StateError(f"{min(new)} is an object that was not there when the run began")
    except Exception as error:
        raise CheckpointError(
            f"{path}: this run cannot be saved: {error}; what a policy or model keeps must be numbers, "
            "text, arrays and random generators, or it gives them by `state_dict()` and takes them "
            "by `load_state_dict(state)`; or run without `checkpoint_every`"
        ) from error
    return saved


def load(path: Path) -> Checkpoint:
    """Read a checkpoint. Nothing in it is executed.

    Raises:
        CheckpointError: damaged, no checkpoint, or of another version.
        OSError: it cannot be read.
    """
    first, _, content = path.read_bytes().partition(b"\n")
    try:
        header: Any = json.loads(first)
        known = header["format"] == _MAGIC
        version, checksum = header["edgesim_version"], header["sha256"]
    except (ValueError, TypeError, KeyError, RecursionError):
        known = False
    if not known:
        raise CheckpointError(f"{path}: this is not a checkpoint of a run")
    if version != __version__:
        raise CheckpointError(f"{path}: of edgesim {version}; this is edgesim {__version__}")
    if sha256(content).hexdigest() != checksum:
        raise CheckpointError(f"{path}: the checkpoint is damaged")
    try:
        return _parsed(content)
    except Exception as error:
        raise CheckpointError(
            f"{path}: it cannot be restored here: {type(error).__name__}: {error}"
        ) from error


def _parsed(content: bytes) -> Checkpoint:
    with ZipFile(BytesIO(content)) as file:  # arrays take no more memory than the file has bytes
        entries = file.infolist()
        if any(entry.compress_type != ZIP_STORED for entry in entries):
            raise ValueError("compressed")
        if sum(entry.file_size for entry in entries) > len(content):
            raise ValueError("entries that overlap")
    with np.load(BytesIO(content), allow_pickle=False) as file:
        tree = json.loads(file[_TREE].tobytes())
        arrays = [file[str(number)] for number in range(len(file.files) - 1)]
    scenario, every, state = tree["scenario"], tree["every"], tree["state"]
    if (type(scenario), type(every), type(state)) != (str, int, dict) or every <= 0:
        raise ValueError("not what a run saves")
    return Checkpoint(scenario, every, Saved(state, arrays))
