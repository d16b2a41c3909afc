"""Models that are not the program's own, with a look at what they answer.

The program's own are not looked at: their laws are tested, and a slot of theirs costs nothing more. What
a model is handed is its own to change, and what it answers stays as it is when the model goes on.
"""

from collections.abc import Callable, Sequence
from math import ulp
from typing import Any, ClassVar, TypeVar

import numpy as np

from ..core.answers import DEVICE, LINK, amounts, first, numbers, place, truths, whole_numbers
from ..core.arrays import BoolArray, FloatArray, IntArray
from ..core.errors import AnswerError, ModelError, in_one_line
from ..core.randomness import Generators
from ..network.graph import LiveNetwork
from ..network.network import Network
from .arrivals import Tasks
from .association import follows_carbon
from .path_loss import Links, Sites, is_law

Answer = TypeVar("Answer")

ROUNDING = 1e-9
"""By so much of the area, or of the slot, may a place or a moment lie outside of it; it is moved inside."""


def checked(kind: str, model: Any, name: str, network: Network) -> Any:
    """A model that is looked at, if it is of a class outside of this package; else the model itself.

    Args:
        kind: "arrivals", "tasks" (those of one per device and slot), "fading", "path_loss", "mobility"
            or "association".
        model: not started.
        name: as the scenario has it, for messages.
        network: what it is a model of.
    """
    if type(model).__module__.partition(".")[0] == __name__.partition(".")[0]:
        return model
    return _KINDS[kind](model, name, network)


class _Checked:
    """Stands for a model; whatever is wrong with it ends the run, in a `ModelError`.

    Args:
        model: of somebody else's.
        name: as the scenario has it.
        network: gives shapes and limits.
    """

    remembers: ClassVar[tuple[str, ...]] = ("model",)
    kind: ClassVar[str]

    def __init__(self, model: Any, name: str, network: Network) -> None:
        self.model = model
        self._name = f"{self.kind} model {name!r}"
        self._network = network

    def _ask(self, check: Callable[[Any], Answer], verb: str, *given: Any) -> Answer:
        """The model's answer to a verb, looked at."""
        own = [one.copy() if isinstance(one, np.ndarray) else one for one in given]
        return self._look(check, lambda: getattr(self.model, verb)(*own))

    def _look(self, check: Callable[[Any], Answer], ask: Callable[[], Any]) -> Answer:
        """What the model gives, looked at."""
        try:
            answer = ask()
        except AnswerError as error:  # of what it answered to a class of ours that it is made from
            raise ModelError(self._name, error) from error
        except Exception as error:
            raise ModelError(self._name, in_one_line(error)) from error
        try:
            return check(answer)
        except AnswerError as error:
            raise ModelError(self._name, error) from error

    def _start(self, *given: Any) -> None:
        self._ask(lambda _: None, "start", *given)


