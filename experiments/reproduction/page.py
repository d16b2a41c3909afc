"""The page about all figures that were made: Markdown and HTML, from their `results.json`."""

import json
from collections.abc import Iterator
from html import escape
from itertools import groupby
from pathlib import Path
from typing import Any

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

CLAIMS = ("figure", "claim", "test", "measured", "holds under", "verdict", "reason")
CONDITION = ("condition", "holds", "nearest to failing", "measured", "seeds")


def write_pages(folder: Path) -> list[Path]:
    """Write `index.md` and `index.html` about the figures in a folder.

    Args:
        folder: with a folder for each figure.

    Returns:
        Their paths.
    """
    order = list(FIGURES)
    found = [json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*/results.json")]
    figures = sorted(
        (about for about in found if about["id"] in order), key=lambda one: order.index(one["id"])
    )
    markdown, html = folder / "index.md", folder / "index.html"
    markdown.write_text(_markdown(figures), encoding="utf-8")
    html.write_text(_html(figures), encoding="utf-8")
    return [markdown, html]


def told(claim: dict[str, Any]) -> tuple[str, str]:
    """What was measured under the condition that decides, and which conditions hold."""
    conditions = claim["conditions"]
    holding = [one for one in conditions if one["answer"] == "holds"]
    best = max(
        conditions, key=lambda one: (one["answer"] == "holds", one["holding"] / one["checks"])
    )
    tight = best["tightest"]
    measured = f"{_measured(tight, claim['unit'])} [{tight['seeds']}], {tight['what']}"
    if len(conditions) > 1:
        measured += f" ({best['name']})"
    return measured, f"{len(holding)} of {len(conditions)}"


def _measured(row: dict[str, Any], unit: str) -> str:
    return interval(row["value"], row["low"], row["high"], unit)


def _claims(about: dict[str, Any]) -> list[list[str]]:
    """A figure's rows of the table of claims, without the first cell."""
    return [
        [claim["says"], claim["test"], *told(claim), claim["verdict"], claim["reason"]]
        for claim in about["claims"]
    ]


def _conditions(claim: dict[str, Any]) -> list[list[str]]:
    """The table of a claim."""
    rows = []
    for one in claim["conditions"]:
        tight = one["tightest"]
        found = _measured(tight, claim["unit"])
        rows.append([one["name"], _answer(one), tight["what"], found, str(tight["seeds"])])
    return rows


def _answers(question: dict[str, Any]) -> list[list[str]]:
    """The table of a question."""
    return [
        [row["name"], row["what"], _measured(row, "1"), str(row["seeds"])]
        for row in question["rows"]
    ]


def _answer(condition: dict[str, Any]) -> str:
    text = {"holds": "yes", "fails": "no", "undecided": "undecided"}[condition["answer"]]
    if condition["checks"] == 1:
        return text
    return f"{text}, {condition['holding']} of {condition['checks']}"


def _by_paper(figures: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The figures below each heading."""
    for paper, found in groupby(figures, key=lambda about: about["paper"]):
        yield PAPERS[paper], list(found)


def _markdown(figures: list[dict[str, Any]]) -> str:
    lines = ["# Both papers, run again", "", INTRO, ""]
    if any(about["quick"] for about in figures):
        lines += [f"**{QUICK}**", ""]
    rows = [
        [f"[{about['id']}](#{about['id']})", *cells]
        for about in figures
        for cells in _claims(about)
    ]
    if rows:
        lines += _markdown_table(CLAIMS, rows)
    for heading, found in _by_paper(figures):
        lines += ["", f"## {heading}"]
        for about in found:
            name, title = about["id"], about["title"]
            lines += [
                "",
                f'### <a id="{name}"></a>{name}: {title}',
                "",
                f"![{title}]({name}/{name}.png)",
                "",
                (
                    f"`{about['command']}` ([SVG]({name}/{name}.svg), [PDF]({name}/{name}.pdf), "
                    f"[numbers]({name}/lines.csv)). {about['notes']}"
                ),
            ]
            for claim in about["claims"]:
                says = f"**{claim['says']}** {claim['verdict']}. {claim['reason']}".rstrip()
                lines += ["", says, "", *_markdown_table(CONDITION, _conditions(claim))]
            for question in about["questions"]:
                heads = ("", "", question["unit"], "seeds")
                lines += ["", f"**{question['asks']}**", ""]
                lines += _markdown_table(heads, _answers(question))
    return "\n".join([*lines, ""])


def _markdown_table(heads: tuple[str, ...], rows: list[list[str]]) -> list[str]:
    cells = [[text.replace("|", "\\|").replace("\n", " ") for text in row] for row in rows]
    head = "| " + " | ".join(heads) + " |"
    return [
        head.replace("|  ", "| "),
        "| " + " | ".join("---" for _ in heads) + " |",
        *("| " + " | ".join(row) + " |" for row in cells),
    ]


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


def _html(figures: list[dict[str, Any]]) -> str:
    parts = ["<h1>Both papers, run again</h1>", f'<p class="note">{escape(INTRO)}</p>']
    if any(about["quick"] for about in figures):
        parts.append(f'<p class="warning">{escape(QUICK)}</p>')
    rows = []
    for about in figures:
        name = about["id"]
        for row in _claims(about):
            says, test, measured, holding, verdict, reason = (escape(text) for text in row)
            marked = f'<span class="{verdict.split()[0]}">{verdict}</span>'
            rows.append(
                [f'<a href="#{name}">{name}</a>', says, test, measured, holding, marked, reason]
            )
    parts.append(_table(CLAIMS, rows))
    for heading, found in _by_paper(figures):
        parts.append(f"<h2>{escape(heading)}</h2>")
        for about in found:
            name, title = about["id"], escape(about["title"])
            parts.append(
                f'<h3 id="{name}">{name}: {title}</h3><img src="{name}/{name}.svg" alt="{title}">'
                f'<p class="note"><code>{escape(about["command"])}</code> '
                f'(<a href="{name}/{name}.pdf">PDF</a>, <a href="{name}/lines.csv">numbers</a>). '
                f"{escape(about['notes'])}</p>"
            )
            for claim in about["claims"]:
                says = f"<b>{escape(claim['says'])}</b> {escape(claim['verdict'])}."
                says = f"{says} {escape(claim['reason'])}"
                parts.append(_folded(says, CONDITION, _conditions(claim)))
            for question in about["questions"]:
                heads = ("", "", question["unit"], "seeds")
                asks = f"<b>{escape(question['asks'])}</b>"
                parts.append(_folded(asks, heads, _answers(question)))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Both papers, run again</title><style>{STYLE}</style></head>\n"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _folded(summary: str, heads: tuple[str, ...], rows: list[list[str]]) -> str:
    """A table of plain text that opens below its summary."""
    table = _table(heads, [[escape(cell) for cell in row] for row in rows])
    return f"<details><summary>{summary}</summary>{table}</details>"


def _table(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    """Of cells that are HTML already."""
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
