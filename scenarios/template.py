"""A scenario file to start from: the values of another one, and what each key means."""

import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from datetime import date, time
from pathlib import Path
from typing import Any, TypeAlias

from .errors import Issue, ScenarioError
from .key_list import NOT_GIVEN, REQUIRED, Key, key_list
from .loading import Overrides, find_scenario, values_of
from .tables import parse_toml, put

Classes: TypeAlias = Mapping[str, tuple[Key, ...]]
"""Of the user's own, by the key that names them, their keys."""

_WIDTH = 100
_NO_VALUES = (NOT_GIVEN, REQUIRED)
_VALUES = {"a whole number": "1", "a number": "1.0", "true or false": "true"}


def template(origin: str | Path, overrides: Overrides = ()) -> str:
    """TOML text with the values of a scenario, each under a comment that says what it is.

    Keys of the same sections that it leaves out are there too, commented out, with their defaults.

    Args:
        origin: a scenario file, or the name of a shipped one.
        overrides: values of keys that stand instead of its own; as for `load_scenario`, but not checked.

    Raises:
        ScenarioError: no such scenario, or not TOML; not KEY=VALUE; a class of one's own that there is not.
    """
    path = find_scenario(origin)
    try:
        table = parse_toml(path.read_text(encoding="utf-8-sig"), str(origin))
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError([Issue(str(origin), f"cannot be read: {error}")]) from None
    namers = {model.named_by for model in key_list().models}
    classes: dict[str, tuple[Key, ...]] = {}
    for key, value in values_of(overrides):
        put(table, key, value, "--set")
        if key in namers and isinstance(value, str) and ":" in value:
            from .reference import of_own  # which takes seconds to import

            classes[key] = of_own(value)[1]
    head = (
        f"From {path.stem}, by `edgesim new`. A line that begins with #key has the key's default: take the # "
        "away to change it, or to give what is required. Quantities have units; a bare number is in SI. `edgesim validate` checks this file, "
        "`edgesim keys SECTION` tells what else there is."
    )
    lines = [*_comment(head), ""]
    problem = str(dict(table.get("run", {})).get("problem", "drift-plus-penalty"))
    lines += _keys("", table, problem, classes)
    lines += _sections("", table, problem, classes)
    given = {key.partition(".")[0] for key in table}
    others = [one.paths[0] for one in key_list().sections if "." not in one.paths[0]]
    rest = ", ".join(f"[{one}]" for one in others if one and one not in given)
    lines += ["", *_comment(f"As by default, so not here: {rest}.")] if rest else []
    return "\n".join(lines) + "\n"


def _sections(path: str, table: Mapping[str, Any], problem: str, classes: Classes) -> Iterator[str]:
    for name, value in table.items():
        inner = f"{path}.{name}" if path else name
        if not _is_section(inner, value):
            continue
        section = key_list().section(inner)
        own = {key: one for key, one in value.items() if not _is_section(f"{inner}.{key}", one)}
        if section is not None or own:
            yield ""
            yield from _comment(section.text.split("\n\n")[0] if section else "")
            yield f"[{inner}]"
            yield from _keys(inner, value, problem, classes)
        yield from _sections(inner, value, problem, classes)


def _is_section(path: str, value: object) -> bool:
    """Whether a value is a table with a heading of its own."""
    known = [at for one in key_list().sections for at in one.paths]
    return isinstance(value, Mapping) and any(
        at == path or at.startswith(f"{path}.") for at in known
    )


def _keys(path: str, table: Mapping[str, Any], problem: str, classes: Classes) -> Iterator[str]:
    """Those that the table has, in its order, and then those that it leaves out."""
    known = _known(path, table, problem, classes)
    left = [key for key in known.values() if key.name not in table]
    for name, value in table.items():
        if not _is_section(f"{path}.{name}" if path else name, value):
            yield from _meaning(known.get(name))
            yield f"{_name(name)} = {written(value)}"
    inner = [key for key in left if key.allowed.startswith(("a table {", "a list, each a table {"))]
    for key in left:
        if key not in inner:
            yield from _meaning(key, given=False)
            yield f"#{key.name} = {_example(key) if key.default in _NO_VALUES else key.default}"
    if inner:
        further = ", ".join(_heading(path, key) for key in inner)
        yield from _comment(f"Further sections in this one: {further}.")


def _heading(path: str, key: Key) -> str:
    """Of a section, or of one of several alike."""
    name = f"{path}.{key.name}" if path else key.name
    return f"[[{name}]]" if key.allowed.startswith("a list") else f"[{name}]"


def _example(key: Key) -> str:
    """A value that it might have."""
    found = re.search(r'such as ("[^"]+")', key.allowed)
    value = found[1] if found else f'"{key.choices[0]}"' if key.choices else ""
    value = value or _VALUES.get(key.kind, '"…"')
    each = key.allowed.partition("; or ")[0].count("each ")
    for _ in range(each):
        value = f"[{value}, {value}]"
    return value


def _known(path: str, table: Mapping[str, Any], problem: str, classes: Classes) -> dict[str, Key]:
    """The keys of a section, and after them those of the models that it names."""
    keys = key_list()
    section = keys.section(path)
    found = {key.name: key for key in section.keys} if section else {}
    for model in keys.models:
        namer = model.named_by.rpartition(".")[2]
        if model.section == path and problem in model.problems:
            default = found[namer].default.strip('"')
            if table.get(namer, default) == model.name:
                found |= {key.name: key for key in model.keys if key.name not in found}
    for namer, given in classes.items():
        if namer.rpartition(".")[0] == path:
            found |= {key.name: key for key in given if key.name not in found}
    return found


def _meaning(key: Key | None, *, given: bool = True) -> list[str]:
    """A comment on what a key is, and what it may be."""
    if key is None:
        return []
    parts = [key.meaning, ", ".join(filter(None, (key.kind.replace("text", ""), key.bounds)))]
    parts += [] if given or key.default not in _NO_VALUES else [key.default]
    return _comment("; ".join(filter(None, parts)))


def _comment(text: str) -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()), _WIDTH, initial_indent="# ", subsequent_indent="# "
    )


def _name(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def written(value: object) -> str:
    """A value as TOML has it, on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return (
            "{ " + ", ".join(f"{_name(key)} = {written(one)}" for key, one in value.items()) + " }"
        )
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, float):
        short = f"{value:g}"
        text = short if float(short) == value else repr(value)
        return text if re.search(r"[.en]", text) else f"{text}.0"
    return json.dumps(value, ensure_ascii=False)
