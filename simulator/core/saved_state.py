"""What an object is between two slots, as data: numbers, text, arrays and random generators.

Whoever goes on from it makes the object anew, from its scenario, and then has it take over what was
saved. So the data names no class and no function, and reading it runs nothing but what was there.

- An object of the program remembers the attributes that its class lists in `remembers`, what may
  change during a run; none without a list. An array comes back with the dtype and shape that it has,
  but for those in `grows`. `check_state` raises ValueError at what a compiled loop could not bear.
- An object of anybody else has `state_dict()`, which gives data, and `load_state_dict(state)`; or, if
  it has not, all of its attributes count. Objects among them are taken in the same way, if they were
  there when the run began.
"""

import types
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

ALL_FIELDS = ("all fields",)
"""A dataclass's `remembers`: all of its fields."""

_PACKAGE = __name__.partition(".")[0]
_BIT_GENERATORS = {
    kind.__name__: kind
    for kind in (
        np.random.MT19937,
        np.random.PCG64,
        np.random.PCG64DXSM,
        np.random.Philox,
        np.random.SFC64,
    )
}
_PLAIN = (bool, int, float, str)
_MISSING = object()


class StateError(ValueError):
    """A state cannot be saved, or does not fit what is to take it over."""


@dataclass(frozen=True)
class Saved:
    """A state as data.

    Attributes:
        tree: what JSON can hold; a number in it stands for one of the arrays.
        arrays: each once, however often the tree has it.
        places: where the tree has an object's state, which only an object there can take over.
    """

    tree: Any
    arrays: list[NDArray[Any]]
    places: frozenset[str] = frozenset()


def save_state(parts: Mapping[str, Any]) -> Saved:
    """The state of objects, and data, by name. Its arrays are those in use: write or copy them soon.

    Raises:
        StateError: something is no data, and no object with a state; says what.
    """
    writer = _Writer()
    tree = {name: writer.node(part, name) for name, part in parts.items()}
    return Saved(tree, writer.arrays, frozenset(writer.places))


def load_state(saved: Saved, parts: Mapping[str, Any]) -> dict[str, Any]:
    """Have objects that were made anew take over a state.

    Args:
        saved: as `save_state` gave it, or as a file has it.
        parts: the objects, by name; None for data.

    Returns:
        All of them, and the data.

    Raises:
        StateError: it does not fit them; says where. They must not be used then.
    """
    try:
        reader = _Reader(saved.arrays)
        return {
            name: reader.value(saved.tree[name], _MISSING if part is None else part, name, False)
            for name, part in parts.items()
        }
    except StateError:
        raise
    except Exception as error:
        raise StateError(f"not a state: {type(error).__name__}: {error}") from error


class _Writer:
    def __init__(self) -> None:
        self.arrays: list[NDArray[Any]] = []
        self.places: set[str] = set()
        self._numbers: dict[int, int] = {}
        self._open: list[int] = []
        self._alive: list[Any] = []

    def node(self, value: Any, where: str) -> Any:
        if value is None or type(value) in _PLAIN:
            return value
        kind = type(value)
        if kind is list:
            return [self.node(one, f"{where}[{n}]") for n, one in enumerate(value)]
        if kind is dict and all(type(key) is str for key in value):
            return {
                "dict": {key: self.node(one, f"{where}[{key!r}]") for key, one in value.items()}
            }
        if kind in (tuple, set, frozenset):
            return {kind.__name__: [self.node(one, f"{where}[…]") for one in value]}
        if kind is dict:
            pairs = [
                [self.node(k, where), self.node(v, f"{where}[{k!r}]")] for k, v in value.items()
            ]
            return {"pairs": pairs}
        if kind is deque:
            return {"deque": [self.node(one, f"{where}[…]") for one in value], "of": value.maxlen}
        if isinstance(value, np.ndarray | np.generic):
            return self._array(value, where)
        if isinstance(value, np.random.Generator):
            return {"generator": self.node(value.bit_generator.state, where)}
        if kind is complex:
            return {"complex": [value.real, value.imag]}
        if kind is bytes:
            return {"bytes": value.hex()}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return {"named": [self.node(one, f"{where}[…]") for one in value]}
        if kind.__module__.partition(".")[0] == "torch" and hasattr(value, "numpy"):
            return {"tensor": self._array(value.detach().cpu().numpy(), where)}
        return self._object(value, where)

    def _array(self, value: Any, where: str) -> Any:
        if value.dtype.hasobject:
            raise StateError(f"{where} is an array of objects")
        if isinstance(value, np.generic):
            return {"scalar": self._array(np.array(value), where)["array"]}
        if id(value) not in self._numbers:
            self._numbers[id(value)] = len(self.arrays)
            self.arrays.append(value)
        return {"array": self._numbers[id(value)]}

    def _object(self, value: Any, where: str) -> Any:
        if id(value) in self._open:
            raise StateError(f"{where} holds itself")
        if _is_fixed(value):
            return {"fixed": None}
        self._open.append(id(value))
        self.places.add(where)
        if (names := _remembered(value)) is not None:
            state = {name: getattr(value, name) for name in names if hasattr(value, name)}
        elif callable(getattr(value, "state_dict", None)) and callable(
            getattr(value, "load_state_dict", None)
        ):
            given = value.state_dict()
            self._alive.append(given)  # arrays are known by their place in memory
            node = {"state": self.node(dict(given), f"{where}.state_dict()")}
            self._open.pop()
            return node
        elif _lies_in_attributes(value):
            state = {k: v for k, v in vars(value).items() if not _is_cached(value, k)}
        else:
            raise StateError(f"{where}, a {type(value).__name__}, is no data")
        node = {"object": {k: self.node(v, f"{where}.{k}") for k, v in state.items()}}
        self._open.pop()
        return node


