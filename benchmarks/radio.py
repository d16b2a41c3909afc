"""What a slot costs with 3GPP's path losses and Clarke's fading, against log-distance and Rayleigh."""

from collections.abc import Callable, Iterator
from functools import partial

from .measure import Row, end_to_end, rounds, scenario

DEVICES, STATIONS = 1000, 12
SLOTS = (20, 220)
"""Of a short run and a long one: their difference has no start in it."""

WALKS = (
    f"devices.count={DEVICES}",
    f"stations.sbs.count={STATIONS - 1}",
    "mobility.model=random-waypoint",
    "stations.mbs.height=10 m",
    "channel.carrier=3.5 GHz",
)

CLARKE = ("channel.fading=clarke", "channel.speed=1 m/s")
CASES: dict[str, tuple[str, ...]] = {
    "log-distance": (),
    "3gpp-umi": ("channel.path_loss=3gpp-umi",),
    "3gpp-uma": ("channel.path_loss=3gpp-uma",),
    "3gpp-inf": ("channel.path_loss=3gpp-inf",),
    "clarke": CLARKE,
}


def measure() -> Iterator[Row]:
    for policy in ("lyapunov", "local"):
        works: list[Callable[[], object]] = []
        for overrides in CASES.values():
            for slots in SLOTS:
                one = scenario(*WALKS, f"policy.name={policy}", *overrides, slots=slots)
                works.append(partial(end_to_end, one))
        for work in works[::2]:
            work()
        # The least of each: what memory costs that is touched first varies by a third of what is measured.
        seconds = rounds(*works, count=9).min(axis=0)
        took = seconds[1::2] - seconds[::2]
        for name, ratio in list(zip(CASES, took / took[0], strict=True))[1:]:
            what = f"N = {DEVICES}, B = {STATIONS}, {policy}, {name}"
            yield Row(what, float(ratio), "x", at_most=None if name == "clarke" else 1.3)
