"""The page about all figures whose numbers are in a folder: Markdown and HTML, made of these alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

from ...simulator.core.outputs import put_text
from .catalogue import FIGURES, PAPERS
from .figure import Figure, NotRun, Ran
from .judging import Judgement, Subject, answers, judge
from .registration import Change, registered
from .sentences import listed
from .stored import NAME, load
from .telling import (
    GLOSSARY,
    INTRO,
    because,
    called,
    counts,
    measured,
    measured_share,
    needed,
    row,
    sentences,
    tally,
    with_paper,
)

TITLE = "Both papers, run again"

QUICK = "From a quick run: few seeds, few points. Its verdicts say nothing."

SUMMARY = ("figure", "claim", "verdict on what is printed", "because")
CLAIM = ("figure", "registered as", "as printed", "beside it", "by another reading or setting")
CONDITION = (
    "condition",
    "outcome",
    "comparisons",
    "within limits",
    "instances",
    "shown",
    "measured",
    "level",
)
CHANGED = ("changed", "what", "why", "results were seen")
COST = ("figure", "made", "by edgesim", "CPU time")


@dataclass(frozen=True)
class Heading:
    """A heading, with what links to it."""

    level: int
    text: str
    anchor: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph; strong, where it leads to others."""

    text: str
    strong: bool = False


@dataclass(frozen=True)
class Picture:
    """Of a figure."""

    figure: str
    title: str


@dataclass(frozen=True)
class Table:
    """With links to figures in its first column, if they are ids."""

    heads: Sequence[str]
    rows: list[list[str]]


Block = Heading | Text | Picture | Table


def write_pages(folder: Path) -> list[Path]:
    """Write `index.md` and `index.html` about the figures in a folder.

    Args:
        folder: with a folder for each figure.

    Returns:
        Their paths.
    """
    blocks = list(page(folder))
    pages = {folder / "index.md": _markdown(blocks), folder / "index.html": _html(blocks)}
    for path, text in pages.items():
        put_text(path, text)
    return list(pages)


def page(folder: Path) -> Iterator[Block]:
    """What the page says, from the numbers in a folder."""
    found = {
        name: load(folder / name / NAME) for name in FIGURES if (folder / name / NAME).exists()
    }
    results = {name: found[name][1] if name in found else Ran() for name in FIGURES}
    judgements = {
        name: [judge(claim, figure, results[name]) for claim in figure.claims]
        for name, figure in FIGURES.items()
    }
    yield Heading(1, TITLE)
    of_all = [(name, one) for name, of in judgements.items() for one in of]
    yield Text(tally([one for _, one in of_all]))
    if any(about["quick"] for about, _ in found.values()):
        yield Text(QUICK, strong=True)
    yield Table(SUMMARY, [_summary_row(name, one) for name, one in of_all])
    yield Heading(2, "How it is judged")
    yield from (Text(text) for text in INTRO)
    yield Table(("word", "meaning"), [list(pair) for pair in GLOSSARY])
    yield Text("What was changed of these rules:")
    yield Table(CHANGED, _changes(registered().changed))
    yield Heading(2, "Under how many conditions")
    yield Table(CLAIM, [_claim_row(name, one) for name, one in of_all if one.verdict != "not run"])
    if found:
        yield Heading(2, "Where the numbers are from")
        yield Table(COST, [_cost_row(name, about["made"]) for name, (about, _) in found.items()])
    if missing := [name for name in FIGURES if name not in found]:
        yield Text(f"Not run: {listed(missing)}.")
    for paper, of_paper in groupby(FIGURES.values(), key=lambda figure: figure.paper):
        yield Heading(2, PAPERS[paper])
        if assumed := registered().assumed.get(paper):
            yield Text(f"Neither stated nor varied, so all verdicts are at these: {assumed}.")
        for figure in of_paper:
            shown = (folder / figure.id / f"{figure.id}.svg").exists()
            ran = figure.id in found
            yield from _figure(figure, judgements[figure.id], results[figure.id], shown, ran)


def _summary_row(name: str, one: Judgement) -> list[str]:
    texts = (one.claim.entry.says, called(one), because(one, FIGURES[name]))
    return [name, *(with_paper(text, one) for text in texts)]


def _claim_row(name: str, one: Judgement) -> list[str]:
    def cell(subjects: list[Subject], other: bool = False) -> str:
        return with_paper("; ".join(f"{of.name}: {counts(of, other)}" for of in subjects), one)

    printed = [subject for subject in one.subjects if subject.printed]
    ours = [subject for subject in one.subjects if not subject.printed]
    read = [subject for subject in one.subjects if subject.readings]
    return [name, one.claim.id, cell(printed), cell(ours), cell(read, True)]


def _changes(changes: Iterable[Change]) -> list[list[str]]:
    return [
        [str(of.date), of.what, of.why, "yes" if of.after_first_look else "no"] for of in changes
    ]


