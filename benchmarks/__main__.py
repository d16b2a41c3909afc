"""Runs all benchmarks, or those that are named: `python -m benchmarks [--base CHECKOUT] [NAME…]`.

Run it from the repository's root; `make bench` runs all. Times are CPU times of one core; a ratio is the
median over rounds in which both sides took their turn. The exit status is 1 if a target is missed.

With `--base` they run an older checkout beside this one, in turn, and print both and their ratio: those
that can (`compare`), of all or of those that are named.
"""

import argparse
import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from .checkouts import Comparison
from .measure import Row

NAMES = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if path.stem not in ("__main__", "measure", "checkouts")
)
"""Every other file here is a benchmark: its first line is its title. `measure` yields its rows, or
`compare`, of a base or None, its comparisons."""

MET = {True: "met", False: "MISSED", None: ""}


def main(names: Iterable[str], base: Path | None = None) -> int:
    """Print each number as soon as it is known, beside its target."""
    if unknown := set(names) - set(NAMES):
        print(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}")
        return 2
    missed = False
    for name in names or NAMES:
        module = import_module(f"{__package__}.{name}")
        if base and not hasattr(module, "compare"):
            if names:
                print(f"{name} compares no checkouts\n")
            continue
        title = str(module.__doc__).partition("\n")[0]
        print(f"{name}: {title}", flush=True)
        for met, line in rows(module, base):
            missed |= met is False
            print(f"  {line}  {MET[met]}".rstrip(), flush=True)
        print()
    return int(missed)


def rows(module: Any, base: Path | None) -> Iterator[tuple[bool | None, str]]:
    """Of each result of a benchmark: whether its target is met, and its line."""
    if hasattr(module, "compare"):
        one: Comparison
        for one in module.compare(base):
            before = "" if one.base is None else number(one.base)
            ratio = "" if one.ratio is None else f"{number(one.ratio)} x"
            values = f"{before:>10}{number(one.this):>10} {one.unit:<8}{ratio:>10}"
            yield one.met, f"{one.what:<44}{values}{targets(one):>20}"
    if hasattr(module, "measure") and not base:
        row: Row
        for row in module.measure():
            values = f"{number(row.value):>10} {row.unit:<27}{target(row):>13}"
            yield row.met, f"{row.what:<44}{values}"


def targets(one: Comparison) -> str:
    """What a comparison is held against."""
    ratio = None if one.at_most is None else f"<= {number(one.at_most)} x"
    most = None if one.this_at_most is None else f"<= {number(one.this_at_most)}"
    return ", ".join(filter(None, [ratio, most]))


def number(value: float) -> str:
    """Three digits that count."""
    return f"{value:,.0f}" if abs(value) >= 100.0 else f"{value:.3g}"


def target(row: Row) -> str:
    """What the value is held against."""
    if row.at_least is not None and row.at_most is not None:
        return f"{number(row.at_least)} to {number(row.at_most)}"
    if row.at_least is not None:
        return f">= {number(row.at_least)}"
    return "" if row.at_most is None else f"<= {number(row.at_most)}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    parser.add_argument("--base", type=Path, metavar="CHECKOUT", help="an older one")
    parser.add_argument("names", nargs="*", metavar="NAME")
    given = parser.parse_args()
    sys.exit(main(given.names, given.base))
