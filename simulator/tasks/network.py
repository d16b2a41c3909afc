"""The network of the task problem: what does not change during a run, and a slot's tasks."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ..core.arrays import FloatArray
from ..core.saved_state import ALL_FIELDS
from ..network.spectral_efficiency import SHANNON, SpectralEfficiency

RateFloor = Literal["all", "offloading"]


@dataclass(frozen=True)
class TaskNetwork:
    """What does not change during a run: capacities and limits of C(10). SI units.

    Attributes:
        bandwidth_hz: B.
        noise_w: N_0, the noise power over the whole band.
        device_power_max_w: (N,) P_max.
        device_cpu_min_hz: (N,) the slowest at which a device executes its task.
        device_cpu_max_hz: (N,) the fastest.
        server_cpu_hz: F_max, C(10e).
        theta_device: (N,) theta_m of C(7), W s^3 / cycle^3.
        theta_server: theta_0 of C(8).
        rate_min_bps: R_min, C(10d).
        energy_max_j: E_max of a device and slot, C(10c).
        rate_floor: who must reach R_min: "all" devices, as C(10d) is printed, or only those that are
            "offloading".
        efficiency: what links carry at most, bit/s/Hz.
    """

    bandwidth_hz: float
    noise_w: float
    device_power_max_w: FloatArray
    device_cpu_min_hz: FloatArray
    device_cpu_max_hz: FloatArray
    server_cpu_hz: float
    theta_device: FloatArray
    theta_server: float
    rate_min_bps: float
    energy_max_j: float
    rate_floor: RateFloor = "all"
    efficiency: SpectralEfficiency = SHANNON

    @property
    def devices(self) -> int:
        """N (the paper's M)."""
        return len(self.device_power_max_w)


@dataclass(frozen=True)
class Tasks:
    """J_m = (S_m, C_m, D_m^max), one task per device.

    Attributes:
        bits: (…, N) S_m.
        cycles: (…, N) C_m.
        deadline_s: (…, N) D_m^max.
    """

    remembers: ClassVar[tuple[str, ...]] = ALL_FIELDS

    bits: FloatArray
    cycles: FloatArray
    deadline_s: FloatArray
