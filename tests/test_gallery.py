"""Every picture of the gallery has below it what makes it, and that makes it."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
from matplotlib import pyplot as plt

ROOT = Path(__file__).resolve().parents[1]
GALLERY: Any = runpy.run_path(str(ROOT / "docs" / "gallery.py"))
SECTIONS = GALLERY["sections"]((ROOT / "docs" / "gallery.md").read_text(encoding="utf-8"))
CHEAP = "bursts"
LARGEST = 300_000
"""Bytes of a picture."""


def test_every_picture_has_what_makes_it() -> None:
    assert len(SECTIONS) >= 12
    for name, (file, blocks) in SECTIONS.items():
        *_, (language, last) = blocks
        assert language in ("console", "python"), name
        assert re.search(rf"(?:-o |--plot |\"){re.escape(file)}(?:\"|$)", last, re.MULTILINE), name
        assert len([line for line in last.splitlines() if line]) <= 14, name
    shown = {file for file, _ in SECTIONS.values()}
    there = {path.name: path.stat().st_size for path in (ROOT / "docs" / "gallery").iterdir()}
    assert set(there) == shown and max(there.values()) < LARGEST


def test_no_picture_of_the_documents_is_large() -> None:
    large = [path.name for path in ROOT.glob("docs/*.svg") if path.stat().st_size >= LARGEST]
    assert not large


def test_a_section_has_one_picture() -> None:
    with pytest.raises(ValueError, match="Two: 2 pictures; allowed: one"):
        GALLERY["sections"]("# G\n\n## Two\n\n![a](gallery/a.svg)\n\n![b](gallery/b.svg)\n")


def test_a_cheap_one_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file, ((_, block),) = SECTIONS[CHEAP]
    plt.close("all")
    exec(block, {"__name__": "__main__"})  # noqa: S102 - it is what a notebook does
    plt.close("all")
    assert "<svg" in (tmp_path / file).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("name", SECTIONS)
def test_every_picture_is_made(name: str, tmp_path: Path) -> None:
    assert 1_000 < GALLERY["make"](*SECTIONS[name], tmp_path).stat().st_size < LARGEST