class _Reader:
    def __init__(self, arrays: list[NDArray[Any]]) -> None:
        self._arrays = arrays

    def value(self, node: Any, fresh: Any, where: str, strict: bool, grows: bool = False) -> Any:
        """What a node stands for; an object or a generator is the fresh one, made to be as it was.

        Args:
            node: of the tree.
            fresh: what stands in its place.
            where: for messages.
            strict: whether it must be of the fresh one's type and form.
            grows: whether arrays may have another length than the fresh one.
        """
        if node is None or type(node) in _PLAIN:
            if strict and fresh is not _MISSING and type(fresh) is not type(node):
                raise StateError(f"{where} is {node!r}")
            return node
        if type(node) is list:
            return self._several(node, fresh, where, strict)
        kind = next(iter(node))
        held = node[kind]
        if kind == "fixed":
            if fresh is _MISSING:
                raise StateError(f"{where} is missing")
            return fresh
        if kind in ("object", "state"):
            return self._object(kind, held, fresh, where)
        if kind == "dict":
            if (
                strict
                and fresh is not _MISSING
                and (type(fresh) is not dict or {*fresh} != {*held})
            ):
                raise StateError(f"{where} has other keys")
            known = fresh if isinstance(fresh, dict) else {}
            return {
                key: self.value(one, known.get(key, _MISSING), f"{where}[{key!r}]", strict)
                for key, one in held.items()
            }
        if kind in ("array", "scalar", "tensor"):
            return self._array(kind, held, fresh, where, strict, grows)
        if kind == "generator":
            return self._generator(self.value(held, _MISSING, where, False), fresh, where)
        if kind in ("tuple", "set", "frozenset", "named"):
            parts = self._several(held, fresh, where, strict)
            if kind != "named":
                return {"tuple": tuple, "set": set, "frozenset": frozenset}[kind](parts)
            if not isinstance(fresh, tuple) or len(fresh) != len(parts):
                raise StateError(f"{where} does not fit")
            return type(fresh)(*parts)
        if kind == "pairs":
            return {
                self.value(k, _MISSING, where, False): self.value(v, _MISSING, where, False)
                for k, v in held
            }
        if kind == "deque":
            return deque(self._several(held, fresh, where, False), node["of"])
        if kind == "complex":
            return complex(*held)
        if kind == "bytes":
            return bytes.fromhex(held)
        raise StateError(f"{where} is a {kind}")

    def _several(self, held: list[Any], fresh: Any, where: str, strict: bool) -> list[Any]:
        if not isinstance(fresh, list | tuple | deque) or len(fresh) != len(held):
            if strict and fresh is not _MISSING and fresh is not None:
                raise StateError(f"{where} has another length")
            fresh = [_MISSING] * len(held)
        pairs = enumerate(zip(held, fresh, strict=True))
        return [self.value(one, old, f"{where}[{n}]", strict) for n, (one, old) in pairs]

    def _array(
        self, kind: str, held: Any, fresh: Any, where: str, strict: bool, grows: bool
    ) -> Any:
        if kind == "tensor":
            import torch

            return torch.from_numpy(self._arrays[_index(held["array"])].copy())
        array = self._arrays[_index(held)]
        if kind == "scalar":
            return array[()]
        if strict and fresh is not _MISSING and fresh is not None:
            if not isinstance(fresh, np.ndarray) or array.dtype != fresh.dtype:
                raise StateError(f"{where} is an array of {array.dtype}")
            if array.shape != fresh.shape and not grows:
                raise StateError(f"{where} has shape {array.shape}, not {fresh.shape}")
        if isinstance(fresh, np.ndarray) and array.dtype.names and array.dtype == fresh.dtype:
            array = array.view(fresh.dtype)  # a file does not tell whether fields are aligned
        return array

    def _generator(self, state: Any, fresh: Any, where: str) -> np.random.Generator:
        name = state["bit_generator"]
        if fresh is _MISSING:
            fresh = np.random.Generator(_BIT_GENERATORS[name]())
        if not isinstance(fresh, np.random.Generator):
            raise StateError(f"{where} is a random generator")
        if type(fresh.bit_generator).__name__ != name:
            raise StateError(f"{where} is a {name}")
        fresh.bit_generator.state = state
        return fresh

    def _object(self, kind: str, held: Any, fresh: Any, where: str) -> Any:
        if fresh is _MISSING or fresh is None or type(fresh) in (*_PLAIN, list, dict, tuple):
            raise StateError(f"{where} was an object, and there is none to take over its state")
        if kind == "state":
            state = self.value(held, _MISSING, where, False)
            load = getattr(fresh, "load_state_dict", None)
            if _remembered(fresh) is not None or not callable(load):
                raise StateError(f"{where} has no `load_state_dict`")
            load(state)
            return fresh
        names, ours = _remembered(fresh), _names(type(fresh))
        if names is not None and {*held} != {n for n in names if n in held or hasattr(fresh, n)}:
            raise StateError(f"{where} remembers {', '.join(names) or 'nothing'}")
        grows: tuple[str, ...] = getattr(type(fresh), "grows", ())
        for name, node in held.items():
            old = vars(fresh).get(name, _MISSING)
            if names is None and old is _MISSING and callable(getattr(type(fresh), name, None)):
                raise StateError(f"{where}.{name} is a method")
            new = self.value(node, old, f"{where}.{name}", name in ours, name in grows)
            try:
                object.__setattr__(fresh, name, new)
            except ValueError as error:
                raise StateError(f"{where}.{name}: {error}") from None
        if check := getattr(type(fresh), "check_state", None):
            try:
                check(fresh)
            except ValueError as error:
                raise StateError(f"{where}: {error}") from None
        return fresh


