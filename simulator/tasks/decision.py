"""What a policy answers in the task problem: the variables of C(10)."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.arrays import BoolArray, FloatArray


@dataclass(frozen=True)
class TaskDecision:
    """The variables of C(10).

    Attributes:
        power_w: (…, N) p_m.
        offload: (…, N) alpha_m.
        local_cpu_hz: (…, N) f_m; means nothing for a device that offloads.
        edge_cpu_hz: (…, N) f_m^0; means nothing for a device that does not.
        diagnostics: (…,) what a policy tells the trace of how it decided, by variable name.
    """

    power_w: FloatArray
    offload: BoolArray
    local_cpu_hz: FloatArray
    edge_cpu_hz: FloatArray
    diagnostics: Mapping[str, FloatArray] = field(default_factory=dict)