def _cost_row(name: str, made: dict[str, object]) -> list[str]:
    return [name, str(made["date"]), str(made["edgesim"]), f"{made['cpu_min']} min"]


def _figure(
    figure: Figure, judgements: list[Judgement], results: Ran, shown: bool, ran: bool
) -> Iterator[Block]:
    yield Heading(3, f"{figure.id}: {figure.title}", figure.id)
    if shown:
        yield Picture(figure.id, figure.title)
    yield Text(f"`edgesim reproduce {figure.id}`. {figure.notes}")
    if not ran:
        yield Text(needed(figure))
    elif not shown:
        yield Text("No picture: what it shows first was not run, as it needs trainings.")
    for one in judgements:
        yield from _claim(one)
    for question in figure.questions:
        told = measured_share if question.average == "share" else measured
        try:
            rows = [
                [name, found.what, told(found), str(found.seeds)]
                for name, found in answers(question, results)
            ]
        except NotRun:
            rows = []
        if not rows:
            yield Text(f"{question.asks} Not run.")
            continue
        yield Text(question.asks, strong=True)
        yield Table(("", "", question.unit, "instances"), rows)


def _claim(one: Judgement) -> Iterator[Block]:
    entry, verdict = one.claim.entry, called(one)
    yield Text(f"{entry.says} {verdict[0].upper()}{verdict[1:]}.", strong=True)
    yield Text(f"In the paper ({entry.section}): “{entry.quote}”.")
    yield Text(f"Registered as {one.claim.id}: {entry.test}; {entry.seeds} seeds.")
    if text := " ".join(sentences(one)):
        yield Text(text)
    for subject in one.subjects:
        if not subject.run:
            continue
        kind = "as printed" if subject.printed else "beside it"
        yield Text(f"{subject.name} ({kind}):")
        own = [row(name, of, subject, one) for name, of in subject.conditions.items()]
        read = [row(name, of, subject, one) for name, of in subject.readings.items()]
        apart = ([f"another reading or setting: {cells[0]}", *cells[1:]] for cells in read)
        yield Table(CONDITION, [*own, *apart])
    if entry.changed:
        yield Table(CHANGED, _changes(entry.changed))


def _markdown(blocks: Iterable[Block]) -> str:
    lines: list[str] = []
    for block in blocks:
        match block:
            case Heading(level, text, anchor):
                link = f'<a id="{anchor}"></a>' if anchor else ""
                lines += [f"{'#' * level} {link}{text}", ""]
            case Text(text, strong):
                lines += [f"**{text}**" if strong else text, ""]
            case Picture(name, title):
                lines += [f"![{title}]({name}/{name}.svg)", ""]
            case Table(heads, rows):
                lines += [_line(heads), _line(["---"] * len(heads))]
                lines += [_line(_linked(row, "[{0}](#{0})")) for row in rows]
                lines.append("")
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _linked(row: list[str], link: str) -> list[str]:
    """With a link where the first cell is a figure's id."""
    return [link.format(row[0]), *row[1:]] if row[0] in FIGURES else row


STYLE = """
body { margin: 0 auto; padding: 1rem 2rem 3rem; max-width: 84rem; color: #1c2430; background: #fff;
  font: 0.95rem/1.5 system-ui, "Segoe UI", Roboto, "Liberation Sans", sans-serif; }
table { border-collapse: collapse; font-size: 0.85rem; margin: 0.5rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: 0.3rem 0.8rem 0.3rem 0;
  border-bottom: 1px solid #d5dae1; }
img { max-width: 100%; height: auto; } p { max-width: 100ch; } .scroll { overflow-x: auto; }
"""


def _html(blocks: Iterable[Block]) -> str:
    parts: list[str] = []
    for block in blocks:
        match block:
            case Heading(level, text, anchor):
                link = f' id="{anchor}"' if anchor else ""
                parts.append(f"<h{level}{link}>{escape(text)}</h{level}>")
            case Text(text, strong):
                said = escape(text)
                parts.append(f"<p>{f'<b>{said}</b>' if strong else said}</p>")
            case Picture(name, title):
                parts.append(f'<img src="{name}/{name}.svg" alt="{escape(title)}">')
            case Table(heads, rows):
                head = "".join(f"<th>{escape(one)}</th>" for one in heads)
                body = "".join(f"<tr>{_cells(row)}</tr>" for row in rows)
                parts.append(f'<div class="scroll"><table><tr>{head}</tr>{body}</table></div>')
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{TITLE}</title><style>{STYLE}</style></head>\n<body>{''.join(parts)}</body></html>\n"
    )


def _cells(row: list[str]) -> str:
    first, *rest = (escape(cell) for cell in row)
    if row[0] in FIGURES:
        first = f'<a href="#{first}">{first}</a>'
    return "".join(f"<td>{cell}</td>" for cell in (first, *rest))
