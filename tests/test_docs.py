"""Documents lead where they say: links, paths, commands, and the table of equations."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from rooms import ROOMS

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
SOURCES = sorted(
    path
    for folder in (*ROOMS, "docs", "tests", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
    if path != Path(__file__)
)
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
PLACE = re.compile(r"`?([\w.]+\.py):([\w.]+)`?")
PATH = re.compile(rf"`((?:{'|'.join(ROOMS)}|tests|docs|benchmarks)/[\w./-]*)`")
FIRST_WORDS = re.compile(r"^ *(?:\./)?edgesim ([a-z]+)", re.MULTILINE)


@cache
def text(path: Path) -> str:
    """Without blocks of code, in which brackets are not links."""
    return re.sub(
        r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    )


def anchors(path: Path) -> set[str]:
    """Of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", text(path), re.MULTILINE)
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles]
    made = {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain}
    # What mkdocstrings writes bears its dotted name.
    return made | set(re.findall(r"^::: (\S+)$", text(path), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for _, target in LINK.findall(text(page)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        found = (page.parent / file).resolve() if file else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_that_are_named_exist(page: Path) -> None:
    assert [path for path in PATH.findall(text(page)) if not (ROOT / path).exists()] == []


def test_documents_that_the_code_names_exist() -> None:
    missing = []
    for source in SOURCES:
        for name in re.findall(
            r"\b(?:docs/[\w.-]+\.md|[A-Z_]{4,}\.md)\b", source.read_text("utf-8")
        ):
            if not (ROOT / name).exists():
                missing.append(f"{source.relative_to(ROOT)}: {name}")
    assert not missing


def test_commands_that_are_named_exist() -> None:
    from edgesim.cli import main

    for page in PAGES:
        named = set(FIRST_WORDS.findall(page.read_text(encoding="utf-8")))
        assert named <= set(main.commands), page.name


# The table of equations

EQUATIONS = ROOT / "docs" / "equations.md"


@cache
def names(file: Path) -> set[str]:
    """Of functions, classes, methods and module constants, with the classes that they are in."""
    found: set[str] = set()

    def visit(node: ast.AST, prefix: str) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.FunctionDef | ast.ClassDef):
                found.add(prefix + child.name)
                visit(child, f"{prefix}{child.name}.")
            elif isinstance(child, ast.Assign | ast.AnnAssign):
                targets = child.targets if isinstance(child, ast.Assign) else [child.target]
                found.update(prefix + one.id for one in targets if isinstance(one, ast.Name))

    visit(ast.parse(file.read_text(encoding="utf-8")), "")
    return found


def rows() -> list[tuple[str, list[str]]]:
    """Of the table of equations: the section and the cells of each row."""
    section, found = "", []
    for line in EQUATIONS.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("|") and "---" not in line:
            found.append((section, [cell.strip() for cell in line.strip("|").split(" | ")]))
    return [(section, cells) for section, cells in found if "in the code" not in cells]


def places(cell: str) -> list[tuple[Path, str]]:
    """The files and names that a cell links."""
    found = []
    for label, target in LINK.findall(cell):
        if place := PLACE.fullmatch(label):
            file, name = place.groups()
            assert target.rpartition("/")[2] == file, f"{label} leads to {target}"
            found.append(((EQUATIONS.parent / target).resolve(), name))
    return found


def test_every_place_in_the_table_of_equations_exists() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{name}"
        for _, cells in rows()
        for cell in cells
        for file, name in places(cell)
        if not file.exists() or name not in names(file)
    ]
    assert not wrong


def test_every_row_of_the_table_of_equations_names_a_test() -> None:
    for section, cells in rows():
        tests = [name for file, name in places(cells[-1]) if file.parent == ROOT / "tests"]
        assert tests, (section, cells[0])
        assert all(name.rpartition(".")[2].startswith("test_") for name in tests)


def numbers(section: str) -> set[int]:
    """Those of a section's rows: "(15) to (18)" is four of them."""
    found: set[int] = set()
    for title, cells in rows():
        if title == section and cells[0].startswith("("):
            ends = [int(number) for number in re.findall(r"\((\d+)[a-f]?\)", cells[0])]
            found.update(range(ends[0], ends[-1] + 1) if " to " in cells[0] else ends)
    return found


@pytest.mark.parametrize(
    ("section", "last"), [("Paper A, equations", 27), ("Paper C, equations", 24)]
)
def test_the_table_has_every_equation(section: str, last: int) -> None:
    assert numbers(section) == set(range(1, last + 1))


def test_equations_that_are_named_are_in_the_papers() -> None:
    """A(1) to A(27) and C(1) to C(24), with the letters that those with several lines have."""
    letters = {
        "A": {"7": "ab", "14": "abcde"},
        "C": {"10": "abcdef", "11": "abcd", "19": "ab", "20": "abcd", "21": "abcde"},
    }
    last = {"A": 27, "C": 24}
    wrong = []
    for source in [*SOURCES, *PAGES]:
        found = re.findall(r"\b([AC])\((\d+)([a-f]?)\)", source.read_text(encoding="utf-8"))
        wrong += [
            f"{source.relative_to(ROOT)}: {paper}({number}{letter})"
            for paper, number, letter in found
            if not 1 <= int(number) <= last[paper] or letter not in letters[paper].get(number, "")
        ]
    assert not wrong
