"""The page about all figures that were made: Markdown and HTML, from their `results.json`."""

import json
from html import escape
from pathlib import Path
from typing import Any

from ...traces.confidence_intervals import Estimate, format_estimate
from .catalogue import FIGURES, PAPERS

INTRO = (
    "A claim is reproduced if it holds under every condition that the paper leaves open, reproduced "
    "under stated conditions if under some of them, else not reproduced. It holds under a condition "
    "if the 95 % interval over seeds of each of its comparisons lies on the right side of a threshold "
    "that was set from the paper's sentence. Measured is, over all conditions, the comparison that is "
    "nearest to failing under the condition where it fares best, and in brackets the number of seeds."
)

QUICK = "From a quick run: few seeds, few points. Its verdicts say nothing."

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


def interval(found: dict[str, Any], unit: str) -> str:
    """'1.23 ± 0.04 mg', or with both ends where they are not alike."""
    value, low, high = (found[name] for name in ("value", "low", "high"))
    if value is None:
        return "unknown"
    suffix = "" if unit == "1" else f" {unit}"
    if abs((high - value) - (value - low)) > 0.02 * (high - low):
        return f"{value:.4g} ({low:.4g} to {high:.4g}){suffix}"
    return f"{format_estimate(Estimate(value, high - value))}{suffix}"


def told(claim: dict[str, Any]) -> tuple[str, str]:
    """What was measured under the condition that decides, and which conditions hold."""
    conditions = claim["conditions"]
    holding = [one for one in conditions if one["answer"] == "holds"]
    best = max(
        conditions, key=lambda one: (one["answer"] == "holds", one["holding"] / one["checks"])
    )
    tight = best["tightest"]
    measured = f"{interval(tight, claim['unit'])} [{tight['seeds']}], {tight['what']}"
    if len(conditions) > 1:
        measured += f" ({best['name']})"
    return measured, f"{len(holding)} of {len(conditions)}"


def _markdown(figures: list[dict[str, Any]]) -> str:
    lines = ["# Both papers, run again", "", INTRO, ""]
    if any(about["quick"] for about in figures):
        lines += [f"**{QUICK}**", ""]
    rows = [(about, claim) for about in figures for claim in about["claims"]]
    if rows:
        lines += [
            "| figure | claim | test | measured | holds under | verdict | reason |",
            "| --- | --- | --- | --- | --- | --- | --- |",
        ]
    for about, claim in rows:
        measured, holding = told(claim)
        cells = [
            f"[{about['id']}](#{about['id']})",
            claim["says"],
            claim["test"],
            measured,
            holding,
            claim["verdict"],
            claim["reason"],
        ]
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    paper = None
    for about in figures:
        if about["paper"] != paper:
            paper = about["paper"]
            lines += ["", f"## {PAPERS[paper]}"]
        name = about["id"]
        lines += [
            "",
            f'### <a id="{name}"></a>{name}: {about["title"]}',
            "",
            f"![{about['title']}]({name}/{name}.png)",
            "",
            (
                f"`{about['command']}` ([SVG]({name}/{name}.svg), [PDF]({name}/{name}.pdf), "
                f"[numbers]({name}/lines.csv)). {about['notes']}"
            ),
        ]
        for claim in about["claims"]:
            lines += ["", f"**{claim['says']}** {claim['verdict']}. {claim['reason']}".rstrip(), ""]
            lines += ["| condition | holds | nearest to failing | measured | seeds |"]
            lines += ["| --- | --- | --- | --- | --- |"]
            for one in claim["conditions"]:
                tight = one["tightest"]
                cells = [
                    one["name"],
                    _answer(one),
                    tight["what"],
                    interval(tight, claim["unit"]),
                    str(tight["seeds"]),
                ]
                lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
        for question in about["questions"]:
            lines += ["", f"**{question['asks']}**", "", f"| | | {question['unit']} | seeds |"]
            lines += ["| --- | --- | --- | --- |"]
            for row in question["rows"]:
                cells = [row["name"], row["what"], interval(row, "1"), str(row["seeds"])]
                lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join([*lines, ""])


def _answer(condition: dict[str, Any]) -> str:
    text = {"holds": "yes", "fails": "no", "undecided": "undecided"}[condition["answer"]]
    if condition["checks"] == 1:
        return text
    return f"{text}, {condition['holding']} of {condition['checks']}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


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
    heads = ("figure", "claim", "test", "measured", "holds under", "verdict", "reason")
    rows = []
    for about in figures:
        for claim in about["claims"]:
            measured, holding = told(claim)
            name = about["id"]
            kind = claim["verdict"].split()[0]
            cells = [
                f'<a href="#{name}">{name}</a>',
                *(escape(text) for text in (claim["says"], claim["test"], measured, holding)),
                f'<span class="{kind}">{escape(claim["verdict"])}</span>',
                escape(claim["reason"]),
            ]
            rows.append(cells)
    parts.append(_table(heads, rows))
    paper = None
    for about in figures:
        if about["paper"] != paper:
            paper = about["paper"]
            parts.append(f"<h2>{escape(PAPERS[paper])}</h2>")
        name, title = about["id"], escape(about["title"])
        parts.append(
            f'<h3 id="{name}">{name}: {title}</h3><img src="{name}/{name}.svg" alt="{title}">'
            f'<p class="note"><code>{escape(about["command"])}</code> '
            f'(<a href="{name}/{name}.pdf">PDF</a>, <a href="{name}/lines.csv">numbers</a>). '
            f"{escape(about['notes'])}</p>"
        )
        for claim in about["claims"]:
            rows = [
                [
                    escape(one["name"]),
                    _answer(one),
                    escape(one["tightest"]["what"]),
                    escape(interval(one["tightest"], claim["unit"])),
                    str(one["tightest"]["seeds"]),
                ]
                for one in claim["conditions"]
            ]
            says = f"<b>{escape(claim['says'])}</b> {escape(claim['verdict'])}."
            parts.append(
                f"<details><summary>{says} {escape(claim['reason'])}</summary>"
                f"{_table(CONDITION, rows)}</details>"
            )
        for question in about["questions"]:
            rows = [
                [
                    escape(row["name"]),
                    escape(row["what"]),
                    escape(interval(row, "1")),
                    str(row["seeds"]),
                ]
                for row in question["rows"]
            ]
            table = _table(("", "", question["unit"], "seeds"), rows)
            asks = f"<b>{escape(question['asks'])}</b>"
            parts.append(f"<details><summary>{asks}</summary>{table}</details>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Both papers, run again</title><style>{STYLE}</style></head>\n"
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _table(heads: tuple[str, ...], rows: list[list[str]]) -> str:
    """Of cells that are HTML already."""
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>'
