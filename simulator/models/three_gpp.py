"""Path loss, line of sight and shadowing after 3GPP TR 38.901 v19.4.0, clauses 7.4 and 7.6.3.

Whether a link is in line of sight, and how deep it lies in shadow, are functions of where the device is: fields
over the area (`correlated_shadowing`), drawn for each station as a run begins. So they change as a device moves,
and two devices side by side share them.

Ours: distances in space below 1 m count as 1 m, and the formulas, which 3GPP states from 10 m (outdoors) on,
are used below, too. In front of a twin that predicts places the fields are a map that it knows.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Annotated, ClassVar, Final, Literal

import numpy as np
from pydantic import Field

from ...scenarios.units import Hertz, Metres, Number, PositiveMetres
from ..core.arrays import FloatArray
from ..core.compiled import compiled, compiled_in_place
from ..core.elementary import exp, log
from ..core.randomness import Generators
from .correlated_shadowing import CELLS, Fields, draw_pair, nodes, values_at
from .path_loss import Links, Sites

Pair = tuple[float, float]
Triple = tuple[float, float, float]
Carrier = Annotated[Hertz, Field(ge=0.5e9, le=100e9)]

SPEED_OF_LIGHT: Final = 3e8
"""m/s, as TR 38.901 has it, NOTE 1 of Table 7.4.1-1."""

_LN_10: Final = 2.302585092994046
_NEPER: Final = 0.2302585092994046
"""ln(10) / 10: of a decibel."""

_FIELDS: Final = 3
"""Line of sight, shadows in it, shadows without it."""

_BLOCK: Final = 768
"""Links that are looked at together."""


@dataclass(frozen=True)
class Law:
    """What holds of the links to one station: slopes and offsets in dB, over log10 of the distance in space.

    Attributes:
        rise_m: of the station's antenna over the devices'.
        breakpoint_m: d'_BP, on the map, from which on `far` holds.
        near: offset and slope in line of sight.
        far: the same beyond the breakpoint.
        blocked: two of the same without line of sight; the loss is the greatest of these and that in sight.
        clear_m: so near there is always line of sight.
        decay_m: and beyond, its probability p = c + exp(-d / decay_m) (1 - c) with c = clear_m / d.
    """

    rise_m: float
    breakpoint_m: float
    near: Pair
    far: Pair
    blocked: tuple[Pair, Pair]
    clear_m: float
    decay_m: float

    def row(self) -> list[float]:
        """As `find_sight` and `find_loss` read it."""
        slopes = (self.near, self.far, *self.blocked)
        head = [self.rise_m * self.rise_m, self.breakpoint_m, self.clear_m, 1.0 / self.decay_m]
        # Over the natural logarithm, of the square of the distance.
        return head + [value for a, b in slopes for value in (a, b / (2.0 * _LN_10))]


_NEVER = (-1e300, 0.0)
"""A line that is never the greatest."""


# Loops over stations are without branches and each in a function of its own, so that they become vectors.


@compiled_in_place
def find_sight(
    laws: FloatArray, distance_m: FloatArray, field: FloatArray, sees: FloatArray
) -> None:
    """Table 7.4.2-1: where a standard normal variable is below what line of sight is probable by.

    Args:
        laws: (12, B) `Law.row` of each station.
        distance_m: (K, B) on the map.
        field: (K, B) standard normal.
        sees: (K, B) p - Phi(field), to 7.5e-8 (Abramowitz and Stegun, 26.2.17); negative without line of
            sight.
    """
    clear_m, decay_per_m = laws[2], laws[3]
    for i in range(len(sees)):
        for j in range(len(clear_m)):
            z = field[i, j]
            t = 1.0 / (1.0 + 0.2316419 * abs(z))
            tail = -1.821255978 + t * 1.330274429
            tail = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * tail)))
            tail *= 0.3989422804014327 * exp(-0.5 * z * z)
            share = clear_m[j] / max(distance_m[i, j], max(clear_m[j], 1e-300))
            probability = share + exp(-distance_m[i, j] * decay_per_m[j]) * (1.0 - share)
            sees[i, j] = probability - (1.0 - tail if z > 0.0 else tail)


@compiled_in_place
def find_loss(
    laws: FloatArray, distance_m: FloatArray, sees: FloatArray, loss_db: FloatArray
) -> None:
    """Table 7.4.1-1: the loss without shadowing.

    Args:
        laws: (12, B) `Law.row` of each station.
        distance_m: (K, B) on the map.
        sees: (K, B) negative without line of sight.
        loss_db: (K, B) what is found.
    """
    for i in range(len(loss_db)):
        for j in range(laws.shape[1]):
            far_m = distance_m[i, j]
            square = log(max(far_m * far_m + laws[0, j], 1.0))
            near, far = laws[4, j] + laws[5, j] * square, laws[6, j] + laws[7, j] * square
            in_sight = near if far_m <= laws[1, j] else far
            blocked = max(laws[8, j] + laws[9, j] * square, laws[10, j] + laws[11, j] * square)
            loss_db[i, j] = in_sight if sees[i, j] >= 0.0 else max(in_sight, blocked)


@compiled_in_place
def _find_gains(
    sigma_db: FloatArray,
    clear: FloatArray,
    blocked: FloatArray,
    sees: FloatArray,
    loss_db: FloatArray,
    gains: FloatArray,
) -> None:
    """(K, B) gains, with the shadows of either state."""
    for i in range(len(gains)):
        for j in range(gains.shape[1]):
            in_sight_db, blocked_db = sigma_db[0] * clear[i, j], sigma_db[1] * blocked[i, j]
            shadow_db = in_sight_db if sees[i, j] >= 0.0 else blocked_db
            gains[i, j] = exp(-_NEPER * (loss_db[i, j] + shadow_db))


@compiled
def _gains(
    laws: FloatArray,
    sigma_db: FloatArray,
    cells_per_m: FloatArray,
    fields: Fields,
    position_m: FloatArray,
    distance_m: FloatArray,
) -> FloatArray:
    """(R, N, B) gains, of some devices after others, so that what lies between stays in the cache."""
    replications, devices, stations = distance_m.shape
    gains = np.empty(distance_m.shape)
    rows = max(1, _BLOCK // stations)
    scratch = np.empty((_FIELDS + 2, rows, stations))
    for r in range(replications):
        for first in range(0, devices, rows):
            end = min(first + rows, devices)
            place, apart = position_m[r, first:end], distance_m[r, first:end]
            here = gains[r, first:end]
            sight, clear = scratch[0, : end - first], scratch[1, : end - first]
            blocked, sees = scratch[2, : end - first], scratch[3, : end - first]
            loss_db = scratch[4, : end - first]
            values_at(fields[0, r], place, cells_per_m[0], sight)
            values_at(fields[1, r], place, cells_per_m[1], clear)
            values_at(fields[2, r], place, cells_per_m[2], blocked)
            find_sight(laws, apart, sight, sees)
            find_loss(laws, apart, sees, loss_db)
            _find_gains(sigma_db, clear, blocked, sees, loss_db, here)
    return gains


class ThreeGpp(ABC):
    """What the environments share.

    A subclass has the laws of its links, and for line of sight, shadows in it and shadows without
    it the distance over which each is correlated (Table 7.6.3.1-2, Table 7.5-6) and, of the shadows, the
    standard deviation (Table 7.4.1-1).
    """

    remembers: ClassVar[tuple[str, ...]] = ()
    """Nothing: where a run goes on, the fields are drawn again, which gives the same."""

    correlation_m: Triple
    sigma_db: Pair

    @abstractmethod
    def law(self, rise_m: float, station_m: float, device_m: float) -> Law:
        """Of the links between antennas of these heights.

        Args:
            rise_m: their difference.
            station_m: height of the station's.
            device_m: height of the device's.

        Raises:
            ValueError: none is stated for these.
        """

    def laws(self, sites: Sites) -> FloatArray:
        """(12, B) `Law.row` of each station.

        Raises:
            ValueError: a height is not one that 3GPP has a law for.
        """
        device_m = sites.device_height_m
        heights = [float(height) for height in sites.station_height_m]
        return np.array([self.law(one - device_m, one, device_m).row() for one in heights]).T.copy()

    def check(self, sites: Sites) -> None:
        """Whether there is a law for these heights.

        Raises:
            ValueError: there is none.
        """
        self.laws(sites)

    def memory_bytes(self, sites: Sites, replications: int) -> int:
        """Of the fields."""
        return 4 * _FIELDS * replications * len(sites.station_names) * self._nodes(sites) ** 2

    def _nodes(self, sites: Sites) -> int:
        return nodes(float(sites.area_m.max()), min(self.correlation_m))

    def median_loss_db(self, sites: Sites, distance_m: FloatArray) -> FloatArray:
        """(places, B) losses without shadows, in sight where that is as probable as not.

        Args:
            sites: what stands still.
            distance_m: (places, B) on the map.

        Raises:
            ValueError: as `laws`.
        """
        laws, loss_db, sees = (
            self.laws(sites),
            np.empty(distance_m.shape),
            np.empty(distance_m.shape),
        )
        find_sight(laws, distance_m, np.zeros(distance_m.shape), sees)
        find_loss(laws, distance_m, sees, loss_db)
        return loss_db

    def start(self, sites: Sites, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run; see `path_loss.PathLoss`."""
        self._laws = self.laws(sites)
        self._cells_per_m = CELLS / np.array(self.correlation_m)
        self._sigma_db = np.array(self.sigma_db)
        count = self._nodes(sites)
        rngs = [rngs_of(f"path_loss/{name}") for name in sites.station_names]
        self._fields = np.empty((_FIELDS, len(rngs[0]), count, count, len(rngs)), np.float32)
        for station, of_station in enumerate(rngs):
            for replication, rng in enumerate(of_station):
                self._fields[:2, replication, ..., station] = draw_pair(rng, count)
                self._fields[2, replication, ..., station] = draw_pair(rng, count)[0]

    def gain(self, links: Links) -> FloatArray:
        """(R, N, B) mean power gains; see `path_loss.PathLoss`."""
        return _gains(
            self._laws,
            self._sigma_db,
            self._cells_per_m,
            self._fields,
            links.position_m,
            links.distance_m,
        )


