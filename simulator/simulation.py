"""Time: SimPy processes that drive a world and its twin, one slot after another."""

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import simpy

from .core.clock import Clock, Turn, every, to_ns
from .core.errors import RunError
from .core.recorder import Recorder
from .network.graph import LiveNetwork
from .state import Columns
from .stream.decision import DecisionError
from .twin.twin import Twin
from .world import Change, World

MODELS = ("arrivals", "mobility", "fading")
"""The processes that run a model which may be a user's own."""

Decide = Callable[[Any], Any]
"""A policy's verb: from the world's observation to its decision."""


@dataclass(frozen=True)
class Snapshot:
    """All that a simulation is at a slot's boundary.

    Attributes:
        now_ns: when the last slot began.
        next_ns: of each clock, when it ticks next.
        world: with its state and models.
        twin: with what is under way to it.
    """

    now_ns: int
    next_ns: dict[str, int]
    world: World
    twin: Twin


class Simulation:
    """One run: a world seen through its twin, a policy, and a recorder.

    All that the run is, at a slot's boundary, lies in the world's state and models, the twin, the
    policy and the clocks; the processes themselves remember nothing.

    Args:
        world: the physical network.
        twin: what the policy sees of it.
        policy: its name, for messages.
        decide: its verb.
        recorder: is handed every slot and every task that ended.
        slots: T, the length of the run.
        coherence_s: time between fadings, a whole number of slots; None if nothing fades.
        device_period_s: time between reports of the devices, a whole number of slots.
        station_period_s: the same for the stations.
        snapshot: where to go on; its world and twin are those given.
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
        snapshot: Snapshot | None = None,
    ) -> None:
        self.world = world
        self.slots = slots
        self._twin = twin
        self._policy = f"policy {policy!r}"
        self._decide = decide
        self._recorder = recorder
        self._stopping = False
        self._env = simpy.Environment(snapshot.now_ns if snapshot else 0)
        self._decision_due = False
        self._observation: Any = None
        slot_ns = to_ns(world.slot_s)
        self._slot_ns = slot_ns
        self.clocks = {
            "arrivals": (Clock(Turn.ARRIVALS, 0, slot_ns), world.arrive),
            "device sync": (Clock(Turn.DEVICE_SYNC, 0, to_ns(device_period_s)), self._sync_devices),
            "station sync": (
                Clock(Turn.STATION_SYNC, 0, to_ns(station_period_s)),
                self._sync_stations,
            ),
            "slot": (Clock(Turn.SLOT, 0, slot_ns), self._slot),
        }
        if world.mobility.moves:
            self.clocks["mobility"] = (Clock(Turn.MOBILITY, slot_ns, slot_ns), self._move)
        if coherence_s is not None:
            block_ns = to_ns(coherence_s)
            self.clocks["fading"] = (Clock(Turn.FADING, block_ns, block_ns), world.fade)
        for turn, change in world.changes().items():
            first_ns = change.next_ns(0)
            if first_ns is not None:
                clock = Clock(turn, first_ns, 0)
                self.clocks[turn.name.lower()] = (clock, partial(self._change, clock, change))
        if snapshot:
            for name, (clock, _) in self.clocks.items():
                clock.next_ns = snapshot.next_ns[name]
        for name, (clock, act) in self.clocks.items():
            self._env.process(every(self._env, clock, self._guarded(name, act)))

    @property
    def network(self) -> LiveNetwork:
        """The network; its `graph` shows who is where, with whom, and what is up, now."""
        return self.world.live

    def snapshot(self) -> Snapshot:
        """What a simulation that goes on from here needs; to be saved before time goes on."""
        next_ns = {name: clock.next_ns for name, (clock, _) in self.clocks.items()}
        return Snapshot(self._now_ns(), next_ns, self.world, self._twin)

    def run(self, until: int | None = None) -> bool:
        """Run to the last slot, or to the end of the slot in which `stop` was called.

        Args:
            until: the slot before which to end, instead of the last slot's end.

        Returns:
            True if all these slots were run.

        Raises:
            RunError: names the slot, and the model, or the policy's field or exception.
        """
        end = self.slots if until is None else min(until, self.slots)
        while self.world.state.slot < end and (observation := self.observe()) is not None:
            self.act(self._ask(observation))
        return self.world.state.slot >= end

    def observe(self) -> Any | None:
        """Let time pass up to the next decision.

        Returns:
            What the twin shows; None after the last slot, or after `stop`.

        Raises:
            RunError: names the slot and the model that failed.
        """
        if self._stopping or self.world.state.slot >= self.slots:
            return None
        self._decision_due = False
        while not self._decision_due:
            self._env.step()
        sight = self._twin.look(self.world.state.slot, self._now_ns())
        self._observation = self.world.observation(sight)
        return self._observation

    def act(self, decision: Any) -> Columns:
        """Carry out the decision on what `observe` showed last, and record the slot.

        Returns:
            The slot's trace variables.

        Raises:
            RunError: names the policy, the slot and the field that no network can do.
        """
        slot = self.world.state.slot
        try:
            decision = self.world.check(decision)
        except DecisionError as error:
            raise RunError(f"{self._policy}, slot {slot}, field {error}") from error
        columns, ended = self.world.carry_out(decision, self._observation)
        self._recorder.slot(slot, columns)
        self._recorder.tasks(ended)
        return columns

    def stop(self) -> None:
        """End the run after the slot that is being carried out; safe in a signal handler."""
        self._stopping = True

    def _now_ns(self) -> int:
        return int(self._env.now)

    def _move(self) -> None:
        self.world.move(self._slot_ns)

    def _change(self, clock: Clock, change: Change) -> None:
        now_ns = self._now_ns()
        change.act(now_ns)
        next_ns = change.next_ns(now_ns)
        # If nothing changes any more: the run ends long before this tick.
        clock.next_ns = next_ns if next_ns is not None else now_ns + (1 << 62)

    def _sync_devices(self) -> None:
        self._twin.synchronise_devices(self.world.state, self._now_ns())

    def _sync_stations(self) -> None:
        self._twin.synchronise_stations(self.world.state, self._now_ns())

    def _slot(self) -> None:
        self._decision_due = True

    def _ask(self, observation: Any) -> Any:
        start = perf_counter()
        try:
            decision = self._decide(observation)
        except Exception as error:
            raise self._failed(self._policy, error) from error
        self._recorder.decision_time(perf_counter() - start)
        return decision

    def _guarded(self, name: str, act: Callable[[], None]) -> Callable[[], None]:
        """A model's act, such that whatever a user's own model raises is named and placed."""
        if name not in MODELS:
            return act

        def guarded() -> None:
            try:
                act()
            except Exception as error:
                raise self._failed(f"{name} model", error) from error

        return guarded

    def _failed(self, who: str, error: Exception) -> RunError:
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}, line {where.lineno}"
        slot = self.world.state.slot
        what = f"{type(error).__name__}: {error}".partition("\n")[0]
        return RunError(f"{who}, slot {slot}: {what} ({place})")
