"""All keys of a scenario, of all models and policies, as `keys.json` lists them: read in milliseconds.

`reference.py` makes that file from the schema and the classes themselves, which takes seconds to import.
"""

import json
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from .errors import Issue, ScenarioError, as_toml, likely, nearest

FILE = Path(__file__).with_name("keys.json")

NOT_GIVEN, REQUIRED = "not given", "required"
"""Defaults that are no values."""


@dataclass(frozen=True)
class Key:
    """A key, as a table of the reference has it.

    Attributes:
        name: without its section.
        meaning: what it is.
        kind: the type of its values, in words.
        unit: of a bare number; "" where it has none.
        bounds: the least and the greatest value; "" where there are none.
        default: as TOML writes it, or `NOT_GIVEN` or `REQUIRED`.
        allowed: kind, unit and bounds in one sentence, as messages have it.
        choices: where only some words are allowed, or some among others.
    """

    name: str
    meaning: str
    kind: str
    unit: str
    bounds: str
    default: str
    allowed: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A table of the file, or several alike.

    Attributes:
        paths: "stations.mbs.failures", …; "" outside of the sections.
        text: what it is about.
        keys: of it.
    """

    paths: tuple[str, ...]
    text: str
    keys: tuple[Key, ...]

    @property
    def heading(self) -> str:
        """As the file writes it."""
        return (
            ", ".join(f"[{path}]" for path in self.paths)
            if self.paths[0]
            else "Outside of sections"
        )


@dataclass(frozen=True)
class Model:
    """A model or policy that the program has.

    Attributes:
        kind: of `components.KEYS`.
        named_by: the key that names it, "tasks.arrivals".
        name: of it.
        problems: in which a scenario can name it.
        text: what it is.
        keys: of it, in the section of `named_by`.
    """

    kind: str
    named_by: str
    name: str
    problems: tuple[str, ...]
    text: str
    keys: tuple[Key, ...]

    @property
    def section(self) -> str:
        """Where its keys stand."""
        return self.named_by.rpartition(".")[0]

    @property
    def heading(self) -> str:
        """The line of the file that names it, and the problem, if it is one's alone."""
        alone = f", {self.problems[0]}" if len(self.problems) == 1 else ""
        return f'{self.named_by} = "{self.name}"{alone}'


class KeyList(NamedTuple):
    """All there is."""

    sections: tuple[Section, ...]
    models: tuple[Model, ...]

    def section(self, path: str) -> Section | None:
        """The section at a path."""
        return next((one for one in self.sections if path in one.paths), None)

    def heading(self, path: str) -> str:
        """A section as the file writes it: [[…]] where there may be several alike."""
        above, _, name = path.rpartition(".")
        keys = section.keys if (section := self.section(above)) else ()
        several = any(key.name == name and key.allowed.startswith("a list, each") for key in keys)
        return f"[[{path}]]" if several else f"[{path}]"

    def named(self, key: str, problem: str | None = None) -> list[Model]:
        """The models that a key can name, of one problem or of both."""
        return [
            one
            for one in self.models
            if one.named_by == key and (problem is None or problem in one.problems)
        ]

    def dotted(self) -> Iterator[tuple[str, Key]]:
        """Every key with its section, those of models too, once for each model."""
        for section in self.sections:
            for path in section.paths:
                for key in section.keys:
                    yield (f"{path}.{key.name}" if path else key.name), key
        for model in self.models:
            for key in model.keys:
                yield f"{model.section}.{key.name}", key


@cache
def key_list() -> KeyList:
    """What `keys.json` has."""
    table = json.loads(FILE.read_text(encoding="utf-8"))
    return KeyList(
        tuple(
            Section(tuple(one["paths"]), one["text"], tuple(map(_key, one["keys"])))
            for one in table["sections"]
        ),
        tuple(
            Model(
                one["kind"],
                one["named_by"],
                one["name"],
                tuple(one["problems"]),
                one["text"],
                tuple(map(_key, one["keys"])),
            )
            for one in table["models"]
        ),
    )


def _key(fields: dict[str, Any]) -> Key:
    return Key(**(fields | {"choices": tuple(fields.get("choices", ()))}))


_PREFIXES = dict(zip("TGMk munpf", (10.0**power for power in range(12, -18, -3)), strict=True))
_PREFIXED = ("Hz", "bit", "bit/s", "W", "J", "s", "m")


def amount(value: float, unit: str) -> str:
    """A quantity for people, "12.5 Mbit/s"."""
    if unit == "g/J":
        return f"{value * 3.6e6:.4g} g/kWh"
    size, prefixed = with_prefix(value, unit)
    return f"{value / size:.4g} {prefixed}".strip()


def with_prefix(value: float, unit: str) -> tuple[float, str]:
    """The unit in which people tell a value, "Mbit/s", and how much it is of the given one."""
    if unit not in _PREFIXED or not value:
        return 1.0, unit
    known = [one for one in _PREFIXES if unit not in ("s", "m") or _PREFIXES[one] <= 1.0]
    prefix = next((one for one in known if abs(value) >= _PREFIXES[one]), known[-1])
    return _PREFIXES[prefix], f"{prefix.strip()}{unit}"


