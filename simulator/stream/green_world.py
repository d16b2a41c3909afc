"""The world of the stream problem where emission, or the classes of tasks, are part of the decision."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import BoolArray, FloatArray, read_only
from ..core.clock import NANOSECONDS
from ..core.columns import ColumnBlocks
from ..core.recorder import SlotColumns, TaskTable
from ..models.arrivals import Tasks
from ..models.carbon import JOULES_PER_KWH, CarbonIntensity
from ..models.forecast import Forecasts
from ..network.cells import Cells
from ..state import Columns
from ..twin.twin import TwinView
from . import slot_columns as at
from .deadlines import TaskClasses, UrgentFirst
from .green_observation import GreenObservation
from .green_problem import GreenProblem, emission_g
from .ledger_entries import DROPPED, LATE
from .observation import Observation
from .state import StreamState
from .world import Slot, StreamWorld


@dataclass
class GreenState(StreamState):
    """The columns of the stream problem, and those of emission, deadlines and budget.

    Attributes:
        device_carbon_g_per_j: (R, N) of devices that have an intensity of their own; else zero.
        pressing_bits: (R, N) bits at the device that are late, or in time only if they leave in this slot.
        due_bits: (R, N, L) bits at the device by when they have to leave; see `GreenObservation`.
        least_leaving_bits: (R, N, L) how many have to leave then if some are sent.
        lateness_bits: (R, N) Y_i: debts of the classes of these bits, by weight, in their mean.
        late_debt_bits: (R, N, K) Z, virtual queue of the share of each class that may be late.
        budget_debt_g: (R,) G, virtual queue of the carbon budget.
        emission_g: (R, N) of the last slot, by the intensity that is decided by.
        total_emission_g: (R, N) all of it so far.
    """

    device_carbon_g_per_j: FloatArray
    pressing_bits: FloatArray
    due_bits: FloatArray
    least_leaving_bits: FloatArray
    lateness_bits: FloatArray
    late_debt_bits: FloatArray
    budget_debt_g: FloatArray
    emission_g: FloatArray
    total_emission_g: FloatArray

    def device_columns(self) -> Columns:
        """What a device collects and reports."""
        return {
            **super().device_columns(),
            "device_carbon_g_per_j": self.device_carbon_g_per_j,
            "pressing_bits": self.pressing_bits,
            "due_bits": self.due_bits,
            "least_leaving_bits": self.least_leaving_bits,
            "lateness_bits": self.lateness_bits,
            "emission_g": self.emission_g,
            "total_emission_g": self.total_emission_g,
        }


@dataclass(frozen=True)
class CarbonOfAll:
    """Carbon intensity at stations and devices, over time.

    Attributes:
        intensity: of the B stations, then of the N devices if those have their own.
        stations: B.
    """

    intensity: CarbonIntensity
    stations: int

    def split(self, values: FloatArray, cells: Cells) -> tuple[FloatArray, FloatArray]:
        """(R, N) at devices and (R, B) at stations, of (B + N,) or (B,) values, g/J.

        A device without one of its own has that of its station.
        """
        station = np.broadcast_to(values[: self.stations], cells.shape)
        if len(values) == self.stations:
            return cells.at_station(station), station
        return np.broadcast_to(values[self.stations :], cells.station.shape), station

    def mean(self, start_ns: int, end_ns: int, cells: Cells) -> tuple[FloatArray, FloatArray]:
        """(R, N) and (R, B) likewise: the time-weighted means over an interval."""
        return self.split(self.intensity.mean(start_ns, end_ns), cells)


@dataclass
class GreenWorld(StreamWorld):
    """The stream world with classes of tasks, devices' own intensities, a budget, and two intensities.

    Attributes:
        shown: what the network is told of carbon intensity, and decides by.
        accounted: by what it is accounted.
        classes: of tasks; None if all are alike.
        budget_g_per_s: emission that is allowed per second in the long run; None without a budget.
        forecasts: of the shown intensity at stations; None without.
    """

    remembers: ClassVar[tuple[str, ...]] = (*StreamWorld.remembers, "classes")

    state: GreenState
    problem: GreenProblem
    shown: CarbonOfAll
    accounted: CarbonOfAll
    classes: TaskClasses | None
    budget_g_per_s: float | None
    forecasts: Forecasts | None
    _came_bits: FloatArray = field(init=False)
    _slot_emission_g: tuple[FloatArray, FloatArray] = field(init=False)

    @property
    def own_device_carbon(self) -> bool:
        """Whether devices have an intensity of their own."""
        return self.shown.intensity.size > self.shown.stations

    def update_carbon(self, now_ns: int) -> None:
        """The intensity that holds from now on."""
        state = self.state
        device, state.carbon_g_per_j = self.shown.split(self.carbon.at(now_ns), state.cells)
        if self.own_device_carbon:
            state.device_carbon_g_per_j = device

    def slot_carbon_g_per_j(self) -> FloatArray:
        """(R, B) the time-weighted mean intensity over the slot that ends, by which it is accounted."""
        return self._slot_means(self.accounted, self.state.cells)[1]

    def device_carbon_g_per_j(self, cells: Cells) -> FloatArray:
        """(R, N) likewise of the devices' own electricity."""
        return self._slot_means(self.accounted, cells)[0]

    def leave(self, left: BoolArray) -> None:
        """Devices leave, perhaps with what was pressing; see `StreamWorld`."""
        super().leave(left)
        self._press(self.state.slot)

    def observation(self, view: TwinView) -> GreenObservation:
        """The twin's columns; emission for energy in eta and beta if that is the penalty."""
        state, problem, devices, cells = self.state, self.problem, view.devices, view.cells
        seen = super().observation(view)
        carbon = cells.at_station(seen.carbon_g_per_j)
        if self.own_device_carbon:
            carbon = devices["device_carbon_g_per_j"]
        there = cells.present
        ratio, beta = problem.predict_emission(
            devices["total_emission_g"],
            devices["total_departed_bits"],
            devices["emission_g"] * there,
            seen.departed_bits,
            state.budget_debt_g,
        )
        columns: dict[str, Any] = {one.name: getattr(seen, one.name) for one in fields(Observation)}
        if problem.penalty == "carbon":
            columns["perturbation_bits"] = read_only(beta.copy())
        forecast: tuple[FloatArray, float, float] = np.zeros((*cells.shape, 0)), 0.0, 0.0
        if self.forecasts is not None:
            now_ns = self.slot_start_ns
            newest = self.forecasts.at(now_ns)
            age_s = (now_ns - newest.issued_ns) / NANOSECONDS
            forecast = (newest.g_per_j, self.forecasts.step_s, age_s)
        return GreenObservation(
            **columns,
            device_carbon_g_per_j=_shown(carbon),
            pressing_bits=_shown(devices["pressing_bits"] * there),
            due_bits=_shown(devices["due_bits"] * there[..., None]),
            least_leaving_bits=_shown(devices["least_leaving_bits"]),
            lateness_bits=_shown(devices["lateness_bits"]),
            emission_per_bit_g=_shown(ratio),
            budget_debt_g=_shown(state.budget_debt_g),
            forecast_g_per_j=forecast[0],
            forecast_step_s=forecast[1],
            forecast_age_s=forecast[2],
        )

    def end_slot(self) -> tuple[SlotColumns, TaskTable]:
        """The account of a slot, and the virtual queues after it."""
        state, slot = self.state, self._slot
        recorded, ended = super().end_slot()
        shown_g, accounted_g = self._slot_emission_g
        state.emission_g = shown_g
        state.total_emission_g = state.total_emission_g + shown_g
        if self.budget_g_per_s is not None:
            allowed_g = self.budget_g_per_s * self.slot_s
            spent_g = accounted_g.sum(axis=1)
            if slot.power is not None:  # all that the network emits, idle stations included
                spent_g = recorded["network_emission_mg"] / 1e3
            state.budget_debt_g = np.maximum(state.budget_debt_g + spent_g - allowed_g, 0.0)
        if self.classes is not None:
            shape, joined_bits = slot.cells.station.shape, self._came_bits
            if slot.columns[at.DROPPED].any():
                refused = self.ledger.refused()
                joined_bits = joined_bits - self.classes.bits_that(DROPPED, shape, refused)
            state.late_debt_bits = self.classes.debts_after(
                state.late_debt_bits,
                self.classes.bits_that(LATE, shape, ended),
                joined_bits,
            )
            del self._came_bits
        self._press(state.slot)
        del self._slot_emission_g
        return recorded, ended

    def _arriving_at(self, cells: Cells) -> Tasks:
        """The slot's tasks, each of its class."""
        if self.classes is None:
            return super()._arriving_at(cells)
        self._arriving = self.classes.assigned(self._arriving)
        tasks = super()._arriving_at(cells)
        assert tasks.deadline_s is not None
        self._came_bits = self.classes.bits_of(
            cells.station.shape, tasks.replication, tasks.device, tasks.deadline_s, tasks.bits
        )
        return tasks

    def _press(self, slot: int) -> None:
        """What is pressing in the slot that begins, and what that is worth."""
        if self.classes is None:
            return
        assert isinstance(self.ledger, UrgentFirst)
        state = self.state
        pressing = self.ledger.pressing_bits(slot, self.classes)
        total = pressing.sum(axis=2)
        worth = (pressing * (self.classes.weight * state.late_debt_bits)).sum(axis=2)
        state.pressing_bits = total
        if (leads := state.due_bits.shape[2]) > 0 and "due_bits" in self.problem.asked:
            state.due_bits, state.least_leaving_bits = self.ledger.due_bits(slot, leads)
        none = np.zeros(total.shape)
        state.lateness_bits = np.divide(worth, total, out=none, where=total > 0.0)

    def _slot_means(self, carbon: CarbonOfAll, cells: Cells) -> tuple[FloatArray, FloatArray]:
        start_ns = self.slot_start_ns
        return carbon.mean(start_ns, start_ns + self.slot_ns, cells)

    def _recorded(self, slot: Slot, network_columns: FloatArray) -> SlotColumns:
        """The trace variables of a slot, with what it emitted and P2's value as it was decided."""
        state, problem, columns = self.state, self.problem, slot.columns
        own_j = columns[at.LOCAL_J] + columns[at.RADIO_J]
        edge_j = columns[at.OFFLOAD_J] - columns[at.RADIO_J]
        device_carbon, station_carbon = self._slot_means(self.accounted, slot.cells)
        grid_share: FloatArray | float = 1.0 if slot.power is None else slot.power.grid_share
        accounted_g = emission_g(
            slot.cells, own_j, edge_j, device_carbon, station_carbon * grid_share
        )
        shown_g = accounted_g
        others: dict[str, NDArray[Any]] = {}
        if self.shown is not self.accounted:
            device_shown, station_shown = self._slot_means(self.shown, slot.cells)
            shown_g = emission_g(
                slot.cells, own_j, edge_j, device_shown, station_shown * grid_share
            )
            others["signal_g_per_kwh"] = station_shown * JOULES_PER_KWH
            others["signal_emission_mg"] = shown_g * 1e3
            if self.own_device_carbon:
                others["device_signal_g_per_kwh"] = device_shown * JOULES_PER_KWH
        self._slot_emission_g = shown_g, accounted_g
        columns[at.EMISSION] = accounted_g * 1e3
        seen = slot.observation
        assert isinstance(seen, GreenObservation)
        if problem.penalty == "carbon":
            cost = problem.weight(seen.budget_debt_g)[:, None] * shown_g
        else:
            cost = problem.V * columns[at.TOTAL_J]
        network_columns[at.OBJECTIVE] = problem.score(
            seen,
            cost,
            columns[at.DEPARTED],
            columns[at.ARRIVED],
            (state.queue_bits, state.station_queue_bits, state.pressing_bits),
            slot.station_columns[at.INFLOW] - slot.decision.served_bits,
        )
        if self.own_device_carbon:
            others["device_carbon_g_per_kwh"] = device_carbon * JOULES_PER_KWH
        if problem.penalty == "carbon":
            others["emission_per_bit_mg"] = seen.emission_per_bit_g * 1e3
        if self.forecasts is not None:
            by_forecast = seen.forecast_g_per_j * JOULES_PER_KWH
            now = int(seen.forecast_age_s / seen.forecast_step_s + 1e-9)
            others["forecast_g_per_kwh"] = by_forecast[..., now]
            others["forecast_age_s"] = np.full(len(by_forecast), seen.forecast_age_s)
            if self.record_gain:
                others["forecast_horizon_g_per_kwh"] = by_forecast
        if self.classes is not None:
            others["pressing_bits"] = state.pressing_bits
            others["late_debt_bits"] = state.late_debt_bits.sum(axis=2)
        if self.budget_g_per_s is not None:
            others["budget_debt_mg"] = state.budget_debt_g * 1e3
        return _with(super()._recorded(slot, network_columns), others)


def _with(recorded: SlotColumns, more: Mapping[str, NDArray[Any]]) -> SlotColumns:
    blocks = ColumnBlocks.of(recorded)
    return ColumnBlocks(blocks.layout, blocks.arrays, {**blocks.others, **more})


def _shown(column: FloatArray) -> FloatArray:
    return read_only(np.array(column))
