"""Where compiled functions are kept, and how it is known that they are still the right ones.

A function's machine code holds the functions that it calls and the constants that it reads, from whichever
file. So its key is the content of all of these, as they are in memory: byte code, constants, the fields of
named tuples, and so on through whatever they reach in turn; further numba, numpy, edgesim, the processor and
the types of the arguments. A changed key is another file; of each function the last few are kept. Files that
come with the package are looked up first (`shipped_code`), under the same key but for the processor.

A file begins with the checksum of the rest. One that is torn, or cannot be read, is written anew.
"""

import os
import pickle
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from enum import Enum
from functools import cache, partial
from hashlib import sha256
from importlib.util import MAGIC_NUMBER
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any
from uuid import uuid4

import llvmlite.binding as llvm
import numba
import numpy as np
import platformdirs
from llvmlite import ir
from numba.core import caching, compiler, serialize
from numba.np.ufunc.dufunc import DUFunc

from ... import __version__
from . import (
    bit_source,  # noqa: F401 - which numba has to know before it compiles what draws
    shipped_code,
)

OPTIONS: Any = {"error_model": "numpy"}
"""Numba's, for all functions."""

_WITHOUT_WRAPPERS: Any = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}
"""Python does not call them."""

_KEPT = 16
"""Files of each function: kinds of argument, times processors, times versions."""

_LIBRARIES = frozenset({"numpy", "numba", "math", "builtins"})
"""What is reached in these is known by their version."""

_ROOT = __name__.partition(".")[0]


def dispatcher(function: Callable[..., object], *, inner: bool = False) -> Any:
    """numba's, which compiles a function for the types of its arguments, and keeps the code here.

    Args:
        function: in Python.
        inner: whether compiled code calls it, not Python.
    """
    # References are counted by "nrt". Said of all: else numba takes what holds for the caller.
    options = OPTIONS | {"_nrt": not _in_place(function)} | (_WITHOUT_WRAPPERS if inner else {})
    made: Any = numba.njit(**options)(function)
    made._cache = Cache(function, inner=inner)
    if inner:
        made.get_call_template = partial(_of_any_value, made.get_call_template)
    return made


def _in_place(function: object) -> bool:
    """Whether it is of `compiled_in_place`."""
    return "in_place" in getattr(function, "__dict__", {})


def _of_any_value(resolve: Any, args: Any, kws: Any) -> Any:
    """For numba's calls among compiled functions: it would compile one more for each number in a call."""
    numbers = numba.types.IntegerLiteral | numba.types.BooleanLiteral
    return resolve(
        [numba.types.unliteral(one) if isinstance(one, numbers) else one for one in args], kws
    )


class Cache(caching.NullCache):  # type: ignore[misc]
    """What numba asks for a function's machine code, and hands it.

    Of a function that compiled code calls, it has its bitcode too, which goes into the caller's code. Of
    one that Python calls, it may come with the package.
    """

    def __init__(self, function: Callable[..., object], *, inner: bool = False) -> None:
        self._function = function
        self._inner = inner

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function of a signature, or None."""
        target_context.refresh()
        target = target_context.codegen().magic_tuple()
        if not self._inner and shipped_code.runs_on(target):
            content = shipped_code.read(self._name(sig, shipped_code.target(target)))
            if found := _rebuilt(content, target_context):
                return found
        folder = _folder(numba.config.CACHE_DIR)
        if folder is not None:
            path = folder / self._name(sig, target)
            with suppress(OSError):
                if found := _rebuilt(path.read_bytes(), target_context):
                    os.utime(path)
                    return found
        if not self._inner and _root(self._function.__module__) == _ROOT:
            shipped_code.about_to_compile()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled function of a signature, if it can be kept."""
        folder = _folder(numba.config.CACHE_DIR)
        lifted = any(not one.can_cache for one in data.lifted)
        if folder is None or lifted or data.library.has_dynamic_globals:
            return
        library, *others = data._reduce()
        if not self._inner:
            name, kind, (code, _) = library
            library = name, kind, (code, _names_alone(data.fndesc))
        content = serialize.dumps((library, *others))
        path = folder / self._name(sig, data.codegen.magic_tuple())
        part = path.with_name(f"{path.name}.{uuid4().hex}")
        try:
            part.write_bytes(sha256(content).digest() + content)
            part.replace(path)
        except OSError:
            with suppress(OSError):
                part.unlink()
        self._prune(folder)

    @property
    def _stem(self) -> str:
        function = self._function
        whole = f"{function.__module__}.{function.__qualname__}".replace("<locals>.", "")
        inner = "-inner" if self._inner else ""
        return f"{whole[-150:]}{inner}-py{sys.version_info[0]}{sys.version_info[1]}"

    def _name(self, sig: Any, target: Sequence[str]) -> str:
        key = sha256(_versions())
        key.update(repr(tuple(target)).encode())
        key.update(str(sig).encode())
        for part in _content([self._function, *_classes(sig)]):
            key.update(part)
        return f"{self._stem}-{key.hexdigest()[:32]}.code"

    def _prune(self, folder: Path) -> None:
        with suppress(OSError):
            mine = sorted(folder.glob(f"{self._stem}-*"), key=lambda one: one.stat().st_mtime)
            for path in mine[:-_KEPT]:
                path.unlink()


