"""The simulation as Gymnasium environments, single and vector, for learners of any library.

`registration.register_envs` registers two:

- `edgesim/Stream-v0`: the stream problem, reward A(22)
- `edgesim/Tasks-v0`: the task problem, reward C(22)

`gymnasium.make(id, scenario="mine.toml")` makes one, `gymnasium.make_vec(id, num_envs=64, …)` one of
64 replications that step in lock-step, a slot of all of them in one set of numpy calls. Observations
and actions are those of `stream_encoding` or `task_encoding`, with `action="paper"` of `paper_encoding`, with
"corrected" of `corrected_encoding`. An episode is a run of the scenario's `run.slots`; its end is a truncation, as the
network goes on; nothing ever terminates.
"""

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar, Protocol

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ...scenarios.errors import Issue, ScenarioError, as_toml
from ...scenarios.loading import load_scenario
from ...scenarios.schema import Scenario
from ...scenarios.sections import MAX_SEED
from ...simulator.assembly.build import Blueprint, blueprint
from ...simulator.core.arrays import BoolArray, FloatArray
from ...simulator.core.randomness import Streams
from ...simulator.core.recorder import (
    LATE,
    OUTCOMES,
    TASK_ROW,
    EndStatus,
    NullRecorder,
    Recorder,
    SlotColumns,
    TaskTable,
)
from ...simulator.simulation import Simulation
from ...simulator.stream.problem import DriftPlusPenalty
from ...simulator.tasks.decision import TaskDecision
from ...simulator.tasks.problem import WorstCaseEmission
from ...simulator.world import World
from .encoding import FEATURE_MAX, Features, share_of
from .encodings import ActionKind, encoding_of

LIMIT_WEIGHTS = ("delay_weight", "energy_weight", "capacity_weight", "rate_weight")
"""Of the reward C(22): l2 to l5."""

Info = dict[str, Any]


class Recording(Protocol):
    """Keeps episodes of an environment."""

    def begin(self, env: "VectorEnvironment", plan: Blueprint, streams: Streams) -> Recorder:
        """Who is handed the slots of the episode that begins."""

    def end(self, status: EndStatus, unfinished: Iterable[TaskTable] = ()) -> None:
        """The episode under way has ended, if there is one; the tasks that are still in a queue."""


class Drawing(Protocol):
    """Draws what an environment shows.

    Attributes:
        metadata: "render_modes" and "render_fps", as Gymnasium has them.
    """

    metadata: dict[str, Any]

    def frames(self, world: World) -> tuple[NDArray[np.uint8], ...]:
        """R pictures of (height, width, 3)."""

    def show(self, world: World) -> None:
        """The first replication in a window."""

    def close(self) -> None:
        """The window."""


