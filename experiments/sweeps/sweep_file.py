"""A sweep file: which scenarios, policies and seeds it asks for, all of them checked."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from itertools import product
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, TypeAlias

from pydantic import Discriminator, Field, Tag

from ... import __version__
from ...policies.catalogue import POLICIES
from ...policies.learning.agent import Agent, agent_path
from ...policies.learning.trainable import TrainablePolicy
from ...policies.registry import policy_name
from ...scenarios.base import Section, form
from ...scenarios.code import Code
from ...scenarios.components import KEYS, installed, is_class, named_classes, resolve
from ...scenarios.errors import Issue, ScenarioError, as_toml
from ...scenarios.loading import beside, data_folders, load_table, replace_policy
from ...scenarios.policy_list import parse_policy
from ...scenarios.schema import Scenario
from ...scenarios.sections import MAX_REPLICATIONS, MAX_SEED
from ...scenarios.tables import copied, flatten, parse_toml, parse_value, put
from ...scenarios.units import Count, Whole
from ...scenarios.validation import validate
from ...simulator.assembly.build import blueprint
from ..evaluation import evaluation_seeds
from ..inputs import Inputs
from ..run import prepare
from ..train import learns
from .search import SearchSection

MAX_RUNS = 1_000_000
MAX_TRIED = 200
"""So many scenarios, about, are tried out with all models and files that they name: those that have
each value of each key once. The schema checks all of them."""

MAX_ISSUES = 50

_RESERVED = {
    "run.seed": "`seeds`, at the top",
    "run.replications": "`seeds`, at the top; `replications` says how many of them run together",
    "policy.name": "`policies`, at the top",
}
"""Keys that a sweep has words of its own for."""

Key = str
"""A key of a scenario, as "tasks.mean"."""

AnySweep: TypeAlias = str | Path | Mapping[str, Any]
"""A sweep file, or its tables."""


class SweepFile(Section):
    """The keys of a sweep file."""

    scenario: str = Field(
        min_length=1,
        description="the base: a file, looked up beside the sweep's first, or a shipped scenario",
    )
    title: str | None = Field(
        default=None, min_length=1, max_length=200, description="the scenario's if not given"
    )
    policies: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="names, each with keys of its own in braces if it has any, as in "
        "'lyapunov{V=1e14}'; the first is the baseline of comparisons; the scenario's own if not "
        "given",
    )
    seeds: Annotated[
        Annotated[Count, Field(le=MAX_RUNS), Tag("<value>")]
        | Annotated[
            tuple[Annotated[Whole, Field(ge=0, le=MAX_SEED)], ...],
            Field(min_length=1, max_length=MAX_RUNS),
            Tag("<list>"),
        ],
        Discriminator(form),
    ] = Field(default=1, description="how many, from the scenario's own on, or a list of them")
    replications: Count = Field(
        default=10,
        le=MAX_REPLICATIONS,
        description="how many seeds of a point run in lock-step in one process, at most",
    )
    train: bool = Field(
        default=False,
        description="policies that learn and have no `checkpoint` are trained first, for each point anew",
    )
    set: dict[str, Any] = Field(default_factory=dict, description="keys of all runs")
    grid: dict[str, Any] = Field(
        default_factory=dict, description="lists of values; every combination is a point"
    )
    points: tuple[dict[str, Any], ...] = Field(
        default=(),
        max_length=MAX_RUNS,
        description="tables of values that go together; each is crossed with the grid",
    )
    search: SearchSection | None = Field(
        default=None, description="points that are found by training them, instead of `points`"
    )


@dataclass(frozen=True)
class Axis:
    """Keys that are swept together.

    Attributes:
        keys: one of a grid's, all those of the listed points.
        settings: of each place on the axis, the value of each key; some points lack some keys.
        where: "grid" or "points".
    """

    keys: tuple[Key, ...]
    settings: tuple[Mapping[Key, Any], ...]
    where: str


@dataclass(frozen=True)
class Case:
    """One point under one policy: runs that differ in their seeds alone.

    Attributes:
        point: its number, in the order of the file.
        policy: as the file writes it.
        scenario: JSON of the resolved scenario, with the sweep's first seed and one replication.
        digest: of the scenario without its seed, of the files that it reads, and of the version.
    """

    point: int
    policy: str
    scenario: str
    digest: str

    def run_id(self, seed: int) -> str:
        """The same for the same scenario, policy, seed and version, in any sweep."""
        return run_id(self.digest, seed)


def json_with_run(scenario: str, **keys: int) -> str:
    """JSON of a scenario, from JSON, with these keys of [run]."""
    table = json.loads(scenario)
    table["run"] |= keys
    return json.dumps(table)


def run_id(digest: str, seed: int) -> str:
    """Of the run of a scenario with this digest, and of this seed."""
    return sha256(f"{digest} {seed}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Sweep:
    """A sweep file, expanded and checked.

    Attributes:
        source: the file as the user named it.
        text: of the file.
        title: one line on what it is.
        axes: of the points; the last one changes fastest.
        policies: as the file writes them.
        seeds: of every point.
        replications: seeds that run in lock-step, at most.
        train: whether policies that learn are trained first.
        search: finds the points, where there is one.
        cases: point by point, and policy by policy within a point.
        folders: where data files are looked up.
        code: which classes it may name.
        classes: those that it does name, with their keys.
    """

    source: str
    text: str
    title: str
    axes: tuple[Axis, ...]
    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    replications: int
    train: bool
    search: SearchSection | None
    cases: tuple[Case, ...]
    folders: tuple[Path, ...]
    code: Code
    classes: frozenset[tuple[Key, str]]

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return len(self.cases) * len(self.seeds)

    @cached_property
    def blocks(self) -> list[tuple[int, int]]:
        """First seed and number of those that run together: consecutive ones."""
        blocks: list[tuple[int, int]] = []
        for seed in self.seeds:
            first, count = blocks[-1] if blocks else (seed, 0)
            if blocks and seed == first + count and count < self.replications:
                blocks[-1] = first, count + 1
            else:
                blocks.append((seed, 1))
        return blocks


def load_sweep(
    sweep: AnySweep,
    data_dir: str | Path | None = None,
    *,
    trust: bool = False,
    found: Sequence[dict[Key, Any]] = (),
) -> Sweep:
    """Read a sweep file, and check every scenario that it asks for.

    Args:
        sweep: the file, or its tables, as if they stood in a file in the current directory; among their
            `policies` there may be classes.
        data_dir: where data files are looked up, as for `load_scenario`.
        trust: whether it may name classes of any module, as for `load_scenario`.
        found: the points of its search; without any, the ends of the space that is searched.

    Raises:
        ScenarioError: no such file, not TOML, not a sweep, or scenarios that cannot be run; with all
            that is wrong.
    """
    source, text, here, given = _read(sweep)
    file = validate(SweepFile, parse_toml(text, source), source)
    if file.search is not None:
        if file.points:
            raise ScenarioError([Issue(source, "also `search`, which finds points", "points")])
        file = file.model_copy(
            update={"points": tuple(found or file.search.ends(source)), "train": True}
        )
    own = here / file.scenario
    base_name = own if own.is_file() else Path(file.scenario)
    base, folder = load_table(base_name)
    fixed, axes = _settings(file, source)
    policies = _policies(file, base, source)
    expansion = _Expansion(
        source=source,
        base_name=str(base_name),
        base=base,
        fixed=fixed,
        axes=axes,
        policies=policies,
        train=file.train,
        folders=tuple(dict.fromkeys([here, *data_folders(folder, data_dir)])),
        code=Code((here, *beside(folder)), frozenset(given), trust),
    )
    seeds = file.seeds
    count = len(policies) * (seeds if isinstance(seeds, int) else len(seeds))
    for axis in axes:
        count *= len(axis.settings)
    if count > MAX_RUNS:
        raise ScenarioError([Issue(source, f"{count:,} runs", allowed=f"<= {MAX_RUNS:,}")])
    cases, first, classes = expansion.cases()
    # Trainings choose what scores best on the scenario's first seeds: what is reported comes after.
    chosen = range(first.run.seed, first.run.seed + (evaluation_seeds(first) if file.train else 0))
    if isinstance(seeds, int):
        seeds = tuple(range(chosen.stop, chosen.stop + seeds))
    elif twice := sorted(set(chosen).intersection(seeds)):
        what = f"{', '.join(map(str, twice[:5]))}: on these seeds trainings are evaluated"
        raise ScenarioError([Issue(source, what, "seeds", allowed=f"from {chosen.stop} on")])
    _check_seeds(seeds, source)
    return Sweep(
        source=source,
        text=text,
        title=file.title or first.title,
        axes=axes,
        policies=tuple(policies),
        seeds=seeds,
        replications=file.replications,
        train=file.train,
        search=file.search,
        cases=cases,
        folders=expansion.folders,
        code=expansion.code,
        classes=classes,
    )


def _read(sweep: AnySweep) -> tuple[str, str, Path, tuple[Key, ...]]:
    """What messages call a sweep, its TOML text, its folder, and keys whose classes the caller gave."""
    if not isinstance(sweep, Mapping):
        try:
            text = Path(sweep).read_text(encoding="utf-8-sig")
            return str(sweep), text, Path(sweep).parent, ()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise ScenarioError([Issue(str(sweep), f"cannot be read: {reason}")]) from None
    import tomli_w

    table, given = dict(sweep), False
    if isinstance(policies := table.get("policies"), list | tuple):
        table["policies"] = [policy_name(policy) for policy in policies]
        known = [isinstance(policy, str | type) for policy in policies]
        given = any(isinstance(policy, type) for policy in policies)
        for name, is_known in zip(table["policies"], known, strict=True):
            if not is_known or name.startswith("__main__:"):
                what = f"{name} is not known to the processes that make the runs"
                allowed = "a name, or a class of a module, as of a .py file beside"
                raise ScenarioError([Issue("sweep", what, "policies", allowed=allowed)])
    try:
        return "sweep", tomli_w.dumps(table), Path(), ("policy.name",) if given else ()
    except TypeError as error:
        raise ScenarioError([Issue("sweep", str(error))]) from None


def _check_seeds(seeds: tuple[int, ...], source: str) -> None:
    if len(set(seeds)) < len(seeds):
        raise ScenarioError([Issue(source, "the same twice", "seeds", as_toml(seeds))])
    if max(seeds) > MAX_SEED:
        raise ScenarioError([Issue(source, "too many", "seeds", allowed=f"up to {MAX_SEED:,}")])


def _settings(file: SweepFile, source: str) -> tuple[dict[Key, Any], tuple[Axis, ...]]:
    """What all runs have in common, and the axes, the listed points first.

    Raises:
        ScenarioError: with all keys that cannot be swept.
    """
    fixed, grid = flatten(file.set), flatten(file.grid)
    points = [flatten(point) for point in file.points]
    tables = {"set": fixed, "grid": grid} | {f"points[{n}]": one for n, one in enumerate(points)}
    issues = [
        Issue(source, "not a key to sweep", f"{where}.{key}", as_toml(value), _RESERVED[key])
        for where, keys in tables.items()
        for key, value in keys.items()
        if key in _RESERVED
    ]
    for key, values in grid.items():
        issues += _grid_issues(key, values, source)
    for n, point in enumerate(points):
        if not point:
            issues.append(Issue(source, "empty", f"points[{n}]", "{}"))
        for key in point.keys() & grid.keys():
            issues.append(Issue(source, "also in the grid", f"points[{n}].{key}"))
    listed = tuple(dict.fromkeys(key for point in points for key in point))
    for key in [*grid, *listed]:
        if key in fixed:
            issues.append(
                Issue(source, "swept, and also in [set]", f"set.{key}", allowed="one of both")
            )
    if issues:
        raise ScenarioError(issues)
    axes = [Axis(listed, tuple(points), "points")] if points else []
    axes += [Axis((key,), tuple({key: value} for value in grid[key]), "grid") for key in grid]
    return fixed, tuple(axes)


def _grid_issues(key: Key, values: Any, source: str) -> list[Issue]:
    if not isinstance(values, list) or not values:
        what = "empty" if values == [] else "not a list"
        allowed = "a list of values; for one value of all runs, [set]"
        return [Issue(source, what, f"grid.{key}", as_toml(values), allowed)]
    if (twice := _repeated(values)) is not None:
        return [Issue(source, f"{as_toml(twice)} is there twice", f"grid.{key}", as_toml(values))]
    return []


def _repeated(values: list[Any]) -> Any:
    seen = set()
    for value in values:
        text = json.dumps(value, default=str)
        if text in seen:
            return value
        seen.add(text)
    return None


def _policies(
    file: SweepFile, base: Mapping[str, Any], source: str
) -> dict[str, tuple[str | None, list[str]]]:
    """By each as written: name and options; the name is None for the scenario's own, unnamed."""
    if file.policies is None:
        section = base.get("policy", {})
        name = section.get("name") if isinstance(section, dict) else None
        return {name if isinstance(name, str) else "lyapunov": (None, [])}
    found: dict[str, tuple[str | None, list[str]]] = {}
    issues = []
    for label in file.policies:
        if label in found:
            issues.append(Issue(source, f"`{label}` is there twice", "policies"))
        try:
            found[label] = parse_policy(label, source)
        except ScenarioError as error:
            issues += error.issues
    if issues:
        raise ScenarioError(issues)
    return found


