"""The first run on a machine: of the source, which is compiled, and of a wheel. It takes minutes."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from runpy import run_path
from tempfile import TemporaryDirectory

from .checkouts import ROOT, Checkout, Comparison, Spent, checkouts

RUN = ("-m", "edgesim", "run", "iiot_20dev", "-o", "t.h5", "--overwrite", "--slots", "100")
ROOMS: tuple[str, ...] = run_path(str(ROOT / "tests" / "rooms.py"))["ROOMS"]


def compare(base: Path | None) -> Iterator[Comparison]:
    with checkouts(base) as each:
        *older, this = [first(one) for one in each]
        before = older[0] if older else None
        known = (before.cpu_s, before.peak_mb) if before else (None, None)
        yield Comparison("of the source", known[0], this.cpu_s, "CPU-s")
        with TemporaryDirectory() as folder:
            wheel = first(built(Path(folder)))
        yield Comparison("of a wheel", known[0], wheel.cpu_s, "CPU-s", 8.0 / 77.0)
        yield Comparison("memory, of a wheel", known[1], wheel.peak_mb, "MB", None, 350.0)


def first(one: Checkout) -> Spent:
    """A run where nothing was compiled before."""
    return one.spent(*RUN, NUMBA_CACHE_DIR=str(one.place / "kept"))


def built(folder: Path) -> Checkout:
    """This checkout as a wheel has it: with what is compiled when it is built."""
    package = folder / "edgesim"
    package.mkdir()
    for path in ROOT.glob("*.py"):
        shutil.copy(path, package)
    for room in ROOMS:
        shutil.copytree(ROOT / room, package / room)
    run_path(str(ROOT / "building" / "backend.py"))["add_compiled"](folder)
    place = folder / "place"
    place.mkdir()
    return Checkout(folder, place)
