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
from .registration import registered
from .sentences import interval, listed
from .stored import NAME, load
from .verdicts import LEAST_KEPT, LEVEL, Judged, condition

TITLE = "Both papers, run again"

INTRO = (
    (
        f"Each claim was registered with its statistic, range, seeds and conditions before it was judged "
        f"(first on {registered().written}; what was changed later is told beside it). Under each condition "
        "that the paper leaves open, comparisons hold, are reversed (the interval lies wholly on the wrong "
        "side) or are undecided. Intervals are corrected by Holm's procedure, "
        f"{100.0 * LEVEL:g} % over all comparisons that a verdict looks at. A condition holds if all of its "
        "comparisons do, and is reversed if one is. What is the same in each instance is algebra: no interval, "
        "no chance; if both sides are the same, it is equal. A comparison in less than "
        f"{100.0 * LEAST_KEPT:g} % of whose instances all limits are kept is infeasible. "
    ),
    (
        "The verdict is on what is printed: the paper's own words for what is measured, its algorithm, its "
        "settings. Reproduced as printed: all conditions hold. Reproduced under conditions: some do. Refuted: "
        "none does, and one at least is reversed or equal. Undecided: none is either. Not testable: what is "
        "printed cannot be run within its limits, or a parameter that is not stated decides. Other algorithms "
        "under names of their own, and other readings of what is measured, stand beside it and decide nothing."
    ),
)

QUICK = "From a quick run: few seeds, few points. Its verdicts say nothing."

CLAIM = (
    "figure",
    "claim",
    "as printed",
    "what was run as printed",
    "beside it",
    "by another reading",
)
CONDITION = (
    "condition",
    "outcome",
    "comparisons",
    "nearest to failing",
    "measured",
    "level",
    "instances",
)
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
    yield from (Text(text) for text in INTRO)
    if any(about["quick"] for about, _ in found.values()):
        yield Text(QUICK, strong=True)
    yield Table(CLAIM, [_claim_row(name, one) for name, of in judgements.items() for one in of])
    if found:
        yield Heading(2, "Where the numbers are from")
        yield Table(COST, [_cost_row(name, about["made"]) for name, (about, _) in found.items()])
    if missing := [name for name in FIGURES if name not in found]:
        yield Text(f"Not run: {listed(missing)}.")
    for paper, of_paper in groupby(FIGURES.values(), key=lambda figure: figure.paper):
        yield Heading(2, PAPERS[paper])
        for figure in of_paper:
            shown = (folder / figure.id / f"{figure.id}.svg").exists()
            yield from _figure(figure, judgements[figure.id], results[figure.id], shown)


def _claim_row(name: str, one: Judgement) -> list[str]:
    printed = [subject for subject in one.subjects if subject.printed]
    ours = [subject for subject in one.subjects if not subject.printed]
    run = "; ".join(f"{subject.name}: {_counts(subject)}" for subject in printed)
    beside = "; ".join(f"{subject.name}: {_counts(subject)}" for subject in ours)
    read = "; ".join(
        f"{subject.name}: {_counts(subject, True)}" for subject in one.subjects if subject.readings
    )
    return [name, one.claim.entry.says, one.verdict, run, beside, read]


def _counts(subject: Subject, other: bool = False) -> str:
    """'holds under 6 of 24 conditions, reversed under 2'."""
    if not subject.run:
        return "not run"
    outcomes = list(subject.outcomes(other).values())
    if not outcomes:
        return "nothing"
    rest = (one for one in ("reversed", "equal", "infeasible", "undecided"))
    counted = [f"{one} under {outcomes.count(one)}" for one in rest if outcomes.count(one)]  # type: ignore[arg-type]
    return ", ".join([f"holds under {outcomes.count('holds')} of {len(outcomes)}", *counted])


def _cost_row(name: str, made: dict[str, object]) -> list[str]:
    return [name, str(made["date"]), str(made["edgesim"]), f"{made['cpu_min']} min"]


