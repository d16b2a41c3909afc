"""Files of trained networks and of trainings, and whether one fits a scenario."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from ...scenarios.errors import as_toml

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
        wanted: policy, problem, features, actions and devices.

    Raises:
        ValueError: names the first thing in which they differ.
    """
    for key, here in wanted.items():
        if key == "devices" and saved["architecture"].get("network") == "shared":
            continue  # runs with any N
        if saved.get(key) != here:
            what = f"the checkpoint has {key} = {as_toml(saved.get(key))}, the scenario {as_toml(here)}"
            if key == "devices":
                what += (
                    '; only network = "shared" runs with another number than it was trained with'
                )
            raise ValueError(what)


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
            if damaged := file.testzip():
                raise BadZipFile(f"{damaged} is damaged")
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None
    except Exception as error:  # noqa: BLE001 - a damaged file raises whatever it likes
        reason = f"{type(error).__name__}: {error}".partition("\n")[0]
        raise ValueError(f"{path} is not a checkpoint ({reason})") from None
    if not isinstance(saved, dict) or saved.get("format") != file_format:
        raise ValueError(f"{path} is not a checkpoint of this kind ({file_format})")
    return saved


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write a file at once or not at all, whatever happens meanwhile."""
    import os

    import torch

    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)  # who follows a link there would write elsewhere
    with partial.open("wb") as file:
        torch.save(dict(content), file)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
