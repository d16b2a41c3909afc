"""A decision of the task problem: the variables of C(10)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.arrays import BoolArray, FloatArray


@dataclass(frozen=True)
class TaskDecision:
    """The variables of C(10): p, alpha and f. SI units.

    Attributes:
        power_w: (…, N) p_m, what each device transmits with.
        offload: (…, N) alpha_m, whose task is sent to the server.
        local_cpu_hz: (…, N) f_m, speed of a device's CPU; without effect for a device that offloads.
        edge_cpu_hz: (…, N) f_m^0, the server's speed for it; without effect for a device that does not.
        diagnostics: (…,) further variables of the trace, by name.
    """

    power_w: FloatArray
    offload: BoolArray
    local_cpu_hz: FloatArray
    edge_cpu_hz: FloatArray
    diagnostics: Mapping[str, FloatArray] = field(default_factory=dict)
