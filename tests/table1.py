"""Networks and instances with the settings of paper C's Table I and section V."""

import numpy as np

from edgesim.simulator.models.carbon import JOULES_PER_KWH
from edgesim.simulator.tasks.channel import MrcChannel, draw_channels, mrc_channel
from edgesim.simulator.tasks.network import RateFloor, TaskNetwork, Tasks

CARBON_G_PER_J = 182.0 / JOULES_PER_KWH
NOISE_W_PER_HZ = 10.0 ** (-174.0 / 10.0) * 1e-3
BANDWIDTH_HZ = 10e6
MEGABYTE = 8e6


def network(
    devices: int = 6, theta_server: float = 1e-27, rate_floor: RateFloor = "all"
) -> TaskNetwork:
    ones = np.ones(devices)
    return TaskNetwork(
        bandwidth_hz=BANDWIDTH_HZ,
        noise_w=NOISE_W_PER_HZ * BANDWIDTH_HZ,
        device_power_max_w=10.0 ** (23.0 / 10.0) * 1e-3 * ones,
        device_cpu_min_hz=0.5e9 * ones,
        device_cpu_max_hz=2e9 * ones,
        server_cpu_hz=20e9,
        theta_device=1e-27 * ones,
        theta_server=theta_server,
        rate_min_bps=1e6,
        energy_max_j=1.0,
        rate_floor=rate_floor,
    )


def channel(rng: np.random.Generator, devices: int = 6) -> MrcChannel:
    """Devices uniform in 100 m x 100 m, the base station with 8 antennas at the centre."""
    position_m = rng.uniform(-50.0, 50.0, (1, devices, 2))
    distance_m = np.maximum(np.hypot(position_m[..., 0], position_m[..., 1]), 1.0)
    gains = mrc_channel(draw_channels(distance_m, 8, [rng]))
    return MrcChannel(gains.gain[0], gains.interference_gain[0])


def tasks(
    rng: np.random.Generator,
    devices: int = 6,
    megabytes: tuple[float, float] = (1.0, 4.0),
    megacycles: tuple[float, float] = (1000.0, 2000.0),
) -> Tasks:
    return Tasks(
        bits=rng.uniform(*megabytes, devices) * MEGABYTE,
        cycles=rng.uniform(*megacycles, devices) * 1e6,
        deadline_s=np.full(devices, 2.0),
    )
