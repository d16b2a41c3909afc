"""The house rules that a program can check: imports downwards only, no circles, bounds of size."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from rooms import ROOMS

ROOT = Path(__file__).resolve().parents[1]
FLOORS = (
    ("__main__",),
    ("cli",),
    ("commands",),
    ("exits",),
    ("api", "terminal", "experiments/progress.py"),
    ("experiments/report", "experiments/reproduction/figures"),
    ("experiments/reproduction",),
    ("experiments/sweeps",),
    ("experiments",),
    ("traces", "policies/learning"),
    ("policies/epr.py", "policies/local.py", "policies/offload_all.py", "policies/random.py"),
    ("policies/stream", "policies/tasks/sca", "policies/tasks"),
    ("policies/stream/p2", "policies/tasks/c10"),
    ("policies",),
    ("simulator/assembly",),
    ("simulator",),
    ("simulator/stream", "simulator/tasks"),
    ("simulator/world.py",),
    ("simulator/twin", "simulator/models"),
    ("simulator/state.py",),
    ("simulator/network",),
    ("simulator/core",),
    ("scenarios/data",),
    ("scenarios",),
)
"""From the top: a file imports from its own room and from floors below. Rooms of one floor do not meet;
a file that is named here is a room of its own."""

MOST_LINES, MOST_LINES_OF_A_FUNCTION, MOST_COMPLEX = 600, 80, 20


@cache
def modules() -> dict[str, Path]:
    """All of the product, by dotted name below the package."""
    files = [ROOT / f"{name}.py" for name in ("api", "cli", "exits", "terminal", "__main__")]
    files += [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in files
    }


@cache
def parsed(path: Path) -> tuple[ast.Module, list[ast.AST]]:
    """A file, and all that is in it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tree, list(ast.walk(tree))


def imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[tuple[str, int]]:
    """The modules that a module imports anywhere, and the line."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in parsed(path)[1]:
        if not isinstance(node, ast.ImportFrom):
            continue
        module = (node.module or "").split(".") if node.module else []
        if node.level:
            target = [*package[: len(package) - node.level + 1], *module]
        elif module[:1] == ["edgesim"]:
            target = module[1:]
        else:
            continue
        for alias in node.names:
            whole = ".".join([*target, alias.name])
            found = whole if whole in known else ".".join(target)
            if found in known and found != name:
                yield found, node.lineno


def room(name: str, path: Path) -> str:
    """The folder of a module, or the file where it has a floor of its own."""
    file = path.relative_to(ROOT).as_posix()
    if any(file in rooms for rooms in FLOORS):
        return file
    return "/".join(path.relative_to(ROOT).parts[:-1]) or name


def test_imports_go_downwards_only() -> None:
    floor = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
    known = modules()
    upwards = []
    for name, path in known.items():
        here = room(name, path)
        for target, line in imports(name, path, known):
            there = room(target, known[target])
            if here != there and floor[there] <= floor[here]:
                upwards.append(f"{path.relative_to(ROOT)}:{line} imports {target}")
    assert not upwards


def test_there_is_no_circle_of_imports() -> None:
    known = modules()
    graph = {
        name: {target for target, _ in imports(name, path, known)} for name, path in known.items()
    }
    done: set[str] = set()

    def visit(name: str, way: list[str]) -> None:
        assert name not in way, " -> ".join([*way[way.index(name) :], name])
        if name not in done:
            for target in sorted(graph[name]):
                visit(target, [*way, name])
            done.add(name)

    for name in graph:
        visit(name, [])


def test_files_and_functions_are_short() -> None:
    long = []
    for path in modules().values():
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MOST_LINES:
            long.append(f"{path.relative_to(ROOT)}: {lines} lines")
        for node in parsed(path)[1]:
            if isinstance(node, ast.FunctionDef):
                first = node.body[0]
                is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
                body = node.body[1:] if is_text else node.body
                count = body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]
                if count > MOST_LINES_OF_A_FUNCTION:
                    long.append(
                        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}: {count} lines"
                    )
    assert not long


def test_functions_are_simple() -> None:
    rule = f"lint.mccabe.max-complexity={MOST_COMPLEX}"
    words = [sys.executable, "-m", "ruff", "check", "--select", "C901", "--config", rule]
    paths = [str(path) for path in modules().values()]
    found = subprocess.run([*words, *paths], check=False, capture_output=True, text=True).stdout
    complex_ = set(re.findall(r"C901 `(\w+)` is too complex", found))
    assert not complex_, found


def test_functions_say_what_shape_their_arrays_have() -> None:
    """Public ones that take or give arrays: (R, N), a dimension by name, any shape, or where to look."""
    arrays = re.compile(r"\b(Float|Int|Bool|Data|ND)Array\b|ndarray")
    shape = re.compile(r"\([\w…*][^()]*,[^()]*\)|shape|dimension|see `")
    silent = []

    def look(node: ast.Module | ast.ClassDef, path: Path) -> None:
        for item in node.body:
            if isinstance(item, ast.ClassDef) and not item.name.startswith("_"):
                look(item, path)
            elif isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
                hints = [*(a.annotation for a in (*item.args.args, *item.args.kwonlyargs))]
                typed = " ".join(ast.unparse(hint) for hint in (*hints, item.returns) if hint)
                setter = any(ast.unparse(one).endswith(".setter") for one in item.decorator_list)
                text = ast.get_docstring(item) or ""
                if arrays.search(typed) and not setter and not shape.search(text):
                    silent.append(f"{path.relative_to(ROOT)}:{item.lineno} {item.name}")

    for path in modules().values():
        look(parsed(path)[0], path)
    assert not silent
