"""The checkpoint of a run: all that it is at a slot's boundary, as data, in a file beside its trace.

A line of JSON with the file's format, the program's version and a checksum; then, as `numpy.savez` has
them, arrays, the first of which is the text of a JSON tree. Nothing in it is code, or names any.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import file_digest
from itertools import chain
from os import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, ZipFile

import numpy as np

from .. import __version__
from ..simulator.core.outputs import put_file
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
        written: the state of the writer.
        blocks: of each block of replications the state of its policy and of its simulation's parts.
    """

    scenario: str
    every: int
    written: Saved
    blocks: Sequence[Saved]


def checkpoint_path(trace: Path) -> Path:
    """The checkpoint of the run whose trace this is: a file beside it."""
    return trace.with_name(trace.name + SUFFIX)


def save(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in place of the one that is there, which is never damaged.

    Arrays are asked for one after another, in the order of the states.

    Raises:
        OSError: the file cannot be written.
    """
    states = [checkpoint.written, *checkpoint.blocks]
    about = {
        "scenario": checkpoint.scenario,
        "every": checkpoint.every,
        "states": [[state.tree, len(state.arrays)] for state in states],
    }
    text = np.frombuffer(json.dumps(about).encode(), np.uint8)
    each = chain.from_iterable(state.arrays for state in states)
    arrays = {str(number): array for number, array in enumerate(each)}
    with put_file(path) as file:  # at no time in memory as a whole
        file.write(_header("0" * 64))
        begin = file.tell()
        np.savez(file, allow_pickle=False, **{_TREE: text}, **arrays)
        file.seek(begin)
        header = _header(file_digest(file, "sha256").hexdigest())
        file.seek(0)
        file.write(header)


def _header(checksum: str) -> bytes:
    header = {"format": _MAGIC, "edgesim_version": __version__, "sha256": checksum}
    return json.dumps(header).encode() + b"\n"


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
    with path.open("rb") as file:
        try:
            header: Any = json.loads(file.readline())
            known = header["format"] == _MAGIC
            version, checksum = header["edgesim_version"], header["sha256"]
        except (ValueError, TypeError, KeyError, RecursionError):
            known = False
        if not known:
            raise CheckpointError(f"{path}: this is not a checkpoint of a run")
        if version != __version__:
            raise CheckpointError(f"{path}: of edgesim {version}; this is edgesim {__version__}")
        begin = file.tell()
        if file_digest(file, "sha256").hexdigest() != checksum:
            raise CheckpointError(f"{path}: the checkpoint is damaged")
        try:
            return _parsed(file, begin)
        except Exception as error:
            raise CheckpointError(
                f"{path}: it cannot be restored here: {type(error).__name__}: {error}"
            ) from error


def _parsed(content: BinaryIO, begin: int) -> Checkpoint:
    with ZipFile(content) as zipped:  # arrays take no more memory than the file has bytes
        entries = zipped.infolist()
        if any(entry.compress_type != ZIP_STORED for entry in entries):
            raise ValueError("compressed")
        if sum(entry.file_size for entry in entries) > content.seek(0, SEEK_END) - begin:
            raise ValueError("entries that overlap")
    content.seek(begin)
    with np.load(content, allow_pickle=False) as arrays_by_name:
        tree = json.loads(arrays_by_name[_TREE].tobytes())
        arrays = [arrays_by_name[str(number)] for number in range(len(arrays_by_name.files) - 1)]
    scenario, every, states = tree["scenario"], tree["every"], []
    for state, count in tree["states"]:
        if type(state) is not dict or type(count) is not int or not 0 <= count <= len(arrays):
            raise ValueError("not what a run saves")
        states.append(Saved(state, arrays[:count]))
        del arrays[:count]
    if (type(scenario), type(every)) != (str, int) or every <= 0 or len(states) < 2 or arrays:
        raise ValueError("not what a run saves")
    return Checkpoint(scenario, every, states[0], states[1:])
