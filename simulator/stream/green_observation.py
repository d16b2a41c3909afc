"""What a policy sees of the stream problem where emission, or the classes of tasks, are part of it."""

from dataclasses import dataclass

from ..core.arrays import FloatArray
from .observation import Observation


@dataclass(slots=True)
class GreenObservation(Observation):
    """`Observation`, and what the decision hangs on beside energy and queues.

    Attributes:
        device_carbon_g_per_j: (R, N) carbon intensity of the electricity of each device.
        pressing_bits: (R, N) bits of the queue that are in time only if they leave it in this slot, and
            those that are late already.
        due_bits: (R, N, L) bits of the queue by the whole slots left before they are due: what the device
            executes itself has to leave by then, what it sends a slot earlier. In the first also what is late
            already, so that `pressing_bits` are the first two; in the last what has more time; L = 0
            without deadlines. All zero unless the policy calls `problem.ask_due_bits()` in its `reset`.
        least_leaving_bits: (R, N, L) of what is due so many slots from now: how many bits have to leave in the last of
            these for all to be in time, if some of them are sent. They leave evenly, and a station executes at
            the same share of the next slot what was sent at a share of this one. 1e12 bits for each where
            something is due as that begins. Zero likewise.
        lateness_bits: (R, N) what P2 gives for a pressing bit beside v_i: the debts of its classes.
        emission_per_bit_g: (R,) the running ratio of all emission to all bits departed.
        budget_debt_g: (R,) virtual queue of the carbon budget, as accounted; zero without one.
        forecast_g_per_j: (R, B, H) carbon intensity at each station by the newest forecast, means over
            its steps from its issue on; H = 0 without one.
        forecast_step_s: length of such a step.
        forecast_age_s: time since the issue.
    """

    device_carbon_g_per_j: FloatArray
    pressing_bits: FloatArray
    due_bits: FloatArray
    least_leaving_bits: FloatArray
    lateness_bits: FloatArray
    emission_per_bit_g: FloatArray
    budget_debt_g: FloatArray
    forecast_g_per_j: FloatArray
    forecast_step_s: float
    forecast_age_s: float
