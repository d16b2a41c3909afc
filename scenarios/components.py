"""Models and policies by name: one class in one file, whose constructor keywords are its keys."""

import inspect
import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from operator import attrgetter
from pathlib import Path
from traceback import extract_tb
from types import ModuleType
from typing import Any, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, create_model

from .code import NO_CODE, Code
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

AGENT_SUFFIXES = (".zip", ".onnx", ".pt", ".pt2")
"""Of the files that the policy `agent` reads."""

VERBS = {
    "policies": ("reset", "decide"),
    "arrivals": ("start", "slot"),
    "fading": ("start", "next"),
    "path_loss": ("gain",),
    "mobility": ("start", "advance"),
    "association": ("start", "associate"),
    "agents": ("predict",),
}
"""Of each kind of component, the methods that a class of it has."""

_NAMED_BY = {**KEYS, "agents": "policy.file"}
"""Agents are what a policy names, not the scenario itself."""

_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class Unseen:
    """Stands for a class that a scenario names, and that nobody looked at."""


def is_unseen(component: object) -> bool:
    """Whether it stands for a class, or an object of one, that nobody looked at."""
    return component is Unseen or isinstance(component, Unseen)


def named_classes(scenario: Scenario) -> dict[str, str]:
    """The classes that a scenario names "module:Class", by key."""
    names = {key: attrgetter(key)(scenario) for key in KEYS.values()}
    named = {key: name for key, name in names.items() if ":" in name}
    file = str(scenario.policy.options.get("file", ""))
    if scenario.policy.name == "agent" and is_class(file):
        named[_NAMED_BY["agents"]] = file
    return named


def is_class(file: str) -> bool:
    """Whether what names a file names a class, "module:Class"."""
    module, _, name = file.partition(":")
    return _MODULE.fullmatch(module) is not None and name.isidentifier()


def installed() -> dict[str, dict[str, str]]:
    """The components that installed packages have, by kind: name -> "module:Class"."""
    points = entry_points()  # of all groups: each call looks through all packages
    return {
        kind: {point.name: point.value for point in points.select(group=f"edgesim.{kind}")}
        for kind in VERBS
    }


def unseen(scenario: Scenario) -> list[str]:
    """The classes of its own that a scenario's file names, as its keys have them."""
    named = named_classes(scenario).items()
    return [f"{key} = {as_toml(name)}" for key, name in named if not scenario.code.is_given(key)]


def resolve(
    name: str,
    kind: str,
    builtins: Mapping[str, str],
    *,
    source: str = "scenario",
    code: Code = NO_CODE,
    verbs: Sequence[str] | None = None,
) -> type:
    """The class that a scenario names; nothing is imported that it may not name.

    Args:
        name: a name from `builtins` or of an entry point, or "module:Class" of the user's own: of a .py
            file beside the scenario; what the caller gave or trusts also of one in the current
            directory, or of an installed module.
        kind: one of `KEYS`, or "agents".
        builtins: the program's own, name -> "module:Class".
        source: the scenario's file, for messages.
        code: which classes it may name.
        verbs: methods that the class must have, instead of `VERBS`.

    Raises:
        ScenarioError: no such name, module or class, a module that fails when it is imported, one that
            the scenario may not name, or a class of another kind.
    """

    def error(what: str, allowed: str = "", near: str = "") -> ScenarioError:
        return ScenarioError([Issue(source, what, _NAMED_BY[kind], as_toml(name), allowed, near)])

    if name in builtins:
        module_name, _, class_name = builtins[name].partition(":")
        found: type = getattr(import_module(module_name), class_name)
        return found
    if name.startswith("__main__:") or "(" in name:
        what = "is known only to the Python program that gave it"
        raise error(what, "give the class or the object again, as in edgesim.run(…, policy=…)")
    trusted = code.trust or code.is_given(_NAMED_BY[kind])
    where = name
    folders: list[Path] | None = [*([Path.cwd()] if trusted else []), *code.beside]
    if ":" not in name:
        found_there = installed()[kind]
        if name not in found_there:
            known = [*builtins, *sorted(found_there)]
            allowed = f'{", ".join(known)}, or "module:Class" of your own'
            raise error("not known", allowed, nearest(name, known) or _of_own(name, kind))
        where, folders = found_there[name], None
    if code.unseen and not trusted:
        return Unseen
    try:
        return _class(where, folders, VERBS[kind] if verbs is None else verbs, trusted)
    except _WrongNameError as failure:
        raise error(*failure.args) from None


