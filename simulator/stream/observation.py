"""What a policy sees of the stream problem: the network as its twin shows it."""

from dataclasses import dataclass, field

from ..core.arrays import BoolArray, FloatArray, IntArray
from ..models.station_power import StationsSeen
from ..network.cells import Cells


@dataclass(slots=True)
class Observation:
    """The network as the twin knows it at the start of a slot. SI units, read-only arrays.

    Attributes:
        slot: t, the number of the slot, from 0.
        time_s: when it starts, s from the start of the run.
        cells: the association: `cells.station` (R, N), also as `station`; `cells.present` (R, N), who is
            there; `cells.members` (R, B), how many devices each station has.
        channel_gain: (R, N, B) power gain from each device to each station, path loss and fading.
        queue_bits: (R, N) Q_i^l, what waits at each device.
        station_queue_bits: (R, B) Q_j^e, what waits at each station's server.
        station_up: (R, B) False where a station has failed; its channel gains are zero then.
        power_max_w: (R, N) p_i,max, the most a device may transmit with, limited by its battery.
        position_m: (R, N, 2) x and y of each device, m.
        battery_j: (R, N) charge of the battery; infinite for a device on mains.
        arrived_bits: (R, N) lambda_i, what arrived in the last slot reported.
        departed_bits: (R, N) Psi_i = D^l + D^e, what left the queue in the last slot reported.
        energy_per_bit_j: (R,) eta_EE, the running ratio of all energy to all bits departed, A(13).
        perturbation_bits: (R, N) beta_i, A(19).
        carbon_g_per_j: (R, B) carbon intensity at each station.
        age_s: (R, N) time since the state of the device's twin was true.
        station_age_s: (R, B) the same for the stations' own state.
        power: of the stations: which are awake, and the share of the grid; None without `stations.…power`.
    """

    slot: int
    time_s: float
    cells: Cells
    channel_gain: FloatArray
    queue_bits: FloatArray
    station_queue_bits: FloatArray
    station_up: BoolArray
    power_max_w: FloatArray
    position_m: FloatArray
    battery_j: FloatArray
    arrived_bits: FloatArray
    departed_bits: FloatArray
    energy_per_bit_j: FloatArray
    perturbation_bits: FloatArray
    carbon_g_per_j: FloatArray
    age_s: FloatArray
    station_age_s: FloatArray
    power: StationsSeen | None = field(default=None, kw_only=True)

    @property
    def station(self) -> IntArray:
        """(R, N) the station of each device."""
        return self.cells.station
