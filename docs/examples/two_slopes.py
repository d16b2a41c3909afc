"""A path loss of one's own: `edgesim run iiot_20dev --set channel.path_loss=two_slopes:TwoSlopes`."""

import numpy as np

from edgesim.scenarios.units import Number, PositiveMetres


class TwoSlopes:
    """Free space up to a breakpoint, and steeper beyond it, as where a ground reflects."""

    def __init__(
        self,
        breakpoint: PositiveMetres = 100.0,
        wavelength: PositiveMetres = 0.0857,
        far_exponent: Number = 4.0,
        min_distance: PositiveMetres = 5.0,  # a key that [channel] has: its value counts here, too
    ) -> None:
        self.breakpoint_m = breakpoint
        self.wavelength_m = wavelength
        self.far_exponent = far_exponent
        self.min_distance_m = min_distance

    def gain(self, distance_m):
        distance_m = np.maximum(distance_m, self.min_distance_m)
        near_m = np.minimum(distance_m, self.breakpoint_m)
        free_space = (self.wavelength_m / (4.0 * np.pi * near_m)) ** 2
        return free_space * (distance_m / near_m) ** -self.far_exponent
