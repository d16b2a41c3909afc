"""Where the data files that a scenario names are found."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import Issue, ScenarioError, as_toml, naming
from ..schema import Scenario
from .catalogue import SHIPPED, published


def data_file(scenario: Scenario, name: str, key: str) -> Path:
    """Where a data file lies: beside the scenario, in a data folder, or among what ships.

    Args:
        scenario: knows its folders.
        name: as the scenario names it; with ".gz" behind it the file may be compressed.
        key: the key that names it, for messages.

    Raises:
        ScenarioError: it is nowhere; with the places that were searched, and the origin of public data.
            Or a trace names it, and it lies in none of them.
    """
    if found := look_up(name, scenario.folders):
        check_inside(scenario, *found, key, name)
        return found[0]
    candidates = dict.fromkeys(str(folder / name) for folder in scenario.folders)
    what = f"no such data file; looked for {', '.join(candidates)}, and among what ships"
    allowed = "a file beside the scenario, in the folder given with --data or in EDGESIM_DATA, or "
    allowed += "one that `edgesim data` lists"
    if origin := published(Path(name).name):
        allowed += f". This one is {origin}"
    raise ScenarioError([Issue(scenario.source, what, key, as_toml(name), allowed)])


@contextmanager
def named_file(scenario: Scenario, name: str, key: str) -> Iterator[Path]:
    """A data file to be read; what is wrong in it says which key names it. As `data_file`.

    Raises:
        ScenarioError: it is nowhere.
    """
    path = data_file(scenario, name, key)
    with naming({str(path): key}):
        yield path


def look_up(name: str, folders: Iterable[Path]) -> tuple[Path, Path] | None:
    """The first file of this name in the folders or among what ships, and its folder.

    In each folder the name counts as it is, then with ".gz". None if there is none.
    """
    tried = (
        (folder / one, folder) for folder in (*folders, SHIPPED) for one in (name, f"{name}.gz")
    )
    return next((found for found in tried if found[0].is_file()), None)


def named_files(table: Mapping[str, Any]) -> list[str]:
    """The data files that a scenario names, which is given as a table; in lists of tables, too."""
    found: list[str] = []
    for key, value in table.items():
        if key == "file" and isinstance(value, str):
            found.append(value)
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, Mapping):
                found += named_files(one)
    return found


def check_inside(scenario: Scenario, path: Path, folder: Path, key: str, name: str) -> None:
    """Refuse a path that a trace names, and that leads out of the folder where it is looked up.

    Args:
        scenario: the trace's, or one whose files may lie anywhere.
        path: that it leads to.
        folder: where it was looked up.
        key: that names it.
        name: as the scenario has it.

    Raises:
        ScenarioError: it does.
    """
    if scenario.code.may_leave(key) or path.resolve().is_relative_to(folder.resolve()):
        return
    what = f"leads out of {folder}, and a trace names it"
    allowed = f"--set {key}=… or, if you know what it reads, --trust (in Python `trust=True`)"
    raise ScenarioError([Issue(scenario.source, what, key, as_toml(name), allowed)])
