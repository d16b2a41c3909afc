"""The columns of the task problem."""

from dataclasses import dataclass

from ..core.arrays import FloatArray
from ..state import Columns, State
from .channel import ComplexArray, MrcChannel
from .network import Tasks


@dataclass
class TaskState(State):
    """The columns of the task problem, one task per device and slot.

    Attributes:
        fading: (R, N, L) hbar_m ~ CN(0, I).
        channel: gains after combining.
        tasks: of the slot that begins.
        emission_g: (R, N) of the last slot.
    """

    fading: ComplexArray
    channel: MrcChannel
    tasks: Tasks
    emission_g: FloatArray

    def device_columns(self) -> Columns:
        """What a device collects and reports."""
        return {
            **super().device_columns(),
            "gain": self.channel.gain,
            "interference_gain": self.channel.interference_gain,
            "task_bits": self.tasks.bits,
            "task_cycles": self.tasks.cycles,
            "deadline_s": self.tasks.deadline_s,
            "emission_g": self.emission_g,
        }