@dataclass
class StreetCanyon(ThreeGpp):
    """UMi - Street Canyon: stations below the roofs.

    Args:
        carrier: f_c.
    """

    carrier: Carrier
    correlation_m: Triple = field(default=(50.0, 10.0, 13.0), init=False)
    sigma_db: Pair = field(default=(4.0, 7.82), init=False)

    def law(self, rise_m: float, station_m: float, device_m: float) -> Law:
        """See `ThreeGpp.law`."""
        _outdoors(station_m, device_m, 22.5)
        at_m = _breakpoint_m(station_m, device_m, self.carrier)
        decade = _decades(self.carrier / 1e9)
        far = 32.4 + 20.0 * decade - 9.5 * _decades(at_m * at_m + rise_m * rise_m)
        blocked = 22.4 + 21.3 * decade - 0.3 * (device_m - 1.5)
        return Law(
            rise_m,
            at_m,
            near=(32.4 + 20.0 * decade, 21.0),
            far=(far, 40.0),
            blocked=((blocked, 35.3), _NEVER),
            clear_m=18.0,
            decay_m=36.0,
        )


@dataclass
class UrbanMacro(ThreeGpp):
    """UMa: stations above the roofs.

    Args:
        carrier: f_c.
    """

    carrier: Carrier
    correlation_m: Triple = field(default=(50.0, 37.0, 50.0), init=False)
    sigma_db: Pair = field(default=(4.0, 6.0), init=False)

    def law(self, rise_m: float, station_m: float, device_m: float) -> Law:
        """See `ThreeGpp.law`."""
        # Above 13 m the height of what reflects is random, NOTE 1.
        _outdoors(station_m, device_m, 13.0)
        at_m = _breakpoint_m(station_m, device_m, self.carrier)
        carrier_db = 20.0 * _decades(self.carrier / 1e9)
        far = 28.0 + carrier_db - 9.0 * _decades(at_m * at_m + rise_m * rise_m)
        return Law(
            rise_m,
            at_m,
            near=(28.0 + carrier_db, 22.0),
            far=(far, 40.0),
            blocked=((13.54 + carrier_db - 0.6 * (device_m - 1.5), 39.08), _NEVER),
            clear_m=18.0,
            decay_m=63.0,
        )


