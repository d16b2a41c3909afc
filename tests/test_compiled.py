"""Compiled functions are kept while nothing has changed of what they reach, and only then."""

import ast
import copy
import cProfile
import inspect
import os
import pickle
import resource
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FunctionType
from typing import Any

import numba
import pytest
from rooms import ROOMS

from edgesim.simulator.core import compiled_cache
from edgesim.simulator.core.compiled import compiled
from edgesim.simulator.core.elementary import exp

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where these tests keep what they compile."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "kept"))
    return tmp_path / "kept" / "edgesim"


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.code"))


def successor(number: float) -> float:
    return number + 1


def test_what_is_compiled_need_not_be_kept(kept: Path) -> None:
    function = compiled(successor)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        assert function(1) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(kept.iterdir())
    assert function(1.5) == 2.5
    assert len(files(kept)) == 1


def test_a_kept_function_is_not_compiled_again(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled(successor)(1.5) == 2.5
    saved: list[object] = []
    monkeypatch.setattr(compiled_cache.Cache, "save_overload", lambda *args: saved.append(args))
    assert compiled(successor)(2.5) == 3.5
    assert not saved


def test_numbers_in_a_call_are_no_further_kinds_of_argument(kept: Path) -> None:
    @compiled
    def plus(a: float, b: int, more: bool) -> float:
        return a + b if more else a - b

    def sums(a: float) -> float:
        return plus(a, 1, True) + plus(a, -1, True) + plus(a, 1, False) + plus(a, int(a), a > 0)

    assert compiled(sums)(2.0) == 3.0 + 1.0 + 1.0 + 4.0
    assert sorted("inner" in file.name for file in files(kept)) == [False, True]


def test_a_compiled_function_is_pickled_and_copied_by_its_name() -> None:
    assert pickle.loads(pickle.dumps(exp)) is exp is copy.deepcopy(exp)
    assert inspect.signature(exp) == inspect.signature(exp.py_func)


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]


def foreign(content: bytes) -> bytes:
    """No pickle, but with its right checksum."""
    return sha256(b"foreign").digest() + b"foreign"


@pytest.mark.parametrize("damage", [cut, flipped, foreign, lambda _: b"", lambda one: one[:32]])
def test_a_torn_file_is_written_anew(kept: Path, damage: Callable[[bytes], bytes]) -> None:
    assert compiled(successor)(1.5) == 2.5
    (file,) = files(kept)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert compiled(successor)(2.5) == 3.5
    assert files(kept) == [file]
    content = file.read_bytes()
    assert sha256(content[32:]).digest() == content[:32] and len(content) > len(whole) // 2


def test_fields_are_part_of_the_key(kept: Path) -> None:
    """Machine code reaches them by their number."""
    make: Any = namedtuple

    def first(pair: Any) -> float:
        return float(pair.a)

    for fields, pair in (("a b", (1.0, 2.0)), ("b a", (2.0, 1.0))):
        kind = make("Pair", fields)
        assert compiled(first)(kind(*pair)) == 1.0
    assert len(files(kept)) == 2


def test_few_files_of_a_function_are_kept(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled_cache, "_KEPT", 2)

    def of(constant: float) -> Callable[[float], float]:
        return compiled(lambda number: number * constant)

    for constant in (2.0, 3.0, 4.0):
        assert of(constant)(1.0) == constant
    assert len(files(kept)) == 2


def content(source: str, **known: object) -> bytes:
    names: dict[str, object] = {"__name__": "edgesim.tried", **known}
    exec(source, names)  # noqa: S102 - the sources below
    function = names["f"]
    assert isinstance(function, FunctionType)
    return content_of(function)


def content_of(function: Callable[..., object]) -> bytes:
    return b"".join(compiled_cache._content([function]))


def test_the_key_is_what_a_function_reaches() -> None:
    base = (
        "import numpy as np\nA = 2.0\ndef h(x): return x\ndef f(x): return h(x) * A + np.exp(x)\n"
    )
    changed = {
        "a constant": base.replace("A = 2.0", "A = 3.0"),
        "its sign": base.replace("A = 2.0", "A = -2.0"),
        "its type": base.replace("A = 2.0", "A = 2"),
        "a callee": base.replace("return x\n", "return -x\n"),
        "another of numpy's": base.replace("np.exp", "np.log"),
        "an operator": base.replace(") * A", ") + A"),
        "references counted": base + "vars(h)['in_place'] = True\n",
    }
    keys = {name: content(source) for name, source in changed.items()}
    assert len({content(base), *keys.values()}) == len(changed) + 1
    same = base.replace("\ndef h", "\n\n# a remark\nB = 3\ndef h")
    assert content(same) == content(base)


def test_a_profiler_does_not_change_the_key(kept: Path) -> None:
    def plus(number: float) -> float:
        return number + 1.0

    profile = cProfile.Profile()
    made = compiled(plus)
    before = content_of(plus)
    profile.enable()
    made(1.0)
    profile.disable()
    assert content_of(plus) == before
    assert compiled(plus)(2.0) == 3.0 and len(files(kept)) == 1


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder with a copy of the package, to be edited."""
    package = tmp_path / "copy" / "edgesim"
    package.mkdir(parents=True)
    for path in ROOT.glob("*.py"):
        shutil.copy(path, package)
    for room in ROOMS:
        shutil.copytree(ROOT / room, package / room, ignore=shutil.ignore_patterns("__pycache__"))
    return package.parent


PLUG_INS = {
    "compiled": "from edgesim.simulator.core.compiled import compiled as kept",
    "numba": "import numba\nkept = numba.njit(cache=True)",
}

PLUG_INS["numba, imported last"] = "kept = __import__('numba').njit(cache=True)"

PLUG_IN = """
from edgesim.simulator.stream.energy import local_energy_j
import edgesim.simulator.stream.queues as queues
from own import double