def class_of_own(name: str) -> type:
    """The class "module:Class" of a .py file in the current directory, or of an installed module.

    Raises:
        ScenarioError: there is no such module or class, or it fails when it is imported.
    """
    try:
        return _class(name, [Path.cwd()], (), trusted=True)
    except _WrongNameError as failure:
        what, allowed, near = (*failure.args, "", "")[:3]
        raise ScenarioError([Issue(name, what, allowed=allowed, near=near)]) from None


def _of_own(name: str, kind: str) -> str:
    """What names a file of an agent, or a class that was given with a dot, "mine.Fading"; else ""."""
    if kind == "policies" and name.lower().endswith(AGENT_SUFFIXES):
        return f"agent{{file={as_toml(name)}}}"
    module, _, last = name.rpartition(".")
    return f"{module}:{last}" if module and last[:1].isupper() else ""


def _class(where: str, folders: Sequence[Path] | None, verbs: Sequence[str], trusted: bool) -> type:
    """The class "module:Class" of a .py file in one of the folders, or of an installed module.

    Args:
        where: "module:Class".
        folders: None for an entry point, which is of an installed module.
        verbs: methods that it must have.
        trusted: whether it may be of an installed module.

    Raises:
        _WrongNameError: with the fault, what is allowed, and what is near.
    """
    module_name, _, class_name = where.partition(":")
    if not _MODULE.fullmatch(module_name):
        what = f"{json.dumps(module_name)} is not the name of a module"
        raise _WrongNameError(what, '"module:Class"')
    path = _file_of(module_name, folders or ())
    if path is None and folders is not None and not trusted:
        raise _WrongNameError(
            f"would import `{module_name}` and call its `{class_name}`, which this file may not name",
            "a class of a .py file beside a scenario of your own; of anything else, or of a trace, "
            "with --trust (in Python `trust=True`) if you know what it runs",
        )
    if path is None and not _is_installed(module_name):
        raise _WrongNameError(
            f"no module `{module_name}`",
            f"an installed module, or {module_name.replace('.', '/')}.py in the current directory "
            "or beside the scenario",
        )
    try:
        module = _module_of_file(*path) if path else import_module(module_name)
    except Exception as failure:  # noqa: BLE001 - whatever it is, the module's author wants it
        what = f"importing {module_name} failed: {_in_one_line(failure)}"
        raise _WrongNameError(what) from None
    found = getattr(module, class_name, None)
    if not isinstance(found, type):
        classes = [key for key, value in vars(module).items() if isinstance(value, type)]
        what = f"{module_name} has no class `{class_name}`"
        raise _WrongNameError(what, "", nearest(class_name, classes))
    for verb in verbs:
        if not callable(getattr(found, verb, None)):
            what = f"{class_name} cannot do this: it has no method `{verb}`"
            raise _WrongNameError(what, f"a class with {', '.join(verbs)}")
    return found


class _WrongNameError(Exception):
    """What an `Issue` says after its source: the fault, what is allowed, and what is near."""


