"""From a scenario's hop to one of the twin."""

from ...scenarios.sections import ExponentialLatency, HopSection, UniformLatency
from ..core.randomness import Streams
from ..twin.synchronisation import Constant, Exponential, Hop, Latency, Uniform


def make_hop(keys: HopSection, streams: Streams, name: str) -> Hop:
    """A hop of the twin, with its random streams `name`/latency and `name`/loss.

    One that takes no time and loses nothing draws nothing, and has none: to make them takes as long as some slots.
    """
    latency = _latency(keys.latency)
    if latency.is_zero and keys.loss == 0.0:
        return Hop(latency, keys.loss, [], [])
    rngs = (streams.generators(f"{name}/{what}") for what in ("latency", "loss"))
    return Hop(latency, keys.loss, *rngs)


def _latency(keys: float | UniformLatency | ExponentialLatency) -> Latency:
    if isinstance(keys, UniformLatency):
        return Uniform(*keys.uniform)
    if isinstance(keys, ExponentialLatency):
        return Exponential(keys.exponential)
    return Constant(keys)