def _decades(x: float) -> float:
    """log10(x)."""
    return log(x) / _LN_10


def _outdoors(station_m: float, device_m: float, highest_m: float) -> None:
    if not 1.5 <= device_m <= highest_m:
        raise ValueError(
            f"devices.height is {device_m:g} m; allowed: 1.5 m to {highest_m:g} m with this path loss"
        )
    if station_m < 1.5:
        raise ValueError(f"a station's height is {station_m:g} m; allowed: >= 1.5 m")


def _breakpoint_m(station_m: float, device_m: float, carrier_hz: float) -> float:
    """d'_BP of NOTE 1, over an environment of 1 m."""
    return 4.0 * (station_m - 1.0) * (device_m - 1.0) * carrier_hz / SPEED_OF_LIGHT


Variant = Literal["SL", "DL", "SH", "DH", "HH"]

_BLOCKED: dict[Variant, Pair] = {
    "SL": (33.0, 25.5),
    "DL": (18.6, 35.7),
    "SH": (32.4, 23.0),
    "DH": (33.63, 21.9),
    "HH": _NEVER,
}
"""Offset, but for the carrier's 20 log10(f_c), and slope."""

_SHADOW_DB: dict[Variant, float] = {"SL": 5.7, "DL": 7.2, "SH": 5.9, "DH": 4.0, "HH": 0.0}


