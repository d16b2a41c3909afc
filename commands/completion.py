"""What a shell offers for a word that is not finished, by click's own mechanism: docs/terminal.md."""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click
from click.shell_completion import BashComplete, CompletionItem, add_completion_class

from edgesim.scenarios.key_list import key_list
from edgesim.scenarios.shipped import FOLDER

DEFAULT_PROBLEM = "drift-plus-penalty"


def items(words: Iterable[str], incomplete: str, before: str = "") -> list[CompletionItem]:
    """Those that go on where the word ends.

    Args:
        words: that there are.
        incomplete: what stands there.
        before: a part of what stands there that stays.
    """
    return [
        CompletionItem(before + word)
        for word in dict.fromkeys(words)
        if (before + word).startswith(incomplete)
    ]


def scenarios(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shipped scenarios, and files."""
    names = sorted(path.stem for path in FOLDER.glob("*.toml"))
    # Of what comes before files, bash forgets all; files it offers where no name fits.
    return [CompletionItem(incomplete, type="file"), *items(names, incomplete)]


def policies(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Policies of the scenario's problem; of several, the last."""
    before, comma, _ = incomplete.rpartition(",")
    problem = _table(ctx)[0]
    names = [model.name for model in key_list().named("policy.name", problem)]
    return items(names, incomplete, before + comma)


def settings(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Keys, and after `=` the values that a key may have."""
    problem, named = _table(ctx)
    key, equals, _ = incomplete.partition("=")
    if not equals:
        return items((f"{one}=" for one in _keys(problem, named)), incomplete)
    found = [one for dotted, one in key_list().dotted() if dotted == key]
    names = [model.name for model in key_list().named(key, problem)]
    words = dict.fromkeys(names or (word for one in found for word in one.choices))
    return [
        CompletionItem(f"{key}={word}", tail=word)
        for word in words
        if f"{key}={word}".startswith(incomplete)
    ]


def sections(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What `edgesim keys` tells of."""
    known = key_list()
    names = [path for section in known.sections for path in section.paths if path]
    names += [model.name for model in known.models]
    if "." in incomplete:
        names += [dotted for dotted, _ in known.dotted()]
    return items(names, incomplete)


def rows(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What `edgesim explain` tells of."""
    from edgesim.traces.summary_rows import VARIABLES, rows

    names = [row.key for row in rows().values()]
    return items([*names, *(name for one in VARIABLES.values() for name in one)], incomplete)


def _table(ctx: click.Context) -> tuple[str, dict[str, str]]:
    """The problem of the scenario on the command line, and the models that it names, by key."""
    # An option that still lacks its value keeps click from naming the arguments before it.
    given = ctx.params.get("scenario") or next(iter(ctx.args), None)
    named: dict[str, str] = {}
    if given:
        path = Path(str(given))
        if not path.is_file():
            path = FOLDER / f"{path.name.removesuffix('.toml')}.toml"
        try:
            table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError):
            table = {}
        for key in {model.named_by for model in key_list().models}:
            section, _, name = key.rpartition(".")
            inner = table.get(section)
            if isinstance(inner, dict) and isinstance(inner.get(name), str):
                named[key] = inner[name]
        run = table.get("run")
        problem = run.get("problem") if isinstance(run, dict) else None
        if isinstance(problem, str):
            named["run.problem"] = problem
    for override in ctx.params.get("overrides") or ():
        key, _, value = override.partition("=")
        named[key] = value.strip("\"'")
    if policy := ctx.params.get("policy"):
        named["policy.name"] = policy
    return named.pop("run.problem", DEFAULT_PROBLEM), named


def _keys(problem: str, named: dict[str, str]) -> Iterator[str]:
    """Of all sections, and of the models that are named."""
    known = key_list()
    for section in known.sections:
        for path in section.paths:
            for key in section.keys:
                yield f"{path}.{key.name}" if path else key.name
    for model in known.models:
        if problem in model.problems and named.get(model.named_by, model.name) == model.name:
            for key in model.keys:
                yield f"{model.section}.{key.name}"


class Bash(BashComplete):
    """Bash takes `key=value` for three words, and puts a space after what it completes."""

    source_template = BashComplete.source_template.replace(
        "COMPREPLY+=($value)", 'COMPREPLY+=("$value"); [[ $value == *= ]] && compopt -o nospace'
    )

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before, and what stands there, with words around `=` put together."""
        words, incomplete = super().get_completion_args()
        joined: list[str] = []
        for word in [*words, incomplete]:
            glued = joined and (word == "=" or joined[-1].endswith("="))
            if glued and not joined[-1].startswith("--"):
                joined[-1] += word
            else:
                joined.append(word)
        return joined[:-1], joined[-1]

    def format_completion(self, item: CompletionItem) -> str:
        """Of `key=value` bash replaces what stands after `=`."""
        return f"{item.type},{item.tail or item.value}"


add_completion_class(Bash, "bash")