def points(axes: Sequence[Axis]) -> Iterator[dict[Key, Any]]:
    """The values of the keys of each point, as the file writes them."""
    for settings in product(*(axis.settings for axis in axes)):
        yield {key: value for setting in settings for key, value in setting.items()}


def place(point: Mapping[Key, Any], *more: str) -> str:
    """A point as a message calls it."""
    return ", ".join([*(f"{key} = {as_toml(value)}" for key, value in point.items()), *more])


_SEEDS = '"seed":%d,"replications":%d'
"""How the JSON of a scenario has them. A text in it cannot look so: its quotes are escaped."""


class Digests:
    """What makes two runs the same, but for their seed: scenario, `Inputs`, version."""

    def __init__(self) -> None:
        self._inputs = Inputs()
        self._installed = installed()

    def of(self, scenario: Scenario, text: str) -> str:
        """Hexadecimal.

        Args:
            scenario: of any seed and number of replications.
            text: its JSON.

        Raises:
            ScenarioError: a module that the scenario names cannot be imported.
        """
        run = scenario.run
        seedless = text.replace(_SEEDS % (run.seed, run.replications), _SEEDS % (0, 1), 1)
        classes: list[type] = []
        trained: Path | None = None
        for kind, key in KEYS.items():
            name = attrgetter(key)(scenario)
            builtins = POLICIES[run.problem] if kind == "policies" else {}
            if name not in builtins and name not in self._installed[kind] and ":" not in name:
                continue  # a model of the program's own, which the version stands for
            source, code = scenario.source, scenario.code
            cls = resolve(name, kind, builtins, source=source, code=code, verbs=())
            classes.append(cls)
            if issubclass(cls, TrainablePolicy):
                checkpoint = scenario.policy.options.get("checkpoint", cls.checkpoint)
                trained = None if checkpoint is None else Path(checkpoint)
            elif issubclass(cls, Agent):
                if is_class(file := scenario.policy.options["file"]):
                    classes.append(resolve(file, "agents", {}, source=source, code=code))
                else:
                    trained = agent_path(scenario, file)
        inputs = self._inputs.of(scenario, text, classes, trained)
        about = [f"{name} {digest}" for name, digest in inputs.items()]
        return sha256("\n".join([__version__, seedless, *about]).encode()).hexdigest()


