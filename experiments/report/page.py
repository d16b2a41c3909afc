"""The page of a report: HTML that needs nothing but itself. All text is escaped here."""

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Any

from ...traces.comparison import Comparison
from ...traces.metrics import METRICS
from ...traces.summary import meaning

BAR_PX = 200
"""Width of the picture of an interval in a table."""


def page(title: str, parts: Iterable[str], data: Any) -> str:
    """A whole document.

    Args:
        title: plain text.
        parts: HTML of the body.
        data: what the script draws, as JSON: charts, maps and a sweep.
    """
    folder = files(__package__)
    style, script = (folder.joinpath(name).read_text("utf-8") for name in _ASSETS)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    # Browsers then run no other script than this one, and load nothing from anywhere.
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{escape(title)}</title>
<style>
{style}</style>
</head>
<body>
<main>
{"".join(parts)}
</main>
<script type="application/json" id="data">{text.replace("<", chr(92) + "u003c")}</script>
<script>{script}</script>
</body>
</html>
"""


_ASSETS = ("report.css", "report.js")


def header(title: str, lead: str, warnings: Iterable[str] = ()) -> str:
    """Title, summary line and warnings."""
    notes = "".join(f'<p class="warning" role="note">{escape(text)}</p>' for text in warnings)
    script = '<noscript><p class="warning">The figures are drawn by a script.</p></noscript>'
    return f'<header><h1>{escape(title)}</h1><p class="lead">{escape(lead)}</p>{notes}{script}</header>'


def section(title: str, *content: str) -> str:
    """A part of the page; nothing if it has no content."""
    body = "".join(content)
    return f"<section><h2>{escape(title)}</h2>{body}</section>" if body else ""


def note(text: str) -> str:
    """A remark."""
    return f'<p class="note">{escape(text)}</p>'


def figures(kind: str, count: int) -> str:
    """Places that the script fills: "chart" or "map"."""
    places = "".join(f'<figure class="{kind}" data-{kind}="{k}"></figure>' for k in range(count))
    return f'<div class="grid {kind}s">{places}</div>' if count else ""


def folded(title: str, content: str, *, unfolded: bool = False) -> str:
    """HTML that unfolds."""
    mark = " open" if unfolded else ""
    return f"<details{mark}><summary>{escape(title)}</summary>{content}</details>"


def code(text: str) -> str:
    """Text as it is."""
    return f'<pre tabindex="0">{escape(text)}</pre>'


def table(
    columns: Sequence[str],
    sections: Iterable[Sequence[tuple[str, Sequence[str]]]],
    name: str = "table",
) -> str:
    """Rows with a label and a text for each column, in sections; of one column, a list.

    The name is what a screen reader calls it.
    """
    filled = [rows for rows in sections if rows]
    if len(columns) == 1:
        items = (
            f"<div><dt>{escape(label)}</dt><dd>{escape(texts[0])}</dd></div>"
            for rows in filled
            for label, texts in rows
        )
        return f'<dl class="numbers">{"".join(items)}</dl>'
    head = "".join(f'<th scope="col" class="number">{escape(name)}</th>' for name in columns)
    bodies = []
    for rows in filled:
        lines = []
        for label, texts in rows:
            cells = "".join(f'<td class="number">{escape(text)}</td>' for text in texts)
            lines.append(f'<tr><th scope="row">{escape(label)}</th>{cells}</tr>')
        bodies.append(f"<tbody>{''.join(lines)}</tbody>")
    body = f"<table><thead><tr><td></td>{head}</tr></thead>{''.join(bodies)}</table>"
    return _scrolling(body, name)


def comparison_table(comparison: Comparison) -> str:
    """Means and paired differences, in figures and as pictures of their intervals."""
    baseline = comparison.baseline.label
    head = (
        '<thead><tr><td></td><th scope="col" class="number">mean</th>'
        f'<th scope="col" class="number">difference to {escape(baseline)}</th><td></td>'
        '<td></td><th scope="col">intervals</th></tr></thead><tbody>'
    )
    rows = [head]
    for key in comparison.shown:
        rows.append(
            f'<tr class="head"><th scope="rowgroup" colspan="6">{escape(METRICS[key].heading)}</th></tr>'
        )
        bars = _bars(comparison, key)
        for policy, bar in zip(comparison.policies, bars, strict=True):
            mean, difference, mark, relative = (escape(cell) for cell in policy.cells(key))
            rows.append(
                f'<tr><th scope="row">{escape(policy.label)}</th><td class="number">{mean}</td>'
                f'<td class="number">{difference}</td><td>{mark}</td>'
                f'<td class="number">{relative}</td><td class="bar">{bar}</td></tr>'
            )
    seeds = comparison.seeds
    caption = (
        f"95 % intervals over {len(seeds)} seeds ({min(seeds)} to {max(seeds)}), differences paired "
        f"by seed; the first {100.0 * comparison.warmup:g} % of the slots left out. "
        f"{meaning(comparison.about)} * interval excludes "
        f"zero; ** also by Holm's method for all {comparison.tests} differences. In the pictures, "
        f"a dot is a mean in its interval, the dashed line the mean of {baseline}, and the bar below "
        "the interval of the difference, drawn from there: where it misses the line, they differ."
    )
    body = f'<table class="comparison">{"".join(rows)}</tbody></table>'
    return _scrolling(body, f"comparison: {comparison.title}") + note(caption)


def _bars(comparison: Comparison, key: str) -> list[str]:
    """For each policy a picture of its interval, all to one scale."""
    base = comparison.baseline.means[key].value
    ends: list[list[float]] = []
    for policy in comparison.policies:
        mean, difference = policy.means[key], policy.differences.get(key)
        paired = difference.estimate if difference else None
        ends.append([mean.low, mean.value, mean.high])
        ends[-1] += [base + paired.low, base + paired.high] if paired else [math.nan] * 2
    finite = [end for row in [*ends, [base]] for end in row if math.isfinite(end)]
    if not finite:
        return [""] * len(ends)
    low, width = min(finite), (max(finite) - min(finite)) or 1.0

    def at(value: float) -> str:
        return f"{6.0 + (BAR_PX - 12.0) * (value - low) / width:.1f}"

    def line(kind: str, start: float, end: float, y: int) -> str:
        if not (math.isfinite(start) and math.isfinite(end)):
            return ""
        return f'<path class="{kind}" d="M{at(start)} {y}H{at(end)}"/>'

    pictures = []
    for left, value, right, first, last in ends:
        parts = f'<path class="base" d="M{at(base)} 0V22"/>' if math.isfinite(base) else ""
        parts += line("paired", first, last, 17) + line("mean", left, right, 9)
        if math.isfinite(value):
            parts += f'<circle class="mean" cx="{at(value)}" cy="9" r="3"/>'
        pictures.append(
            f'<svg viewBox="0 0 {BAR_PX} 22" aria-hidden="true" focusable="false">{parts}</svg>'
        )
    return pictures


def _scrolling(content: str, name: str) -> str:
    """Content that scrolls by itself where it is wider than the screen."""
    about = f'tabindex="0" role="region" aria-label="{escape(name)}"'
    return f'<div class="scroll" {about}>{content}</div>'
