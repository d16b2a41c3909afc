"""Agents that were trained elsewhere, as policies: `[policy] name = "agent"`, `file = …`.

They see what the environments of `environment` show, and their actions are those of the environments, so
what was trained there is judged here as any other policy is.
"""

import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np

from ...scenarios.components import is_class, is_unseen, resolve
from ...scenarios.data.lookup import check_inside
from ...scenarios.errors import Issue, ScenarioError, as_toml
from ...scenarios.schema import Scenario
from ...simulator.core.arrays import FloatArray
from ...simulator.core.randomness import Generators
from .agent_files import Call, Spaces, UntrustedError, read_agent
from .encoding import AnyProblem, Encoding
from .encodings import ActionKind, encoding_of

KEY = "policy.file"


def agent_path(scenario: Scenario, file: str) -> Path:
    """Where an agent's file lies: beside the scenario, in a data folder, or below the current folder.

    Raises:
        ScenarioError: it is nowhere, or a trace names it, and it lies in none of them.
    """
    folders = dict.fromkeys((*scenario.folders, Path.cwd()))
    for folder in folders:
        if (path := folder / file).is_file():
            check_inside(scenario, path, folder, KEY, file)
            return path
    places = ", ".join(dict.fromkeys(str(folder / file) for folder in folders))
    issue = Issue(scenario.source, f"no such file; looked for {places}", KEY, as_toml(file))
    raise ScenarioError([issue])


class _Named:
    """Says what an agent is named by."""

    allowed: ClassVar[str] = 'a file, as in agent{file="ppo.zip"}, or "module:Class"'


@dataclass
class Agent:
    """An agent of another library, trained on the program's environments for Gymnasium.

    Attributes:
        file: a zip of Stable-Baselines3, an ONNX file, TorchScript, what torch.export.save leaves, or
            "module:Class" with `predict(observation)`, from an observation of the environment to an
            action. A class with `flat = False` is shown (N, F). Files that run code ask for --trust.
        action: that of the environment it was trained on; "paper" is the papers' printed one,
            "corrected" changes what an optimiser is told.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_agents",)

    refused: ClassVar[dict[str, tuple[str, str]]] = {
        "checkpoint": (
            "is of policies that `edgesim train` trains",
            'file, as in agent{file="ppo.zip"}',
        )
    }
    file: Annotated[str, _Named()]
    action: ActionKind = "guided"
    _agents: list[Any] | None = field(default=None, init=False, repr=False)
    _encoding: Encoding = field(init=False, repr=False)
    _call: Call = field(init=False, repr=False)
    _shape: tuple[int, ...] = field(init=False, repr=False)
    path: Path | None = field(default=None, init=False, repr=False)
    """Of the file, once it is read."""
    classes: tuple[type, ...] = field(default=(), init=False, repr=False)
    """The class, if it is one."""
    about: dict[str, Any] = field(default_factory=dict, init=False, repr=False)
    """What a trace says of it: its format, and the shape of its observations."""

    def load(self, problem: AnyProblem | None, scenario: Scenario) -> None:
        """Read the file, and check it against the spaces of the environment.

        Of a scenario that is only looked at, no class is imported and no file is loaded that runs code.

        Args:
            problem: None where it is not known, as the scenario has mistakes: what is read fits any.
            scenario: names the file.

        Raises:
            ScenarioError: there is none, it may not run, or it does not fit; says what to do.
        """
        spaces = None
        if problem is not None:
            encoding = encoding_of(problem, self.action)
            spaces = Spaces(problem.network.devices, encoding.feature_count, encoding.action_count)
        if is_class(self.file):
            found = resolve(self.file, "agents", {}, source=scenario.source, code=scenario.code)
            if spaces is not None and not is_unseen(found):
                self.classes = (found,)
                shape = spaces.observations[0 if getattr(found, "flat", True) else 1]
                self._know("class", shape)
            return
        path = agent_path(scenario, self.file)
        try:
            agent = read_agent(path, spaces, trust=scenario.code.trust)
        except UntrustedError as error:
            if scenario.code.unseen:
                return
            allowed = "--trust (in Python `trust=True`), if you know where it is from; "
            allowed += "as ONNX, it would run no code"
            issue = Issue(scenario.source, f"{path}: {error}", KEY, as_toml(self.file), allowed)
            raise ScenarioError([issue]) from None
        except ValueError as error:
            issue = Issue(scenario.source, f"{path}: {error}", KEY, as_toml(self.file))
            raise ScenarioError([issue]) from None
        self._call, self.path = agent.call, path
        self._know(agent.format, agent.shape)

    def _know(self, kind: str, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self.about = {"format": kind, "observation_shape": list(shape), "file": self.file}

    def reset(self, network: Any, problem: AnyProblem, rngs: Generators) -> None:
        """Get the agent ready; of a class, one object for each replication."""
        self._encoding = encoding_of(problem, self.action)
        if self.classes:
            self._agents = [self.classes[0]() for _ in rngs]

    def decide(self, observation: Any) -> Any:
        """The decision that the encoding makes from the agent's actions; raises as `actions` does."""
        return self._encoding.decision(self.actions(observation), observation)

    def actions(self, observation: Any) -> FloatArray:
        """(R, N, A) of the agent, without noise, one replication at a time.

        Raises:
            ValueError: an action of another shape, or that is not of numbers.
        """
        features = self._encoding.features(observation)
        replications, devices, _ = features.shape
        actions = np.empty((replications, devices, self._encoding.action_count))
        for r, seen in enumerate(features.reshape(replications, 1, *self._shape)):
            action = np.asarray(self._act(r, seen))
            if action.size != actions[r].size or action.ndim > 3:
                raise ValueError(
                    f"an action of shape {action.shape}; allowed: ({actions[r].size},) or "
                    f"{actions[r].shape}"
                )
            actions[r] = action.reshape(actions[r].shape)
        return actions

    def _act(self, r: int, seen: Any) -> Any:
        from .seeding import own_settings

        with own_settings():
            if self._agents is None:
                return self._call(seen)
            agent = self._agents[r]
            known = inspect.signature(agent.predict).parameters
            options = {"deterministic": True} if "deterministic" in known else {}
            action = agent.predict(seen[0].copy(), **options)
            # As Stable-Baselines3 has it, the action and a state.
            return action[0] if isinstance(action, tuple) else action