def shown_value(dotted: str, value: object) -> str | None:
    """A key's value in a resolved scenario for people, with its unit; None stays None."""
    if value is None:
        return None
    known = next((key for name, key in key_list().dotted() if name == dotted), None)
    unit = known.unit if known else ""
    if isinstance(value, float):
        return amount(value, unit) if unit else f"{value:.8g}"  # of degrees all digits count
    if isinstance(value, list) and value and all(isinstance(one, float) for one in value):
        value = f"[{', '.join(amount(one, unit) for one in value)}]"
    text = value if isinstance(value, str) else as_toml(value)
    return text if len(text) <= 40 else text[:39] + "…"


def explained(what: str | None, width: int) -> list[str]:
    """The lines of `edgesim keys`.

    Args:
        what: a section, a key with or without its section, or the name of a model or policy; None lists
            sections and models.
        width: of the terminal.

    Raises:
        ScenarioError: there is no such thing.
    """
    known = key_list()
    if what is None:
        return list(_listing(known, width))
    asked = what.strip("[] ")
    lines: list[str] = []
    for section in known.sections:
        if asked in section.paths and asked:
            lines += titled(
                ", ".join(map(known.heading, section.paths)), section.text, section.keys, width
            )
            inner = [known.heading(path) for one in known.sections for path in one.paths]
            inner = [path for path in inner if path.strip("[").startswith(f"{asked}.")]
            lines += _wrapped(f"further in: {', '.join(inner)}", width, "  ") if inner else []
            for model in known.models:
                if model.section == asked and asked != "policy":
                    lines += ["", *titled(model.heading, model.text, model.keys, width)]
            if asked == "policy":
                names = dict.fromkeys(model.name for model in known.named("policy.name"))
                lines += ["", *_wrapped(f"of a policy: edgesim keys {' | '.join(names)}", width)]
    for model in known.models:
        if model.name == asked:
            lines += ["", *titled(model.heading, model.text, model.keys, width)]
    if not lines:
        lines = list(_called(known, asked, width))
    if not lines:
        words = [path for one in known.sections for path in one.paths if path]
        words += [model.name for model in known.models]
        words += [dotted for dotted, _ in known.dotted()]
        near = likely(asked, words) or nearest(asked, [key.name for _, key in known.dotted()])
        allowed = "a section, a key, or the name of a model or policy: edgesim keys lists them"
        raise ScenarioError([Issue(what, "not known", allowed=allowed, near=near)])
    return lines[1:] if lines[0] == "" else lines


def _called(known: KeyList, asked: str, width: int) -> Iterator[str]:
    """Every key of a name, with or without its section: each meaning once, and whose it is."""
    for dotted, key in dict.fromkeys(known.dotted()):
        if asked not in (dotted, key.name):
            continue
        yield from _of_key(dotted, key, width)
        whose: dict[str, list[str]] = {}
        for model in known.models:
            if key in model.keys and dotted == f"{model.section}.{key.name}":
                whose.setdefault(model.named_by, []).append(model.name)
        for named_by, names in whose.items():
            text = f"of {named_by} = {', '.join(dict.fromkeys(names))}"
            yield from _wrapped(text, width, "    ")


def _listing(known: KeyList, width: int) -> Iterator[str]:
    names = [section.heading for section in known.sections if section.paths[0]]
    indent = min(max(map(len, names)), 24) + 2 if width >= 70 else 4
    for section in known.sections:
        if section.paths[0]:
            text = _first_sentence(section.text)
            yield from _hanging(section.heading, text, indent, width)
    yield ""
    for named_by in dict.fromkeys(model.named_by for model in known.models):
        models = ", ".join(dict.fromkeys(one.name for one in known.named(named_by)))
        yield from _hanging(named_by, models, indent, width)


def titled(heading: str, text: str, keys: Iterable[Key], width: int) -> list[str]:
    """The lines of a section, a model or a class: what it is, and its keys."""
    lines = [heading]
    for paragraph in text.split("\n\n"):
        lines += _wrapped(paragraph, width, "  ")
    for key in keys:
        lines += _of_key(key.name, key, width, "  ")
    return lines


def _of_key(name: str, key: Key, width: int, indent: str = "") -> list[str]:
    default = key.default if key.default in (NOT_GIVEN, REQUIRED) else f"= {key.default}"
    lines = ["", f"{indent}{name}  {default}"]
    for text in (key.meaning, key.allowed):
        lines += _wrapped(text, width, f"{indent}    ")
    return lines


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(
        " ".join(text.split()), width, initial_indent=indent, subsequent_indent=indent
    )


def _hanging(name: str, text: str, indent: int, width: int) -> list[str]:
    """A name, and a text to its right; below it where the name is too long."""
    lines = textwrap.wrap(text, width - indent) or [""]
    if len(name) + 2 > indent:
        return [name, *(" " * indent + line for line in lines)]
    return [f"{name:<{indent}}{lines[0]}", *(" " * indent + line for line in lines[1:])]


def _first_sentence(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split()).partition(". ")[0].removesuffix(".")
