"""Files of trained networks and of trainings, and whether one fits a scenario."""

from collections.abc import Mapping
from io import BytesIO
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from ...scenarios.errors import as_toml
from ...simulator.core.outputs import put_bytes

FORMAT = "edgesim policy 1"

TRAINED = Path(__file__).resolve().parent / "trained"
"""Checkpoints that come with the program, POLICY_SCENARIO.pt; docs/learning.md has their commands."""


def shipped() -> list[Path]:
    """The checkpoints that come with the program."""
    return sorted(TRAINED.glob("*.pt"))


def check_fit(saved: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse a checkpoint of another policy, problem or size.

    Args:
        saved: as `read`.
        wanted: policy, problem, action, encoding, features, actions and devices.

    Raises:
        ValueError: names the first thing in which they differ.
    """
    kind = _architecture(saved).get("network")
    # Files of earlier versions do not say.
    saved = {"action": "guided", "encoding": 1, **saved}
    for key, here in wanted.items():
        if key == "devices" and kind == "shared":
            continue  # runs with any N
        if type(saved.get(key)) is not type(here) or saved[key] != here:
            what = f"the checkpoint has {key} = {as_toml(saved.get(key))}, the scenario {as_toml(here)}"
            if key == "devices":
                what += (
                    '; only network = "shared" runs with another number than it was trained with'
                )
            if key == "encoding":
                what += ": what its network sees and does has another meaning now, so train it anew"
            raise ValueError(what)


def check_network(saved: Mapping[str, Any], size: int) -> None:
    """Refuse a network that is none, or that claims more weights than its file has.

    Args:
        saved: as `read`.
        size: bytes of the file.

    Raises:
        ValueError: says what is wrong.
    """
    import torch

    hidden, actor = _architecture(saved).get("hidden"), saved.get("actor")
    if not isinstance(hidden, list) or not all(type(n) is int and 0 < n <= size for n in hidden):
        raise ValueError(f"hidden = {as_toml(hidden)}")
    if 4 * sum(one * other for one, other in pairwise(hidden)) > size:
        raise ValueError(f"hidden = {as_toml(hidden)} is more than the file holds")
    for name, weight in actor.items() if isinstance(actor, dict) else [("", None)]:
        if not isinstance(weight, torch.Tensor) or not torch.isfinite(weight).all():
            raise ValueError(f"weight {as_toml(name)} has no numbers")


def _architecture(saved: Mapping[str, Any]) -> Mapping[str, Any]:
    found = saved.get("architecture")
    return found if isinstance(found, dict) else {}


def check_alike(saved: Any, fresh: Any, where: str = "it") -> None:
    """Refuse a state that a training could not have.

    Args:
        saved: dicts, lists, tensors and plain values.
        fresh: the state of a training that has not begun; an empty dict, list or tensor in it, and
            None, stand for any.
        where: for messages.

    Raises:
        ValueError: it has other keys, types, shapes, or what is no number.
    """
    import torch

    if isinstance(saved, torch.Tensor):
        if fresh is not None:
            if not isinstance(fresh, torch.Tensor) or fresh.dtype != saved.dtype:
                raise ValueError(f"{where} is a tensor of {saved.dtype}")
            free = int(fresh.ndim > 0 and len(fresh) == 0)  # what grows
            if fresh.ndim != saved.ndim or fresh.shape[free:] != saved.shape[free:]:
                raise ValueError(f"{where} has shape {tuple(saved.shape)}")
        if saved.is_floating_point() and not torch.isfinite(saved).all():
            raise ValueError(f"{where} has no numbers")
    elif fresh is not None and type(saved) is not type(fresh):
        raise ValueError(f"{where} is {as_toml(saved)}")
    elif isinstance(saved, dict):
        if fresh and fresh.keys() != saved.keys():
            raise ValueError(f"{where} has other parts")
        for key, one in saved.items():
            check_alike(one, fresh[key] if fresh else None, f"{where}[{key!r}]")
    elif isinstance(saved, list | tuple):
        if fresh and len(fresh) != len(saved):
            raise ValueError(f"{where} has another length")
        for number, one in enumerate(saved):
            check_alike(one, fresh[number] if fresh else None, f"{where}[{number}]")
    elif isinstance(saved, float) and not isfinite(saved):
        raise ValueError(f"{where} is {saved}")
    elif isinstance(saved, int) and isinstance(fresh, int) and saved < 0:
        raise ValueError(f"{where} is {as_toml(saved)}")


def fits(path: Path, wanted: Mapping[str, Any]) -> bool:
    """Whether `check_fit` accepts a shipped checkpoint."""
    try:
        check_fit(read(path, FORMAT), wanted)
    except ValueError:
        return False
    return True


def read(path: Path, file_format: str) -> dict[str, Any]:
    """A file written by `write`. No code in it is executed, and its checksums must be right.

    Raises:
        ValueError: there is no such file, it is not of this format, or it is damaged.
    """
    import torch

    try:
        with ZipFile(path) as file:  # torch itself does not look at checksums
            if any(entry.compress_type != ZIP_STORED for entry in file.infolist()):
                raise BadZipFile("compressed")
            if damaged := file.testzip():
                raise BadZipFile(f"{damaged} is damaged")
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # noqa: BLE001 - a damaged file raises whatever it likes
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ValueError(f"{path} is not a checkpoint ({reason})") from None
    kind = saved.get("format") if isinstance(saved, dict) else None
    if not isinstance(kind, str) or kind != file_format:
        raise ValueError(f"{path} is not a checkpoint of this kind ({file_format})")
    found: dict[str, Any] = saved
    return found


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file at once or not at all, whatever happens meanwhile.

    Raises:
        OSError: it cannot be written.
        OutputError: there is a link, a device or a folder in its place.
    """
    import torch

    written = BytesIO()
    torch.save(dict(content), written)  # torch itself does not tell that a disk is full
    put_bytes(path, written.getbuffer())
