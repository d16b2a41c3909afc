"""What does not change during a run: sizes, capacities and constants of the network."""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ..core.arrays import FloatArray
from .spectral_efficiency import SHANNON, SpectralEfficiency

NoiseModel = Literal["total", "density"]


@dataclass(frozen=True)
class Network:
    """The fixed parameters that a policy may rely on. SI units.

    Attributes:
        replications: R, independent copies of the network that run in lock-step.
        slot_s: tau, the length of a slot.
        station_names: B names; station 0 is the MBS, the others are SBSs.
        device_cpu_hz: (N,) f_i^l, the most a device's CPU can do, A(14c).
        device_power_max_w: (N,) the radio's limit, before the battery's.
        station_bandwidth_hz: (B,) w_j, A(14a).
        station_cpu_hz: (B,) f_j^e, A(14d).
        cycles_per_bit: c.
        varsigma: effective switched capacitance of a device's CPU, W s^3.
        epsilon_w: epsilon of A(11), in effect the power of an edge CPU, W.
        noise_w: (B,) sigma^2, the noise power in each station's band.
        noise_model: "total": sigma^2 whatever the bandwidth, as A(3) is printed;
            "density": sigma^2 times the share of the station's band.
        efficiency: what links carry at most, bit/s/Hz.
    """

    replications: int
    slot_s: float
    station_names: tuple[str, ...]
    device_cpu_hz: FloatArray
    device_power_max_w: FloatArray
    station_bandwidth_hz: FloatArray
    station_cpu_hz: FloatArray
    cycles_per_bit: float
    varsigma: float
    epsilon_w: float
    noise_w: FloatArray
    noise_model: NoiseModel = "total"
    efficiency: SpectralEfficiency = SHANNON

    @property
    def devices(self) -> int:
        """N."""
        return len(self.device_cpu_hz)

    @property
    def stations(self) -> int:
        """B = M + 1, the MBS included."""
        return len(self.station_names)

    @cached_property
    def device_shape(self) -> tuple[int, int]:
        """(R, N) of a device's column."""
        return self.replications, self.devices

    @cached_property
    def station_shape(self) -> tuple[int, int]:
        """(R, B) of a station's column."""
        return self.replications, self.stations

    @cached_property
    def device_service_bits(self) -> FloatArray:
        """(N,) tau f_i / c, the most that a device's CPU executes in a slot."""
        return self.device_cpu_hz * (self.slot_s / self.cycles_per_bit)

    @cached_property
    def station_service_bits(self) -> FloatArray:
        """(B,) tau F_j / c, the most that a station executes in a slot."""
        return self.station_cpu_hz * (self.slot_s / self.cycles_per_bit)

    @cached_property
    def fixed_noise_w(self) -> FloatArray:
        """(B,) the part of a device's noise that does not depend on its bandwidth."""
        return self.noise_w if self.noise_model == "total" else np.zeros(self.stations)

    @cached_property
    def noise_w_per_hz(self) -> FloatArray:
        """(B,) the part that grows with it."""
        if self.noise_model == "total":
            return np.zeros(self.stations)
        return self.noise_w / self.station_bandwidth_hz
