"""Loading a scenario from a file, text or tables, with overrides of its keys."""

import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from .code import NO_CODE, Code
from .errors import Issue, ScenarioError, nearest
from .policy_list import parse_policy
from .policy_section import PolicySection, objective_keys, without_usual_weight
from .schema import Scenario
from .shipped import FOLDER, shipped_files
from .tables import check_depth, copied, parse_toml, parse_value, put
from .validation import MISSING, UNKNOWN_KEY, validate

AnyScenario: TypeAlias = str | Path | Mapping[str, Any] | Scenario
"""A file, the name of a shipped scenario, TOML text (of more than one line), tables, or a scenario."""

Overrides: TypeAlias = Sequence[str] | Mapping[str, Any]
"""Values of keys, as `["run.slots=100", "tasks.mean=0.5 Mbit"]` or `{"run.slots": 100}`."""

_ROUNDS = 4
"""As often keys are taken out that are wrong once others are."""

_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


def load_scenario(
    scenario: AnyScenario,
    overrides: Overrides = (),
    data_dir: str | Path | None = None,
    policy: str | None = None,
    *,
    trust: bool = False,
) -> Scenario:
    """Read a scenario, and check all of it but the models, files and policy that it names.

    Args:
        scenario: a file; if there is none, the shipped scenario with that base name; or TOML text,
            tables as TOML has them, or a scenario that is already loaded.
        overrides: "a.b.c=VALUE", with VALUE as TOML writes it, or text; or values by "a.b.c". They
            count in their order, and a table takes the place of the whole table.
        data_dir: where data files are looked up that do not lie beside the scenario; see `data_folders`.
        policy: this one instead of the scenario's own, whose options are then left out; braces have its
            own, as in "lyapunov{V=1e14}".
        trust: whether it may name classes of any module, not only of files beside it (`Code`).

    Raises:
        ScenarioError: no such file, not TOML, or not a scenario; with all that is wrong.
    """
    code = Code(trust=trust)
    if isinstance(scenario, Scenario):
        code = scenario.code.adding((), trust=trust)
        if not overrides and data_dir is None and policy is None:
            return scenario.located(scenario.source, scenario.folders, code)
        table, source = parse_toml(scenario.as_given(), scenario.source), scenario.source
        folders = [*([Path(data_dir)] if data_dir else []), *scenario.folders]
    elif isinstance(scenario, Mapping):
        check_depth(scenario, "scenario")
        table, source, folders = copied(scenario), "scenario", data_folders(None, data_dir)
        code = replace(code, beside=(Path.cwd(),))
    elif isinstance(scenario, str) and "\n" in scenario:
        code = replace(code, beside=(Path.cwd(),))
        return parse_scenario(scenario, "scenario", overrides, data_dir, policy, code=code)
    else:
        table, folder = load_table(scenario)
        if "scenario" in table:
            what = "a sweep, no scenario"
            allowed = f"edgesim sweep {scenario} --dry-run, which checks it"
            raise ScenarioError([Issue(str(scenario), what, allowed=allowed)])
        source, folders = str(scenario), data_folders(folder, data_dir)
        code = replace(code, beside=beside(folder))
    return _scenario(table, source, overrides, policy, folders, code)


def parse_scenario(
    text: str,
    source: str,
    overrides: Overrides = (),
    data_dir: str | Path | None = None,
    policy: str | None = None,
    folder: Path | None = None,
    code: Code = NO_CODE,
) -> Scenario:
    """The scenario that a TOML text describes, such as the one that a trace holds.

    Args:
        text: the TOML.
        source: its name in messages.
        overrides: as for `load_scenario`.
        data_dir: as for `load_scenario`.
        policy: as for `load_scenario`.
        folder: where it lies, if it lies anywhere; data files are looked up there first.
        code: which classes it may name; by default none but those of entry points.

    Raises:
        ScenarioError: not TOML, or not a scenario; with all that is wrong.
    """
    folders, table = data_folders(folder, data_dir), parse_toml(text, source)
    section = table.get("policy")
    if code.foreign and isinstance(section, dict):  # of a trace, in which all defaults stand
        without_usual_weight(section)
    return _scenario(table, source, overrides, policy, folders, code)


