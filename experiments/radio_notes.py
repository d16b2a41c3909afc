"""What a scenario's radio does that no radio does, for `validate` and `run` to say."""

from typing import Any

import numpy as np

from ..scenarios.units import LIGHT_M_PER_S
from ..simulator.assembly.build import Blueprint
from ..simulator.core.arrays import FloatArray
from ..simulator.models.path_loss import LogDistance, Sites
from ..simulator.models.three_gpp import ThreeGpp

SNR_DB = 60.0
"""In the median no network has more: transmitters and receivers are not that clean."""

BITS_PER_HERTZ = 10.0
"""1024-QAM, the most that 5G sends (TS 38.214 Table 5.1.3.1-4), has up to 9.3 bit/s/Hz."""

SLACK_DB = 3.0
"""Formulas fitted to measurements are a little below free space in places."""

_PLACES = 24
"""Along each side of the area, where devices have no places of their own."""

_MOST = 2000
"""Of many devices some are enough to know the median."""

_READ = "edgesim keys channel"


def radio_notes(plan: Blueprint) -> list[str]:
    """A line each; none of a path loss of somebody else's, which is asked for nothing before the run.

    Judged at full power over a station's whole band, without interference and fading, each device at the
    nearest station that covers it.
    """
    network, topology, sites = plan.network, plan.topology, plan.sites
    channel, position_m = plan.scenario.channel, plan.device_position_m
    at_m = (
        _places(topology.area_m)
        if position_m is None
        else position_m[:: 1 + len(position_m) // _MOST]
    )
    apart = at_m[:, None] - topology.station_position_m
    distance_m = np.sqrt((apart * apart).sum(axis=2))
    loss_db = _loss_db(plan.path_loss, sites, distance_m)
    if loss_db is None:
        return []
    near_m = np.where(distance_m < topology.coverage_m, distance_m, np.inf)
    near_m[:, 0] = np.inf  # the MBS comes first, and is found where no SBS covers
    station = near_m.argmin(axis=1)[:, None]
    serving_m = np.take_along_axis(distance_m, station, axis=1)[:, 0]
    serving_db = np.take_along_axis(loss_db, station, axis=1)[:, 0]
    antennas = channel.antennas if channel.access == "mrc" else 1
    power_w = float(np.median(network.device_power_max_w)) * antennas
    snr_db = 10.0 * np.log10(power_w / network.noise_w[station[:, 0]]) - serving_db
    notes = []
    median_db = float(np.median(snr_db))
    if median_db > SNR_DB:
        notes.append(
            f"half of the devices have an SNR over {median_db:.0f} dB, radios have up to {SNR_DB:g}"
        )
    per_hertz = min(float(np.log2(1.0 + 10.0 ** (median_db / 10.0))), network.efficiency.cap)
    if per_hertz > BITS_PER_HERTZ:
        notes.append(
            f"half of the devices reach over {per_hertz:.0f} bit/s/Hz, radios up to {BITS_PER_HERTZ:g}"
        )
    if (carrier_hz := channel.carrier) is not None:
        rise_m = sites.station_height_m[station[:, 0]] - sites.device_height_m
        wave_m = LIGHT_M_PER_S / carrier_hz
        space_m = np.maximum(np.sqrt(serving_m * serving_m + rise_m * rise_m), wave_m)
        free_db = 20.0 * np.log10(4.0 * np.pi * space_m / wave_m)
        worst = int((free_db - serving_db).argmax())
        if free_db[worst] - serving_db[worst] > SLACK_DB:
            notes.append(
                f"a link of {space_m[worst]:.0f} m loses {serving_db[worst]:.0f} dB, free space at "
                f"{carrier_hz / 1e9:g} GHz {free_db[worst]:.0f}"
            )
    return [f"{note}: {_READ}" for note in notes]


def _places(area_m: FloatArray) -> FloatArray:
    """Evenly in the area."""
    steps = (np.arange(_PLACES) + 0.5) / _PLACES
    x, y = np.meshgrid(steps, steps)
    return np.stack([x.reshape(-1), y.reshape(-1)], axis=1) * area_m


def _loss_db(path_loss: Any, sites: Sites, distance_m: FloatArray) -> FloatArray | None:
    """(places, B); None of a model that is not ours."""
    if isinstance(path_loss, LogDistance):
        # Not by what compiles: `validate` has no need of that.
        far_m = np.maximum(distance_m, path_loss.min_distance)
        slope_db = 10.0 * path_loss.path_loss_exponent * np.log10(far_m)
        return slope_db - 10.0 * float(np.log10(path_loss.reference_gain))
    if isinstance(path_loss, ThreeGpp):
        return path_loss.median_loss_db(sites, distance_m)
    return None
