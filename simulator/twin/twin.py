"""The digital twin: what the MBS believes of the network, from the reports that have reached it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..core.arrays import BoolArray, FloatArray, IntArray, read_only
from ..core.clock import NANOSECONDS, EventOrder
from ..core.state_checks import check_amounts, check_present, check_stations
from ..network.backhaul import Backhaul
from ..network.cells import Cells
from ..state import Columns, State
from .prediction import Predictor
from .synchronisation import LOST, Hop, Model, Report, Times, like, reports


@dataclass(slots=True)
class TwinView:
    """What the twin knows at one moment; a world makes its observation of it.

    Attributes:
        slot: t.
        time_s: now.
        cells: the association.
        devices: columns (R, N, …), as reported or predicted.
        stations: columns (R, B, …).
        age_s: (R, N) time since the device's columns were true.
        station_age_s: (R, B) the same for the stations'.
    """

    slot: int
    time_s: float
    cells: Cells
    devices: Columns
    stations: Columns
    age_s: FloatArray
    station_age_s: FloatArray


class Twin:
    """The network's twin at the MBS, fed by devices through their stations.

    Devices report to their station (first hop), stations forward their local model of devices and
    themselves to the MBS (second hop). What the MBS serves itself skips the second hop. Devices and
    stations take stock when a slot begins: a report holds what was true then, and is stamped with
    that moment, whenever it leaves. At the start everything is known: devices register with their
    state.

    Args:
        state: the world at time zero.
        device_hop: from devices to stations.
        station_hop: what a station's report takes beside its way through the backhaul.
        backhaul: over which stations reach the MBS.
        device_readings_ns: periods at whose multiples a station's local model is read.
        station_readings_ns: the same of the MBS's.
        predictors: applied in order to what is older than the present.
    """

    remembers: ClassVar[tuple[str, ...]] = (
        "_local",
        "_devices",
        "_stations",
        "reports",
        "_learned_ns",
        "_predictors",
        "_device_hop",
        "_station_hop",
        "_backhaul",
    )

    def __init__(
        self,
        state: State,
        device_hop: Hop,
        station_hop: Hop,
        backhaul: Backhaul,
        device_readings_ns: Sequence[int],
        station_readings_ns: Sequence[int],
        predictors: Sequence[Predictor] = (),
    ) -> None:
        devices, stations = (
            Times(column.shape, 0) for column in (state.cells.station, state.carbon_g_per_j)
        )
        self.under_way: list[Report] = []
        self._local = Model(state.device_columns(), devices, devices)
        self._devices = Model(state.device_columns(), devices, devices)
        self._stations = Model(state.station_columns(), stations, stations)
        self._device_hop = device_hop
        self._station_hop = station_hop
        self._backhaul = backhaul
        self._device_readings_ns = device_readings_ns
        self._station_readings_ns = station_readings_ns
        self._predictors = predictors
        self._learned_ns = devices.ns - 1
        self._no_age_s = {
            times.shape: read_only(np.zeros(times.shape)) for times in (devices, stations)
        }
        self._cells = state.cells

    @property
    def reports(self) -> list[dict[str, Any]]:
        """What is under way, as data; it can be set, before time goes on."""
        models = [self._local, self._devices, self._stations]
        return [
            {
                "to": next(n for n, model in enumerate(models) if model is report.model),
                "order": int(report.order),
                "arrival_ns": report.arrival_ns,
                "rows": report.rows,
                "sent": [report.sent.columns, report.sent.stamp_ns, report.sent.sent_ns],
            }
            for report in self.under_way
        ]

    @reports.setter
    def reports(self, saved: list[dict[str, Any]]) -> None:
        models = [self._local, self._devices, self._stations]
        found = []
        for one in saved:
            model, sent, rows = models[one["to"]], self._sent(*one["sent"]), one["rows"]
            model.check_alike(sent)
            if rows.dtype != np.bool_ or rows.shape != model.stamp_ns.shape:
                raise ValueError("rows of other senders")
            order = EventOrder(one["order"])
            found.append(Report(sent, rows, int(one["arrival_ns"]), order, model, self.under_way))
        self.under_way[:] = found

    def check_state(self) -> None:
        """Stations that there are, and amounts that can be."""
        sent = [report.sent for report in self.under_way]
        for model in (self._local, self._devices, self._stations, *sent):
            if (station := model.columns.get("station")) is not None:
                check_stations(station, model.stamp_ns.shape, self._stations.stamp_ns.shape[1])
                check_present(model.columns["present"], model.stamp_ns.shape)
            for column in model.columns.values():
                if column.dtype == np.float64:
                    check_amounts(column)

    def devices_report(self, stock: State, now_ns: int, stamp_ns: int) -> list[Report]:
        """First hop: every device sends its state to its station.

        Args:
            stock: what was true as the slot began.
            now_ns: when they leave.
            stamp_ns: when the slot began.

        Returns:
            The reports that are under way from now on.
        """
        hop, shape, cells = self._device_hop, self._local.stamp.shape, stock.cells
        stamp = Times(shape, stamp_ns)
        sent_at = stamp if now_ns == stamp_ns else Times(shape, now_ns)
        if hop.instant and cells.complete:
            self._local.renew(stock.device_columns(), stamp, sent_at)
            return []
        sent = Model(stock.device_columns(), stamp, sent_at)
        if not cells.complete:
            sent = self._without(~cells.present, sent)
        if hop.instant:
            self._local.replace(sent)
            return []
        arrival = hop.arrival_ns(now_ns, shape)
        if not cells.complete:
            arrival = np.where(cells.present, arrival, now_ns)
        readings = self._device_readings_ns
        return reports(sent, arrival, EventOrder.AT_STATION, self._local, self.under_way, readings)

    def _without(self, absent: BoolArray, sent: Model) -> Model:
        """Devices that are absent send nothing: their stations note that, and keep what they knew."""
        columns = {
            name: np.where(like(absent, new), self._local.columns[name], new)
            for name, new in sent.columns.items()
        }
        columns["present"] = sent.columns["present"]
        stamp_ns = np.where(absent, self._local.stamp_ns, sent.stamp_ns)
        return Model(columns, Times.by_row(stamp_ns), sent.sent)

    def stations_report(
        self, stock: State, up: BoolArray, now_ns: int, stamp_ns: int
    ) -> list[Report]:
        """Second hop: every station sends its local model, and its own state, through the backhaul.

        Args:
            stock: what was true as the slot began.
            up: (R, B) which stations are up now, as reports go through them.
            now_ns: when they leave.
            stamp_ns: when the slot began.

        Returns:
            The reports that are under way from now on.
        """
        hop, shape = self._station_hop, self._stations.stamp.shape
        stamp = Times(shape, stamp_ns)
        sent_at = stamp if now_ns == stamp_ns else Times(shape, now_ns)
        if hop.instant and self._backhaul.instant:
            self._devices.replace(self._local)
            self._stations.renew(stock.station_columns(), stamp, sent_at)
            return []
        own = Model(stock.station_columns(), stamp, sent_at)
        reached = self._backhaul.arrival_ns(now_ns, up)
        late = hop.arrival_ns(now_ns, shape)
        arrival = np.where((reached == LOST) | (late == LOST), LOST, reached + (late - now_ns))
        arrival[:, 0] = now_ns
        local = Model(self._local.columns, self._local.stamp, self._local.sent)
        through = np.take_along_axis(arrival, local.columns["station"], axis=1)
        order, readings = EventOrder.AT_MBS, self._station_readings_ns
        return [
            *reports(local, through, order, self._devices, self.under_way, readings),
            *reports(own, arrival, order, self._stations, self.under_way, readings),
        ]

    def view(self, slot: int, now_ns: int) -> TwinView:
        """What is known at the start of a slot."""
        local = self._local
        if local.stamp is not self._devices.stamp:
            # What the MBS serves itself has reported to it.
            self._devices.update(local, local.columns["station"] == 0)
        columns = self._devices.columns
        now_s = now_ns / NANOSECONDS
        if self._predictors:
            stamp_ns = self._devices.stamp_ns
            stamp_s = stamp_ns / NANOSECONDS
            new = stamp_ns > self._learned_ns
            for predictor in self._predictors:
                predictor.learn(self._devices.columns, stamp_s, new)
                columns = predictor.predict(columns, stamp_s, now_s)
            self._learned_ns = stamp_ns
        station, present = columns["station"], columns["present"]
        if station is not self._cells.station or present is not self._cells.present:
            self._cells = Cells(station, self._stations.stamp_ns.shape[1], present)
        return TwinView(
            slot=slot,
            time_s=now_s,
            cells=self._cells,
            devices=columns,
            stations=self._stations.columns,
            age_s=self._age_s(now_ns, self._devices.stamp),
            station_age_s=self._age_s(now_ns, self._stations.stamp),
        )

    def _age_s(self, now_ns: int, stamp: Times) -> FloatArray:
        """(R, N) or (R, B) how long ago the stamps were."""
        if stamp.of_all_ns == now_ns:
            return self._no_age_s[stamp.shape]
        return (now_ns - stamp.ns) / NANOSECONDS

    @staticmethod
    def _sent(columns: Columns, stamp_ns: IntArray, sent_ns: IntArray) -> Model:
        """What a saved report holds."""
        return Model(columns, Times.by_row(stamp_ns), Times.by_row(sent_ns))
