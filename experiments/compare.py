"""Several policies on one scenario and the same seeds."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ..scenarios.errors import Issue, ScenarioError
from ..simulator.simulation import Simulation
from .run import Experiment, execute, load, prepare

Follow = Callable[[Simulation], None]
Watch = Callable[[str, Experiment], AbstractContextManager[Follow]]
"""Makes, for a label and its experiment, what follows the run's progress."""

FORM = "NAME or NAME{KEY=VALUE, …}, separated by commas"

_SPECIFICATION = re.compile(r"([^{}\s]+)\s*(?:\{(.*)\})?", re.DOTALL)
_CLOSING = {"{": "}", "[": "]"}


def prepare_each(
    scenario: str | Path,
    policies: str,
    seeds: int,
    overrides: Sequence[str] = (),
    data_dir: Path | None = None,
) -> dict[str, Experiment]:
    """One experiment for each policy, alike in all else; nothing is run before all are right.

    The seeds are the replications of one run: each gives bit for bit what it would give alone. As a
    comparison needs no more, level "summary" is recorded where `overrides` ask for no other.

    Args:
        scenario: a file, a trace, or the name of a shipped scenario.
        policies: "a,b{key=value},…". In braces are keys of [policy] for this policy alone, written
            as for --set. The scenario's own policy keeps the keys that the scenario gives it.
        seeds: how many; they follow the scenario's `run.seed`.
        overrides: "a.b.c=VALUE", for all policies.
        data_dir: where data files are looked up.

    Returns:
        By policy as written, in that order.

    Raises:
        ScenarioError: with all that is wrong, of any policy.
        TraceError: the scenario is to be that of a trace, which cannot be read.
    """
    experiments: dict[str, Experiment] = {}
    issues: list[Issue] = []
    for label, (name, options) in parse_policies(policies).items():
        keys = [f"policy.{option}" for option in options]
        changes = ["trace.level=summary", *overrides, f"run.replications={seeds}", *keys]
        try:
            experiments[label] = prepare(load(scenario, changes, data_dir, policy=name))
        except ScenarioError as error:
            issues += error.issues
    if issues:
        raise ScenarioError(list(dict.fromkeys(issues)))
    return experiments


def execute_each(
    experiments: Mapping[str, Experiment],
    folder: Path,
    watch: Watch = lambda label, experiment: nullcontext(lambda simulation: None),
) -> dict[str, Path]:
    """Run experiments one after another, and leave their traces in a folder.

    Args:
        experiments: by label; used up by this.
        folder: made if it is not there.
        watch: is entered for each run.

    Returns:
        The traces by label; an interrupt leaves out the run that it ended and those after it.

    Raises:
        RunError: a policy or model failed; the traces up to there are readable.
        OSError: a trace cannot be written.
    """
    traces = {}
    for number, (label, experiment) in enumerate(experiments.items(), start=1):
        name = re.sub(r"[^\w.]+", "-", label).strip("-.")[:60]
        path = folder / f"{number}-{name}.h5"
        with watch(label, experiment) as follow:
            status = execute(experiment, path, follow)
        if status != "complete":
            break
        traces[label] = path
    return traces


def parse_policies(text: str) -> dict[str, tuple[str, list[str]]]:
    """The policies of "a,b{key=value},…".

    Returns:
        By each as written: its name, and its options "key=value".

    Raises:
        ScenarioError: not of this form, fewer than two, or one of them twice.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    issues: list[Issue] = []
    for label in split(text):
        if label in found:
            issues.append(Issue("--policies", f"`{label}` is there twice"))
            continue
        try:
            found[label] = parse_policy(label, "--policies")
        except ScenarioError as error:
            issues += error.issues
    if not issues and len(found) < 2:
        issues.append(Issue("--policies", f"only `{text}`", allowed=f"two or more: {FORM}"))
    if issues:
        raise ScenarioError(issues)
    return found


def parse_policy(label: str, source: str) -> tuple[str, list[str]]:
    """Name and options "key=value" of "name{key=value, …}".

    Args:
        label: the text.
        source: where it stands, for the message.

    Raises:
        ScenarioError: not of this form.
    """
    matched = _SPECIFICATION.fullmatch(label)
    options = split(matched[2] or "") if matched else []
    if options == [""]:
        options = []
    if not matched or not all("=" in option for option in options):
        raise ScenarioError([Issue(source, f"cannot read `{label}`", allowed=FORM)])
    return matched[1], options


def split(text: str) -> list[str]:
    """Split at commas outside of brackets and quotes, and strip."""
    parts, begin = [], 0
    open_ends: list[str] = []  # what ends the brackets and quotes that are open
    for place, character in enumerate(text):
        if open_ends and character == open_ends[-1]:
            open_ends.pop()
        elif open_ends and open_ends[-1] in "\"'":
            pass
        elif character in "\"'":
            open_ends.append(character)
        elif character in _CLOSING:
            open_ends.append(_CLOSING[character])
        elif character == "," and not open_ends:
            parts.append(text[begin:place].strip())
            begin = place + 1
    return [*parts, text[begin:].strip()]
