"""Tables as TOML has them: nested dictionaries, read, flattened, and changed at a key with dots."""

import tomllib
from collections.abc import Mapping
from typing import Any

from .errors import Issue, ScenarioError, as_toml

MAX_DEPTH = 30
"""Levels of tables and lists."""


def parse_toml(text: str, source: str) -> dict[str, Any]:
    """The table that a TOML text describes.

    Args:
        text: the TOML.
        source: its name in messages.

    Raises:
        ScenarioError: not TOML.
    """
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ScenarioError([Issue(source, f"not valid TOML: {error}")]) from None
    check_depth(table, source)
    return table


def check_depth(table: Mapping[str, Any], source: str) -> None:
    """Refuse tables and lists that are nested deeper than any file is.

    Raises:
        ScenarioError: they are.
    """
    level: list[Any] = [table]
    for _ in range(MAX_DEPTH):
        inner = [one.values() if isinstance(one, Mapping) else one for one in level]
        level = [one for held in inner for one in held if isinstance(one, Mapping | list | tuple)]
    if level:
        raise ScenarioError([Issue(source, f"tables or lists nested over {MAX_DEPTH} times")])


def parse_value(text: str) -> object:
    """The TOML value that a text is, or the text itself."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        return text
    return parsed["value"] if parsed.keys() == {"value"} else text


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of nested tables by keys with dots: `{"a": {"b": 1}}` gives `{"a.b": 1}`.

    An empty table is a value. `put` is the way back.
    """
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def put(table: dict[str, Any], key: str, value: object, source: str, *, over: bool = False) -> None:
    """Set the value at a key with dots; tables that are missing on the way are made.

    Args:
        table: is changed.
        key: "a.b.c".
        value: of it.
        source: where the key was given, for the message.
        over: whether a table takes the place of something on the way that is none.

    Raises:
        ScenarioError: something on the way is not a table.
    """
    check_depth({key: value}, source)
    *sections, last = key.split(".")
    if len(sections) >= MAX_DEPTH:
        what = f"a key of {len(sections) + 1} parts"
        raise ScenarioError([Issue(source, what, as_toml(key))])
    for depth, section in enumerate(sections, start=1):
        inner = table.setdefault(section, {})
        if over and not isinstance(inner, dict):
            inner = table[section] = {}
        if not isinstance(inner, dict):
            at = ".".join(sections[:depth])
            what = f"`{at}` is {as_toml(inner)}, not a table"
            raise ScenarioError([Issue(source, what, key, allowed=f"{at}={{{last} = …}}")])
        table = inner
    table[last] = value


def copied(table: Mapping[str, Any]) -> dict[str, Any]:
    """A copy whose tables can be changed; other values are shared."""
    return {
        key: copied(value) if isinstance(value, Mapping) else value for key, value in table.items()
    }