def _scenario(
    table: dict[str, Any],
    source: str,
    overrides: Overrides,
    policy: str | None,
    folders: Sequence[Path],
    code: Code,
) -> Scenario:
    if policy is not None:
        # The name of an object has what it was made of, which may end in a brace, too.
        if policy.endswith("}") and "(" not in policy:
            policy, options = parse_policy(policy, "--policy")
            overrides = with_overrides(overrides, [f"policy.{option}" for option in options])
        replace_policy(table, policy)
    origin = "overrides" if isinstance(overrides, Mapping) else "--set"
    values = values_of(overrides)
    for key, value in values:
        if not _KEY.fullmatch(key):
            raise ScenarioError([Issue(origin, f"{key!r} is not a key, as run.slots is one")])
        put(table, key, value, origin)
    overridden = dict.fromkeys((key for key, _ in values), origin)
    given = [*overridden, *([] if policy is None else ["policy.name"])]
    try:
        loaded = validate(Scenario, table, source, overridden=overridden)
    except ScenarioError as error:
        raise _with_the_rest(error, table, source, folders, code.adding(given)) from None
    return loaded.located(source, folders, code.adding(given))


def _with_the_rest(
    error: ScenarioError,
    table: Mapping[str, Any],
    source: str,
    folders: Sequence[Path],
    code: Code,
) -> ScenarioError:
    """The same error, with what is wrong between keys that are right, and with the scenario without the others."""
    rest, doubtful, issues = copied(table), set[str](), list(error.issues)
    files = dict[str, dict[str, Any]]()
    for _ in range(_ROUNDS):
        # Unknown keys come first: one of them may be a key that is missing.
        for issue in sorted(error.issues, key=lambda one: one.value is None):
            doubtful |= _take_out(rest, issue, files)
        rest.setdefault("title", "untitled")
        try:
            found = validate(Scenario, rest, source, context=doubtful).doubting(doubtful, files)
        except ScenarioError as next_error:
            error = next_error
            # What stands now where a key or value was nearly right is not what the file says.
            issues += [
                issue for issue in error.issues if issue not in issues and issue.key not in doubtful
            ]
        else:
            whole = ScenarioError(issues)
            whole.rest = found.located(source, folders, code)
            return whole
    return ScenarioError(issues)


def _take_out(table: dict[str, Any], issue: Issue, files: dict[str, dict[str, Any]]) -> set[str]:
    """Take a key that is wrong out of a table, or what a missing one stands in.

    What was probably meant takes the place of a key or a value that is nearly right.

    Returns:
        The keys that are doubtful then. Tables that name a file, in what is taken out, are added to
        `files`.
    """
    path = issue.key.partition("[")[0].split(".")
    doubtful = {".".join(path)}
    if issue.near:
        doubtful.add(".".join([*path[:-1], issue.near.rpartition(".")[2]]))
    at: Any = table
    for key in path[:-1]:
        at = at.get(key) if isinstance(at, Mapping) else None
    if issue.value is None and (issue.what != MISSING or (isinstance(at, dict) and path[-1] in at)):
        return doubtful
    if issue.value is None and len(path) > 1:
        path, at = path[:-1], table
        for key in path[:-1]:
            at = at.get(key) if isinstance(at, Mapping) else None
    if not isinstance(at, dict) or path[-1] not in at:
        return doubtful
    taken = at.pop(path[-1])
    if issue.near and issue.what == UNKNOWN_KEY:
        if "." not in issue.near:
            at.setdefault(issue.near, taken)
    elif issue.near and isinstance(taken, str):
        at[path[-1]] = issue.near
    several = enumerate(taken) if isinstance(taken, list | tuple) else [("", taken)]
    for number, one in several:
        if isinstance(one, Mapping) and isinstance(file := one.get("file"), str) and file:
            files[".".join([*path, *filter(None, [str(number)])])] = dict(one)
    return doubtful


