"""What stations draw, asleep, idle and at work, and where it is from: panels, battery, grid."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from ..core.answers import STATION, first, place, truths
from ..core.arrays import BoolArray, FloatArray, IntArray, read_only
from ..core.errors import AnswerError
from .solar import Panels


@dataclass(frozen=True)
class PowerLaw:
    """The linear power model of EARTH (Auer et al. 2011, eq. (1)) for radios, and the same for servers.

    Attributes:
        radio_w: (3, B) what a radio draws asleep, idle, and more than idle at full load.
        server_w: (3, B) likewise of a server.
        counted: (B,) False where a server draws what its tasks take, A(11) or C(8), and nothing else.
    """

    radio_w: FloatArray
    server_w: FloatArray
    counted: BoolArray

    @property
    def idle_w(self) -> FloatArray:
        """(B,) what a station draws that is awake and serves nobody."""
        return np.asarray(self.radio_w[1] + self.server_w[1])

    @property
    def sleep_w(self) -> FloatArray:
        """(B,) what one draws that is asleep."""
        return np.asarray(self.radio_w[0] + self.server_w[0])

    @staticmethod
    def drawn_w(
        levels_w: FloatArray, awake: BoolArray, load: FloatArray, up: FloatArray | float
    ) -> FloatArray:
        """(R, B) mean of a slot: asleep, or idle, while it is up, and load times what it is more at full load.

        A load is a share of the whole slot, and there is none while a station is down.
        """
        asleep, idle, span = levels_w
        return np.asarray(np.where(awake, idle * up + span * load, asleep * up))


@dataclass(frozen=True)
class SleepRule:
    """That stations may sleep.

    Attributes:
        may: (B,) which.
        when: "decided" by the policy alone, or also while "empty" of devices in their coverage.
        wake_ns: from the order to the moment from which on devices may choose them.
        wake_j: drawn once for it.
    """

    may: BoolArray
    when: Literal["decided", "empty"]
    wake_ns: int
    wake_j: float


@dataclass(frozen=True)
class StationsSeen:
    """What a policy sees of the stations' power, by their last report.

    Attributes:
        awake: (R, B) False of a station that sleeps.
        open: (R, B) whether devices may choose it.
        battery_j: (R, B) charge of its battery.
        grid_share: (R, B) of what it drew in the last slot, the share that was from the grid.
        law: what stations draw, in W.
        sleep: which may sleep, and what waking takes; None where none may.
        position_m: (B, 2) where they stand.
        coverage_m: (B,) how far they reach.
    """

    awake: BoolArray
    open: BoolArray
    battery_j: FloatArray
    grid_share: FloatArray
    law: PowerLaw
    sleep: SleepRule | None
    position_m: FloatArray
    coverage_m: FloatArray


@dataclass(frozen=True)
class StationBattery:
    """Batteries at stations.

    Attributes:
        capacity_j: (B,) zero where there is none.
        initial_j: (B,) as the run begins.
        efficiency: (B,) the share of what is charged that is stored.
        power_w: (B,) the most that each takes or gives; infinite without a limit.
    """

    capacity_j: FloatArray
    initial_j: FloatArray
    efficiency: FloatArray
    power_w: FloatArray


@dataclass(frozen=True)
class SlotPower:
    """The account of a slot, (R, B) each.

    solar + grid = radio + server + wake + curtailed + loss + what the battery's charge has grown by.

    Attributes:
        radio_j: drawn by the radio.
        server_j: by the server.
        wake_j: for waking up.
        solar_j: what the panels gave.
        curtailed_j: of that, what nobody took.
        loss_j: lost in charging the battery.
        grid_j: from the grid.
        battery_j: charge as the slot began.
        awake: whether the station was.
        open: whether devices could choose it.
        emission_g: of what was from the grid.
    """

    radio_j: FloatArray
    server_j: FloatArray
    wake_j: FloatArray
    solar_j: FloatArray
    curtailed_j: FloatArray
    loss_j: FloatArray
    grid_j: FloatArray
    battery_j: FloatArray
    awake: BoolArray
    open: BoolArray
    emission_g: FloatArray

    @property
    def drawn_j(self) -> FloatArray:
        """(R, B) all that the station drew."""
        return self.radio_j + self.server_j + self.wake_j

    @property
    def grid_share(self) -> FloatArray:
        """(R, B) of what it drew, the share that is from the grid.

        Where it drew nothing, of what it would draw first: none while the sun shines, else all.
        """
        drawn_j = self.drawn_j
        first: FloatArray = np.where(self.solar_j > 0.0, 0.0, 1.0)
        return np.divide(self.grid_j, drawn_j, out=first, where=drawn_j > 0.0)


class StationPower:
    """Whether stations are awake, the charge of their batteries, and the account of each slot.

    Args:
        law: what they draw.
        sleep: None where none may.
        panels: None where there are none.
        battery: None where there is none.
        slot_s: tau.
        replications: R.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        "awake",
        "open",
        "wanted",
        "_ready_ns",
        "_woken",
        "_battery_j",
        "_grid_share",
        "_panels",
    )

    def __init__(
        self,
        law: PowerLaw,
        sleep: SleepRule | None,
        panels: Panels | None,
        battery: StationBattery | None,
        slot_s: float,
        replications: int,
    ) -> None:
        shape = (replications, len(law.counted))
        self.law, self.sleep = law, sleep
        self.has_panels, self.battery = panels is not None, battery
        self._panels, self._slot_s = panels, slot_s
        self.awake = self.open = self.wanted = np.ones(shape, np.bool_)
        self._woken = np.zeros(shape, np.bool_)
        self._ready_ns: IntArray = np.zeros(shape, np.int64)
        initial_j = 0.0 if battery is None else battery.initial_j
        self._battery_j = np.zeros(shape) + initial_j
        self._grid_share = np.ones(shape)

    def reported(self) -> dict[str, NDArray[Any]]:
        """(R, B) what stations know of themselves, by name."""
        return {
            "awake": self.awake,
            "open": self.open,
            "station_battery_j": self._battery_j,
            "grid_share": self._grid_share,
        }

    def seen(
        self, columns: Mapping[str, NDArray[Any]], position_m: FloatArray, coverage_m: FloatArray
    ) -> StationsSeen:
        """What a policy is shown of the (R, B) columns that the twin has of the stations."""
        awake, is_open, battery_j, share = (read_only(columns[n].copy()) for n in self.reported())
        law, sleep = self.law, self.sleep
        return StationsSeen(awake, is_open, battery_j, share, law, sleep, position_m, coverage_m)

    def ordered(self, awake: Any) -> BoolArray:
        """(R, B) which stations are to be awake, as a policy says it.

        Raises:
            AnswerError: no True or False for each, or one is to sleep that may not.
        """
        found = truths("awake", awake, self.awake.shape)
        if (at := first(~found & ~self._may)) is not None:
            what = f"{place(at, STATION)} is to sleep, and may not"
            raise AnswerError("awake", f"{what}; allowed: SBSs, with `stations.sbs.power.sleep`")
        return read_only(found)

    @property
    def _may(self) -> BoolArray:
        """(B,) which may sleep."""
        return np.zeros(self.awake.shape[1], np.bool_) if self.sleep is None else self.sleep.may

    def begin_slot(self, wanted: BoolArray | None, covers: BoolArray | None, now_ns: int) -> None:
        """Stations that are asleep and are to be awake begin to wake.

        Args:
            wanted: (R, B) which are to be awake, by the policy; all if it does not say.
            covers: (R, B) which have a device in their coverage, where that matters.
            now_ns: as the slot begins.
        """
        if self.sleep is None:
            return
        ordered = np.ones(self.awake.shape, np.bool_) if wanted is None else wanted
        if covers is not None:
            ordered = ordered & covers
        self.wanted = ordered | ~self.sleep.may
        self._woken = self.wanted & ~self.awake
        self._ready_ns = np.where(self._woken, now_ns + self.sleep.wake_ns, self._ready_ns)
        self.awake = self.awake | self._woken

    def account(
        self,
        start_ns: int,
        loads: tuple[FloatArray, FloatArray],
        tasks_j: FloatArray,
        up: FloatArray | float,
        carbon_g_per_j: FloatArray,
    ) -> SlotPower:
        """What a slot took, and where it is from.

        Args:
            start_ns: when it began.
            loads: (R, B) each: the share of the radio's band and time in use, and that of the CPU.
            tasks_j: (R, B) what tasks took at the station by A(11) or C(8).
            up: (R, B) the share of the slot in which a station has not failed; it draws nothing else.
            carbon_g_per_j: (R, B) of the grid.
        """
        law, slot_s, shape = self.law, self._slot_s, self.awake.shape
        radio_j = law.drawn_w(law.radio_w, self.awake, loads[0], up) * slot_s
        server_j = law.drawn_w(law.server_w, self.awake, loads[1], up) * slot_s
        server_j = np.where(law.counted, server_j, tasks_j)
        wake_j = np.zeros(shape)
        if self.sleep is not None:
            wake_j = np.where(self._woken, self.sleep.wake_j, 0.0)
        drawn_j = radio_j + server_j + wake_j
        solar_j = np.zeros(shape) if self._panels is None else self._panels.energy_j(start_ns)
        direct_j = np.minimum(solar_j, drawn_j)
        over_j, short_j = solar_j - direct_j, drawn_j - direct_j
        taken_j = given_j = loss_j = np.zeros(shape)
        before_j = self._battery_j
        if (battery := self.battery) is not None:
            most_j = battery.power_w * slot_s
            room_j = (battery.capacity_j - before_j) / battery.efficiency
            taken_j = np.minimum(np.minimum(over_j, room_j), most_j)
            loss_j = taken_j * (1.0 - battery.efficiency)
            given_j = np.minimum(np.minimum(short_j, before_j), most_j)
            charge_j = before_j - given_j + taken_j * battery.efficiency
            self._battery_j = np.clip(charge_j, 0.0, battery.capacity_j)
        grid_j = short_j - given_j
        found = SlotPower(
            radio_j,
            server_j,
            wake_j,
            solar_j,
            over_j - taken_j,
            loss_j,
            grid_j,
            before_j,
            self.awake,
            self.open,
            grid_j * carbon_g_per_j,
        )
        self._grid_share = found.grid_share
        return found

    def columns(
        self, slot: SlotPower, device_j: FloatArray, device_g: FloatArray
    ) -> dict[str, NDArray[Any]]:
        """The trace variables of a slot.

        Args:
            slot: its account.
            device_j: (R, N) what devices drew themselves.
            device_g: (R, N) what that emitted.
        """
        found: dict[str, NDArray[Any]] = {
            "device_energy_j": device_j,
            "device_emission_mg": device_g * 1e3,
            "station_energy_j": slot.drawn_j,
            "station_radio_j": slot.radio_j,
            "station_server_j": slot.server_j,
            "station_grid_j": slot.grid_j,
            "station_emission_mg": slot.emission_g * 1e3,
            "network_emission_mg": (device_g.sum(axis=1) + slot.emission_g.sum(axis=1)) * 1e3,
        }
        if self.sleep is not None:
            found |= {
                "station_awake": slot.awake,
                "station_open": slot.open,
                "station_wake_j": slot.wake_j,
            }
        if self.has_panels:
            found |= {"station_solar_j": slot.solar_j, "station_curtailed_j": slot.curtailed_j}
        if self.battery is not None:
            found |= {"station_battery_j": slot.battery_j, "station_loss_j": slot.loss_j}
        return found

    def end_slot(self, end_ns: int, station_queue_bits: FloatArray) -> BoolArray:
        """Stations open that have woken up, close that are to sleep, and sleep once their queue is empty.

        Args:
            end_ns: when the slot ends.
            station_queue_bits: (R, B) then.

        Returns:
            (R,) where devices have to choose anew.
        """
        if self.sleep is None:
            return np.zeros(len(self.awake), np.bool_)
        before = self.open
        self.awake = self.awake & (self.wanted | (station_queue_bits > 0.0))
        self.open = self.awake & self.wanted & (self._ready_ns <= end_ns)
        return np.asarray((self.open != before).any(axis=1))
