"""Links that cross walls: `edgesim run iiot_20dev --set channel.path_loss=walls:Walls`."""

import numpy as np

from edgesim.scenarios.units import Number, PositiveMetres, PowerRatio, Whole


class Walls:
    """Log-distance path loss, and a loss for each of some walls between device and station."""

    def __init__(
        self,
        walls: Whole = 10,
        length: PositiveMetres = 40.0,
        wall_loss: PowerRatio = 10.0,
        path_loss_exponent: Number = 4.0,  # a key that [channel] has: its value counts here, too
    ) -> None:
        self.walls, self.length_m = walls, length
        self.wall_loss, self.exponent = wall_loss, path_loss_exponent

    def start(self, sites, rngs_of):
        self.station_m = sites.station_position_m  # (B, 2)
        draws = np.stack([rng.random((self.walls, 3)) for rng in rngs_of("path_loss/walls")])
        angle = 2.0 * np.pi * draws[..., 2]
        along = self.length_m * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
        self.begin_m = draws[..., :2] * sites.area_m  # (R, walls, 2)
        self.end_m = self.begin_m + along

    def gain(self, links):
        device = links.position_m[:, :, None, None]  # (R, N, 1, 1, 2)
        station = self.station_m[:, None]  # (B, 1, 2)
        begin, end = self.begin_m[:, None, None], self.end_m[:, None, None]
        between = (side(begin, end, device) * side(begin, end, station) < 0.0) & (
            side(device, station, begin) * side(device, station, end) < 0.0
        )
        distance_m = np.maximum(links.distance_m, 5.0)
        return distance_m**-self.exponent * self.wall_loss ** -between.sum(axis=-1).astype(float)


def side(begin, end, point):
    """On which side of a line a point lies: positive, negative, or zero on it."""
    along, to = end - begin, point - begin
    return along[..., 0] * to[..., 1] - along[..., 1] * to[..., 0]
