"""The page about all figures that were made: Markdown and HTML, from their `results.json`."""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

from ...simulator.core.outputs import put_text
from .catalogue import FIGURES, PAPERS
from .sentences import interval

INTRO = (
    "A claim is reproduced if it holds under every condition that the paper leaves open, reproduced "
    "under stated conditions if under some of them, else not reproduced. It holds under a condition "
    "if the 95 % interval over seeds of each of its comparisons lies on the right side of a threshold "
    "that was set from the paper's sentence. Measured is, over all conditions, the comparison that is "
    "nearest to failing under the condition where it fares best, and in brackets the number of seeds."
)

QUICK = "From a quick run: few seeds, few points. Its verdicts say nothing."

CLAIM = ("figure", "claim", "test", "measured", "holds under", "verdict", "reason")
CONDITION = ("condition", "holds", "nearest to failing", "measured", "seeds")

About = dict[str, Any]
"""What is in a figure's `results.json`, or a part of it."""


def write_pages(folder: Path) -> list[Path]:
    """Write `index.md` and `index.html` about the figures in a folder.

    Args:
        folder: with a folder for each figure.

    Returns:
        Their paths.
    """
    found = (json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*/results.json"))
    by_id = {about["id"]: about for about in found}
    figures = [by_id[name] for name in FIGURES if name in by_id]
    pages = {folder / "index.md": _markdown(figures), folder / "index.html": _html(figures)}
    for path, text in pages.items():
        put_text(path, text)
    return list(pages)


def best(claim: About) -> tuple[str, str]:
    """What was measured under the condition that decides, and how many conditions hold."""
    conditions = claim["conditions"]
    holding = sum(one["answer"] == "holds" for one in conditions)
    condition = max(
        conditions, key=lambda one: (one["answer"] == "holds", one["holding"] / one["checks"])
    )
    tight = condition["tightest"]
    measured = f"{_interval(tight, claim['unit'])} [{tight['seeds']}], {tight['what']}"
    if len(conditions) > 1:
        measured += f" ({condition['name']})"
    return measured, f"{holding} of {len(conditions)}"


def _claim_rows(figures: Sequence[About]) -> Iterator[list[str]]:
    for about in figures:
        for claim in about["claims"]:
            texts = (claim[name] for name in ("says", "test"))
            yield [about["id"], *texts, *best(claim), claim["verdict"], claim["reason"]]


def _condition_rows(claim: About) -> Iterator[list[str]]:
    for one in claim["conditions"]:
        text = {"holds": "yes", "fails": "no", "undecided": "undecided"}[one["answer"]]
        if one["checks"] > 1:
            text += f", {one['holding']} of {one['checks']}"
        tight = one["tightest"]
        measured = _interval(tight, claim["unit"])
        yield [one["name"], text, tight["what"], measured, str(tight["seeds"])]


def _number_rows(question: About) -> Iterator[list[str]]:
    for row in question["rows"]:
        yield [row["name"], row["what"], _interval(row, "1"), str(row["seeds"])]


def _interval(found: About, unit: str) -> str:
    names = ("value", "low", "high")
    value, low, high = (math.nan if found[name] is None else found[name] for name in names)
    return interval(value, low, high, unit)


def _by_paper(figures: Sequence[About]) -> Iterator[tuple[str, Iterator[About]]]:
    for paper, of_paper in groupby(figures, key=lambda about: str(about["paper"])):
        yield PAPERS[paper], of_paper


def _markdown(figures: Sequence[About]) -> str:
    lines = ["# Both papers, run again", "", INTRO, ""]
    if any(about["quick"] for about in figures):
        lines += [f"**{QUICK}**", ""]
    if claims := list(_claim_rows(figures)):
        lines += _markdown_table(CLAIM, ([f"[{row[0]}](#{row[0]})", *row[1:]] for row in claims))
    for heading, of_paper in _by_paper(figures):
        lines += ["", f"## {heading}"]
        for about in of_paper:
            lines += _markdown_figure(about)
    return "\n".join([*lines, ""])


def _markdown_figure(about: About) -> Iterator[str]:
    name, title = about["id"], about["title"]
    yield from ("", f'### <a id="{name}"></a>{name}: {title}')
    yield from ("", f"![{title}]({name}/{name}.png)")
    files = f"[SVG]({name}/{name}.svg), [PDF]({name}/{name}.pdf), [numbers]({name}/lines.csv)"
    yield from ("", f"`{about['command']}` ({files}). {about['notes']}")
    for claim in about["claims"]:
        text = f"**{claim['says']}** {claim['verdict']}. {claim['reason']}"
        yield from ("", text.rstrip(), "")
        yield from _markdown_table(CONDITION, _condition_rows(claim))
    for question in about["questions"]:
        yield from ("", f"**{question['asks']}**", "")
        yield from _markdown_table(("", "", question["unit"], "seeds"), _number_rows(question))


def _markdown_table(heads: Sequence[str], rows: Iterator[list[str]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "| " + " | ".join("---" for _ in heads) + " |"
    for row in rows:
        cells = (cell.replace("|", "\\|").replace("\n", " ") for cell in row)
        yield "| " + " | ".join(cells) + " |"


STYLE = """
body { margin: 0 auto; padding: 1rem 2rem 3rem; max-width: 84rem; color: #1c2430; background: #fff;
  font: 0.95rem/1.5 system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
table { border-collapse: collapse; font-size: 0.85rem; margin: 0.5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.8rem 0.3rem 0;
  border-bottom: 1px solid #d5dae1; }
img { max-width: 100%; height: auto; }
.scroll { overflow-x: auto; }
.reproduced { font-weight: 600; } .not { font-weight: 600; text-decoration: underline; }
.warning { background: #fff1e3; color: #8a3b00; padding: 0.5rem 0.8rem; }
details { margin: 0.4rem 0; } .note { color: #5b6675; max-width: 80ch; }
"""


def _html(figures: Sequence[About]) -> str:
    parts = ["<h1>Both papers, run again</h1>", f'<p class="note">{escape(INTRO)}</p>']
    if any(about["quick"] for about in figures):
        parts.append(f'<p class="warning">{escape(QUICK)}</p>')
    links = {
        0: lambda name: f'<a href="#{name}">{name}</a>',
        5: lambda text: f'<span class="{text.split()[0]}">{escape(text)}</span>',
    }
    parts.append(_html_table(CLAIM, _claim_rows(figures), links))
    for heading, of_paper in _by_paper(figures):
        parts.append(f"<h2>{escape(heading)}</h2>")
        for about in of_paper:
            parts += _html_figure(about)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Both papers, run again</title><style>{STYLE}</style></head>\n"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _html_figure(about: About) -> Iterator[str]:
    name, title = about["id"], escape(about["title"])
    yield f'<h3 id="{name}">{name}: {title}</h3><img src="{name}/{name}.svg" alt="{title}">'
    yield (
        f'<p class="note"><code>{escape(about["command"])}</code> '
        f'(<a href="{name}/{name}.pdf">PDF</a>, <a href="{name}/lines.csv">numbers</a>). '
        f"{escape(about['notes'])}</p>"
    )
    for claim in about["claims"]:
        says = (
            f"<b>{escape(claim['says'])}</b> {escape(claim['verdict'])}. {escape(claim['reason'])}"
        )
        table = _html_table(CONDITION, _condition_rows(claim))
        yield f"<details><summary>{says}</summary>{table}</details>"
    for question in about["questions"]:
        table = _html_table(("", "", question["unit"], "seeds"), _number_rows(question))
        asks = f"<b>{escape(question['asks'])}</b>"
        yield f"<details><summary>{asks}</summary>{table}</details>"


def _html_table(
    heads: Sequence[str],
    rows: Iterator[list[str]],
    markup: dict[int, Callable[[str], str]] | None = None,
) -> str:
    """With the markup of some columns."""
    marked = markup or {}
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join(
        "<tr>"
        + "".join(f"<td>{marked.get(k, escape)(cell)}</td>" for k, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
