"""The radio of the task problem, C(1) and C(2): an uplink to L antennas, shared by all who transmit."""

from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from ..core.arrays import FloatArray
from ..core.compiled import compiled
from ..core.elementary import log2_each, power_each
from ..core.randomness import Generators, standard_normal_each
from ..core.saved_state import ALL_FIELDS
from ..models.clarke import Clarke
from ..network.spectral_efficiency import carried_each
from .network import TaskNetwork

ComplexArray = NDArray[np.complex128]

_GAIN_AT_1_M = 0.0002951209226666386
"""-35.3 dB."""


@dataclass(frozen=True)
class MrcChannel:
    """Power gains at the base station after maximum-ratio combining, C(2).

    Attributes:
        gain: (…, N) ||h_m||^2, path loss included.
        interference_gain: (…, N, N) |h_m^H h_n|^2 / ||h_m||^2 of device m (second-last axis) and
            interferer n (last axis); zero where m = n.
    """

    remembers: ClassVar[tuple[str, ...]] = ALL_FIELDS

    gain: FloatArray
    interference_gain: FloatArray


def path_gain(distance_m: FloatArray) -> FloatArray:
    """g_m of paper C, section V: path loss of -35.3 - 37.6 log10 d dB, as a power gain.

    Args:
        distance_m: positive, any shape.

    Returns:
        The same shape, without unit.
    """
    return _GAIN_AT_1_M * power_each(distance_m, -3.76)


def draw_channels(distance_m: FloatArray, antennas: int, rngs: Generators) -> ComplexArray:
    """h_m = sqrt(g_m) hbar_m with hbar_m ~ CN(0, I_L).

    Args:
        distance_m: (R, N) from the base station.
        antennas: L.
        rngs: one generator per replication.

    Returns:
        (R, N, L) amplitude gains.
    """
    fading = draw_fading(distance_m.shape[1], antennas, rngs)
    return fading * np.sqrt(path_gain(distance_m))[..., None]


def draw_fading(devices: int, antennas: int, rngs: Generators) -> ComplexArray:
    """(R, N, L) hbar_m ~ CN(0, I_L), one generator per replication."""
    parts = standard_normal_each(rngs, (2, devices, antennas))
    # Real and imaginary part have variance 1/2 each.
    fading: ComplexArray = (parts[:, 0] + 1j * parts[:, 1]) * np.sqrt(0.5)
    return fading


class AntennaFading(Protocol):
    """What fades between devices and antennas."""

    def next(self) -> ComplexArray:
        """(R, N, L) hbar_m of the next coherence block."""


@dataclass
class BlockFading:
    """Rayleigh fading, new in each block.

    Attributes:
        devices: N.
        antennas: L.
        rngs: one generator per replication.
    """

    remembers: ClassVar[tuple[str, ...]] = ("rngs",)

    devices: int
    antennas: int
    rngs: Generators

    def next(self) -> ComplexArray:
        """(R, N, L) hbar_m of the next coherence block."""
        return draw_fading(self.devices, self.antennas, self.rngs)


@dataclass
class WaveFading:
    """Rayleigh fading with Clarke's spectrum; antennas are far enough apart to fade by themselves.

    Attributes:
        waves: begun, with L links to each device.
        antennas: L.
    """

    remembers: ClassVar[tuple[str, ...]] = ("waves",)

    waves: Clarke
    antennas: int

    def next(self) -> ComplexArray:
        """(R, N, L) hbar_m of the next coherence block."""
        real, imaginary = self.waves.amplitudes()
        fading: ComplexArray = (real + 1j * imaginary).reshape(len(real), -1, self.antennas)
        return fading


def mrc_channel(channels: ComplexArray) -> MrcChannel:
    """The gains of C(2) after maximum-ratio combining.

    Args:
        channels: (…, N, L) complex channel vectors h, path loss included.
    """
    devices, antennas = channels.shape[-2:]
    flat = np.ascontiguousarray(channels).reshape(-1, devices, antennas)
    gain, interference_gain = _mrc_gains(flat)
    lead = channels.shape[:-2]
    return MrcChannel(
        gain.reshape(*lead, devices), interference_gain.reshape(*lead, devices, devices)
    )


@compiled
def _mrc_gains(channels: ComplexArray) -> tuple[FloatArray, FloatArray]:
    """(R, N) ||h_m||^2 and (R, N, N) |h_m^H h_n|^2 / ||h_m||^2."""
    replications, devices, antennas = channels.shape
    gain = np.zeros((replications, devices))
    cross = np.zeros((replications, devices, devices))
    for r in range(replications):
        for m in range(devices):
            for a in range(antennas):
                h = channels[r, m, a]
                gain[r, m] += h.real * h.real + h.imag * h.imag
        for m in range(devices):
            for n in range(devices):
                if n != m:
                    product = 0.0 + 0.0j
                    for a in range(antennas):
                        product += np.conj(channels[r, m, a]) * channels[r, n, a]
                    square = product.real * product.real + product.imag * product.imag
                    cross[r, m, n] = square / gain[r, m]
    return gain, cross


def rates_bps(network: TaskNetwork, channel: MrcChannel, power_w: FloatArray) -> FloatArray:
    """C(2): B log2(1 + p ||h||^2 / (I + N_0)), disturbed by everybody else who transmits.

    Args:
        network: gives B, N_0 and what links carry at most.
        channel: the gains.
        power_w: (…, N) p, zero for silent devices.

    Returns:
        (…, N) bit/s.
    """
    interference = (channel.interference_gain * power_w[..., None, :]).sum(axis=-1)
    sinr = power_w * channel.gain / (interference + network.noise_w)
    return network.bandwidth_hz * carried_each(network.efficiency, log2_each(1.0 + sinr))
