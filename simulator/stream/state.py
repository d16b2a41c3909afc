"""The columns of the stream problem."""

from dataclasses import dataclass

from ..core.arrays import FloatArray
from ..state import Columns, State


@dataclass
class StreamState(State):
    """The columns of the stream problem, a stream of bits through queues.

    Attributes:
        fading: (R, N, B) h_ij, mean 1.
        channel_gain: (R, N, B) path gain and fading together.
        queue_bits: (R, N) Q_i^l.
        station_queue_bits: (R, B) Q_j^e.
        lost_bits: (R, B) lost by stations that failed since the last slot began.
        left_bits: (R, N) what devices that left since the last slot began have lost, or handed over.
        battery_j: (R, N) charge; infinite on mains.
        power_max_w: (R, N) p_i,max, limited by the battery.
        arrived_bits: (R, N) lambda_i of the last slot.
        departed_bits: (R, N) Psi_i of the last slot.
        energy_j: (R, N) energy of the last slot, A(12), by device.
        total_energy_j: (R, N) all energy spent so far for the device's tasks.
        total_departed_bits: (R, N) all bits that left the device's queue so far.
    """

    fading: FloatArray
    channel_gain: FloatArray
    queue_bits: FloatArray
    station_queue_bits: FloatArray
    lost_bits: FloatArray
    left_bits: FloatArray
    battery_j: FloatArray
    power_max_w: FloatArray
    arrived_bits: FloatArray
    departed_bits: FloatArray
    energy_j: FloatArray
    total_energy_j: FloatArray
    total_departed_bits: FloatArray

    def device_columns(self) -> Columns:
        """What a device collects and reports."""
        columns = super().device_columns()
        columns |= {
            "channel_gain": self.channel_gain,
            "queue_bits": self.queue_bits,
            "power_max_w": self.power_max_w,
            "battery_j": self.battery_j,
            "arrived_bits": self.arrived_bits,
            "departed_bits": self.departed_bits,
            "energy_j": self.energy_j,
            "total_energy_j": self.total_energy_j,
            "total_departed_bits": self.total_departed_bits,
        }
        return columns

    def station_columns(self) -> Columns:
        """What a station knows of itself."""
        return {
            "carbon_g_per_j": self.carbon_g_per_j,
            "station_queue_bits": self.station_queue_bits,
            "station_up": self.station_up,
            **self.power,
        }