class CheckedPathLoss(_Checked):
    """Gains that are finite and not negative; see `path_loss.PathLoss` and `path_loss.DistanceLaw`."""

    kind = "path-loss"

    def start(self, sites: Sites, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run, with (B,) m of coverage; see `Association`."""
        if not is_law(self.model):
            self._start(sites, rngs_of)

    def gain(self, links: Links) -> FloatArray:
        """(R, N, B) mean power gains."""
        shape = links.distance_m.shape

        def check(gain: Any) -> FloatArray:
            return amounts("path_gain", gain, shape, LINK).copy()

        own = Links(*[column.copy() for column in links])
        return self._ask(check, "gain", own.distance_m if is_law(self.model) else own)


class CheckedFading(_Checked):
    """Gains that are finite and not negative; see `fading.Fading`."""

    kind = "fading"

    def start(
        self,
        devices: int,
        station_names: Sequence[str],
        rngs_of: Callable[[str], Generators],
    ) -> None:
        """Begin a run, with (B,) m of coverage; see `Association`."""
        self._start(devices, station_names, rngs_of)

    def next(self) -> FloatArray:
        """(R, N, B) power gains of the next coherence block."""
        return self._ask(self._gains, "next")

    def _gains(self, gains: Any) -> FloatArray:
        network = self._network
        shape = (network.replications, network.devices, network.stations)
        return amounts("fading", gains, shape, LINK).copy()


class CheckedMobility(_Checked):
    """Positions in the area; see `mobility.Mobility`."""

    kind = "mobility"

    @property
    def moves(self) -> bool:
        """False if positions never change."""
        return bool(self.model.moves)

    @property
    def present(self) -> BoolArray | None:
        """(R, N) which devices are there; None of a model that did not tell as it started."""
        if not self._tells_presence:
            return None

        def check(present: Any) -> BoolArray:
            return truths("present", present, (self._network.replications, self._network.devices))

        return self._look(check, lambda: self.model.present)

    def start(
        self,
        position_m: FloatArray,
        area_m: FloatArray,
        rngs_of: Callable[[str], Generators],
        placed: bool,
    ) -> FloatArray:
        """Begin a run; (R, N, 2) m, where the devices are at time zero."""
        self._area_m = area_m
        started = self._ask(self._in_area, "start", position_m, area_m, rngs_of, placed)
        self._tells_presence = getattr(self.model, "present", None) is not None
        return started

    def advance(self, position_m: FloatArray, dt_s: float) -> FloatArray:
        """(R, N, 2) m, where the devices are `dt_s` seconds later."""
        return self._ask(self._in_area, "advance", position_m, dt_s)

    def _in_area(self, answer: Any) -> FloatArray:
        shape = (self._network.replications, self._network.devices, 2)
        position_m, area_m = numbers("position_m", answer, shape), self._area_m
        slack_m = ROUNDING * area_m
        # Whatever is no number is not within anything.
        within = (position_m >= -slack_m) & (position_m <= area_m + slack_m)
        if (at := first(~within)) is not None:
            what = f"{_pair(position_m[at[:2]])} at {place(at[:2], DEVICE)}"
            raise AnswerError("position_m", f"{what}; allowed: from (0, 0) to {_pair(area_m)}")
        inside: FloatArray = np.minimum(np.maximum(position_m, 0.0), area_m)
        return np.ascontiguousarray(inside)


class CheckedAssociation(_Checked):
    """Stations that there are; see `association.Association`."""

    kind = "association"

    @property
    def follows_carbon(self) -> bool:
        """Whether devices choose anew when the carbon intensity changes."""
        return follows_carbon(self.model)

    def start(self, network: LiveNetwork, coverage_m: FloatArray) -> None:
        """Begin a run, with (B,) m of coverage; see `Association`."""
        self._live = network
        self._start(network, coverage_m)

    def associate(
        self, distance_m: FloatArray, path_gain: FloatArray, chooses: BoolArray | None = None
    ) -> IntArray:
        """(R, N) the station of each device; zero where it is absent, or it was not time to choose."""

        def check(answer: Any) -> IntArray:
            given = whole_numbers("station", answer, distance_m.shape[:2])
            station: IntArray = given.astype(np.int64, order="C")
            if chooses is not None:
                station = np.where(chooses[:, None], station, 0)
            station = np.where(self._live.present, station, 0)
            stations = distance_m.shape[2]
            if (at := first(~_below(station, stations))) is not None:
                what = f"{station[at]} at {place(at, DEVICE)}"
                raise AnswerError("station", f"{what}; allowed: 0 to {stations - 1}")
            return station

        return self._ask(check, "associate", distance_m, path_gain, chooses)


class CheckedArrivals(_Checked):
    """Tasks of the slot, of devices that there are, in order; see `arrivals.Arrivals`."""

    kind = "arrivals"

    def start(self, devices: int, slot_s: float, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run, with (B,) m of coverage; see `Association`."""
        self._start(devices, slot_s, rngs_of)

    def slot(self, slot: int) -> Tasks:
        """The tasks of a slot."""
        return self._ask(lambda tasks: self._tasks(tasks, slot), "slot", slot)

    def _tasks(self, tasks: Any, slot: int) -> Tasks:
        if not isinstance(tasks, Tasks):
            raise AnswerError("tasks", f"expected Tasks, got {type(tasks).__name__}")
        replication = whole_numbers("replication", tasks.replication).astype(np.int64)
        if replication.ndim != 1:
            raise AnswerError("replication", f"shape {replication.shape}, expected (K,)")
        shape = replication.shape
        device = whole_numbers("device", tasks.device, shape).astype(np.int64)
        arrival_s = numbers("arrival_s", tasks.arrival_s, shape)
        bits = numbers("bits", tasks.bits, shape)
        deadline_s = tasks.deadline_s
        if deadline_s is not None:
            deadline_s = numbers("deadline_s", deadline_s, shape).copy()
        network = self._network
        # The end of a slot may be what rounding makes of a moment just before it.
        begins_s, ends_s = slot * network.slot_s, (slot + 1) * network.slot_s
        slack_s = ROUNDING * network.slot_s + 4.0 * ulp(ends_s)
        begun = arrival_s >= begins_s - slack_s
        columns = {
            "replication": (replication, _below(replication, network.replications)),
            "device": (device, _below(device, network.devices)),
            "bits": (bits, (bits > 0.0) & (bits < np.inf)),
            "arrival_s": (arrival_s, begun & (arrival_s <= ends_s + slack_s)),
        }
        if deadline_s is not None:
            columns["deadline_s"] = (deadline_s, ~(deadline_s <= 0.0))

        def of(task: int) -> str:
            return f"task {task} (replication {replication[task]}, device {device[task]})"

        for name, (column, right) in columns.items():
            if (at := first(~right)) is not None:
                allowed = {
                    "replication": f"0 to {network.replications - 1}",
                    "device": f"0 to {network.devices - 1}",
                    "bits": "finite and positive",
                    "arrival_s": f"{begins_s} to {ends_s}",
                    "deadline_s": "positive, or NaN for the scenario's",
                }[name]
                raise AnswerError(name, f"{column[at]} of {of(at[0])}; allowed: {allowed}")
        arrival_s = np.minimum(np.maximum(arrival_s, begins_s), ends_s)
        keys = {"replication": replication, "device": device, "arrival_s": arrival_s}
        if (fault := _out_of_order(keys)) is not None:
            name, task = fault
            what = f"{keys[name][task]} of {of(task)} after {keys[name][task - 1]}"
            raise AnswerError(name, f"{what}; allowed: sorted by replication, device and arrival")
        return Tasks(replication, device, arrival_s, bits.copy(), deadline_s)


class CheckedSlotTasks(_Checked):
    """One task per device, with something to do; see `arrivals.SlotTasks`."""

    kind = "arrivals"

    def start(self, devices: int, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run of N devices."""
        self._start(devices, rngs_of)

    def next(self) -> tuple[FloatArray, ...]:
        """(R, N) bits and cycles of the next slot's tasks, and deadlines if they have their own."""
        return self._ask(self._tasks, "next")

    def _tasks(self, answer: Any) -> tuple[FloatArray, ...]:
        if not isinstance(answer, tuple | list) or len(answer) not in (2, 3):
            found = type(answer).__name__
            what = f"expected bits and cycles, and perhaps deadlines, got {found}"
            raise AnswerError("tasks", what)
        given = [self._positive("bits", answer[0]), self._positive("cycles", answer[1])]
        return tuple(given + [self._positive("deadline_s", own, nan=True) for own in answer[2:]])

    def _positive(self, field: str, values: Any, *, nan: bool = False) -> FloatArray:
        shape = (self._network.replications, self._network.devices)
        column = numbers(field, values, shape)
        right = (column > 0.0) & (column < np.inf)
        allowed = "finite and positive"
        if nan:
            right |= np.isnan(column)
            allowed += ", or NaN for the scenario's"
        if (at := first(~right)) is not None:
            raise AnswerError(field, f"{column[at]} at {place(at, DEVICE)}; allowed: {allowed}")
        return column.copy()


def _below(column: IntArray, end: int) -> BoolArray:
    return (column >= 0) & (column < end)


def _out_of_order(keys: dict[str, Any]) -> tuple[str, int] | None:
    """The first key that falls where all before it are equal, and in which row."""
    equal: Any = True
    faults = []
    for name, column in keys.items():
        before, after = column[:-1], column[1:]
        if (at := first(equal & (after < before))) is not None:
            faults.append((at[0] + 1, name))
        equal = equal & (after == before)
    return min(faults)[::-1] if faults else None


def _pair(of: FloatArray) -> str:
    return f"({of[0]}, {of[1]})"


_KINDS: dict[str, type[_Checked]] = {
    "path_loss": CheckedPathLoss,
    "fading": CheckedFading,
    "mobility": CheckedMobility,
    "association": CheckedAssociation,
    "arrivals": CheckedArrivals,
    "tasks": CheckedSlotTasks,
}