def _rebuilt(content: bytes | None, target_context: Any) -> Any:
    """The compiled function that a file holds; None if it is torn, or anything is wrong with it."""
    if content is None or sha256(content[32:]).digest() != content[:32]:
        return None
    try:
        return compiler.CompileResult._rebuild(target_context, *pickle.loads(content[32:]))
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is compiled again
        return None


def _names_alone(about: Any) -> bytes:
    """Bitcode in which the functions that Python calls have no content.

    numba looks up in it what the machine code has. The content is for compiled callers; to load it would
    take as long as to load the machine code.
    """
    module = ir.Module()
    names = about.llvm_func_name, about.llvm_cpython_wrapper_name, about.llvm_cfunc_wrapper_name
    for name in names:
        function = ir.Function(module, ir.FunctionType(ir.VoidType(), ()), name)
        ir.IRBuilder(function.append_basic_block()).ret_void()
    bitcode: bytes = llvm.parse_assembly(str(module)).as_bitcode()
    return bitcode


@cache
def _versions() -> bytes:
    python = sys.implementation.name, sys.version_info[:2], MAGIC_NUMBER
    return repr((__version__, numba.__version__, np.__version__, python, OPTIONS)).encode()


def _classes(sig: Any) -> Iterator[type]:
    """The named tuples among the types of arguments: code reaches their fields by number."""
    for one in sig if isinstance(sig, tuple) else sig.args:
        if isinstance(one, numba.types.BaseTuple):
            if isinstance(one, numba.types.BaseNamedTuple):
                yield one.instance_class
            yield from _classes(tuple(one.types))


def _content(start: Iterable[Any]) -> Iterator[bytes]:
    """The content of these functions and classes, and of all that they reach, in a fixed order."""
    seen: set[int] = set()
    left = list(start)
    while left:
        one = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield f"{one.__module__}.{one.__qualname__}{' in place' * _in_place(one)}".encode()
        if isinstance(one, type):
            yield _class_content(one)
            continue
        yield _code(one.__code__)
        for name, value in _reached(one):
            yield name.encode()
            if isinstance(value, FunctionType | type):
                left.append(value)
            else:
                yield _constant(value)


def _class_content(one: type) -> bytes:
    members = one.__members__.items() if issubclass(one, Enum) else ()
    values = [(name, member.value) for name, member in members]
    return repr((getattr(one, "_fields", ()), getattr(one, "_field_defaults", {}), values)).encode()


def _code(code: CodeType) -> bytes:
    inner = [_code(one) if isinstance(one, CodeType) else _constant(one) for one in code.co_consts]
    names = (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    # numba takes CO_OPTIMIZED from a function that is called while a profiler runs.
    flags = code.co_flags & ~CO_OPTIMIZED
    count = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, flags)
    whole = (code.co_name, code.co_code, inner, names, count, code.co_exceptiontable)
    return sha256(repr(whole).encode()).digest()


