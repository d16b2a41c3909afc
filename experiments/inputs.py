"""What a run is made of beside its scenario's text: the content of the files and classes that it names."""

import ast
import inspect
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from hashlib import file_digest, sha256
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

from ..policies.learning.agent import Agent
from ..policies.learning.trainable import TrainablePolicy
from ..scenarios.data.lookup import look_up, named_files
from ..scenarios.schema import Scenario
from ..simulator.assembly.build import Blueprint

_OWN = __name__.partition(".")[0]
MODELS = ("mobility", "association", "path_loss", "fading", "arrivals")
"""Of a blueprint, what may be of a user's own class."""


class Inputs:
    """Digests of what may change while scenarios stay the same. Each file is read once."""

    def __init__(self) -> None:
        self._of_file: dict[Path, str] = {}
        self._of_class: dict[type, tuple[set[Path], dict[str, str]]] = {}

    def of(
        self, scenario: Scenario, text: str, classes: Iterable[type], trained: Path | None
    ) -> dict[str, str]:
        """By the name of a file or of a notebook's class, hexadecimal; sorted.

        Args:
            scenario: names data files.
            text: its JSON.
            classes: of its policy and models: the user's count, with what their files import from
                beside them.
            trained: the file of a policy that has learned; None without one.
        """
        paths = set(_data_files(scenario, text))
        if trained is not None and trained.is_file():
            paths.add(trained)  # else it is a shipped one, which the version stands for
        found: dict[str, str] = {}
        for cls in classes:
            files, notebook = self._written(cls)
            paths |= files
            found |= notebook
        for path in sorted(paths):
            if path not in self._of_file:
                self._of_file[path] = _digest_of_file(path)
            more, name = self._of_file[path], path.name
            found[name] = _digest(f"{found[name]}{more}".encode()) if name in found else more
        return dict(sorted(found.items()))

    def _written(self, given: type) -> tuple[set[Path], dict[str, str]]:
        """The user's files that a class is written in, and what is written in a notebook."""
        if given not in self._of_class:
            paths: set[Path] = set()
            notebook: dict[str, str] = {}
            for cls in given.__mro__:
                module = sys.modules.get(cls.__module__)
                if module is not None and _is_users(module):
                    sources = _sources(module, set())
                    paths |= sources
                    if not sources:
                        with suppress(OSError, TypeError):
                            notebook[cls.__qualname__] = _digest(inspect.getsource(cls).encode())
            self._of_class[given] = paths, notebook
        return self._of_class[given]


def inputs_of(scenario: Scenario, blueprint: Blueprint, policy: Any) -> dict[str, str]:
    """Digests of what may change while the scenario stays the same.

    Args:
        scenario: names data files.
        blueprint: has the models.
        policy: an object; of one that has learned, its file counts.

    Returns:
        As `Inputs.of`.
    """
    text = scenario.model_dump_json(exclude_none=True)
    classes = [type(policy), *(type(getattr(blueprint, name)) for name in MODELS)]
    trained = None
    if isinstance(policy, TrainablePolicy):
        trained = Path(policy.checkpoint) if policy.checkpoint else None
    elif isinstance(policy, Agent):
        classes += policy.classes
        trained = policy.path
    return Inputs().of(scenario, text, classes, trained)


def _data_files(scenario: Scenario, text: str) -> Iterator[Path]:
    if '"file":' in text:
        for name in named_files(json.loads(text)):
            if found := look_up(name, scenario.folders):
                yield found[0]


def _sources(module: ModuleType, seen: set[Path]) -> set[Path]:
    """The file of a module of the user's, and of what it imports from the same folder."""
    path = Path(getattr(module, "__file__", None) or "")
    if path.is_file() and path not in seen and _is_users(module):
        seen.add(path)
        values = list(vars(module).values())
        names = {getattr(value, "__module__", None) for value in values}
        # A constant does not say where it is from, and what a function imports stands in none of them.
        names |= _imported(path, module.__package__ or "")
        used = [sys.modules[name] for name in names if name in sys.modules]
        for other in used + [value for value in values if isinstance(value, ModuleType)]:
            if path.parent in Path(getattr(other, "__file__", None) or "/").parents:
                _sources(other, seen)
        _not_yet_imported(path, names, seen)
    return seen


def _imported(path: Path, package: str) -> set[str | None]:
    """Modules that a file imports, wherever in it, by the names that it has for them."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return set()
    found: set[str | None] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            with suppress(ImportError):
                base = resolve_name(base, package) if node.level else base
                found |= {base, *(f"{base}.{one.name}" for one in node.names)}
    return found


def _not_yet_imported(path: Path, names: set[str | None], seen: set[Path]) -> None:
    """Add the files of modules that nobody has imported yet, if they lie beside the one that will."""
    for name in names:
        if name and name not in sys.modules:
            for form in (f"{name.replace('.', '/')}.py", f"{name.replace('.', '/')}/__init__.py"):
                found = path.parent / form
                if found.is_file() and found not in seen:
                    seen.add(found)
                    _not_yet_imported(found, _imported(found, ""), seen)


def _is_users(module: ModuleType) -> bool:
    """Whether the user may edit it: it is not the program's, Python's, nor installed."""
    package = module.__name__.partition(".")[0]
    if package == _OWN or package in sys.stdlib_module_names:
        return False
    parts = Path(getattr(module, "__file__", None) or "").parts
    return not {"site-packages", "dist-packages"} & set(parts)


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:16]


def _digest_of_file(path: Path) -> str:
    """The same of a file's content, of which it holds little at a time."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()[:16]
