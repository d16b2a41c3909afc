"""A decision of the task problem: the variables of C(10)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.arrays import BoolArray, FloatArray


@dataclass(frozen=True)
class TaskDecision:
    """The variables of C(10): p, alpha and f. SI units.

    Attributes:
        power_w: (…, N) p_m.
        offload: (…, N) alpha_m.
        local_cpu_hz: (…, N) f_m; without effect for a device that offloads.
        edge_cpu_hz: (…, N) f_m^0; without effect for a device that does not.
        diagnostics: (…,) further variables of the trace, by name.
    """

    power_w: FloatArray
    offload: BoolArray
    local_cpu_hz: FloatArray
    edge_cpu_hz: FloatArray
    diagnostics: Mapping[str, FloatArray] = field(default_factory=dict)
