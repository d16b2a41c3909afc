"""The digital twin: what the MBS believes of the network, from the reports that have reached it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.arrays import FloatArray, IntArray
from ..core.clock import NANOSECONDS
from ..core.compiled import compiled
from ..network.cells import Cells
from ..state import Columns, State
from .prediction import Predictor
from .synchronisation import Hop, Mailbox, Model


@dataclass(slots=True)
class Sight:
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
    themselves to the MBS (second hop). What the MBS serves itself skips the second hop. At the start
    everything is known: devices register with their state.

    Args:
        state: the world at time zero.
        device_hop: from devices to stations.
        station_hop: from stations to the MBS.
        predictors: applied in order to what is older than the present.
    """

    def __init__(
        self, state: State, device_hop: Hop, station_hop: Hop, predictors: Sequence[Predictor] = ()
    ) -> None:
        now: IntArray = np.zeros(state.cells.station.shape, dtype=np.int64)
        self._station_count = state.carbon_g_per_j.shape[1]
        self._local = Model(state.device_columns(), now)
        self._devices = Model(state.device_columns(), now)
        stations: IntArray = np.zeros(state.carbon_g_per_j.shape, dtype=np.int64)
        self._stations = Model(state.station_columns(), stations)
        self._to_stations = Mailbox()
        self._devices_to_mbs = Mailbox()
        self._stations_to_mbs = Mailbox()
        self._device_hop = device_hop
        self._station_hop = station_hop
        self._predictors = predictors
        self._learned_ns = now - 1
        self._at_once = now, stations
        self._cells = state.cells

    def synchronise_devices(self, state: State, now_ns: int) -> None:
        """First hop: every device sends its state to its station."""
        columns = state.device_columns()
        stamp = self._at_once[0] + now_ns
        if self._device_hop.instant:
            self._local = Model(columns, stamp)
        else:
            arrival = self._device_hop.arrival_ns(now_ns, stamp.shape[1])
            self._to_stations.send(columns, stamp, arrival)

    def synchronise_stations(self, state: State, now_ns: int) -> None:
        """Second hop: every station sends its local model, and its own state, to the MBS."""
        self._to_stations.deliver(now_ns, self._local)
        own = state.station_columns()
        stamp = self._at_once[1] + now_ns
        if self._station_hop.instant:
            self._devices = Model(self._local.columns, self._local.stamp_ns)
            self._stations = Model(own, stamp)
            return
        arrival = self._station_hop.arrival_ns(now_ns, self._station_count)
        arrival[:, 0] = now_ns
        through = np.take_along_axis(arrival, self._local.columns["station"], axis=1)
        self._devices_to_mbs.send(self._local.columns, self._local.stamp_ns, through)
        self._stations_to_mbs.send(own, stamp, arrival)

    def look(self, slot: int, now_ns: int) -> Sight:
        """What is known at the start of a slot."""
        self._receive(now_ns)
        columns, stamp_ns = self._devices.columns, self._devices.stamp_ns
        now_s = now_ns / NANOSECONDS
        if self._predictors:
            stamp_s = stamp_ns / NANOSECONDS
            new = stamp_ns > self._learned_ns
            for predictor in self._predictors:
                predictor.learn(self._devices.columns, stamp_s, new)
                columns = predictor.predict(columns, stamp_s, now_s)
            self._learned_ns = stamp_ns
        if columns["station"] is not self._cells.station:
            self._cells = Cells(columns["station"], self._station_count)
        return Sight(
            slot=slot,
            time_s=now_s,
            cells=self._cells,
            devices=columns,
            stations=self._stations.columns,
            age_s=_age_s(now_ns, stamp_ns),
            station_age_s=_age_s(now_ns, self._stations.stamp_ns),
        )

    def _receive(self, now_ns: int) -> None:
        """Everything that has reached the MBS by now."""
        self._devices_to_mbs.deliver(now_ns, self._devices)
        self._stations_to_mbs.deliver(now_ns, self._stations)
        self._to_stations.deliver(now_ns, self._local)
        if self._local.stamp_ns is not self._devices.stamp_ns:
            served_here = self._local.columns["station"] == 0
            newer = self._local.stamp_ns > self._devices.stamp_ns
            self._devices.update(self._local.columns, self._local.stamp_ns, served_here & newer)


@compiled
def _age_s(now_ns: int, stamp_ns: IntArray) -> FloatArray:
    return (now_ns - stamp_ns) / NANOSECONDS