@dataclass
class Factory(ThreeGpp):
    """InF: a hall full of machines, called clutter.

    Args:
        carrier: f_c.
        variant: sparse or dense clutter (S, D), stations low among it or high above it (L, H); HH:
            stations and devices above it, always in line of sight.
        clutter_density: r, the share of the floor that it takes; 0.2 where sparse, 0.6 where dense, if not
            given.
        clutter_size: d_clutter; 10 m where sparse, 2 m where dense, if not given.
        clutter_height: h_c; 2 m where sparse, 6 m where dense, if not given.
    """

    carrier: Carrier
    variant: Variant = "DH"
    clutter_density: Annotated[Number, Field(ge=0, lt=1)] | None = None
    clutter_size: PositiveMetres | None = None
    clutter_height: Metres | None = None

    def __post_init__(self) -> None:
        """The defaults, those of 3GPP's calibration (Table 7.8-7)."""
        dense = self.variant == "DL" or self.variant == "DH"
        if self.clutter_density is None:
            self.clutter_density = 0.6 if dense else 0.2
        if self.clutter_size is None:
            self.clutter_size = 2.0 if dense else 10.0
        if self.clutter_height is None:
            self.clutter_height = 6.0 if dense else 2.0
        self.correlation_m = (self.clutter_size / 2.0, 10.0, 10.0)
        self.sigma_db = (4.3, _SHADOW_DB[self.variant])

    def law(self, rise_m: float, station_m: float, device_m: float) -> Law:
        """See `ThreeGpp.law`."""
        decade = _decades(self.carrier / 1e9)
        sparse_low, (offset, slope) = _BLOCKED["SL"], _BLOCKED[self.variant]
        carrier_db = 20.0 * decade
        return Law(
            rise_m,
            inf,
            near=(31.84 + 19.0 * decade, 21.5),
            far=_NEVER,
            blocked=(
                (offset + carrier_db, slope),
                (sparse_low[0] + carrier_db, sparse_low[1]) if self.variant == "DL" else _NEVER,
            ),
            clear_m=0.0,
            decay_m=self._decay_m(station_m, device_m),
        )

    def _decay_m(self, station_m: float, device_m: float) -> float:
        """k_subsce of Table 7.4.2-1."""
        assert self.clutter_density is not None and self.clutter_size is not None
        assert self.clutter_height is not None
        top_m, high = self.clutter_height, self.variant in ("SH", "DH")
        if self.variant == "HH":
            if min(station_m, device_m) <= top_m:
                raise ValueError(
                    f"heights are {station_m:g} m (station) and {device_m:g} m (devices); allowed: above "
                    f'the clutter, {top_m:g} m, with variant = "HH"'
                )
            return inf
        if (station_m > top_m) != high:
            allowed = "above" if high else "not above"
            raise ValueError(
                f"a station's height is {station_m:g} m; allowed: {allowed} clutter_height, {top_m:g} m, "
                f'with variant = "{self.variant}"'
            )
        if device_m >= top_m:
            raise ValueError(
                f"devices.height is {device_m:g} m; allowed: below clutter_height, {top_m:g} m, but "
                'with variant = "HH"'
            )
        if self.clutter_density == 0.0:
            return inf
        decay_m = -self.clutter_size / log(1.0 - self.clutter_density)
        return decay_m * (station_m - device_m) / (top_m - device_m) if high else decay_m
