"""From a file, and what the command line changes in it, to a `Scenario`."""

import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .errors import Issue, ScenarioError, nearest
from .schema import Scenario
from .sections import PolicySection, objective_keys
from .tables import parse_toml, parse_value, put
from .validation import validate

_SHIPPED = Path(__file__).resolve().parent
_KEY = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


class Shipped(NamedTuple):
    """A scenario that comes with the program."""

    name: str
    title: str
    path: Path


def shipped() -> list[Shipped]:
    """The scenarios that come with the program, by name."""
    return [
        Shipped(path.stem, tomllib.loads(path.read_text(encoding="utf-8"))["title"], path)
        for path in sorted(_SHIPPED.glob("*.toml"))
    ]


def load_scenario(
    path_or_name: str | Path,
    overrides: Sequence[str] = (),
    data_dir: Path | None = None,
    policy: str | None = None,
) -> Scenario:
    """Read a scenario file, or a shipped scenario by its name.

    Args:
        path_or_name: a file; if there is none, the shipped scenario with that base name.
        overrides: "a.b.c=VALUE", with VALUE as TOML writes it, or text.
        data_dir: where data files are looked up that do not lie beside the scenario. By default
            `../shared/data`, seen from the current directory, then from the program's folder.
        policy: run this one instead of the scenario's own, whose options are then left out.

    Raises:
        ScenarioError: no such file, not TOML, or not a scenario; with all that is wrong.
    """
    text, folder = _read(path_or_name)
    return parse_scenario(text, str(path_or_name), overrides, data_dir, policy, folder)


def load_table(path_or_name: str | Path) -> tuple[dict[str, Any], Path]:
    """What a scenario file says, not yet validated, and the folder that it lies in.

    Args:
        path_or_name: as for `load_scenario`.

    Raises:
        ScenarioError: no such file, or not TOML.
    """
    text, folder = _read(path_or_name)
    return parse_toml(text, str(path_or_name)), folder


def parse_scenario(
    text: str,
    source: str,
    overrides: Sequence[str] = (),
    data_dir: Path | None = None,
    policy: str | None = None,
    folder: Path | None = None,
) -> Scenario:
    """The scenario that a TOML text describes, such as the one that a trace holds.

    Args:
        text: the TOML.
        source: what to call it in messages.
        overrides: as for `load_scenario`.
        data_dir: as for `load_scenario`.
        policy: as for `load_scenario`.
        folder: where it lies, if it lies anywhere; data files are looked up there first.

    Raises:
        ScenarioError: not TOML, or not a scenario; with all that is wrong.
    """
    table = parse_toml(text, source)
    if policy is not None:
        replace_policy(table, policy)
    overridden = [_override(table, override) for override in overrides]
    scenario = validate(Scenario, table, source, overridden=overridden)
    return scenario.located(source, data_folders(folder, data_dir))


def data_folders(folder: Path | None, data_dir: Path | None) -> list[Path]:
    """Where data files are looked up: beside the scenario, then in the folder given or by default."""
    shared = Path("shared", "data")
    folders = [data_dir] if data_dir else [Path.cwd().parent / shared, _SHIPPED.parents[1] / shared]
    return [*([folder] if folder else []), *folders]


def _read(path_or_name: str | Path) -> tuple[str, Path]:
    """A scenario file's text, and the folder that it lies in."""
    path = find_scenario(path_or_name)
    try:
        return path.read_text(encoding="utf-8"), path.parent
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ScenarioError([Issue(str(path_or_name), f"cannot be read: {reason}")]) from None


def find_scenario(path_or_name: str | Path) -> Path:
    """The file of a scenario.

    Args:
        path_or_name: as for `load_scenario`.

    Raises:
        ScenarioError: there is none.
    """
    path = Path(path_or_name)
    if path.is_file():
        return path
    known = {scenario.name: scenario.path for scenario in shipped()}
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


def _override(table: dict[str, Any], override: str) -> str:
    """Put one "a.b.c=VALUE" into the table; its key."""
    key, equals, text = override.partition("=")
    key = key.strip()
    if not equals or not _KEY.fullmatch(key):
        raise ScenarioError([Issue("--set", f"{override!r} is not KEY=VALUE, as in run.slots=100")])
    put(table, key, parse_value(text), "--set")
    return key
