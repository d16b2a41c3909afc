"""What a slot costs, whole runs with their traces, without start and compilation."""

from collections.abc import Iterator
from pathlib import Path

from .checkouts import Checkout, Comparison, checkouts, in_turn

TIMED = """
import sys, time
from pathlib import Path
from edgesim.experiments.run import execute, prepare
from edgesim.scenarios.loading import load_scenario

name, *overrides = sys.argv[1:]
if overrides[:1] == ["as it is"]:  # chunks are not compressed, as in builds that did not know how
    del overrides[0]
    from importlib import import_module
    from types import SimpleNamespace

    try:
        table = import_module("edgesim.traces.growing_table")
    except ModuleNotFoundError:
        pass
    else:
        table.isal_zlib = SimpleNamespace(compress=lambda chunk, level: bytes(chunk.nbytes))
few = load_scenario(name, [*overrides, "run.slots=20"])
execute(prepare(few), Path("few.h5"))
whole = load_scenario(name, overrides)
best = float("inf")
for _ in range(3):
    experiment = prepare(whole)
    start = time.process_time()
    execute(experiment, Path("whole.h5"))
    best = min(best, time.process_time() - start)
print(best / whole.run.slots / whole.run.replications * 1e6)
"""

SMALL = "run.slots=3000"
RUNS: dict[str, tuple[tuple[str, ...], float | None]] = {
    "N = 20, lyapunov": (("iiot_20dev", SMALL), 1.0 / 3.0),
    "N = 20, local": (("iiot_20dev", SMALL, "policy.name=local"), None),
    "N = 20, epr": (("iiot_20dev", SMALL, "policy.name=epr"), None),
    "N = 20, lyapunov, level summary": (("iiot_20dev", SMALL, "trace.level=summary"), None),
    "N = 20, R = 64, lyapunov": (("iiot_20dev", "run.slots=300", "run.replications=64"), None),
    "N = 20, R = 64, lyapunov, trace not compressed": (
        ("iiot_20dev", "as it is", "run.slots=300", "run.replications=64"),
        None,
    ),
    "N = 20, R = 64, local": (
        ("iiot_20dev", "run.slots=300", "run.replications=64", "policy.name=local"),
        None,
    ),
    "N = 1000, local": (
        ("iiot_20dev", "run.slots=300", "devices.count=1000", "policy.name=local"),
        None,
    ),
    "N = 1000, lyapunov": (("iiot_20dev", "run.slots=200", "devices.count=1000"), None),
}
"""What is run, and its target as a ratio to the build of 2026-11-26."""


def compare(base: Path | None) -> Iterator[Comparison]:
    with checkouts(base) as each:
        for what, (words, ratio) in RUNS.items():

            def work(one: Checkout, words: tuple[str, ...] = words) -> float:
                return float(one.spent("-c", TIMED, *words).printed)

            yield Comparison(what, *in_turn(each, work), "us a slot", ratio)