class VectorEnvironment(VectorEnv[Features, NDArray[np.floating], NDArray[Any]]):
    """A network's replications as a vector of environments; replication r of seed s has seed s + r.

    All of them end their episodes at the same time.

    Args:
        num_envs: R.
        scenario: a file, the name of a shipped scenario, or one already loaded.
        overrides: "a.b.c=VALUE", as for the command's --set; "run.slots=200" is an episode's length.
        data_dir: where the scenario's data files are looked up.
        action: what is observed and what an action means: "guided", "paper" or "corrected", see
            `encodings`.
        flat: whether an observation is a vector (N F,) and an action (N A,), as most libraries want
            it; else they are (N, F) and (N, A).
        autoreset_mode: what happens after an episode's last slot. NEXT_STEP, Gymnasium's default:
            the next call of `step` ignores its actions and starts the next episode. SAME_STEP: it is
            started at once; `info["final_obs"]` has what was seen last, `info["final_info"]` its
            info. DISABLED: the caller resets. Its text, "NextStep", will do.
        max_episode_steps: an episode ends after so many slots if it is shorter than the scenario's.
        render_mode: "rgb_array": `render` returns R pictures. "human": each step is shown in a
            window, which one environment alone can have. None: nothing is drawn.
        drawing: draws; without one `render_mode` has to be None.
        recording: is handed what a trace keeps of each episode. An environment with one cannot be
            copied or pickled.

    A copy, and one that is pickled, goes on where the environment is, bit for bit.

    Attributes:
        observation: what the last observation is about: what a policy would be shown.

    Raises:
        ScenarioError: the scenario cannot be run, or has the other problem.
        ValueError: no replications, no slots, or a mode or kind of action that is not known.
    """

    _recording: Recording | None = None
    _drawing: Drawing | None = None
    # As `close` finds them where the constructor has failed.

    problem_name: str
    """Its `run.problem`."""

    info_keys: tuple[str, ...]
    """The (R,) trace variables of a slot that `step` returns in its info as they are."""

    info_totals: ClassVar[Mapping[str, tuple[str, ...]]]
    """By name in the info, the trace variables whose sums over devices are added up."""

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Path | Scenario = "iiot_20dev",
        overrides: Sequence[str] = (),
        data_dir: Path | None = None,
        *,
        action: ActionKind = "guided",
        flat: bool = True,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        drawing: Drawing | None = None,
        recording: Recording | None = None,
    ) -> None:
        for name, count in (("num_envs", num_envs), ("max_episode_steps", max_episode_steps)):
            if count is not None and count < 1:
                raise ValueError(f"{name} = {count}; allowed: 1 or more")
        modes = [] if drawing is None else list(drawing.metadata["render_modes"])
        if render_mode not in (None, *modes):
            raise ValueError(
                f"render_mode = {render_mode!r}; allowed: {', '.join(['None', *modes])}"
            )
        if autoreset_mode not in [kind for mode in AutoresetMode for kind in (mode, mode.value)]:
            known = ", ".join(mode.value for mode in AutoresetMode)
            raise ValueError(f"autoreset_mode = {autoreset_mode!r}; allowed: {known}")
        if not isinstance(scenario, Scenario) or overrides or data_dir is not None:
            scenario = load_scenario(scenario, overrides, data_dir)
        if scenario.run.problem != self.problem_name:
            given = as_toml(scenario.run.problem)
            what = f"{type(self).__name__} has another problem"
            raise ScenarioError(
                [Issue(scenario.source, what, "run.problem", given, as_toml(self.problem_name))]
            )
        slots = min(scenario.run.slots, max_episode_steps or scenario.run.slots)
        self.scenario = scenario.with_run(replications=num_envs, slots=slots)
        self.num_envs = num_envs
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.render_mode = render_mode
        self.metadata = {"render_modes": []} if drawing is None else dict(drawing.metadata)
        self.metadata["autoreset_mode"] = self.autoreset_mode
        self._drawing = drawing
        self._plan = plan = blueprint(self.scenario)
        self.problem, self.topology = plan.problem, plan.topology
        self.action = action
        self.encoding = encoding_of(plan.problem, action)
        devices = plan.network.devices
        self._columns = (num_envs, devices, self.encoding.action_count)
        observed = (devices, self.encoding.feature_count)
        acted = (devices, self.encoding.action_count)
        if flat:
            observed, acted = (int(np.prod(observed)),), (int(np.prod(acted)),)  # type: ignore[assignment]
        self.single_observation_space = Box(-FEATURE_MAX, FEATURE_MAX, observed, np.float32)
        self.single_action_space = Box(-1.0, 1.0, acted, np.float32)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._simulation: Simulation | None = None
        self.observation: Any = None
        self._over = False
        self._ended = _EndedTasks()
        self._recording = recording

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Features, Info]:
        """Start an episode.

        Args:
            seed: of the first replication, or R of them, one each; of a list all or none are given.
                Without one, the episode's seed is drawn from a generator that the last seed given
                has started, at first the scenario's.
            options: "reset_mask", (R,) bool, is known. It has to be True for all of them: they end,
                and begin, together.

        Returns:
            (R, N F) or (R, N, F) observations, and an empty info.

        Raises:
            ValueError: other options, or a mask or seeds that are not as above.
        """
        self._check_options(options)
        seeds = _seeds(seed, self.num_envs)
        if seeds is None and self._np_random is None:
            seeds = self.scenario.run.seed
        super().reset(seed=seeds[0] if isinstance(seeds, list) else seeds)
        if seeds is None:
            seeds = int(self.np_random.integers(MAX_SEED))
        streams = Streams(seeds, self.num_envs)
        # A blueprint is good for one simulation; its models are copied, before they are started.
        plan = deepcopy(self._plan, {id(self.scenario): self.scenario})
        if self._recording is not None:
            self._ended.also = self._recording.begin(self, plan, streams)
        self._start(plan.simulation(_no_policy, self._ended, streams))
        self._over = False
        observation = self._observe()
        self._show()
        return observation, {}

    def step(
        self, actions: NDArray[np.floating]
    ) -> tuple[Features, FloatArray, BoolArray, BoolArray, Info]:
        """One slot of all replications.

        Args:
            actions: (R, N A) or (R, N, A) in [-1, 1]; beyond, they are cut.

        Returns:
            (R, N F) or (R, N, F) observations, (R,) rewards, (R,) False, (R,) whether the episode is
            over, and the slot's info, with whom each entry is about, `_NAME` (R,): all, but for
            "latency_s", the mean of the tasks whose execution ended, of those in which any did. In
            docs/environments.md are the others.

        Raises:
            ValueError: a wrong shape, or NaN.
            ResetNeeded: there is no episode under way.
        """
        never = np.zeros(self.num_envs, dtype=np.bool_)
        if self._over and self.autoreset_mode is AutoresetMode.NEXT_STEP:
            observation, info = self.reset()
            return observation, np.zeros(self.num_envs), never, never, info
        if self._simulation is None or self._over:
            raise ResetNeeded("call reset() first")
        decision = self.encoding.decision(
            np.asarray(actions).reshape(self._columns), self.observation
        )
        columns = self._simulation.act(decision)
        asked = self._asked(decision)
        reward = self.reward({**columns, **asked} if asked else columns)
        world = self._simulation.world
        self._over = world.state.slot >= self.scenario.run.slots
        if self._over and self._recording is not None:
            self._recording.end("complete", world.unfinished())
        observation = self._observe()
        info = self._info(columns)
        truncated = np.full(self.num_envs, self._over)
        if self._over and self.autoreset_mode is AutoresetMode.SAME_STEP:
            final = {"final_obs": observation, "final_info": dict(info)}
            info |= final | {f"_{name}": ~never for name in final}
            observation, _ = self.reset()
        else:
            self._show()
        return observation, reward, never, truncated, info

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """The network as it is now: R pictures (height, width, 3), or None, see `render_mode`.

        Raises:
            ResetNeeded: there was no episode yet.
        """
        if self._drawing is None or self.render_mode is None:
            gymnasium.logger.warn("render() draws nothing: the environment has no render_mode")
            return None
        if self._simulation is None:
            raise ResetNeeded("call reset() first")
        if self.render_mode == "human":
            return None
        return self._drawing.frames(self._simulation.world)

    def _show(self) -> None:
        if self.render_mode == "human" and self._drawing is not None and self._simulation:
            self._drawing.show(self._simulation.world)

    def _info(self, columns: SlotColumns) -> Info:
        """Of a slot with these trace variables, as `step` gives it. Its arrays are nobody else's."""
        replications, devices, _ = self._columns
        info = {name: np.array(columns[name]) for name in self.info_keys}
        for name, parts in self.info_totals.items():
            info[name] = sum(columns[part].sum(axis=1) for part in parts)
        info["feasible"] = self.feasible(columns)
        info["present"] = np.ones((replications, devices), np.bool_)
        if "present" in columns:
            info["present"] &= columns["present"].astype(np.bool_)
        info |= self._queues()
        tasks = self._ended.table
        of, outcome = tasks["replication"].astype(np.int64), tasks["outcome"]
        counts = np.bincount(of * len(OUTCOMES) + outcome, minlength=replications * len(OUTCOMES))
        count = dict(zip(OUTCOMES, counts.reshape(replications, -1).T, strict=True))
        info["tasks_done"], info["tasks_late"] = count["done"].copy(), count["late"].copy()
        info["tasks_lost"] = count["dropped"] + count["lost"]
        # Which replications an entry is about, as Gymnasium has it: all of them.
        everyone = np.ones(replications, np.bool_)
        info |= {f"_{name}": everyone for name in info}
        executed = outcome <= LATE
        took_s = (tasks["completion_s"] - tasks["arrival_s"])[executed]
        number = count["done"] + count["late"]
        total_s = np.bincount(of[executed], took_s, minlength=replications)
        return info | {"latency_s": total_s / np.maximum(number, 1), "_latency_s": number > 0}

    def _queues(self) -> Info:
        """Of devices (R, N) and stations (R, B) as a slot has ended."""
        return {}

    def _asked(self, decision: Any) -> Mapping[str, NDArray[Any]]:
        """What `reward` has to know as it was decided, not as the network carried it out scaled down."""
        return {}

    def feasible(self, columns: SlotColumns) -> BoolArray:
        """(R,) whether a slot with these trace variables held all limits."""
        raise NotImplementedError

    def reward(self, columns: SlotColumns) -> FloatArray:
        """(R,) of a slot with these trace variables."""
        raise NotImplementedError

    def close_extras(self, **keywords: Any) -> None:
        """End the trace of an episode that is under way; the window goes."""
        if self._recording is not None:
            self._recording.end("interrupted")
        if self._drawing is not None:
            self._drawing.close()

    def __getstate__(self) -> dict[str, Any]:
        if self._recording is not None:
            raise TypeError(
                "an environment with record_trace cannot be copied: a trace has one writer"
            )
        simulation = self._simulation
        return self.__dict__ | {"_simulation": simulation.parts() if simulation else None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if (parts := state["_simulation"]) is not None:
            self._start(self._plan.waiting(_no_policy, self._ended, parts))
            self._observe()

    def _start(self, simulation: Simulation) -> None:
        self._simulation = simulation
        # One more observation than decisions: an episode's last state has a value, too.
        simulation.slots += 1

    def _check_options(self, options: dict[str, Any] | None) -> None:
        """Raises ValueError for what `reset` would have to ignore."""
        options = options or {}
        if unknown := sorted(options.keys() - {"reset_mask"}):
            raise ValueError(f"options: {', '.join(unknown)} not known; allowed: reset_mask")
        if "reset_mask" in options:
            mask = np.asarray(options["reset_mask"])
            if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.all():
                raise ValueError(
                    f"options: reset_mask = {mask.tolist()}; allowed: {self.num_envs} times True, as "
                    "the replications step, end and begin together"
                )

    def _observe(self) -> Features:
        assert self._simulation is not None  # `reset` made it
        self.observation = self._simulation.observe()
        features = self.encoding.features(self.observation)
        return features.reshape(self.observation_space.shape)


class StreamVectorEnvironment(VectorEnvironment):
    """The stream problem. The reward is A(22): minus P2's value, A(20), in units of 10 N q^2.

    q is what a device's CPU can execute in a slot (the mean of all devices), bits: a unit is ten
    slots' work in every queue, times one slot's work served.

    Over many slots P2's value has no energy in it: eta is the ratio of energy to bits that were, so V (E - eta D) is
    zero in the mean whatever is spent. `energy_price` has it count. **Ours.**

    With `action="paper"` a slot that breaks A(14), and is scaled down, has "a penalty, which is a negative
    constant", below A(23). **Ours:** the constant, and that it comes beside A(22), not in its place.

    Args:
        num_envs: as for `VectorEnvironment`, and so are `scenario` and `common`.
        scenario: likewise.
        limit_weight: the penalty, in units of the reward.
        energy_price: what energy costs beside P2's value, in units of V; emission, where P2's penalty is that.
        common: likewise.
    """

    problem_name = "drift-plus-penalty"
    info_keys = ("objective",)
    info_totals: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "energy_j": ("local_energy_j", "offload_energy_j"),
        "emission_mg": ("emission_mg",),
    }

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Path | Scenario = "iiot_20dev",
        *,
        limit_weight: float = 1.0,
        energy_price: float = 0.0,
        **common: Any,
    ) -> None:
        super().__init__(num_envs, scenario, **common)
        self._limit_weight = limit_weight
        assert isinstance(self.problem, DriftPlusPenalty)  # by the problem's name
        self._joule_price = energy_price * self.problem.V
        network = self.problem.network
        local_bits = network.device_cpu_hz.mean() * network.slot_s / network.cycles_per_bit
        self.reward_unit = 10.0 * network.devices * float(local_bits) ** 2

    def reward(self, columns: SlotColumns) -> FloatArray:
        """(R,) A(22), from the (R,) objective in bit^2, and the penalty below A(23)."""
        cost: FloatArray = columns["objective"]
        if self._joule_price > 0.0:
            assert isinstance(self.problem, DriftPlusPenalty)  # by the problem's name
            cost = cost + self._joule_price * self.problem.spent(columns)
        reward: FloatArray = -cost / self.reward_unit
        if self.action == "paper":
            reward = reward - self._limit_weight * ~self.feasible(columns)
        return reward

    def feasible(self, columns: SlotColumns) -> BoolArray:
        """(R,) whether nothing that was decided had to be scaled down to a capacity, A(14)."""
        held: BoolArray = columns["scaled"] == 0
        return held

    def _queues(self) -> Info:
        assert self._simulation is not None  # `reset` made it
        state: Any = self._simulation.world.state
        return {
            "queue_bits": state.queue_bits.copy(),
            "station_queue_bits": state.station_queue_bits.copy(),
        }