def _reached(function: FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function's names mean: globals, what it takes from modules, closures and defaults.

    Compiled functions as the functions that were compiled; nothing of `_LIBRARIES`.
    """
    found = list(_by_name(function.__globals__, sorted(_names(function.__code__))))
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # not filled yet
            found.append(("closure", cell.cell_contents))
    found += [("default", value) for value in function.__defaults__ or ()]
    for name, value in found:
        if isinstance(value, DUFunc):
            value = value._dispatcher
        value = getattr(value, "py_func", value)
        if not isinstance(value, FunctionType | type) or _root(value.__module__) not in _LIBRARIES:
            yield name, value


def _by_name(among: Mapping[str, Any], names: list[str]) -> Iterator[tuple[str, Any]]:
    for name in names:
        value = among.get(name)
        if not isinstance(value, ModuleType):
            if name in among:
                yield name, value
        elif _root(value.__name__) not in _LIBRARIES:
            yield from _by_name(vars(value), names)


def _root(module: str | None) -> str:
    return (module or "").partition(".")[0]


def _names(code: CodeType) -> set[str]:
    inner = (_names(one) for one in code.co_consts if isinstance(one, CodeType))
    return set(code.co_names).union(*inner)


def _constant(value: Any) -> bytes:
    """A value that numba may copy into the code; of what it cannot copy, only the kind."""
    if isinstance(value, np.ndarray):
        return repr((value.dtype, value.shape, value.tobytes())).encode()
    if isinstance(value, frozenset):
        return repr(sorted(map(repr, value))).encode()
    if isinstance(value, tuple):
        return b"(" + b",".join(map(_constant, value)) + b")"
    plain = int | float | complex | str | bytes | np.generic | np.dtype | numba.types.Type | None
    return (repr(value) if isinstance(value, plain) else type(value).__qualname__).encode()


@cache
def _folder(chosen: str) -> Path | None:
    """Where compiled functions are kept; None if nothing can be written anywhere.

    NUMBA_CACHE_DIR, if that is set; else the user's folder of caches; else one beneath the folder of
    temporary files, that nobody else can write into: what is read there is executed.
    """
    for place in (_chosen, _of_user, _temporary):
        with suppress(OSError):
            folder = place(chosen)
            if folder is not None:
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=folder).close()
                if place is _chosen or _own(folder):
                    return folder
    return None


def _chosen(chosen: str) -> Path | None:
    return Path(chosen) / _ROOT if chosen else None


def _of_user(chosen: str) -> Path | None:
    folder = platformdirs.user_cache_path(_ROOT) / "compiled"
    return folder if folder.is_absolute() and not chosen else None  # "~" where there is no home


def _temporary(chosen: str) -> Path | None:
    folder = Path(tempfile.gettempdir())
    # Python's last resort is the folder in which the user works.
    return None if folder == Path.cwd() else folder / f"{_ROOT}-{getattr(os, 'getuid', int)()}"


def _own(folder: Path) -> bool:
    """Whether only this user can write there."""
    if not hasattr(os, "getuid"):
        return True
    about = folder.lstat()
    others = about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    return stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid() and not others


class _OfCallers(caching._CacheLocator):  # type: ignore[misc]
    """Numba's own places, for functions in files that use compiled functions of this package.

    So functions that others compile with numba's `cache=True` notice what they call in here.
    """

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        """A locator whose stamp is numba's and the content of what the file uses; None for others."""
        used = [getattr(one, "py_func", None) for one in py_func.__globals__.values()]
        used = [one for one in used if isinstance(one, FunctionType)]
        used += [one for _, one in _reached(py_func) if isinstance(one, FunctionType)]
        content = list(_content(used))
        if not any(part.startswith(f"{_ROOT}.".encode()) for part in content):
            return None
        classes: Any = caching.CacheImpl._locator_classes
        others = (one for one in classes if one is not cls)
        found = (one.from_function(py_func, py_file) for one in others)
        locator = next((one for one in found if one is not None), None)
        if locator is not None:
            stamp = locator.get_source_stamp(), sha256(b"".join(content)).hexdigest()
            locator.get_source_stamp = lambda: stamp
        return locator


_locators: Any = caching.CacheImpl._locator_classes
_locators.insert(0, _OfCallers)
