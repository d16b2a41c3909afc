"""What setup.cfg allows is what is tried."""

import re
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def _lowest() -> dict[str, str]:
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    lines = setup["options"]["install_requires"].split()
    found = [re.match(r"([\w-]+)>=([\d.]+)", line) for line in lines]
    pairs = [(each[1], each[2]) for each in found if each is not None]
    assert len(pairs) == len(lines)
    return {name: version for name, version in pairs if name != "torch"}


def test_the_lowest_versions_are_those_that_are_tried() -> None:
    """`.ci/run` installs these and runs `.ci/lowest.py`; torch is another matter, see there."""
    lines = (ROOT / ".ci" / "lowest.txt").read_text(encoding="utf-8").splitlines()
    tried = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert tried == _lowest()
    assert "lowest.txt" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
