"""From a table of TOML values to a pydantic model, or to the list of all that is wrong with it.

What is allowed stands in `schema` and in the sections.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import numpy as np
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from .errors import Issue, ScenarioError, as_toml, nearest
from .units import Quantity

_FILE = re.compile(r"\.[A-Za-z]\w*$")
"""The end of a file's name."""

ModelT = TypeVar("ModelT", bound=BaseModel)
KeyPath = tuple[str | int, ...]
"""Keys and list indices from the outermost table inwards."""

UNKNOWN_KEY = "unknown key"
MISSING = "missing"

_WHAT = {
    "extra_forbidden": UNKNOWN_KEY,
    "missing": MISSING,
    "literal_error": "not a value that it may have",
    "greater_than": "too small",
    "greater_than_equal": "too small",
    "less_than": "too large",
    "less_than_equal": "too large",
    "finite_number": "not finite",
    "float_type": "not a number",
    "int_type": "not a whole number",
    "int_parsing_size": "too large",
    "bool_type": "neither true nor false",
    "string_type": "not text",
    "string_too_short": "empty",
    "string_too_long": "too long",
    "datetime_parsing": "not a date and time",
    "datetime_from_date_parsing": "not a date and time",
    "datetime_type": "not a date and time",
    "tuple_type": "not a list",
    "list_type": "not a list",
    "dict_type": "not a table",
    "model_type": "not a table",
    "too_long": "too many values",
    "too_short": "too few values",
}


def validate(
    model: type[ModelT],
    table: Mapping[str, Any],
    source: str,
    prefix: KeyPath = (),
    overridden: Mapping[str, str] = MappingProxyType({}),
    context: object = None,
) -> ModelT:
    """The model that a table describes. Strict: no text for a number, no true for 1.

    Args:
        model: of the table.
        table: values as TOML has them.
        source: the file, for messages.
        prefix: where the table stands in the file.
        overridden: keys that do not come from the file, and where they come from, for messages.
        context: what the model's own checks are handed.

    Raises:
        ScenarioError: with an issue for each thing that is wrong.
    """
    try:
        # JSON has TOML's types, and pydantic's strictness for JSON suits a file: lists may become
        # tuples, but text does not become a number.
        text = json.dumps(table, default=_as_json)
    except TypeError as error:
        raise ScenarioError([Issue(source, str(error), dotted(prefix))]) from None
    except (ValueError, RecursionError) as error:
        raise ScenarioError([Issue(source, f"a value that is too large: {error}")]) from None
    try:
        return model.model_validate_json(text, context=context)
    except ValidationError as error:
        issues = [
            issue
            for details in error.errors(include_url=False)
            for issue in _issues(model, table, details, source, prefix)
        ]
    for key, origin in overridden.items():
        issues = [
            replace(issue, source=origin) if _within(issue.key, key) else issue for issue in issues
        ]
    raise ScenarioError(issues) from None


def _as_json(value: object) -> Any:
    """What JSON has no type for: TOML's dates and times, numpy's numbers, the path of a file."""
    match value:
        case date() | time():
            return value.isoformat()
        case np.generic() | np.ndarray():
            return value.tolist()
        case Path():
            return str(value)
    raise TypeError(f"{value!r} is not a value that TOML has")


def _within(key: str, outer: str) -> bool:
    return key == outer or key.startswith((f"{outer}.", f"{outer}["))


def dotted(path: KeyPath) -> str:
    """A path as a file's reader would write it: `devices.positions[3][0]`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _issues(
    model: type[BaseModel],
    table: Mapping[str, Any],
    details: ErrorDetails,
    source: str,
    prefix: KeyPath,
) -> Iterator[Issue]:
    path, value = _locate(table, details["loc"])
    kind, context = details["type"], details.get("ctx", {})
    if kind == "inconsistencies":
        for inconsistency in context["inconsistencies"]:
            at = (*path, *inconsistency.key.split(".")) if inconsistency.key else path
            yield Issue(
                source,
                inconsistency.what,
                dotted((*prefix, *at)),
                _shown(table, at),
                inconsistency.allowed,
            )
        return
    hints = list(_hints(model, path[:-1] if kind == "extra_forbidden" else path))
    what = (
        context["problem"]
        if kind == "quantity"
        else _WHAT.get(kind, details["msg"].removeprefix("Value error, "))
    )
    near = ""
    if kind == "extra_forbidden":
        keys = [key for hint in hints for key in _fields(hint)]
        allowed = ", ".join(keys)
        near = nearest(str(path[-1]), keys) or _elsewhere(model, str(path[-1]))
    else:
        allowed = "; or ".join(dict.fromkeys(filter(None, map(describe, hints))))
        if kind == "literal_error" and isinstance(value, str):
            near = nearest(value, [str(choice) for hint in hints for choice in _choices(hint)])
    if isinstance(value, str) and _FILE.search(value) and _takes_file(hints):
        what = f"a file is named in a table, {{file = {as_toml(value)}}}"
    shown = None if kind == "missing" else as_toml(value)
    yield Issue(source, what, dotted((*prefix, *path)), shown, allowed, near)


def _takes_file(hints: Sequence[object]) -> bool:
    """Whether one of the tables that may stand there names a file."""
    return any("file" in _fields(one) for hint in hints for one in (hint, *tables(hint)))


def _locate(table: Mapping[str, Any], location: KeyPath) -> tuple[KeyPath, object]:
    """The path and value of an error; pydantic's names of a union's members are left out."""
    path: list[str | int] = []
    value: Any = table
    for part in location:
        if isinstance(part, int):
            value = value[part] if isinstance(value, list | tuple) and part < len(value) else None
        elif isinstance(value, Mapping) and part in value:
            value = value[part]
        elif part.startswith("<"):
            continue
        else:
            value = None
        path.append(part)
    return tuple(path), value


def _shown(table: Mapping[str, Any], path: KeyPath) -> str | None:
    value: Any = table
    for part in path:
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[str(part)]
    return as_toml(value)


def _fields(hint: object) -> dict[str, FieldInfo]:
    """The keys of a table, by the names that a file has for them."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return {field.alias or name: field for name, field in hint.model_fields.items()}
    return {}


