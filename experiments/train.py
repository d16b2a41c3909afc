"""Training: a policy that learns, its environments, what it leaves in a folder, and how it goes on.

A `TrainablePolicy` makes a `Learner` from its keys (policies/learning/trainable.py). The learner acts and
learns; seeds, evaluation, logs and checkpoints are here. The folder holds

    scenario.toml     the resolved scenario
    progress.csv      reward and losses, about `LOGS` rows
    evaluation.csv    figures on held-out seeds, `EVALUATIONS` rows
    checkpoint.pt     the whole training, from which `--resume` goes on
    best.pt           the policy that scored best, for `edgesim run --checkpoint`
    tensorboard/      the same as in the tables, if tensorboard is installed
"""

import csv
import threading
import time
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ..policies.base import AnyPolicy
from ..policies.catalogue import POLICIES
from ..policies.learning.checkpoint import check_alike, read, write
from ..policies.learning.encodings import ActionKind
from ..policies.learning.environment import (
    LIMIT_WEIGHTS,
    StreamVectorEnvironment,
    TaskVectorEnvironment,
    VectorEnvironment,
)
from ..policies.learning.seeding import own_settings
from ..policies.learning.trainable import Learner, TrainablePolicy, TrainingError
from ..policies.registry import make_policy
from ..scenarios.components import resolve
from ..scenarios.errors import Issue, ScenarioError, as_toml
from ..scenarios.loading import load_scenario
from ..scenarios.schema import Scenario
from ..scenarios.tables import flatten
from ..simulator.core.errors import RunError
from ..simulator.core.outputs import check_output, make_folder, put_bytes, put_text
from ..simulator.core.signals import stopped_by_signals
from .errors import ArgumentError, interrupted
from .evaluation import Evaluation
from .training_result import TrainingResult
from .training_time import Forecast, forecast
from .variants import VariedEvaluator, make_environments, variants_of

LOGS = 200
"""Rows of progress.csv in a whole training."""

EVALUATIONS = 20
"""Evaluations on held-out seeds in a whole training."""

CHECKPOINT_S = 30.0
"""A killed training loses at most this much, and what one `advance` takes."""

FORMAT = "edgesim training 1"

FIRST_SEED = 1 << 32
"""Training with seed s uses seeds from (s + 1) times this on; those of scenarios are below it."""

Device = Literal["cpu", "cuda"]

MAY_GROW = ("policy.episodes", "policy.steps")
"""Keys in which a scenario may differ from that of the training that it resumes."""


@dataclass(frozen=True)
class TrainingProgress:
    """Where a training stands.

    Attributes:
        steps: environment steps so far, over all replicas.
        total: of the whole training.
        steps_per_s: since this process began.
        means: of reward and losses since the last report.
        evaluation: the last one; None before the first.
    """

    steps: int
    total: int
    steps_per_s: float
    means: Mapping[str, float]
    evaluation: Evaluation | None


def train(
    scenario: Scenario,
    folder: Path,
    *,
    policy: AnyPolicy | None = None,
    resume: bool = False,
    device: Device = "cpu",
    command: str = "",
    foretell: Callable[[Forecast], None] | None = None,
    follow: Callable[[TrainingProgress], None] = lambda progress: None,
) -> TrainingResult:
    """Train the policy that a scenario names; SIGINT and SIGTERM end it after what is under way.

    Args:
        scenario: what to train for. It is evaluated on its own seeds, which training does not use.
        folder: for what the training leaves; made if it is not there.
        policy: the class or object that the scenario names, where it is given in Python.
        resume: go on from the folder's checkpoint, if there is one.
        device: where networks and replay lie. What is learned is the same but for rounding, and what is left
            can be used on any.
        command: the one that started this, for the checkpoint's record.
        foretell: is handed how long it will take before it starts; that takes some seconds to measure.
        follow: called with the progress, about `LOGS` times.

    Returns:
        Whether it is complete, and the best policy with its figures.

    Raises:
        KeyboardInterrupt: Ctrl-C, as Python handles it by itself.
        ArgumentError: there is no such device.
        ScenarioError: the scenario or its policy cannot be trained, or is not that of the folder.
        RunError: a loss or a weight is not a number any more; the last good checkpoint is kept.
        OSError: the folder cannot be written.
        OutputError: there is a link, a device or a folder in the place of what it writes.
    """
    begun_s = time.process_time()
    check_device(device)
    with own_settings(learning=True):
        learned = learning_policy(scenario, policy)
        saved = _saved(scenario, folder / "checkpoint.pt") if resume else None
        variants = variants_of(scenario, learned)
        evaluator = VariedEvaluator(variants, learned.energy_price)
        make_folder(folder)
        for name in ("checkpoint.pt", "best.pt"):
            check_output(folder / name)
        put_text(folder / "scenario.toml", scenario.to_toml())
        seed = (scenario.run.seed + 1) * FIRST_SEED
        worlds = [variant.scenario for variant in variants]
        make = partial(make_environments, worlds, make_environment)
        learner = learned.learner(make, seed, device)
        try:
            session = _Session(
                learned, learner, evaluator, scenario, folder, command, saved, begun_s
            )

            def begin() -> None:
                if foretell is not None:
                    learned.set_actor(learner.actor)
                    took_s = evaluator.seconds(learned)
                    foretell(forecast(learned, make, learner.steps, device, took_s, EVALUATIONS))

            return session.run(follow, begin)
        finally:
            learner.close()


