"""All keys of a scenario with their meaning, from the schema and from the classes that it names."""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .components import KEYS, class_of_own, parameters, resolve
from .errors import Issue, ScenarioError, as_toml
from .key_list import NOT_GIVEN, REQUIRED, Key, KeyList, Model, Section
from .schema import Scenario
from .units import Noise
from .validation import alternatives, describe, described, field_hint, quantity_of, tables

_SECTION = re.compile(r"^(?:Args|Attributes):\n((?:[ ]+.*\n?|\n)+)", re.MULTILINE)

Components = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Of each kind in `components.KEYS`, by problem, the built-in names and their classes."""


def gather(components: Components) -> KeyList:
    """All keys, as `key_list` reads them."""
    paths: dict[type[BaseModel], list[str]] = {Scenario: [""]}
    for path, model in _sections(Scenario, ""):
        paths.setdefault(model, []).append(path)
    sections = [
        Section(tuple(at), inspect.getdoc(model) or "", tuple(_keys_of(model)))
        for model, at in paths.items()
    ]
    models: dict[tuple[str, str, type], Model] = {}
    for kind, by_problem in components.items():
        for problem, builtins in by_problem.items():
            for name in builtins:
                cls = resolve(name, kind, builtins)
                before = models.get((kind, name, cls))
                problems = (*before.problems, problem) if before else (problem,)
                text, keys = _docstring(cls)[0], tuple(_keys_of_class(cls))
                models[kind, name, cls] = Model(kind, KEYS[kind], name, problems, text, keys)
    known = KeyList(tuple(one for one in sections if one.keys), tuple(models.values()))
    return known._replace(sections=tuple(_naming(one, known) for one in known.sections))


def of_own(name: str) -> tuple[str, tuple[Key, ...]]:
    """What a class "module:Class" is, by its docstring, and its keys.

    Raises:
        ScenarioError: there is no such class, or a type hint of its constructor cannot be used.
    """
    cls = class_of_own(name)
    try:
        return _docstring(cls)[0], tuple(_keys_of_class(cls))
    except NameError as error:
        raise ScenarioError([Issue(name, f"a type hint that cannot be used: {error}")]) from None


def _naming(section: Section, known: KeyList) -> Section:
    """With the names that its keys can have, where they name models."""
    keys = []
    for key in section.keys:
        names = tuple(
            dict.fromkeys(one.name for one in known.named(f"{section.paths[0]}.{key.name}"))
        )
        if names:
            kind = ", ".join(f'"{name}"' for name in names) + ', or "module:Class" of your own'
            key = replace(key, kind=kind, allowed=kind, choices=names)
        keys.append(key)
    return replace(section, keys=tuple(keys))


def as_table(keys: KeyList) -> dict[str, Any]:
    """What `keys.json` has; empty lists are left out."""

    def filled(item: Section | Model) -> dict[str, Any]:
        fields = asdict(item)
        fields["keys"] = [
            {name: value for name, value in key.items() if name != "choices" or value}
            for key in fields["keys"]
        ]
        return fields

    return {
        "sections": [filled(one) for one in keys.sections],
        "models": [filled(one) for one in keys.models],
    }


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


def _keys_of(model: type[BaseModel]) -> Iterator[Key]:
    """The keys of a section; tables that are always there are sections of their own."""
    for name, field in model.model_fields.items():
        if field.default_factory is None:
            hint = field_hint(field)
            yield _key(name, field.description or "", hint, _default(field))


def _keys_of_class(cls: type) -> Iterator[Key]:
    meanings = _docstring(cls)[1]
    for name, (hint, default) in parameters(cls).items():
        written = REQUIRED if default is ... else _written(default, hint)
        yield _key(name, meanings.get(name, ""), hint, written)


def _key(name: str, meaning: str, hint: object, default: str) -> Key:
    kind, unit, bounds = _facts(hint)
    return Key(name, meaning, kind, unit, bounds, default, describe(hint), tuple(_choices(hint)))


def _facts(hint: object) -> tuple[str, str, str]:
    """Type, unit and bounds, each in words; of a union those of all its members."""
    found = [_facts_of_one(member) for member in alternatives(hint)]
    columns = zip(*found, strict=True)
    kind, unit, bounds = (list(dict.fromkeys(filter(None, column))) for column in columns)
    return "; or ".join(kind), ", ".join(unit), "; or ".join(bounds)


def _facts_of_one(hint: object) -> tuple[str, str, str]:
    text, bounds = described(hint)
    bare, *metadata = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    whole = next((item for item in metadata if hasattr(item, "allowed")), None)
    if whole is not None:
        return text.partition(", or a number")[0], getattr(whole, "unit", ""), ", ".join(bounds)
    if get_origin(bare) is tuple or text.startswith(("[a, b], each ", "a list, each ")):
        kind, unit, inner = _facts(get_args(bare)[0])
        return f"{text.partition(', each ')[0]}, each {kind}", unit, inner
    return text, "", ", ".join(bounds)


def _choices(hint: object) -> Iterator[str]:
    """The words that a value may be."""
    for member in alternatives(hint):
        bare, *metadata = get_args(member) if get_origin(member) is Annotated else (member,)
        if get_origin(bare) is Literal:
            yield from map(str, get_args(bare))
        elif bare is bool:
            yield from ("true", "false")
        for item in metadata:
            yield from getattr(item, "choices", ())


def _default(field: FieldInfo) -> str:
    return REQUIRED if field.is_required() else _written(field.default, field_hint(field))


def _written(value: object, hint: object) -> str:
    """A default as a user could write it."""
    if value is None:
        return NOT_GIVEN
    if isinstance(value, Noise):
        return f'"{value.level:g} {"W/Hz" if value.per_hertz else "W"}"'
    quantity = quantity_of(hint)
    if quantity and isinstance(value, tuple):
        return "[" + ", ".join(f'"{quantity.write(item)}"' for item in value) + "]"
    if quantity and quantity.unit and isinstance(value, float):
        return f'"{quantity.write(value)}"'
    return f"{value:g}" if isinstance(value, float) else as_toml(value)


def meanings_of(cls: type) -> dict[str, str]:
    """What its docstring says of each argument or attribute."""
    return _docstring(cls)[1]


def _docstring(cls: type) -> tuple[str, dict[str, str]]:
    """The first sentence of a class's docstring, and the meaning of each argument, inherited ones too."""
    meanings = {}
    for base in reversed(cls.__mro__):
        head, _, rest = inspect.cleandoc(base.__doc__ or "").partition("\n\n")
        for section in re.finditer(_SECTION, rest):
            for entry in re.finditer(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section[1], re.MULTILINE):
                meanings[entry[1]] = " ".join(entry[2].split()).removesuffix(".")
    return " ".join(head.split()), meanings
