"""Which station each device talks to: the edge set epsilon of paper A's graph."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol

import numpy as np
from pydantic import Field

from ...scenarios.units import Number
from ..core.arrays import BoolArray, FloatArray, IntArray, read_only, spread
from ..core.compiled import compiled
from ..core.elementary import log2
from ..core.state_checks import check_stations
from ..network.graph import LiveNetwork
from ..network.network import Network
from ..network.spectral_efficiency import SpectralEfficiency, carried
from .carbon import LEAST_G_PER_J

ASSOCIATION = {
    "nearest": f"{__package__}.association:Nearest",
    "load-aware": f"{__package__}.association:LoadAware",
    "carbon-aware": f"{__package__}.association:CarbonAware",
}
"""Association models by the name that a scenario gives."""


class Association(Protocol):
    """Chooses a station for each device: at the start, and when devices moved or a station failed.

    A model's constructor keywords are its keys of the scenario's [association] section. All that
    it knows between two calls lies in its attributes, so that it can be saved (core/saved_state.py).
    One whose devices choose anew when the carbon intensity changes, too, says `follows_carbon = True`.
    """

    def start(self, network: LiveNetwork, coverage_m: FloatArray) -> None:
        """Begin a run.

        Args:
            network: sizes, bands, powers and noise. Its `present`, `graph` and
                `graph_of(replication)` show in each call of `associate` who is there, where the
                devices are, their stations up to then, which stations are up, and the backhaul;
                `carbon_g_per_j`, (R, B), what is told of the stations' carbon intensity.
            coverage_m: (B,) how far a station reaches; the MBS, station 0, reaches everywhere.
        """

    def associate(
        self, distance_m: FloatArray, path_gain: FloatArray, chooses: BoolArray | None = None
    ) -> IntArray:
        """(R, N) the station of each device, in a new array; of one that is absent it is not used.

        Args:
            distance_m: (R, N, B) from device to station; infinite to one that is down.
            path_gain: (R, N, B) mean power gains, without fading.
            chooses: (R,) the replications for which it is time to choose; by default all. What a
                model remembers of the others must not change, and its answer for them is not used.
        """


def follows_carbon(association: Association) -> bool:
    """Whether devices choose anew when the carbon intensity changes, by what the model says; else False."""
    return bool(getattr(association, "follows_carbon", False))


@dataclass
class Nearest:
    """The nearest SBS among those that cover the device; the MBS where none does.

    An SBS covers what is strictly closer than its coverage radius. Of two equally near the first
    is taken.
    """

    def start(self, network: Network, coverage_m: FloatArray) -> None:
        """Begin a run; see `Association`."""
        self._coverage_m = coverage_m

    def associate(
        self, distance_m: FloatArray, path_gain: FloatArray, chooses: BoolArray | None = None
    ) -> IntArray:
        """(R, N) the station of each device; see `Association`."""
        return nearest(distance_m, self._coverage_m)


@dataclass
class LoadAware:
    """Online association by expected share, which spreads the devices over the stations.

    The devices of a replication choose one after another. Each takes, among the MBS and the SBSs
    that cover it, the station with the largest W_j log2(1 + SNR_ij) / (1 + n_j), where SNR_ij is
    the mean one at full power without interference and n_j the number of other devices that are at
    the station just then. It leaves a station that still covers it only for one that promises more
    than `hysteresis` times as much. Of two that promise the same the first is taken. Efficiencies are
    capped as all rates are. A device that is absent is nowhere, and no load; it chooses anew when it is
    back.

    Args:
        hysteresis: at least 1; large values mean few handovers.
    """

    remembers: ClassVar[tuple[str, ...]] = ("_station",)

    hysteresis: Annotated[Number, Field(ge=1)] = 1.1

    def start(self, network: LiveNetwork, coverage_m: FloatArray) -> None:
        """Begin a run; see `Association`."""
        self._network = network
        self._coverage_m = coverage_m
        self._snr_per_gain = network.device_power_max_w[:, None] / network.noise_w
        shape = network.replications, network.stations
        self._bandwidth_hz = spread(network.station_bandwidth_hz, shape)
        self._limit = network.efficiency
        self._station = np.full((network.replications, network.devices), _NOWHERE)

    def check_state(self) -> None:
        """Stations that there are."""
        station, stations = self._station, self._network.stations
        check_stations(station, station.shape, stations, least=_NOWHERE)

    def associate(
        self, distance_m: FloatArray, path_gain: FloatArray, chooses: BoolArray | None = None
    ) -> IntArray:
        """(R, N) the station of each device; see `Association`."""
        station = _best_share(
            distance_m,
            self._coverage_m,
            self._snr_per_gain * path_gain,
            self._worth_hz(),
            self._network.present,
            self._station,
            self.hysteresis,
            self._limit,
        )
        if chooses is not None:
            station = np.where(chooses[:, None], station, self._station)
        self._station = station
        return station

    def _worth_hz(self) -> FloatArray:
        """(R, B) by what a station's spectral efficiency is multiplied to compare it with others'."""
        return self._bandwidth_hz


@dataclass
class CarbonAware(LoadAware):
    """Online association by expected share per emission, which sends bits to green stations.

    As `load-aware`, but for the largest W_j log2(1 + SNR_ij) / (1 + n_j) / c_j (ours). c_j is the carbon
    intensity that decisions are told of station j at that moment, but at least 1 mg/kWh, as wherever it
    is decided by it. It stands for what a bit emits there: bits are taken to need the same energy at all
    stations. Devices choose anew when it changes, too; where all stations have the same it is
    `load-aware`, bit for bit.

    Args:
        hysteresis: at least 1; large values mean few handovers.
    """

    follows_carbon: ClassVar[bool] = True

    def _worth_hz(self) -> FloatArray:
        """(R, B) bands by the intensity there, as a multiple of the greenest station's."""
        carbon = np.maximum(self._network.carbon_g_per_j, LEAST_G_PER_J)
        return read_only(self._bandwidth_hz / (carbon / carbon.min(axis=1, keepdims=True)))