def load_table(path_or_name: str | Path) -> tuple[dict[str, Any], Path]:
    """The tables of a scenario file, not yet validated, and the folder that it lies in.

    Args:
        path_or_name: a file, or the name of a shipped scenario.

    Raises:
        ScenarioError: no such file, or not TOML.
    """
    path = find_scenario(path_or_name)
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows' editors put a mark before it
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ScenarioError([Issue(str(path_or_name), f"cannot be read: {reason}")]) from None
    return parse_toml(text, str(path_or_name)), path.parent


def data_folders(folder: Path | None, data_dir: str | Path | None) -> list[Path]:
    """Where data files are looked up, in this order; what ships comes last, and is not among them.

    Beside the scenario, in the folder given, in that of the environment variable EDGESIM_DATA, and in
    the user's folder for data (of platformdirs: ~/.local/share/edgesim on Linux).
    """
    from platformdirs import user_data_path

    given = (folder, data_dir, os.environ.get("EDGESIM_DATA"))
    return [*(Path(one) for one in given if one), user_data_path("edgesim", appauthor=False)]


def beside(folder: Path) -> tuple[Path, ...]:
    """The folder in which a scenario file may name classes: its own, but not the program's."""
    return () if folder == FOLDER else (folder,)


def find_scenario(path_or_name: str | Path) -> Path:
    """The file of a scenario.

    Args:
        path_or_name: a file, or the name of a shipped scenario.

    Raises:
        ScenarioError: there is none.
    """
    path = Path(path_or_name)
    if path.is_file():
        return path
    known = shipped_files()
    name = path.name.removesuffix(".toml")
    if name in known and not path.is_dir():
        return known[name]
    what = "is a folder" if path.is_dir() else "no such file or folder"
    allowed = f"a scenario file, or a shipped scenario: {', '.join(known)}"
    issue = Issue(str(path_or_name), what, allowed=allowed, near=nearest(name, list(known)))
    raise ScenarioError([issue])


def replace_policy(table: dict[str, Any], policy: str) -> None:
    """Name another policy; the options of the scenario's own would only be unknown keys to it."""
    section = table.setdefault("policy", {})
    if isinstance(section, dict) and section.get("name", PolicySection().name) != policy:
        table["policy"] = {**objective_keys(section), "name": policy}


def values_of(overrides: Overrides) -> list[tuple[str, object]]:
    """Keys and their values, in their order.

    Raises:
        ScenarioError: one is not KEY=VALUE.
    """
    if isinstance(overrides, Mapping):
        return list(overrides.items())
    return [_parse_override(override) for override in overrides]


def with_values(overrides: Overrides, values: Mapping[str, object]) -> Overrides:
    """Overrides, and after them the values that are not None, in the same form.

    Args:
        overrides: as for `load_scenario`.
        values: numbers, text or paths by key with dots.
    """
    written = {
        key: json.dumps(str(value), ensure_ascii=False) if isinstance(value, str | Path) else value
        for key, value in values.items()
        if value is not None
    }
    return with_overrides(overrides, [f"{key}={value}" for key, value in written.items()])


def with_overrides(overrides: Overrides, texts: Sequence[str]) -> Overrides:
    """Overrides, and after them those of "a.b.c=VALUE", in the form of the first."""
    if not isinstance(overrides, Mapping):
        return [*overrides, *texts]
    more = dict(map(_parse_override, texts))
    return {key: value for key, value in overrides.items() if key not in more} | more


def _parse_override(override: str) -> tuple[str, object]:
    """Key and value of "a.b.c=VALUE"."""
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not _KEY.fullmatch(key):
        raise ScenarioError([Issue("--set", f"{override!r} is not KEY=VALUE, as in run.slots=100")])
    return key, parse_value(text)
