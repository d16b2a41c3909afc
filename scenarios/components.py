"""Models and policies by name: one class in one file, whose constructor keywords are its keys."""

import inspect
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, create_model

from .errors import Issue, ScenarioError, as_toml, nearest
from .schema import Scenario
from .validation import validate

KEYS = {
    "policies": "policy.name",
    "arrivals": "tasks.arrivals",
    "fading": "channel.fading",
    "path_loss": "channel.path_loss",
    "mobility": "mobility.model",
    "association": "association.model",
}
"""Of each kind of component, the key that names it. Its entry-point group is "edgesim.<kind>"."""


def resolve(
    name: str,
    kind: str,
    builtins: Mapping[str, str],
    *,
    source: str = "scenario",
    folders: Sequence[Path] = (),
) -> type:
    """The class that a scenario names.

    Args:
        name: a name from `builtins` or of an entry point, or "module:Class" of the user's own, where
            the module is installed or a .py file in the current directory or one of `folders`.
        kind: one of `KEYS`.
        builtins: the program's own, name -> "module:Class".
        source: the scenario's file, for messages.
        folders: where modules are looked for after the current directory.

    Raises:
        ScenarioError: no such name, module or class, or a module that fails when it is imported.
    """

    def error(what: str, allowed: str = "", near: str = "") -> ScenarioError:
        key = KEYS.get(kind, kind)
        return ScenarioError([Issue(source, what, key, as_toml(name), allowed, near)])

    if name in builtins:
        module_name, _, class_name = builtins[name].partition(":")
        found: type = getattr(import_module(module_name), class_name)
        return found
    if name.startswith("__main__:") or "(" in name:
        what = "is known only to the Python program that gave it"
        raise error(what, "give the class or the object again, as in edgesim.run(…, policy=…)")
    where, folders = name, [Path.cwd(), *folders]
    if ":" not in name:
        installed = {point.name: point.value for point in entry_points(group=f"edgesim.{kind}")}
        if name not in installed:
            known = [*builtins, *sorted(installed)]
            allowed = f'{", ".join(known)}, or "module:Class" of your own'
            raise error("not known", allowed, nearest(name, known))
        where, folders = installed[name], []
    module_name, _, class_name = where.partition(":")
    try:
        module = _users_module(module_name, folders)
    except _NotFoundError:
        raise error(
            f"no module `{module_name}`",
            f"an installed module, or {module_name.replace('.', '/')}.py in the current directory "
            "or beside the scenario",
        ) from None
    except Exception as failure:  # noqa: BLE001 - whatever it is, the module's author wants it
        raise error(f"importing {module_name} failed: {_in_one_line(failure)}") from None
    users = getattr(module, class_name, None)
    if not isinstance(users, type):
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise error(f"{module_name} has no class `{class_name}`", near=nearest(class_name, classes))
    return users


class _NotFoundError(Exception):
    """There is no such module."""


def _users_module(name: str, folders: Sequence[Path]) -> ModuleType:
    for folder in folders:
        path = (folder / Path(*name.split("."))).with_suffix(".py").resolve()
        if path.is_file():
            return _module_of_file(path, folder)
    try:
        missing = find_spec(name) is None
    except (ImportError, ValueError):  # no parent package, or not a module's name at all
        missing = True
    if missing:
        raise _NotFoundError
    return import_module(name)


def _module_of_file(path: Path, folder: Path) -> ModuleType:
    """Under a name of its own: two scenarios' `my_policy.py` are two modules."""
    name = f"_edgesim_{sha256(str(path).encode()).hexdigest()[:12]}_{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None  # a .py file always has both
    module = module_from_spec(spec)
    sys.modules[name] = module
    sys.path.insert(0, str(folder))  # its own imports find its neighbours
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(folder))
    return module


def _in_one_line(failure: Exception) -> str:
    """An exception in one line, with the place where it was raised."""
    text = f"{type(failure).__name__}: {failure}"
    frames = extract_tb(failure.__traceback__)
    if isinstance(failure, SyntaxError) or not frames:
        return text
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})"


def configure(
    cls: type, options: Mapping[str, Any], where: str, *, source: str = "scenario"
) -> Any:
    """An instance of a class, made with the keys that a scenario gives for it.

    Args:
        cls: its constructor's keyword parameters are the keys; their type hints are the values'
            types (`units` has types with units), and their defaults count where a key is left out.
        options: the keys given.
        where: the section that they stand in, for messages: "tasks".
        source: the scenario's file, for messages.

    Raises:
        ScenarioError: an unknown or missing key, a value of the wrong kind, or one that the
            constructor refuses with a ValueError or OSError.
    """
    try:
        keys = parameters(cls)
    except NameError as error:
        raise _unusable(cls, where, source, error) from None
    issues = [
        Issue(
            source,
            f"unknown key for {cls.__name__}",
            f"{where}.{key}",
            as_toml(value),
            ", ".join(keys) or "no keys",
            nearest(key, [*keys, *_own_keys(where)]),
        )
        for key, value in options.items()
        if key not in keys
    ]
    given = {key: value for key, value in options.items() if key in keys}
    arguments: dict[str, Any] = {}
    try:
        valid = validate(_model(cls), given, source, prefix=(where,))
        arguments = {key: getattr(valid, f"f{n}") for n, key in enumerate(keys) if key in given}
    except ScenarioError as error:
        issues += error.issues
    except PydanticUserError as error:
        raise _unusable(cls, where, source, error) from None
    if issues:
        raise ScenarioError(issues)
    try:
        return cls(**arguments)
    except (ValueError, OSError) as error:
        reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
        raise ScenarioError([Issue(source, f"{cls.__name__}: {reason}", where)]) from None


@cache
def _model(cls: type) -> type[BaseModel]:
    """What checks the keys: fields by number, as a key may be called `copy` or `_x`, which is its alias.

    Raises:
        PydanticUserError: a type hint cannot be used.
    """
    fields: dict[str, Any] = {
        f"f{number}": (hint, Field(default=default, alias=key))
        for number, (key, (hint, default)) in enumerate(parameters(cls).items())
    }
    return create_model(cls.__name__, __config__=_CONFIG, **fields)


def _unusable(cls: type, where: str, source: str, error: Exception) -> ScenarioError:
    what = f"{cls.__name__}'s constructor has a type hint that cannot be used: {error}"
    return ScenarioError([Issue(source, what.splitlines()[0], where)])


_CONFIG = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)


def parameters(cls: type) -> dict[str, tuple[Any, Any]]:
    """The keywords of a constructor: name -> type hint, and default or, where none, Ellipsis.

    Raises:
        NameError: a type hint uses an unknown name.
    """
    hints = get_type_hints(cls.__init__, include_extras=True)  # type: ignore[misc]
    by_keyword = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {
        name: (
            hints.get(name, Any),
            ... if parameter.default is inspect.Parameter.empty else parameter.default,
        )
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.kind in by_keyword
    }


def _own_keys(where: str) -> list[str]:
    """The keys that the section knows itself."""
    section: Any = Scenario
    for name in where.split("."):
        field = section.model_fields.get(name)
        section = field.annotation if field else None
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            return []
    return list(section.model_fields)