def check_device(device: Device) -> None:
    """Refuse a GPU that torch cannot use.

    Raises:
        ArgumentError: there is none; says why. Or it is no device of ours.
    """
    if device not in (devices := get_args(Device)):
        raise ArgumentError(f"`device` is {device!r}, but must be {' or '.join(devices)}")
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        built = "finds no GPU" if torch.version.cuda else "is built without CUDA"
        what = f"`device`: cuda cannot be used, torch {torch.__version__} {built}"
        raise ArgumentError(f"{what}; allowed here: cpu")


def learning_policy(scenario: Scenario, given: AnyPolicy | None = None) -> TrainablePolicy:
    """The policy that a scenario names.

    Raises:
        ScenarioError: it does not learn, or has a key that does not fit the problem.
    """
    policy = make_policy(scenario, given)
    if isinstance(policy, TrainablePolicy):
        _check_keys(scenario, policy)
        return policy
    builtins = POLICIES[scenario.run.problem]
    classes = {name: resolve(name, "policies", builtins) for name in builtins}
    known = ", ".join(name for name, cls in classes.items() if issubclass(cls, TrainablePolicy))
    name = as_toml(scenario.policy.name)
    raise ScenarioError([Issue(scenario.source, "does not learn", "policy.name", name, known)])


def learns(scenario: Scenario) -> bool:
    """Whether its policy has to be trained before it can be run.

    Raises:
        ScenarioError: it has, and has a key that does not fit the problem.
    """
    policy = make_policy(scenario)
    if not isinstance(policy, TrainablePolicy) or policy.checkpoint is not None:
        return False
    _check_keys(scenario, policy)
    return True


def _check_keys(scenario: Scenario, policy: TrainablePolicy) -> None:
    """Raises ScenarioError where a key of a training does not fit the scenario's problem."""
    wrong = list(policy.wrong_keys(scenario.run.problem))
    if policy.checkpoint is not None:
        what = "a training begins with nothing learned; --resume goes on with one"
        wrong.append(("checkpoint", what, as_toml(str(policy.checkpoint)), "none"))
    issues = [Issue(scenario.source, what, f"policy.{key}", *more) for key, what, *more in wrong]
    if issues:
        raise ScenarioError(issues)


def with_steps(scenario: Scenario, steps: int | None, given: AnyPolicy | None = None) -> Scenario:
    """The same training with about so many environment steps, over all replicas; None are its own.

    Raises:
        ScenarioError: its policy does not learn.
    """
    if steps is None:
        return scenario
    key, value = learning_policy(scenario, given).length(steps)
    return load_scenario(scenario, {f"policy.{key}": value})


def make_environment(
    scenario: Scenario,
    replications: int,
    slots: int,
    limit_weight: float = 1.0,
    action: ActionKind = "guided",
    energy_price: float = 0.0,
) -> VectorEnvironment:
    """A scenario's replications as environments.

    Args:
        scenario: whose.
        replications: R.
        slots: in an episode.
        limit_weight: in the task problem, l2 to l5 of the reward C(22); in the stream problem the
            penalty of printed actions that break a limit.
        action: what is observed and what actions mean.
        energy_price: in the stream problem, what energy costs beside P2's value, in units of V.

    Returns:
        With (R, N, F) observations and (R, N, A) actions.
    """
    scenario = scenario.with_run(slots=slots)
    if scenario.run.problem == "drift-plus-penalty":
        return StreamVectorEnvironment(
            replications,
            scenario,
            limit_weight=limit_weight,
            energy_price=energy_price,
            action=action,
            flat=False,
        )
    weights = dict.fromkeys(LIMIT_WEIGHTS, limit_weight)
    return TaskVectorEnvironment(replications, scenario, action=action, flat=False, **weights)