@kept
def of_the_package():
    return local_energy_j(1.0, 1.0, 2.0)

@kept
def through_another():
    return double(1.0)
"""


def printed(folder: Path, code: str, **environment: str) -> list[str]:
    where = {"PYTHONPATH": str(folder), "NUMBA_CACHE_DIR": str(folder / "kept"), **environment}
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=os.environ | where, cwd=folder
    )
    assert not done.returncode, done.stderr
    return done.stdout.split()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    "kind",
    [
        "compiled",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("numba", "numba, imported last")),
    ],
)
def test_an_edited_callee_is_seen(copied: Path, kind: str) -> None:
    """A plug-in of users, compiled by either decorator, and by way of a module of theirs."""
    head = PLUG_INS[kind]
    (copied / "own.py").write_text(head + "\n@kept\ndef double(x):\n    return 2.0 * x\n")
    first = "import edgesim.simulator.core.compiled\n" if "last" in kind else ""
    (copied / "plug_in.py").write_text(first + head + PLUG_IN)
    show = "from plug_in import *; print(of_the_package(), through_another())"
    assert printed(copied, show) == ["8.0", "2.0"]
    energy = copied / "edgesim" / "simulator" / "stream" / "energy.py"
    edit(energy, "return varsigma * slot_s *", "return 2.0 * varsigma * slot_s *")
    assert printed(copied, show) == ["16.0", "2.0"]
    edit(copied / "own.py", "return 2.0 * x", "return 3.0 * x")
    assert printed(copied, show) == ["16.0", "3.0"]


@pytest.mark.slow
def test_edited_physics_is_simulated(copied: Path) -> None:
    run = (
        "import edgesim\n"
        "trace = edgesim.run('iiot_20dev', 't.h5', policy='local', slots=20, overwrite=True)\n"
        "print(float(trace.slots['local_energy_j'].sum()))"
    )
    (before,) = map(float, printed(copied, run))
    energy = copied / "edgesim" / "simulator" / "stream" / "energy.py"
    edit(energy, "return varsigma * slot_s *", "return 2.0 * varsigma * slot_s *")
    (after,) = map(float, printed(copied, run))
    assert after == 2.0 * before


@pytest.fixture
def nowhere(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Neither a home nor a folder of temporary files that can be written into, for root either."""
    file = tmp_path / "file"
    file.touch()
    names = ("HOME", "XDG_CACHE_HOME", "TMPDIR")
    yield {"NUMBA_CACHE_DIR": "", **{name: str(file / "no") for name in names}}


@pytest.mark.slow
def test_without_a_home_it_is_kept_among_temporary_files(
    tmp_path: Path, nowhere: dict[str, str]
) -> None:
    show = "from test_compiled import compiled, successor; print(compiled(successor)(1.5))"
    where = nowhere | {"PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:{ROOT / 'tests'}"}
    for mode, count in ((0o700, 1), (0o777, 0)):
        temporary = tmp_path / oct(mode)
        private = temporary / f"edgesim-{os.getuid()}"
        private.mkdir(parents=True)
        private.chmod(mode)
        assert printed(tmp_path, show, **where | {"TMPDIR": str(temporary)}) == ["2.5"]
        # Where others can write, nothing is read or kept: it would be executed.
        assert len(files(private)) == count


@pytest.mark.slow
def test_where_nothing_can_be_written_it_is_compiled(
    tmp_path: Path, nowhere: dict[str, str]
) -> None:
    """But for the folder in which the user works, which is not littered."""
    show = (
        "import os, tempfile\n"
        "tempfile._candidate_tempdir_list = lambda: [os.getcwd()]\n"
        "from test_compiled import compiled, successor\n"
        "print(compiled(successor)(1.5))"
    )
    where = nowhere | {"PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:{ROOT / 'tests'}"}
    (tmp_path / "work").mkdir()
    assert printed(tmp_path / "work", show, **where) == ["2.5"]
    assert not list((tmp_path / "work").iterdir())


def whole_assignments(path: Path) -> Iterator[str]:
    """Where compiled functions of a file assign more than a scalar to a slice."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(function, ast.FunctionDef):
            continue
        names = [ast.unparse(one) for one in function.decorator_list]
        if not {"compiled", "compiled_in_place"} & set(names):
            continue
        for line in ast.walk(function):
            if isinstance(line, ast.Assign) and not is_scalar(line.value):
                for target in line.targets:
                    sliced = any(isinstance(one, ast.Slice) for one in ast.walk(target))
                    if isinstance(target, ast.Subscript) and sliced:
                        yield f"{path.name}:{line.lineno}: {ast.unparse(line)}"


def is_scalar(value: ast.expr) -> bool:
    return ast.unparse(value).lstrip("-") in ("0.0", "1.0", "np.inf") or isinstance(
        value, ast.Constant
    )


def test_no_array_is_assigned_whole_in_compiled_code() -> None:
    """numba compiles, for seconds of every first run, what would tell of both shapes: `core/assignment.py`."""
    source = "@compiled\ndef f(a, b):\n    a[:] = 0.0\n    a[1:] = b\n    a[:, 0], c = 0.0, 1.0\n"
    with TemporaryDirectory() as folder:
        path = Path(folder, "example.py")
        path.write_text(source)
        assert list(whole_assignments(path)) == ["example.py:4: a[1:] = b"]
    files = [path for room in ("simulator", "policies") for path in (ROOT / room).rglob("*.py")]
    assert len(files) > 100
    assert [line for path in files for line in whole_assignments(path)] == []