def _figure(
    figure: Figure, judgements: list[Judgement], results: Ran, shown: bool
) -> Iterator[Block]:
    yield Heading(3, f"{figure.id}: {figure.title}", figure.id)
    if shown:
        yield Picture(figure.id, figure.title)
    yield Text(f"`edgesim reproduce {figure.id}`. {figure.notes}")
    for one in judgements:
        yield from _claim(one)
    for question in figure.questions:
        try:
            rows = [
                [name, found.what, _measured(found, "1"), str(found.seeds)]
                for name, found in answers(question, results)
            ]
        except NotRun:
            yield Text(f"{question.asks} Not run.")
            continue
        yield Text(question.asks, strong=True)
        yield Table(("", "", question.unit, "instances"), rows)


def _claim(one: Judgement) -> Iterator[Block]:
    entry = one.claim.entry
    yield Text(f"{entry.says} {one.verdict.capitalize()}.", strong=True)
    yield Text(f"Registered as {one.claim.id}: {entry.test}; {entry.seeds} seeds.")
    if text := " ".join(_sentences(one)):
        yield Text(text)
    for subject in one.subjects:
        if not subject.run:
            continue
        kind = "as printed" if subject.printed else "beside it"
        yield Text(f"{subject.name} ({kind}):")
        own = [_row(name, of, subject, entry.unit) for name, of in subject.conditions.items()]
        read = [_row(name, of, subject, entry.unit) for name, of in subject.readings.items()]
        yield Table(CONDITION, [*own, *([f"another reading: {row[0]}", *row[1:]] for row in read)])
    if entry.changed:
        yield Table(
            ("changed", "what", "why", "results were seen"),
            [
                [str(of.date), of.what, of.why, "yes" if of.after_first_look else "no"]
                for of in entry.changed
            ],
        )


def _sentences(one: Judgement) -> Iterator[str]:
    """Why the verdict follows, from what was judged alone."""
    entry = one.claim.entry
    if absent := [subject.name for subject in one.subjects if not subject.run]:
        yield f"Not run: {listed(absent)}."
    for subject in one.subjects:
        outcomes = subject.outcomes()
        for outcome, said in (
            ("holds", "holds under"),
            ("reversed", "is reversed under"),
            ("equal", "makes no difference under"),
            ("infeasible", "has too few instances within all limits under"),
        ):
            names = [name for name, found in outcomes.items() if found == outcome]
            if not names:
                continue
            where = _where(names, len(outcomes))
            kept = [100.0 * subject.kept[name] for name in names]
            limits = (
                f" (in {min(kept):.0f} % of them at the least)" if outcome == "infeasible" else ""
            )
            yield f"{subject.name} {said} {where}{limits}."
    if any(
        of.algebra
        for subject in one.subjects
        for found in subject.conditions.values()
        for of in found
    ):
        yield f"Algebra, where nothing varies: {entry.algebra}" if entry.algebra else ""
    if entry.missing:
        yield f"What decides is not stated: {entry.missing}."
    for choice in one.again:
        verdict = one.again[choice]
        same = "the same" if choice not in one.depends else f"{verdict}: it depends on this choice"
        yield f"With {choice} the verdict is {same}."
    if one.reason:
        yield one.reason


def _where(names: list[str], conditions: int) -> str:
    """Under which conditions, by name if they are few."""
    if len(names) == conditions:
        return "the one condition" if conditions == 1 else f"all {conditions} conditions"
    text = f"{len(names)} of {conditions} conditions"
    return f"{text}: {listed(f'({name})' for name in names)}"


def _row(name: str, of: list[Judged], subject: Subject, unit: str) -> list[str]:
    holding = [one.outcome == "holds" for one in of]
    # What fails says most; else what lies nearest to an end of the range has the widest interval.
    worst = min(range(len(of)), key=lambda k: (holding[k], of[k].outcome == "undecided", k))
    shown = of[worst]
    outcome = condition(of)
    algebra = ", algebra" if all(one.algebra for one in of) else ""
    more = subject.repeats.get(name, [])
    called = name or "the one"
    if more:
        called += f"; and, nearly the same: {listed(f'({one})' for one in more)}"
    level = "" if shown.algebra else f"{100.0 * LEVEL / shown.divisor:.2g} %"
    return [
        called,
        f"{outcome}{algebra}",
        f"{sum(holding)} of {len(of)} hold",
        shown.what,
        _measured(shown, unit),
        level,
        f"{shown.seeds} of {shown.runs}",
    ]


def _measured(found: Judged, unit: str) -> str:
    return interval(*found.interval, "1" if unit == "as the reading" else unit)


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
