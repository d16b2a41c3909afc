"""The digital twin: what the MBS believes of the network, and shows to a policy."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .arrays import FloatArray, IntArray, read_only
from .cells import Cells
from .clock import NANOSECONDS
from .prediction import Predictor
from .state import State
from .synchronisation import Hop, Mailbox, Model


@dataclass(slots=True)
class Observation:
    """The network as the twin knows it at the start of a slot. SI units, read-only arrays.

    Attributes:
        slot: t.
        time_s: start of the slot.
        cells: the association, with `cells.station` (R, N).
        channel_gain: (R, N, B) power gains, path loss included.
        queue_bits: (R, N) Q_i^l.
        station_queue_bits: (R, B) Q_j^e.
        power_max_w: (R, N) p_i,max, limited by the battery.
        position_m: (R, N, 2).
        battery_j: (R, N); infinite for a device on mains.
        arrived_bits: (R, N) lambda_i of the last slot reported.
        departed_bits: (R, N) Psi_i = D^l + D^e of the last slot reported.
        energy_per_bit_j: (R,) eta_EE, the running ratio of all energy to all bits departed, A(13).
        previous_energy_per_bit_j: (R,) eta'_EE, the same one slot earlier, A(19).
        carbon_g_per_j: (R, B) carbon intensity at each station.
        age_s: (R, N) time since the state of the device's twin was true.
        station_age_s: (R, B) the same for the stations' own state.
    """

    slot: int
    time_s: float
    cells: Cells
    channel_gain: FloatArray
    queue_bits: FloatArray
    station_queue_bits: FloatArray
    power_max_w: FloatArray
    position_m: FloatArray
    battery_j: FloatArray
    arrived_bits: FloatArray
    departed_bits: FloatArray
    energy_per_bit_j: FloatArray
    previous_energy_per_bit_j: FloatArray
    carbon_g_per_j: FloatArray
    age_s: FloatArray
    station_age_s: FloatArray

    @property
    def station(self) -> IntArray:
        """(R, N) the station of each device."""
        return self.cells.station


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
        replications, devices = state.queue_bits.shape
        now = np.zeros((replications, devices), dtype=np.int64)
        self._station_count = state.station_queue_bits.shape[1]
        self._local = Model(state.device_columns(), now)
        self._devices = Model(state.device_columns(), now)
        self._stations = Model(state.station_columns(), now[:, :1].repeat(self._station_count, 1))
        self._to_stations = Mailbox()
        self._devices_to_mbs = Mailbox()
        self._stations_to_mbs = Mailbox()
        self._device_hop = device_hop
        self._station_hop = station_hop
        self._predictors = predictors
        self._learned_ns = now - 1
        self._at_once = now, self._stations.stamp_ns
        self._cells = state.cells
        self._energy_per_bit_j = np.zeros(replications)

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

    def observe(self, slot: int, now_ns: int) -> Observation:
        """What the twin shows at the start of a slot."""
        self._receive(now_ns)
        columns, stamp_ns = self._devices.columns, self._devices.stamp_ns
        previous = self._energy_per_bit_j
        bits = columns["total_departed_bits"].sum(axis=1)
        energy = columns["total_energy_j"].sum(axis=1)
        self._energy_per_bit_j = energy / np.where(bits > 0.0, bits, 1.0)
        if columns["station"] is not self._cells.station:
            self._cells = Cells(columns["station"], self._station_count)
        age_s = (now_ns - stamp_ns) / NANOSECONDS
        now_s = now_ns / NANOSECONDS
        if self._predictors:
            stamp_s = stamp_ns / NANOSECONDS
            new = stamp_ns > self._learned_ns
            for predictor in self._predictors:
                predictor.learn(self._devices.columns, stamp_s, new)
                columns = predictor.predict(columns, stamp_s, now_s)
            self._learned_ns = stamp_ns
        stations = self._stations.columns
        return Observation(
            slot=slot,
            time_s=now_s,
            cells=self._cells,
            channel_gain=read_only(columns["channel_gain"]),
            queue_bits=read_only(columns["queue_bits"]),
            station_queue_bits=read_only(stations["station_queue_bits"]),
            power_max_w=read_only(columns["power_max_w"]),
            position_m=read_only(columns["position_m"]),
            battery_j=read_only(columns["battery_j"]),
            arrived_bits=read_only(columns["arrived_bits"]),
            departed_bits=read_only(columns["departed_bits"]),
            energy_per_bit_j=read_only(self._energy_per_bit_j),
            previous_energy_per_bit_j=read_only(previous),
            carbon_g_per_j=read_only(stations["carbon_g_per_j"]),
            age_s=age_s,
            station_age_s=(now_ns - self._stations.stamp_ns) / NANOSECONDS,
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
