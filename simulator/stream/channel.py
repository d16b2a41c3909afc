"""The radio of the stream problem: OFDMA rates with interference between the cells that reuse a band."""

import numpy as np

from ..core.arrays import FloatArray, IntArray
from ..core.compiled import compiled, compiled_in_place
from ..core.elementary import log2
from ..network.spectral_efficiency import SpectralEfficiency, carried


@compiled_in_place
def add_interference(
    power_w: float, gain: FloatArray, device: int, own: int, heard_w: FloatArray
) -> None:
    """Add what one device makes the stations of other SBS cells hear, A(3).

    Args:
        power_w: its transmission power.
        gain: (N, B) power gains, path loss included.
        device: its row there.
        own: its station; the MBS, 0, has a band of its own.
        heard_w: (B,) interference power at each station, W; added to.
    """
    if own > 0:
        for b in range(1, len(heard_w)):
            if b != own:
                heard_w[b] += power_w * gain[device, b]


@compiled
def interference_w(power_w: FloatArray, gain: FloatArray, station: IntArray) -> FloatArray:
    """I of A(3), with the interferer's gain to the station that hears it.

    Between SBS cells only: the MBS has a band of its own. Summed over the devices of the other
    cells, never as "all minus own", which would cancel.

    Args:
        power_w: (R, N) transmission powers.
        gain: (R, N, B) power gains h_ij r_ij^-alpha, path loss included.
        station: (R, N) of each device.

    Returns:
        (R, B) interference power at each station, W; zero at the MBS.
    """
    replications, devices, stations = gain.shape
    heard = np.zeros((replications, stations))
    for r in range(replications):
        for i in range(devices):
            if power_w[r, i] > 0.0:
                add_interference(power_w[r, i], gain[r], i, station[r, i], heard[r])
    return heard


@compiled
def rate_bps(
    bandwidth_hz: float, received_w: float, disturbance_w: float, limit: SpectralEfficiency
) -> float:
    """A(4): w log2(1 + p h r^-alpha / (sigma^2 + I)); zero where the bandwidth is zero.

    Within what links carry: see `network.spectral_efficiency`.

    Args:
        bandwidth_hz: w_ij.
        received_w: p h r^-alpha.
        disturbance_w: sigma^2 + I, noise as the noise model has it for this bandwidth.
        limit: what links carry, bit/s/Hz.
    """
    if bandwidth_hz == 0.0:
        return 0.0
    return bandwidth_hz * carried(limit, log2(1.0 + received_w / disturbance_w))