_NOWHERE = -1


@compiled
def nearest(distance_m: FloatArray, coverage_m: FloatArray) -> IntArray:
    """(R, N) the nearest SBS that covers each device, else the MBS, of (R, N, B) distances."""
    replications, devices, stations = distance_m.shape
    station = np.zeros((replications, devices), np.int64)
    for r in range(replications):
        for i in range(devices):
            nearest_m = np.inf
            for j in range(1, stations):
                if distance_m[r, i, j] < min(coverage_m[j], nearest_m):
                    nearest_m = distance_m[r, i, j]
                    station[r, i] = j
    return station


@compiled
def _best_share(
    distance_m: FloatArray,
    coverage_m: FloatArray,
    snr: FloatArray,
    worth_hz: FloatArray,
    present: BoolArray,
    previous: IntArray,
    hysteresis: float,
    limit: SpectralEfficiency,
) -> IntArray:
    replications, devices, stations = distance_m.shape
    station = previous.copy()
    for r in range(replications):
        load = np.zeros(stations, np.int64)
        for i in range(devices):
            if not present[r, i]:
                station[r, i] = _NOWHERE
            if station[r, i] >= 0:
                load[station[r, i]] += 1
        for i in range(devices):
            if not present[r, i]:
                continue
            current = station[r, i]
            if current >= 0:
                load[current] -= 1
            best, best_share, current_share = 0, -1.0, -1.0
            for j in range(stations):
                if j == 0 or distance_m[r, i, j] < coverage_m[j]:
                    efficiency = carried(limit, log2(1.0 + snr[r, i, j]))
                    share_bps = worth_hz[r, j] * efficiency / (1 + load[j])
                    if share_bps > best_share:
                        best, best_share = j, share_bps
                    if j == current:
                        current_share = share_bps
            # A station that is no longer in reach has left its share at -1.
            if best_share > hysteresis * current_share:
                station[r, i] = best
            load[station[r, i]] += 1
    return station