class _Session:
    """One process's part of a training: from the start or a checkpoint to the end or an interrupt."""

    def __init__(
        self,
        policy: TrainablePolicy,
        learner: Learner,
        evaluator: VariedEvaluator,
        scenario: Scenario,
        folder: Path,
        command: str,
        saved: Mapping[str, Any] | None,
        begun_s: float,
    ) -> None:
        self._policy = policy
        self._learner = learner
        self._evaluator = evaluator
        self._scenario = scenario.to_toml()
        self._folder = folder
        self._command = command
        self._best: Evaluation | None = None
        self._since: list[Mapping[str, float]] = []
        self._seconds = 0.0
        self._cpu_begun_s = begun_s
        if saved is not None:
            self._restore(saved, folder / "checkpoint.pt")
        self._first = learner.steps
        self._progress = Table(folder / "progress.csv", learner.steps)
        self._evaluations = Table(folder / "evaluation.csv", learner.steps)

    def _restore(self, saved: Mapping[str, Any], path: Path) -> None:
        """Take over what a checkpoint holds.

        Raises:
            ScenarioError: it is no state of this training.
        """
        best = {"figures": {}, "score": 0.0} if saved.get("best") is not None else None
        fresh: dict[str, Any] = {
            "learner": self._learner.state_dict(),
            "best": best,
            "since": [],
            "seconds": 0.0,
            "cpu_s": 0.0,
        }
        saved = {"cpu_s": 0.0, **saved}  # earlier versions did not count it
        try:
            check_alike({name: saved.get(name) for name in fresh}, fresh)
            self._learner.load_state_dict(saved["learner"])
            self._best = Evaluation(**saved["best"]) if best else None
            self._since = [
                {name: float(mean) for name, mean in one.items()} for one in saved["since"]
            ]
            self._seconds = saved["seconds"]
            self._cpu_begun_s -= saved["cpu_s"]
        except Exception as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            what = f"{path}: the checkpoint is damaged: {reason}"
            raise ScenarioError([Issue("--resume", what)]) from error

    def run(
        self,
        follow: Callable[[TrainingProgress], None],
        begin: Callable[[], None] = lambda: None,
    ) -> TrainingResult:
        """Until all steps are done, or a signal comes; `begin` is called first."""
        policy, learner = self._policy, self._learner
        stopping = threading.Event()
        evaluation = None
        try:
            begin()
            self._begun = self._saved_at = time.monotonic()
            with stopped_by_signals(stopping.set):
                while learner.steps < policy.steps and not stopping.is_set():
                    before = learner.steps
                    self._since.append(learner.advance())
                    if self._passed(before, EVALUATIONS):
                        evaluation = self._evaluate()
                    if self._passed(before, LOGS):
                        follow(self._log(evaluation))
                    if time.monotonic() - self._saved_at > CHECKPOINT_S:
                        self._save()
                self._save()
        except KeyboardInterrupt:
            what = f"`resume=True` goes on with the training in {self._folder}"
            found = f"the best policy so far is {self._folder / 'best.pt'}"
            if self._best is None:
                first = -(-policy.steps // EVALUATIONS)
                found = f"there is no policy yet: the first evaluation is after {first:,} steps"
            raise interrupted(f"{what}; {found}", self._folder) from None
        except TrainingError as error:
            what = f"training of {policy.name!r} stopped after {learner.steps:,} steps: {error}"
            checkpoint = self._folder / "checkpoint.pt"
            kept = f"the last good state is in {checkpoint}"
            raise RunError(
                f"{what}; {kept if checkpoint.exists() else 'nothing to keep'}"
            ) from error
        figures, score = (best.figures, best.score) if (best := self._best) else ({}, None)
        complete = learner.steps >= policy.steps
        best_pt = self._folder / "best.pt"
        return TrainingResult(complete, learner.steps, figures, score, best_pt, self._cpu_s())

    def _cpu_s(self) -> float:
        """CPU time so far, of earlier processes and of the learner's own too."""
        return time.process_time() - self._cpu_begun_s + self._learner.cpu_s

    def _passed(self, before: int, marks: int) -> bool:
        """Whether the steps since then have passed one of so many marks, the last at the end."""
        total = self._policy.steps
        now = min(self._learner.steps, total)
        return now * marks // total > before * marks // total

    def _evaluate(self) -> Evaluation:
        """Evaluate the network so far, and keep it if it is the best."""
        learner, policy = self._learner, self._policy
        policy.set_actor(learner.actor)
        evaluation = self._evaluator.evaluate(policy)
        self._evaluations.add({"steps": learner.steps, **evaluation.figures})
        if self._best is None or evaluation.score < self._best.score:
            self._best = evaluation
            policy.save(self._folder / "best.pt", self._evaluator.problem, self._command)
        return evaluation

    def _log(self, evaluation: Evaluation | None) -> TrainingProgress:
        """Means since the last report."""
        names = dict.fromkeys(name for means in self._since for name in means)
        means = {
            name: float(np.mean([one[name] for one in self._since if name in one]))
            for name in names
        }
        self._since = []
        steps, seconds = self._learner.steps, time.monotonic() - self._begun
        speed = (steps - self._first) / seconds
        self._progress.add(
            {"steps": steps, "seconds": self._seconds + seconds, **means, "steps_per_s": speed}
        )
        return TrainingProgress(steps, self._policy.steps, speed, means, evaluation)

    def _save(self) -> None:
        """Renew the checkpoint."""
        self._saved_at = time.monotonic()
        write(
            self._folder / "checkpoint.pt",
            {
                "format": FORMAT,
                "scenario": self._scenario,
                "learner": self._learner.state_dict(),
                "best": asdict(self._best) if self._best else None,
                "since": self._since,
                "seconds": self._seconds + self._saved_at - self._begun,
                "cpu_s": self._cpu_s(),
            },
        )


class Table:
    """A CSV file that grows row by row, and its copy for TensorBoard.

    The file is always whole: whenever a training is killed, all rows up to its checkpoint are there.

    Args:
        path: of the file; rows of later steps, which a killed training has left, are dropped.
        steps: from which it goes on.

    Raises:
        ScenarioError: there is something else in the file.
    """

    def __init__(self, path: Path, steps: int) -> None:
        self._path = path
        self._rows: list[Mapping[str, Any]] = []
        if path.exists() and steps > 0:
            self._rows += _rows_until(path, steps)
        self._write()
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self._board = None
        else:  # later events of a killed training are dropped
            folder = make_folder(path.parent, "tensorboard", path.stem)
            self._board = SummaryWriter(str(folder), purge_step=steps + 1)

    def add(self, row: Mapping[str, float]) -> None:
        """One row; its first column is "steps"."""
        self._rows.append(row)
        self._write()
        if self._board is not None:
            for name in row.keys() - {"steps"}:
                self._board.add_scalar(f"{self._path.stem}/{name}", row[name], row["steps"])
            self._board.flush()

    def _write(self) -> None:
        """All rows, as a column may appear late: a loss, once learning has begun."""
        names = dict.fromkeys(name for row in self._rows for name in row)
        text = StringIO(newline="")
        writer = csv.DictWriter(text, list(names), restval="")
        writer.writeheader()
        writer.writerows(self._rows)
        put_bytes(self._path, text.getvalue().encode())


def _rows_until(path: Path, steps: int) -> list[dict[str, str]]:
    """The rows of a table up to a step.

    Raises:
        ScenarioError: it is no such table.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [row for row in csv.DictReader(file) if int(row["steps"]) <= steps]
    except (ValueError, KeyError, TypeError, csv.Error):
        what = f"{path} is not what a training left; move it away to go on with a new table"
        raise ScenarioError([Issue("--resume", what)]) from None


def _saved(scenario: Scenario, checkpoint: Path) -> dict[str, Any] | None:
    """The training to go on with; None where it was killed before the first checkpoint.

    Raises:
        ScenarioError: it is of another scenario, or not readable.
    """
    if not checkpoint.exists():
        return None
    try:
        saved = read(checkpoint, FORMAT)
    except ValueError as error:
        raise ScenarioError([Issue("--resume", str(error))]) from None
    try:
        then = flatten(tomllib.loads(saved["scenario"]))
    except Exception as error:
        what = f"{checkpoint}: the checkpoint is damaged: it has no scenario"
        raise ScenarioError([Issue("--resume", what)]) from error
    now = flatten(tomllib.loads(scenario.to_toml()))
    differing = [
        Issue(
            scenario.source,
            "is not what the training to resume began with",
            key,
            as_toml(now.get(key)),
            as_toml(then.get(key)),
        )
        for key in then | now
        if then.get(key) != now.get(key) and key not in MAY_GROW
    ]
    if differing:
        raise ScenarioError(differing)
    return saved
