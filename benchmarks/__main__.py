"""Runs all benchmarks, or those that are named: `python -m benchmarks [NAME…]`, or `make bench`.

Run it from the repository's root. Times are CPU times of one core; a ratio is the median over rounds
in which both sides took their turn. The exit status is 1 if a target is missed.
"""

import sys
from importlib import import_module
from pathlib import Path

from .measure import Row

NAMES = sorted(
    path.stem
    for path in Path(__file__).parent.glob("*.py")
    if path.stem not in ("__main__", "measure")
)
"""Every other file here is a benchmark: its first line is its title, `measure` yields its rows."""


def main(names: tuple[str, ...]) -> int:
    """Print each number as soon as it is known, beside its target."""
    if unknown := set(names) - set(NAMES):
        print(f"no benchmark {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}")
        return 2
    missed = False
    for name in names or NAMES:
        module = import_module(f"{__package__}.{name}")
        title = str(module.__doc__).partition("\n")[0]
        print(f"{name}: {title}", flush=True)
        for row in module.measure():
            missed |= row.met is False
            met = {True: "met", False: "MISSED", None: ""}[row.met]
            line = f"  {row.what:<44}{number(row.value):>10} {row.unit:<27}{target(row):>13}  {met}"
            print(line.rstrip(), flush=True)
        print()
    return int(missed)


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
    sys.exit(main(tuple(sys.argv[1:])))
