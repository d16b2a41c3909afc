"""The observation of the task problem: the network as its twin shows it."""

from dataclasses import dataclass, field

from ..core.arrays import BoolArray, FloatArray
from ..models.station_power import StationsSeen
from .channel import MrcChannel
from .network import Tasks


@dataclass(slots=True)
class TaskObservation:
    """The task problem as the twin knows it at the start of a slot: one task per device. SI units.

    A device that is absent has a task of no bits and no cycles, and hears and disturbs nobody.

    Attributes:
        slot: t, the number of the slot, from 0.
        time_s: when it starts, s from the start of the run.
        tasks: of each device: `tasks.bits`, `tasks.cycles`, `tasks.deadline_s`, each (R, N).
        channel: `channel.gain` (R, N) and `channel.interference_gain` (R, N, N).
        carbon_g_per_j: (R, 1) carbon intensity eta C_IE of C(9), g/J.
        position_m: (R, N, 2) of the devices, m.
        last_emission_g: (R, N) emissions of the last slot reported, g.
        age_s: (R, N) time since the state of the device's twin was true, s.
        present: (R, N) which devices are there.
        power: of the station: the share of the grid, and its battery; None without `stations.mbs.power`.
    """

    slot: int
    time_s: float
    tasks: Tasks
    channel: MrcChannel
    carbon_g_per_j: FloatArray
    position_m: FloatArray
    last_emission_g: FloatArray
    age_s: FloatArray
    present: BoolArray
    power: StationsSeen | None = field(default=None, kw_only=True)