class TaskVectorEnvironment(VectorEnvironment):
    """The task problem. The reward is C(22): minus the worst emission and the penalties for violations.

    -(l1 xi + l2 rho^D + l3 rho^E + l4 rho^F + l5 rho^R), where xi is the slot's worst emission in
    units of that of a device that spends its energy budget, and each rho is the sum over devices of
    the relative excess over its limit, at most 1 for each device.

    Args:
        num_envs: as for `VectorEnvironment`, and so are `scenario` and `common`.
        scenario: likewise.
        emission_weight: l1.
        delay_weight: l2, of C(10b).
        energy_weight: l3, of C(10c).
        capacity_weight: l4, of C(10e).
        rate_weight: l5, of C(10d).
        common: the keywords of `VectorEnvironment`.
    """

    problem_name = "worst-case-emission"
    info_keys = ("worst_emission_mg", "violation")
    info_totals: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "energy_j": ("energy_j",),
        "server_energy_j": ("server_energy_j",),
        "emission_mg": ("emission_mg",),
    }

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Path | Scenario = "carbon_6ue",
        *,
        emission_weight: float = 1.0,
        delay_weight: float = 1.0,
        energy_weight: float = 1.0,
        capacity_weight: float = 1.0,
        rate_weight: float = 1.0,
        **common: Any,
    ) -> None:
        super().__init__(num_envs, scenario, **common)
        self._weights = (delay_weight, energy_weight, capacity_weight, rate_weight)
        self._emission_weight = emission_weight

    def reward(self, columns: SlotColumns) -> FloatArray:
        """(R,) C(22), from (R, N) delays, energies, rates and CPU speeds and (R,) worst emissions."""
        assert isinstance(self.problem, WorstCaseEmission)  # by the problem's name
        network = self.problem.network
        offload, present = columns["offload"], columns.get("present", np.True_)
        floor = network.rate_min_bps * (offload if network.rate_floor == "offloading" else 1.0)
        rate = np.maximum(columns["rate_bps"], 1e-9)
        asked_hz = (offload * columns["edge_cpu_hz"]).sum(axis=1, keepdims=True)
        uses = (
            columns["delay_s"] / columns["deadline_s"],
            columns["energy_j"] / network.energy_max_j,
            offload * (asked_hz / network.server_cpu_hz),
            floor / rate,
        )
        budget_mg = (columns["carbon_g_per_kwh"][:, 0] / 3.6e3) * network.energy_max_j
        emission_mg = columns["worst_emission_mg"]
        # Where electricity emits nothing, there is no emission to weigh.
        cost = self._emission_weight * share_of(emission_mg, budget_mg)
        for weight, use in zip(self._weights, uses, strict=True):
            cost = cost + weight * (np.clip(use - 1.0, 0.0, 1.0) * present).sum(axis=1)
        reward: FloatArray = -cost
        return reward

    def _asked(self, decision: TaskDecision) -> Mapping[str, NDArray[Any]]:
        """Printed actions may ask for more than F_max, (10e), and CPUs may deviate: rho^F is of what was asked."""
        return {"edge_cpu_hz": decision.edge_cpu_hz}

    def feasible(self, columns: SlotColumns) -> BoolArray:
        """(R,) whether (10b) to (10f) held."""
        return columns["feasible"].astype(np.bool_)


class _EndedTasks(NullRecorder):
    """Keeps the tasks that ended in the slot recorded last, and hands all on."""

    def __init__(self) -> None:
        self.table: TaskTable = np.zeros(0, TASK_ROW)
        self.also: Recorder = NullRecorder()

    def slot(self, slot: int, columns: SlotColumns) -> None:
        self.also.slot(slot, columns)

    def tasks(self, tasks: TaskTable) -> None:
        self.table = tasks
        self.also.tasks(tasks)


def _seeds(seed: int | Sequence[int | None] | None, count: int) -> int | list[int] | None:
    """One for the first replication, one for each, or none."""
    if seed is None or isinstance(seed, int | np.integer):
        return None if seed is None else int(seed)
    given = [int(one) for one in seed if one is not None]
    if not given and len(seed) == count:
        return None
    if len(given) != count or len(seed) != count:
        raise ValueError(f"seed = {list(seed)}; allowed: one, or {count}, or None")
    return given


def _no_policy(observation: Any) -> Any:
    raise AssertionError("decisions are the actions given to `step`")
