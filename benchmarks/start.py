"""What short commands cost once everything is compiled; most of it is imports."""

from collections.abc import Iterator
from pathlib import Path

from .checkouts import Checkout, Comparison, checkouts, in_turn

RUN = ("-m", "edgesim", "run", "iiot_20dev", "-o", "t.h5", "--overwrite", "--slots")

WORKS: dict[str, tuple[tuple[str, ...], float | None, float | None]] = {
    "run of one slot": ((*RUN, "1"), 1.7 / 2.7, None),
    "validate": (("-m", "edgesim", "validate", "iiot_20dev"), 0.8 / 1.6, None),
    "policies": (("-m", "edgesim", "policies"), 0.4 / 3.7, None),
    "scenarios": (("-m", "edgesim", "scenarios"), None, 0.4),
    "run --help": (("-m", "edgesim", "run", "--help"), None, 0.4),
    "summary of a small trace": (("-m", "edgesim", "summary", "s.h5"), 1.0 / 2.1, None),
    "open_trace": (("-c", "import edgesim; edgesim.open_trace('s.h5')"), None, 0.8),
}
"""What is run, and its targets: a ratio to the build of 2026-11-26, or CPU-s."""


def compare(base: Path | None) -> Iterator[Comparison]:
    with checkouts(base) as each:
        for one in each:
            one.spent(*RUN, "300")
            (one.place / "t.h5").rename(one.place / "s.h5")
        for what, (arguments, ratio, most) in WORKS.items():

            def work(one: Checkout, arguments: tuple[str, ...] = arguments) -> float:
                return one.spent(*arguments).cpu_s

            yield Comparison(what, *in_turn(each, work), "CPU-s", ratio, most)
