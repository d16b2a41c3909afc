"""The software carbon intensity, ISO/IEC 21031:2024: SCI = (E I + M) per R."""

from dataclasses import dataclass

import numpy as np

from ..core.arrays import FloatArray
from ..core.recorder import LATE, TaskTable


@dataclass(frozen=True)
class Sci:
    """Embodied emission and functional unit.

    M = sum over hardware of TE TS RS, with TS = TiR / EL: the time that is counted over the lifespan.

    Attributes:
        device_g_per_s: TE RS / EL of each device that is there.
        stations_g_per_s: the same of all stations together.
        per_bit: R is in Mbit of completed tasks; else in tasks.
    """

    device_g_per_s: float
    stations_g_per_s: float
    per_bit: bool

    def columns(
        self,
        slot_s: float,
        present: FloatArray,
        energy_j: FloatArray,
        emission_g: FloatArray,
        ended: TaskTable,
    ) -> dict[str, FloatArray]:
        """(R,) the terms of a slot, by trace variable.

        Args:
            slot_s: tau, TiR of a slot.
            present: (R,) how many devices are there.
            energy_j: (R,) E.
            emission_g: (R,) E I, the sum of each energy times its intensity.
            ended: tasks that ended.
        """
        done = ended[ended["outcome"] <= LATE]
        weights = done["bits"] / 1e6 if self.per_bit else np.ones(len(done))
        units = np.bincount(done["replication"], weights, minlength=len(present))
        embodied_g = slot_s * (self.device_g_per_s * present + self.stations_g_per_s)
        return {
            "sci_energy_j": energy_j,
            "sci_operational_mg": emission_g * 1e3,
            "sci_embodied_mg": embodied_g * 1e3,
            "functional_units": units.astype(np.float64),
        }