def _file_of(module: str, folders: Sequence[Path]) -> tuple[Path, Path] | None:
    """The first of the folders' .py files with the name of a module, and its folder."""
    for folder in folders:
        path = (folder / Path(*module.split("."))).with_suffix(".py").resolve()
        if path.is_file():
            return path, folder
    return None


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # no parent package
        return False


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
    cls: type,
    options: Mapping[str, Any],
    where: str,
    *,
    source: str = "scenario",
    located: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
) -> Any:
    """An instance of a class, made with the keys that a scenario gives for it.

    Args:
        cls: its constructor's keyword parameters are the keys; their type hints are the values'
            types (`units` has types with units), and their defaults count where a key is left out. Keys
            that it has for others' sake are in `refused`, with what is wrong and what is allowed.
        options: the keys given.
        where: the section that they stand in, for messages: "tasks".
        source: the scenario's file, for messages.
        located: the same keys, with the files that they name where they lie; a ScenarioError where one
            is missing.

    Raises:
        ScenarioError: an unknown or missing key, a value of the wrong kind, a missing file, or what the
            constructor refuses with a ValueError or OSError. Of wrong keys it has the mistakes, too,
            that the constructor finds in files with the others, and as `rest` what that makes.
    """
    if cls is Unseen:
        return Unseen()
    issues: list[Issue] = []
    placed = options
    try:
        placed = located(options)
    except ScenarioError as error:
        issues += error.issues
    arguments, wrong = _arguments(cls, placed, where, source)
    if not (issues or wrong):
        return _made(cls, arguments, where, source)
    mistakes = ScenarioError([*wrong, *issues])
    if (meant := _meant(cls, options, wrong, where)) is not None:
        try:
            arguments, unmeant = _arguments(cls, located(meant), where, source)
            mistakes.rest = None if unmeant else cls(**arguments)
        except ScenarioError as further:
            mistakes.issues = tuple(dict.fromkeys((*mistakes.issues, *further.issues)))
        except Exception:  # noqa: BLE001, S110 - it may come of the keys that are wrong
            pass
    raise mistakes


def _arguments(
    cls: type, options: Mapping[str, Any], where: str, source: str
) -> tuple[dict[str, Any], list[Issue]]:
    """The constructor's arguments, of the keys that are right, and what is wrong with the others.

    Raises:
        ScenarioError: the class cannot be made of keys.
    """
    try:
        keys = parameters(cls)
    except NameError as error:
        raise _unusable(cls, where, source, error) from None
    refused: Mapping[str, tuple[str, str]] = getattr(cls, "refused", {})
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
        if key not in keys and key not in refused
    ]
    for key in options.keys() & refused.keys():
        what, allowed = refused[key]
        issues.append(Issue(source, what, f"{where}.{key}", as_toml(options[key]), allowed))
    given = {key: value for key, value in options.items() if key in keys and key not in refused}
    try:
        valid = validate(_model(cls), given, source, prefix=(where,))
    except ScenarioError as error:
        return {}, [*issues, *error.issues]
    except PydanticUserError as error:
        raise _unusable(cls, where, source, error) from None
    return {key: getattr(valid, f"f{n}") for n, key in enumerate(keys) if key in given}, issues


def _made(cls: type, arguments: Mapping[str, Any], where: str, source: str) -> Any:
    try:
        return cls(**arguments)
    except ScenarioError:  # which says itself in which file and row it is
        raise
    except (ValueError, OSError) as error:
        reason = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else error
        raise ScenarioError([Issue(source, f"{cls.__name__}: {reason}", where)]) from None
    except Exception as error:
        what = f"{cls.__name__} cannot be made: {_in_one_line(error)}"
        raise ScenarioError([Issue(source, what, where)]) from error


def _meant(
    cls: type, options: Mapping[str, Any], wrong: Iterable[Issue], where: str
) -> dict[str, Any] | None:
    """The keys that were probably meant, so that the files which they name can be looked at.

    A key or value that is nearly right stands for the right one. Of the other wrong ones those count as
    by default that a class has in `not_read_by`: they do not say how a file is read.

    Returns:
        None if a wrong key may say how.
    """
    keys, meant = parameters(cls), dict(options)
    harmless: Mapping[str, Any] = getattr(cls, "not_read_by", {})
    # Unknown keys come first: one of them may be a key that is missing.
    for issue in sorted(wrong, key=lambda one: one.value is None):
        key, *inner = issue.key.removeprefix(f"{where}.").partition("[")[0].split(".")
        if key in getattr(cls, "refused", {}):
            del meant[key]
        elif key not in keys:
            value = meant.pop(key, None)
            if issue.near in keys and issue.near not in meant:
                meant[issue.near] = value
        elif issue.value is None and key in meant:
            continue
        elif issue.near and not inner and isinstance(meant.get(key), str):
            meant[key] = issue.near
        elif key not in harmless:
            return None
        elif inner and isinstance(meant[key], Mapping):
            meant[key] = {**meant[key], inner[0]: harmless[key]}
        else:
            meant[key] = harmless[key]
    return meant


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
