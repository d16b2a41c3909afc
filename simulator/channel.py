"""The radio of world A: OFDMA rates with interference between the cells that reuse a band."""

import numpy as np

from .arrays import FloatArray
from .cells import Cells
from .network import Network


def interference_w(power_w: FloatArray, gain: FloatArray, cells: Cells) -> FloatArray:
    """I of A(3), with the interferer's gain to the station that hears it.

    Summed over the (R, N, B) links, never as "all minus own", which would cancel.

    Args:
        power_w: (R, N) transmission powers.
        gain: (R, N, B) power gains h_ij r_ij^-alpha, path loss included.
        cells: the association.

    Returns:
        (R, B) interference power at each station, W; zero at the MBS.
    """
    heard: FloatArray = (power_w[:, :, None] * (gain * cells.crosses)).sum(axis=1)
    return heard


def rates_bps(
    network: Network,
    cells: Cells,
    gain: FloatArray,
    bandwidth_hz: FloatArray,
    power_w: FloatArray,
) -> FloatArray:
    """A(3) and A(4): w log2(1 + p h r^-alpha / (sigma^2 + I)).

    Args:
        network: gives sigma^2 and the noise model.
        cells: the association.
        gain: (R, N, B) power gains, path loss included.
        bandwidth_hz: (R, N) w_ij at the device's station.
        power_w: (R, N).

    Returns:
        (R, N) bit/s; zero where the bandwidth is zero.
    """
    interference = interference_w(power_w, gain, cells)
    if network.noise_model == "total":
        disturbance = cells.at_station(interference + network.noise_w)
    else:
        share = bandwidth_hz / network.station_bandwidth_hz[cells.station]
        # A device without bandwidth has no share of the noise; it only must not divide by zero.
        share[bandwidth_hz == 0.0] = 1.0
        noise = network.noise_w[cells.station] * share
        disturbance = cells.at_station(interference) + noise
    return bandwidth_hz * np.log2(1.0 + power_w * cells.own(gain) / disturbance)