@dataclass(frozen=True)
class _Expansion:
    """From the base scenario to that of each case."""

    source: str
    base_name: str
    base: dict[str, Any]
    fixed: dict[Key, Any]
    axes: tuple[Axis, ...]
    policies: dict[str, tuple[str | None, list[str]]]
    train: bool
    folders: tuple[Path, ...]
    code: Code

    def cases(self) -> tuple[tuple[Case, ...], Scenario, frozenset[tuple[Key, str]]]:
        """All cases, distinct, and right as far as they can be tried out.

        Returns:
            With them the first one's scenario, and all classes that they name, with their keys.

        Raises:
            ScenarioError: with what is wrong.
        """
        issues: dict[Issue, None] = {}
        cases: list[Case] = []
        scenarios: list[Scenario] = []
        known: dict[str, tuple[Mapping[Key, Any], str]] = {}
        tried = self._tried()
        digests, classes = Digests(), set[tuple[Key, str]]()
        for number, point in enumerate(points(self.axes)):
            for label in self.policies:
                try:
                    scenario = self._scenario(point, label, tried=number in tried)
                    text = scenario.model_dump_json(exclude_none=True)
                    digest = digests.of(scenario, text)
                except ScenarioError as error:
                    issues |= dict.fromkeys(error.issues)
                    continue
                scenarios = scenarios or [scenario]
                classes |= named_classes(scenario).items()
                same = known.setdefault(digest, (point, label))
                if same != (point, label):
                    what = f"{place(*same)} and {place(point, label)} are the same scenario"
                    issues[Issue(self.source, what)] = None
                cases.append(Case(number, label, text, digest))
            if len(issues) >= MAX_ISSUES:
                break
        if issues:
            raise ScenarioError(list(issues)[:MAX_ISSUES])
        return tuple(cases), scenarios[0], frozenset(classes)

    def _tried(self) -> set[int]:
        """Numbers of points in which each value of each axis occurs, if they are not too many."""
        tried = {0}
        stride = 1
        each = max(MAX_TRIED // max(len(self.axes) * len(self.policies), 1), 2)
        for axis in reversed(self.axes):
            places = len(axis.settings)
            tried |= {place * stride for place in range(0, places, -(-places // each))}
            stride *= places
        return tried

    def _scenario(self, point: Mapping[Key, Any], label: str, *, tried: bool) -> Scenario:
        """The scenario of a point under a policy, if `tried` with all that it names.

        Raises:
            ScenarioError: with the keys as the sweep file has them.
        """
        table = copied(self.base)
        name, options = self.policies[label]
        if name is not None:
            replace_policy(table, name)
        put(table, "trace.level", "summary", self.source)
        origin: dict[Key, str] = {}
        for key, value in self.fixed.items():
            # [set] is flat here: a table in it, as { file = … }, takes the place of a value.
            put(table, key, value, self.source, over=True)
            origin[key] = f"set.{key}"
        for axis in self.axes:
            for key in axis.keys:
                if key in point:
                    put(table, key, point[key], self.source)
                    origin[key] = f"{axis.where}.{key}"
        for option in options:
            key, _, value = option.partition("=")
            put(table, f"policy.{key.strip()}", parse_value(value), self.source)
            origin[f"policy.{key.strip()}"] = f"policies: {label}"
        put(table, "run.replications", 1, self.source)
        try:
            scenario = validate(Scenario, table, self.base_name)
            scenario = scenario.located(self.base_name, self.folders, self.code)
            if tried and self.train and learns(scenario):
                blueprint(scenario)
            elif tried:
                prepare(scenario)
        except ScenarioError as error:
            raise ScenarioError([self._traced(one, origin) for one in error.issues]) from None
        return scenario

    def _traced(self, issue: Issue, origin: Mapping[Key, str]) -> Issue:
        """The same issue, at the key of the sweep file that it comes from."""
        for key, written in origin.items():
            if issue.key == key or issue.key.startswith((f"{key}.", f"{key}[")):
                rest = issue.key[len(key) :]
                return replace(issue, source=self.source, key=f"{written}{rest}")
        return issue