def _index(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise StateError(f"{number!r} is the number of no array")
    return number


def _remembered(value: Any) -> tuple[str, ...] | None:
    """What an object of the program remembers; None for one of anybody else, or with `state_dict`."""
    if type(value).__module__.partition(".")[0] != _PACKAGE or hasattr(value, "state_dict"):
        return None
    return _names(type(value))


def _names(kind: type) -> tuple[str, ...]:
    names: tuple[str, ...] = getattr(kind, "remembers", ())
    return tuple(field.name for field in fields(kind)) if names is ALL_FIELDS else names


def _is_fixed(value: Any) -> bool:
    """Whether it can be found again where it was: a class, a module, a function of one, a path."""
    if isinstance(value, type | types.ModuleType | types.BuiltinFunctionType | np.ufunc | PurePath):
        return True
    function = getattr(value, "py_func", value)  # numba's
    return isinstance(function, types.FunctionType) and "<" not in function.__qualname__


def _lies_in_attributes(value: Any) -> bool:
    """Whether all that an object is lies in its `__dict__`, as of a class without a parent in C."""
    kind: Any = type(value)
    own: Any = object
    if isinstance(value, dict | list | tuple | set | frozenset | types.FunctionType):
        return False
    if kind.__reduce__ is not own.__reduce__ or kind.__reduce_ex__ is not own.__reduce_ex__:
        return False
    try:
        object.__reduce_ex__(value, 2)
    except TypeError:
        return False
    return hasattr(value, "__dict__")


def _is_cached(value: Any, name: str) -> bool:
    return isinstance(getattr(type(value), name, None), cached_property)
