"""What a run is made of beside its scenario's text: the content of the files and classes that it names."""

import inspect
import sys
from collections.abc import Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from ..policies.learning.trainable import TrainablePolicy
from ..scenarios.data.lookup import look_up, named_files
from ..scenarios.schema import Scenario
from ..simulator.build import Blueprint

_OWN = __name__.partition(".")[0]
_MODELS = ("mobility", "association", "path_loss", "fading", "arrivals")


def inputs_of(scenario: Scenario, blueprint: Blueprint, policy: Any) -> dict[str, str]:
    """Digests of what may change while the scenario stays the same.

    Args:
        scenario: names data files.
        blueprint: has the models.
        policy: its class's file counts, with what that imports from beside it; of a policy that learns,
            its checkpoint.

    Returns:
        By the name of a file, hexadecimal; sorted.
    """
    paths = {*_data_files(scenario), *_checkpoints(policy)}
    found: dict[str, str] = {}
    for item in (policy, *(getattr(blueprint, name) for name in _MODELS)):
        for cls in type(item).__mro__:
            module = sys.modules.get(cls.__module__)
            if module is not None and _is_users(module):
                sources = _sources(module, set())
                paths |= sources
                if not sources:  # of a notebook
                    with suppress(OSError, TypeError):
                        found[cls.__qualname__] = _digest(inspect.getsource(cls).encode())
    for path in sorted(paths):
        found[path.name] = _digest(f"{found.get(path.name, '')}".encode() + path.read_bytes())
    return dict(sorted(found.items()))


def _data_files(scenario: Scenario) -> Iterator[Path]:
    for name in named_files(scenario.model_dump(mode="json", exclude_none=True)):
        if found := look_up(name, scenario.folders):
            yield found[0]


def _checkpoints(policy: Any) -> Iterator[Path]:
    if isinstance(policy, TrainablePolicy) and policy.checkpoint is not None:
        path = Path(policy.checkpoint)
        if path.is_file():  # else it is a shipped one, which the version stands for
            yield path


def _sources(module: ModuleType, seen: set[Path]) -> set[Path]:
    """The file of a module of the user's, and of what it imports from the same folder."""
    path = Path(getattr(module, "__file__", None) or "")
    if path.is_file() and path not in seen and _is_users(module):
        seen.add(path)
        values = list(vars(module).values())
        names = {getattr(value, "__module__", None) for value in values}
        used = [sys.modules[name] for name in names if name in sys.modules]
        for other in used + [value for value in values if isinstance(value, ModuleType)]:
            if path.parent in Path(getattr(other, "__file__", None) or "/").parents:
                _sources(other, seen)
    return seen


def _is_users(module: ModuleType) -> bool:
    """Whether the user may edit it: it is not the program's, Python's, nor installed."""
    package = module.__name__.partition(".")[0]
    if package == _OWN or package in sys.stdlib_module_names:
        return False
    parts = Path(getattr(module, "__file__", None) or "").parts
    return not {"site-packages", "dist-packages"} & set(parts)


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:16]