def field_hint(field: FieldInfo) -> object:
    """A field's type with all its metadata, as an `Annotated`."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def quantity_of(hint: object) -> Quantity | None:
    """What a hint, or the first of its parts that says so, is an amount of; None without one."""
    if get_origin(hint) is Annotated:
        for item in get_args(hint)[1:]:
            if isinstance(item, Quantity):
                return item
    return next(filter(None, map(quantity_of, get_args(hint))), None)


def alternatives(hint: object) -> Iterator[object]:
    """A hint, or the members of a union, but for None; metadata of `X | None` are those of X.

    A union that says itself what is allowed is one.
    """
    annotated = get_origin(hint) is Annotated
    bare, *metadata = get_args(hint) if annotated else (hint,)
    whole = any(hasattr(item, "allowed") for item in metadata)
    if whole or get_origin(bare) not in (Union, UnionType):
        yield hint
        return
    members = [member for member in get_args(bare) if member is not NoneType]
    for member in members:
        if len(members) == 1 and metadata:
            member = Annotated[member, *metadata]
        yield from alternatives(member)


def tables(hint: object) -> Iterator[type[BaseModel]]:
    """The models among the alternatives of a hint."""
    for member in alternatives(hint):
        bare = get_args(member)[0] if get_origin(member) is Annotated else member
        if isinstance(bare, type) and issubclass(bare, BaseModel):
            yield bare


def _hints(hint: object, path: KeyPath) -> Iterator[object]:
    """What may stand at a path."""
    for member in alternatives(hint):
        bare = get_args(member)[0] if get_origin(member) is Annotated else member
        if not path:
            yield bare if _fields(bare) else member
        elif path[0] in _fields(bare):
            yield from _hints(field_hint(_fields(bare)[str(path[0])]), path[1:])
        elif isinstance(path[0], int) and get_origin(bare) in (tuple, list, Sequence):
            items = get_args(bare)
            item = items[min(path[0], len(items) - 1)]
            yield from _hints(items[0] if item is ... else item, path[1:])
        elif isinstance(path[0], str) and get_origin(bare) is dict:
            yield from _hints(get_args(bare)[1], path[1:])


def _elsewhere(model: type[BaseModel], key: str) -> str:
    """Another section that has this key, if only one does."""

    def paths(hint: object, at: KeyPath) -> Iterator[KeyPath]:
        for name, field in _fields(hint).items():
            if name == key:
                yield (*at, name)
            for inner in tables(field_hint(field)):
                yield from paths(inner, (*at, name))

    found = [dotted(path) for path in paths(model, ())]
    return found[0] if len(found) == 1 else ""


def _choices(hint: object) -> tuple[Any, ...]:
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return get_args(bare) if get_origin(bare) is Literal else ()


_NAMES = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
    Path: "a file name",
    datetime: 'a date and time such as "2020-06-01T00:00"',
}
_BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def describe(hint: object) -> str:
    """The values of a type in words; "" for any value."""
    return "; or ".join(
        ", ".join([text, *bounds]) for text, bounds in map(described, alternatives(hint)) if text
    )


def described(hint: object) -> tuple[str, list[str]]:
    """The values of a type that is no union in words, and its bounds; "" for any value."""
    hint, *given = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    metadata: list[Any] = [inner for item in given for inner in getattr(item, "metadata", [item])]
    text = next((item.allowed for item in metadata if hasattr(item, "allowed")), "")
    if not text:
        text = _name(hint)
    # Of two bounds on one side the narrower counts: a key may ask for more than its type does.
    lower = [(bound, sign) for bound, sign in _bounds(metadata) if sign[0] == ">"]
    upper = [(bound, sign) for bound, sign in _bounds(metadata) if sign[0] == "<"]
    # At the same value ">" is narrower than ">=" and "<" than "<=".
    narrow = [
        *sorted(lower, key=lambda each: (each[0], len(each[1]) == 1))[-1:],
        *sorted(upper, key=lambda each: (each[0], len(each[1])))[:1],
    ]
    return text, [f"{sign} {bound:,}".replace(",", "_") for bound, sign in narrow]


def _bounds(metadata: Sequence[Any]) -> list[tuple[float, str]]:
    return [
        (getattr(item, name), sign)
        for item in metadata
        for name, sign in _BOUNDS.items()
        if getattr(item, name, None) is not None
    ]


def _name(hint: object) -> str:
    if choices := _choices(hint):
        return " or ".join(as_toml(choice) for choice in choices)
    if get_origin(hint) in (tuple, list, Sequence):
        items = get_args(hint)
        if len(items) == 2 and items[1] is not ... and items[0] == items[1]:
            return f"[a, b], each {describe(items[0])}"
        return f"a list, each {describe(items[0])}"
    if get_origin(hint) is dict:
        return f"a table, each {describe(get_args(hint)[1])}"
    if keys := _fields(hint):
        required = [key for key, field in keys.items() if field.is_required()]
        return "a table {" + ", ".join(required or keys) + "}"
    return _NAMES.get(hint, getattr(hint, "__name__", str(hint))) if isinstance(hint, type) else ""
