"""One run: a world seen through its twin, a policy, and the processes that they live by."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

import simpy

from . import processes
from .core.clock import Answer, Clock, Process, to_ns
from .core.errors import AnswerError, ModelError, RunError, in_one_line
from .core.recorder import Recorder, SlotColumns, TaskTable
from .network.graph import LiveNetwork
from .stream.world import StreamWorld
from .twin.twin import Twin
from .world import World

Decide = Callable[[Any], Any]
"""A policy's verb: from the world's observation to its decision."""


class Simulation:
    """One run: a world seen through its twin, a policy, and a recorder.

    All that the run is, between two slots, lies in the world's state and models, the twin and the
    policy; the processes remember nothing.

    Args:
        world: the physical network.
        twin: what the policy sees of it.
        policy: its name, for messages.
        decide: its verb.
        recorder: is handed every slot and every task that ended.
        slots: T, the length of the run.
        coherence_s: time between fadings, a whole number of slots; None if nothing fades.
        device_period_s: time between reports of the devices.
        station_period_s: the same for the stations.
        now_ns: where to go on, from the state that world and twin have.
        begun: they have that of a slot that has begun and waits for the decision.
        notes: tells what is to be known of the run, a line each.
    """

    def __init__(
        self,
        world: World,
        twin: Twin,
        policy: str,
        decide: Decide,
        recorder: Recorder,
        slots: int,
        *,
        coherence_s: float | None,
        device_period_s: float,
        station_period_s: float,
        now_ns: int = 0,
        begun: bool = False,
        notes: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.world = world
        self.notes = notes
        self.slots = slots
        self._twin = twin
        self._policy = f"policy {policy!r}"
        self._decide = decide
        self._recorder = recorder
        self._stopping = self._running = False
        self._until = slots
        self._observation: Any = None
        self._decided: simpy.Event | None = None
        self._diagnostics: set[str] | None = None
        self._recorded: SlotColumns = {}
        self._clock = clock = Clock(now_ns, begun=begun)
        started = [
            self._guarded("arrivals model", processes.task_arrivals(clock, world)),
            processes.carbon_intensity(clock, world),
            processes.device_synchronisation(clock, world, twin, to_ns(device_period_s)),
            processes.station_synchronisation(clock, world, twin, to_ns(station_period_s)),
            processes.slots(clock, world, twin, self._ask, self._record),
            processes.radio(clock, world),
            processes.device_queues(clock, world),
            processes.station_queues(clock, world),
            *(processes.delivery(clock, report) for report in twin.under_way),
        ]
        if any(to_ns(period_s) % world.slot_ns for period_s in (device_period_s, station_period_s)):
            # Before the slot's decision, which sends stations to sleep.
            started.insert(0, processes.stock_taking(clock, world))
        if world.mobility.moves:
            started.append(self._guarded("mobility model", processes.mobility(clock, world)))
        if coherence_s is not None:
            block_ns = to_ns(coherence_s)
            started.append(self._guarded("fading model", processes.fading(clock, world, block_ns)))
        if isinstance(world, StreamWorld) and world.failures is not None:
            started.append(processes.failures_and_repairs(clock, world, world.failures))
        for process in started:
            clock.start(process)

    @property
    def slot(self) -> int:
        """The slot that comes next, or is under way."""
        return self.world.state.slot

    @property
    def network(self) -> LiveNetwork:
        """The network; its `graph` shows who is where, with whom, and what is up, now."""
        return self.world.live

    def parts(self) -> dict[str, Any]:
        """All that it is between two slots, for `save_state`; to be saved before time goes on.

        Before a decision it is all for `Blueprint.waiting`.
        """
        return {"now_ns": self._clock.now_ns, "world": self.world, "twin": self._twin}

    def run(self, until: int | None = None) -> bool:
        """Run to the last slot, or to the end of the slot in which `stop` was called.

        Args:
            until: the slot before which to end, instead of the last slot's end.

        Returns:
            True if all these slots were run.

        Raises:
            RunError: names the slot, and the model, or the policy's field or exception.
        """
        self._until = self.slots if until is None else min(until, self.slots)
        if self._decided is not None and not self._stopping and self.world.state.slot < self._until:
            self.act(self._decision(self._observation))
        if not self._stopping and self.world.state.slot < self._until:
            self._running = True
            try:
                self._pass_time()
            finally:
                self._running = False
        return self.world.state.slot >= self._until

    def observe(self) -> Any | None:
        """Let time pass up to the next decision.

        Returns:
            What the twin shows; None after the last slot, or after `stop`.

        Raises:
            RunError: names the slot and the model that failed.
        """
        if self._stopping or self.world.state.slot >= self.slots:
            return None
        if self._decided is None:
            self._pass_time()
        return self._observation

    def act(self, decision: Any) -> SlotColumns:
        """Decide upon what `observe` showed last, and let the slot pass.

        Returns:
            The slot's trace variables.

        Raises:
            RunError: names the policy, the slot and the field that no network can do, or the model
                that failed.
        """
        assert self._decided is not None, "observe comes first"
        self._decided.succeed(self._checked(decision))
        self._decided = None
        self._pass_time()
        return self._recorded

    def stop(self) -> None:
        """End the run after the slot that is being carried out; safe in a signal handler."""
        self._stopping = True

    def _ask(self, observation: Any) -> Answer:
        """The decision upon this is needed: the policy's, or what `act` gives after `observe`."""
        if self._running:
            return self._checked(self._decision(observation))
        self._observation = observation
        self._decided = self._clock.answer()
        self._clock.pause()
        return (yield self._decided)

    def _pass_time(self) -> None:
        """Until the clock is paused, or nothing is left to happen."""
        try:
            self._clock.run()
        except ModelError as error:
            raise RunError(error.in_slot(self.world.state.slot)) from error

    def _checked(self, decision: Any) -> Any:
        try:
            checked = self.world.check(decision)
            given = decision.diagnostics.keys()
            if self._diagnostics is None:
                self._diagnostics = set(given)
            elif given != self._diagnostics:
                what = f"{sorted(given)}, in the first slot {sorted(self._diagnostics)}"
                raise AnswerError("diagnostics", what)
        except AnswerError as error:
            slot = self.world.state.slot
            what = f"{self._policy}, slot {slot}, field {error}"
            if (
                type(decision).__name__ in ("Decision", "TaskDecision")
                and error.field == "decision"
            ):
                what = f"{what}; {self._of_the_other()}"
            raise RunError(what) from error
        return checked

    def _of_the_other(self) -> str:
        """Advice where a policy asks or answers as in the other problem."""
        stream = isinstance(self.world, StreamWorld)
        name = "drift-plus-penalty" if stream else "worst-case-emission"
        return f"a policy of the other problem? this scenario's is {name}"

    def _record(self, columns: SlotColumns, ended: TaskTable) -> None:
        next_slot = self.world.state.slot
        self._recorder.slot(next_slot - 1, columns)
        self._recorder.tasks(ended)
        self._recorded = columns
        if not self._running or self._stopping or next_slot >= self._until:
            self._clock.pause()

    def _decision(self, observation: Any) -> Any:
        start = perf_counter()
        try:
            decision = self._decide(observation)
        except Exception as error:
            failed = self._failed(self._policy, error)
            if isinstance(error, AttributeError) and error.obj is observation:
                failed = RunError(f"{failed}; {self._of_the_other()}")
            raise failed from error
        self._recorder.decision_time(perf_counter() - start)
        return decision

    def _guarded(self, model: str, process: Process) -> Process:
        """A process such that whatever a user's own model raises in it is named and placed."""
        try:
            yield from process
        except ModelError:
            raise
        except Exception as error:
            raise self._failed(model, error) from error

    def _failed(self, who: str, error: Exception) -> RunError:
        return RunError(f"{who}, slot {self.world.state.slot}: {in_one_line(error)}")
