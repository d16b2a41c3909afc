"""Path loss: the mean power gain of a link, from where its two ends are."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple, Protocol

import numpy as np
from pydantic import Field

from ...scenarios.units import Metres, Number, PowerRatio
from ..core.arrays import FloatArray
from ..core.elementary import power_each
from ..core.randomness import Generators

PATH_LOSS = {
    "log-distance": f"{__name__}:LogDistance",
    "3gpp-umi": f"{__package__}.three_gpp:StreetCanyon",
    "3gpp-uma": f"{__package__}.three_gpp:UrbanMacro",
    "3gpp-inf": f"{__package__}.three_gpp:Factory",
}
"""Path-loss models by the name that a scenario gives."""


@dataclass(frozen=True)
class Sites:
    """What stands still of all links.

    Attributes:
        area_m: (2,) width and height; places run from (0, 0) to (width, height).
        station_names: B names; station 0 is the MBS.
        station_position_m: (B, 2).
        station_height_m: (B,) of the antennas above the ground.
        device_height_m: of all devices' antennas.
    """

    area_m: FloatArray
    station_names: tuple[str, ...]
    station_position_m: FloatArray
    station_height_m: FloatArray
    device_height_m: float


class Links(NamedTuple):
    """Where the ends of all links are.

    Attributes:
        position_m: (R, N, 2) of the devices.
        distance_m: (R, N, B) from them to the stations, on the map: heights are not in it.
    """

    position_m: FloatArray
    distance_m: FloatArray


class PathLoss(Protocol):
    """The mean power gains of links.

    A model's constructor keywords are its keys of the scenario's [channel] section. Where it cannot do a
    network, its `check(sites)`, if it has one, raises ValueError before the run begins.
    """

    def start(self, sites: Sites, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run: all that is drawn is drawn now.

        Args:
            sites: what stands still.
            rngs_of: the random streams of a name, one generator per replication. A station's streams bear
                its name, so that another station changes nothing for it.
        """

    def gain(self, links: Links) -> FloatArray:
        """(R, N, B) mean power gains where the devices are: a function of that, which draws nothing.

        The twin asks, too, of where devices could be.
        """


class DistanceLaw(Protocol):
    """A path loss that hangs on the distance alone, and has no `start`."""

    def gain(self, distance_m: FloatArray) -> FloatArray:
        """Mean power gains of links of these lengths, any shape."""


def is_law(model: Any) -> bool:
    """Whether a path loss is a law of the distance."""
    return not hasattr(model, "start")


@dataclass
class OfDistance:
    """A law of the distance as a path loss."""

    remembers: ClassVar[tuple[str, ...]] = ("law",)

    law: DistanceLaw

    def start(self, sites: Sites, rngs_of: Callable[[str], Generators]) -> None:
        """Begin a run."""

    def gain(self, links: Links) -> FloatArray:
        """(R, N, B) mean power gains."""
        return self.law.gain(links.distance_m)


@dataclass
class LogDistance:
    """Log-distance path loss g_0 (max(d, d_min) / 1 m)^-alpha; r_ij^-alpha of A(3) with g_0 = 1.

    Args:
        path_loss_exponent: alpha.
        reference_gain: g_0, the power gain at 1 m, a ratio.
        min_distance: d_min, m; shorter links are in the antenna's near field.
    """

    path_loss_exponent: Annotated[Number, Field(ge=0)] = 4.0
    reference_gain: PowerRatio = 1.0
    min_distance: Metres = 5.0

    def gain(self, distance_m: FloatArray) -> FloatArray:
        """Mean power gains of links of these lengths, any shape."""
        far_m = np.maximum(distance_m, self.min_distance)
        return self.reference_gain * power_each(far_m, -self.path_loss_exponent)
