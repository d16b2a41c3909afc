"""From a scenario's hop to one of the twin."""

from ...scenarios.sections import ExponentialLatency, HopSection, UniformLatency
from ..core.randomness import Streams
from ..twin.synchronisation import Constant, Exponential, Hop, Latency, Uniform


def make_hop(keys: HopSection, streams: Streams, name: str) -> Hop:
    """A hop of the twin, with its random streams `name`/latency and `name`/loss."""
    return Hop(
        _latency(keys.latency),
        keys.loss,
        streams.generators(f"{name}/latency"),
        streams.generators(f"{name}/loss"),
    )


def _latency(keys: float | UniformLatency | ExponentialLatency) -> Latency:
    if isinstance(keys, UniformLatency):
        return Uniform(*keys.uniform)
    if isinstance(keys, ExponentialLatency):
        return Exponential(keys.exponential)
    return Constant(keys)
