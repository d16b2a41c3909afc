"""The reference of all keys of a scenario, written from the schema itself."""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .components import KEYS, parameters, resolve
from .errors import as_toml
from .schema import Scenario
from .units import Noise, Quantity
from .validation import describe, field_hint, tables


def reference(components: Mapping[str, Mapping[str, str]]) -> str:
    """All keys as Markdown, each with its meaning, its allowed values and its default.

    Args:
        components: of each kind in `components.KEYS`, the built-in names and their classes; "KIND of
            PROBLEM" has those that a problem alone has.
    """
    lines = [
        "# Keys of a scenario",
        "",
        'A scenario is a TOML file. A quantity is text with a unit (`"10 MHz"`) or a bare number in',
        "SI. Only keys that are marked so are required. `--set SECTION.KEY=VALUE` overrides a key from",
        "the command line. This page is written by `python docs/reference.py`.",
    ]
    paths: dict[type[BaseModel], list[str]] = {Scenario: []}
    for path, model in _sections(Scenario, ""):
        paths.setdefault(model, []).append(path)
    for model, at in paths.items():
        if rows := _rows(model):
            heading = ", ".join(f"[{path}]" for path in at) or "Outside of the sections"
            lines += ["", f"## {heading}", "", inspect.getdoc(model) or "", "", *_table(rows)]
        for kind, key in KEYS.items():
            for name, builtins in components.items() if key.rpartition(".")[0] in at else ():
                of, _, problem = name.partition(" of ")
                if of == kind:
                    lines += _choices(kind, key, builtins, problem)
    return "\n".join(lines) + "\n"


Row = tuple[str, str, str, str]


def _sections(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    """The tables inside a table, depth first."""
    for name, field in model.model_fields.items():
        hint = field_hint(field)
        for table in dict.fromkeys([*tables(hint), *tables(_items(hint))]):
            inner = f"{path}.{name}" if path else name
            # A table of one key is described where it is used: { file = … }.
            if len(table.model_fields) > 1 or not path:
                yield inner, table
                yield from _sections(table, inner)


def _items(hint: object) -> object:
    """The hint of a list's items; of anything else nothing."""
    while get_args(hint) and get_origin(hint) is not tuple:
        hint = get_args(hint)[0]
    return get_args(hint)[0] if get_args(hint) else None


def _rows(model: type[BaseModel]) -> list[Row]:
    return [
        (name, field.description or "", describe(field_hint(field)), _default(field))
        for name, field in model.model_fields.items()
        if field.default_factory is None
    ]


def _table(rows: list[Row]) -> list[str]:
    cells: list[Row] = [("key", "meaning", "allowed", "default"), ("---", "---", "---", "---")]
    cells += [(f"`{key}`", meaning, allowed, default) for key, meaning, allowed, default in rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "" if field.default is None else _written(field.default, field_hint(field))


def _written(value: object, hint: object) -> str:
    """A default as a user could write it."""
    if isinstance(value, Noise):
        return f'`"{value.level:g} {"W/Hz" if value.per_hertz else "W"}"`'
    quantity = next((item for item in _metadata(hint) if isinstance(item, Quantity)), None)
    if quantity and isinstance(value, tuple):
        return "`[" + ", ".join(f'"{quantity.write(item)}"' for item in value) + "]`"
    if quantity and quantity.unit and isinstance(value, float):
        return f'`"{quantity.write(value)}"`'
    return f"`{value:g}`" if isinstance(value, float) else f"`{as_toml(value)}`"


def _metadata(hint: object) -> Iterator[object]:
    """Everything that annotates a hint or a part of it."""
    if get_origin(hint) is Annotated:
        yield from get_args(hint)[1:]
    for part in get_args(hint):
        yield from _metadata(part)


def _choices(kind: str, key: str, builtins: Mapping[str, str], problem: str) -> list[str]:
    """The classes that a key can name, and the keys of each class."""
    own = '`"module:Class"` of a .py file beside the scenario'
    where = f" in the problem {problem}" if problem else ""
    lines = ["", f"`{key.rpartition('.')[2]}`{where} is one of these, or {own}:"]
    for name in builtins:
        cls = resolve(name, kind, builtins)
        summary, meanings = _docstring(cls)
        lines += ["", f'- `"{name}"`: {summary}']
        rows = [
            (option, meanings.get(option, ""), describe(hint), _option_default(default, hint))
            for option, (hint, default) in parameters(cls).items()
        ]
        if rows:
            lines += ["", *(f"  {line}" for line in _table(rows))]
    return lines


def _option_default(default: Any, hint: object) -> str:
    if default is ...:
        return "required"
    return "" if default is None else _written(default, hint)


def _docstring(cls: type) -> tuple[str, dict[str, str]]:
    """The first sentence of a class's docstring, and the meaning of each argument, inherited ones too."""
    meanings = {}
    for base in reversed(cls.__mro__):
        head, _, rest = inspect.cleandoc(base.__doc__ or "").partition("\n\n")
        section = re.search(r"^(?:Args|Attributes):\n((?:[ ]+.*\n?|\n)+)", rest, re.MULTILINE)
        if section:
            for entry in re.finditer(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section[1], re.MULTILINE):
                meanings[entry[1]] = " ".join(entry[2].split()).removesuffix(".")
    return " ".join(head.split()), meanings
