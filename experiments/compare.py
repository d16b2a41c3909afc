"""Several policies run on one scenario and the same seeds; `traces/comparison.py` pairs their numbers."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TypeAlias

from ..policies.base import AnyPolicy
from ..policies.registry import policy_name
from ..scenarios.errors import Issue, ScenarioError
from ..scenarios.loading import AnyScenario, Overrides, with_overrides, with_values
from ..scenarios.policy_list import FORM, parse_policy, split
from .errors import interrupted
from .parallel_run import workers_for
from .replication_block import Experiment
from .run import Follow, execute, load, prepare

Policies: TypeAlias = str | Sequence[AnyPolicy] | Mapping[str, AnyPolicy]
"""Two or more: "a,b{key=value}", or a list of such names, classes and objects, or these by label."""

Watch: TypeAlias = Callable[[str, int, int], AbstractContextManager[Follow]]
"""For a label, its place from 1 on and the number of labels, a context that gives what follows a run."""


def unwatched(label: str, number: int, count: int) -> AbstractContextManager[Follow]:
    """No progress is shown."""
    return nullcontext(lambda simulation: None)


def prepare_each(
    scenario: AnyScenario,
    policies: Policies,
    seeds: int,
    overrides: Overrides = (),
    data_dir: str | Path | None = None,
    *,
    trust: bool = False,
) -> dict[str, Experiment]:
    """One experiment for each policy, alike in all else; nothing is run before all are right.

    The seeds are the replications of one run: each has bit for bit the numbers of a run of its own.
    Level "summary" is recorded unless `overrides` ask for another.

    Args:
        scenario: as for `api.run`; so are `overrides`, for all policies, and `data_dir`.
        policies: braces hold options of one policy alone, written as for --set. The scenario's own
            policy keeps the options that the scenario gives it.
        seeds: how many; they follow the scenario's `run.seed`.
        overrides: see above.
        data_dir: see above.
        trust: as for `load_scenario`.

    Returns:
        By label, in their order; a name is its own label.

    Raises:
        ScenarioError: with all that is wrong, of any policy.
        TraceError: the scenario is to be that of a trace, which cannot be read.
    """
    if isinstance(overrides, Mapping):
        overrides = {"trace.level": "summary", **overrides}
    else:
        overrides = ["trace.level=summary", *overrides]
    changes = with_values(overrides, {"run.replications": seeds})
    experiments: dict[str, Experiment] = {}
    issues: list[Issue] = []
    for label, (policy, options) in labelled(policies).items():
        try:
            own = with_overrides(changes, [f"policy.{option}" for option in options])
            experiments[label] = prepare(load(scenario, own, data_dir, policy, trust=trust), policy)
        except ScenarioError as error:
            issues += error.issues
    if issues:
        raise ScenarioError(list(dict.fromkeys(issues)))
    return experiments


def execute_each(
    experiments: Mapping[str, Experiment],
    folder: Path,
    watch: Watch = unwatched,
) -> dict[str, Path]:
    """Run experiments one after another, and leave their traces in a folder.

    Args:
        experiments: by label; used up by this.
        folder: made if it is not there.
        watch: is entered for each run.

    Returns:
        The traces by label.

    Raises:
        KeyboardInterrupt: a signal ended a run, whether or not the program's own handler goes on.
        RunError: a policy or model failed; the traces up to there are readable.
        OSError: a trace cannot be written.
    """
    traces = {}
    try:
        for number, (label, experiment) in enumerate(experiments.items(), start=1):
            name = re.sub(r"[^\w.]+", "-", label).strip("-.")[:60]
            path = folder / f"{number}-{name}.h5"
            with watch(label, number, len(experiments)) as follow:
                workers = workers_for(experiment)
                status = execute(experiment, path, follow, workers=workers)
            if status != "complete":
                raise KeyboardInterrupt
            traces[label] = path
    except KeyboardInterrupt:
        raise interrupted(f"what was run is in {folder}", folder) from None
    return traces


def labelled(policies: Policies) -> dict[str, tuple[AnyPolicy, list[str]]]:
    """Policies by label, each with its options "key=value".

    Raises:
        ScenarioError: a name of another form, fewer than two policies, or one of them twice.
    """
    found: dict[str, tuple[AnyPolicy, list[str]]] = {}
    issues: list[Issue] = []
    if isinstance(policies, Mapping):
        listed = list(policies.items())
    else:
        each = split(policies) if isinstance(policies, str) else policies
        listed = [(_label(policy), policy) for policy in each]
    for label, policy in listed:
        if label in found:
            issues.append(Issue("--policies", f"`{label}` is there twice"))
            continue
        try:
            if isinstance(policy, str):
                found[label] = parse_policy(policy, "--policies")
            else:
                found[label] = policy, []
        except ScenarioError as error:
            issues += error.issues
    if not issues and len(found) < 2:
        only = ", ".join(found)
        issues.append(Issue("--policies", f"only `{only}`", allowed=f"two or more: {FORM}"))
    if issues:
        raise ScenarioError(issues)
    return found


def _label(policy: AnyPolicy) -> str:
    """A name as it is written; of a class or an object its name without the module's."""
    if isinstance(policy, str):
        return policy
    name = policy_name(policy)
    return name[name.find(":") + 1 :]
