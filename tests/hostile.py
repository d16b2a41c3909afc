"""Files as somebody might send them: whole by their checksums, but with what no run would write.

Each function changes a good file at random, harmlessly: what it could reach are files of the test.
"""

import json
import math
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

NUMBERS = [0, -1, 1, 2, 7, 10**6, 2**31, 2**40, 2**63 - 1, -(2**63), 0.5, -0.0, 1e-300, 1e30, 1e308]
TEXTS = ["", "x", "summary", "\x1b[2J", "=1+1", "é" * 50, "[" * 300, "a" * 5000, "../../x", "1e9 m"]
SPECIAL = [float("nan"), float("inf"), -float("inf")]


def anything(rng: random.Random) -> Any:
    """A number, a text, or a list of some."""
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice(TEXTS)
    if kind == 1:
        return [rng.choice(NUMBERS) for _ in range(rng.randrange(4))]
    return rng.choice([*NUMBERS, *SPECIAL])


def scenario_text(text: str, rng: random.Random) -> str:
    """A resolved scenario with some of it changed."""
    kind = rng.randrange(5)
    if kind == 0:
        return rng.choice(TEXTS)
    lines = text.splitlines()
    at = rng.randrange(len(lines))
    if kind == 1:
        del lines[at]
    elif kind == 2:
        lines.insert(
            at, f"{rng.choice(['x', 'count', 'slots', 'file'])} = {json.dumps(anything(rng))}"
        )
    elif "=" in lines[at]:
        lines[at] = f"{lines[at].partition('=')[0]}= {json.dumps(anything(rng))}"
    return "\n".join(lines)


def values(dataset: h5py.Dataset, rng: random.Random) -> None:
    """Some values of a dataset, others."""
    if dataset.size == 0 or dataset.dtype.kind not in "biuf":
        return
    content = dataset[...]
    flat = content.reshape(-1)
    for _ in range(rng.choice([1, 1, 5, flat.size])):
        value = rng.choice([*NUMBERS, *(SPECIAL if dataset.dtype.kind == "f" else [])])
        with np.errstate(all="ignore"):
            flat[rng.randrange(flat.size)] = np.array(value).astype(dataset.dtype)
    dataset[...] = content


def trace(path: Path, rng: random.Random, secret: Path) -> str:
    """Change a trace; what was done."""
    with h5py.File(path, "r+", locking=False) as file:
        groups = [name for name in file if isinstance(file[name], h5py.Group)]
        group = file[rng.choice(groups)]
        name = rng.choice(sorted(group))
        item = group[name]
        kind = rng.randrange(13)
        if kind == 0:
            key = rng.choice(sorted(file.attrs))
            file.attrs[key] = anything(rng)
            return f"attribute {key}"
        if kind == 1:
            key = rng.choice(sorted(file.attrs))
            del file.attrs[key]
            return f"no attribute {key}"
        if kind == 2:
            file.attrs["scenario"] = scenario_text(str(file.attrs["scenario"]), rng)
            return "scenario"
        if kind == 3 and len(item.attrs):
            key = rng.choice(sorted(item.attrs))
            item.attrs[key] = anything(rng)
            return f"attribute {key} of {item.name}"
        if kind == 4 and len(group.attrs):
            key = rng.choice(sorted(group.attrs))
            group.attrs[key] = anything(rng)
            return f"attribute {key} of {group.name}"
        if kind <= 6:
            values(item, rng)
            return f"values of {item.name}"
        shape = item.shape
        if kind == 7:
            del group[name]
            return f"no {group.name}/{name}"
        del group[name]
        if kind == 8:
            group[name] = h5py.SoftLink(
                rng.choice(["/", f"/{name}", "/slots", f"{group.name}/{name}"])
            )
            return f"{group.name}/{name} is a soft link"
        if kind == 9:
            group[name] = h5py.ExternalLink(str(secret), "/x")
            return f"{group.name}/{name} is an external link"
        if kind == 10:
            size = max(int(np.prod(shape)), 1)
            group.create_dataset(name, (size,), "u1", external=[(str(secret), 0, size)])
            return f"{group.name}/{name} lies in another file"
        if kind == 11:
            other = tuple(
                rng.choice([0, 1, 3, 10**6, 2**33]) for _ in range(rng.choice([0, len(shape), 2]))
            )
            chunks = tuple(min(size, 8) or 1 for size in other) or None
            group.create_dataset(
                name,
                other,
                rng.choice(["f8", "i4", "u1"]),
                chunks=chunks,
                maxshape=tuple(max(s, 1) for s in other) or None,
            )
            return f"{group.name}/{name} has shape {other}"
        new = rng.choice(
            ["f4", "i1", "S7", h5py.ref_dtype, h5py.string_dtype(), [("a", "f8")], "c16"]
        )
        group.create_dataset(name, shape, new)
        return f"{group.name}/{name} is of {new}"


def tree(node: Any, rng: random.Random) -> Any:
    """A tree of JSON with something in it changed."""
    if isinstance(node, dict) and node and rng.random() < 0.9:
        key = rng.choice(sorted(node))
        if rng.random() < 0.1:
            return {k: v for k, v in node.items() if k != key}
        return node | {key: tree(node[key], rng)}
    if isinstance(node, list) and node and rng.random() < 0.9:
        at = rng.randrange(len(node))
        if rng.random() < 0.1:
            return node[:at] + node[at + 1 :]
        return [*node[:at], tree(node[at], rng), *node[at + 1 :]]
    made: list[Any] = [
        anything(rng),
        None,
        True,
        {},
        [],
        {"array": rng.randrange(60)},
        {"object": {}},
        {"fixed": None},
        {"dict": {"x": 1}},
        {"tuple": [1]},
        {"bytes": "zz"},
        {"generator": 3},
    ]
    return rng.choice(made)


def checkpoint(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    """A checkpoint of a run, changed, with the right checksum; what was done."""
    header, _, body = content.partition(b"\n")
    with np.load(BytesIO(body), allow_pickle=False) as file:
        arrays = dict(file)
    about = json.loads(arrays["tree"].tobytes())
    if rng.random() < 0.5:
        if rng.random() < 0.1:
            about = tree(about, rng)
        else:
            block = rng.randrange(len(about["states"]))
            about["states"][block][0] = tree(about["states"][block][0], rng)
        what = "tree"
    else:
        number = rng.choice(sorted(arrays.keys() - {"tree"}))
        array = np.array(arrays[number])
        what = f"array {number} {array.dtype} {array.shape}"
        if rng.random() < 0.4 or array.size == 0:
            array = rng.choice(
                [
                    array[:0],
                    array[..., None],
                    array.astype("c16") if not array.dtype.names else array,
                    np.concatenate([array, array]) if array.ndim else array,
                ]
            )
        else:
            raw = bytearray(array.tobytes())
            for _ in range(rng.choice([1, 3, 40])):
                at = rng.randrange(len(raw))
                raw[at] = rng.choice([0, 1, 0x7F, 0xFF, rng.randrange(256)])
            array = np.frombuffer(bytes(raw), array.dtype).reshape(array.shape)
        arrays[number] = array
    arrays["tree"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    made = BytesIO()
    np.savez(made, allow_pickle=False, **arrays)
    new = json.loads(header) | {"sha256": sha256(made.getvalue()).hexdigest()}
    return json.dumps(new).encode() + b"\n" + made.getvalue(), what


def tensors(node: Any, rng: random.Random) -> Any:
    """What a file of torch holds, with something in it changed."""
    if isinstance(node, dict) and node and rng.random() < 0.95:
        key = rng.choice(list(node))
        if rng.random() < 0.1:
            return {k: v for k, v in node.items() if k != key}
        return {**node, key: tensors(node[key], rng)}
    if isinstance(node, list) and node and rng.random() < 0.9:
        at = rng.randrange(len(node))
        return [*node[:at], tensors(node[at], rng), *node[at + 1 :]]
    if isinstance(node, torch.Tensor) and rng.random() < 0.7:
        made = [
            node[:0] if node.ndim else node,
            node.double(),
            torch.full_like(node, float("nan")) if node.is_floating_point() else node,
            node.reshape(-1),
            torch.zeros(3, 3),
        ]
        return rng.choice(made)
    return rng.choice([anything(rng), None, {}, [], torch.zeros(2), True])


def network(path: Path, rng: random.Random) -> None:
    """Change a file of `edgesim train`."""
    content = torch.load(path, weights_only=True)
    torch.save(tensors(content, rng), path)


def text(content: str, rng: random.Random) -> str:
    """A table, or JSON, with some of its cells or lines changed."""
    cells = [
        "",
        "nan",
        "inf",
        "-1",
        "1e400",
        "1e-400",
        "9" * 400,
        '"',
        '""',
        ",",
        "\x00",
        "\r",
        "é",
        "x" * 200_000,
        "9999-12-31T23:59:59-12:00",
        "0001-01-01T00:00:00+12:00",
        "2020-13-01",
        "NaT",
        "1e20",
        "[" * 5000,
        "null",
    ]
    for _ in range(rng.choice([1, 1, 2, 5])):
        lines = content.split("\n")
        at = rng.randrange(len(lines))
        kind = rng.randrange(5)
        if kind == 0:
            del lines[at]
        elif kind == 1:
            lines.insert(at, rng.choice([lines[at], rng.choice(cells)]))
        elif kind == 2:
            where = rng.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:where] + rng.choice(cells) + lines[at][where:]
        else:
            parts = lines[at].split(",")
            parts[rng.randrange(len(parts))] = rng.choice(cells)
            lines[at] = ",".join(parts)
        content = "\n".join(lines)
    return content


def table(path: Path, rng: random.Random, checksum: Callable[..., int]) -> str:
    """Change a row of a sweep's table, and its checksum to what is right."""
    with closing(sqlite3.connect(path)) as db, db:
        name = rng.choice(["sweep", "cases", "runs", "results", "traces"])
        rows = db.execute(f"SELECT * FROM {name}").fetchall()
        if not rows:
            return "nothing"
        row = list(rng.choice(rows))[:-1]
        at = rng.randrange(1, len(row))
        key = next(iter(db.execute(f"PRAGMA table_info({name})")))[1]
        old = row[at]
        if isinstance(old, str) and old[:1] in "{[" and rng.random() < 0.8:
            row[at] = json.dumps(tree(json.loads(old), rng))
        else:
            new = anything(rng)
            plain = isinstance(new, str | int) or (isinstance(new, float) and not math.isnan(new))
            row[at] = new if plain else json.dumps(new)  # SQLite knows no NaN
        db.execute(f"DELETE FROM {name} WHERE {key} = ?", (row[0],))
        marks = "?, " * len(row)
        db.execute(f"INSERT INTO {name} VALUES ({marks}?)", (*row, checksum(name, row)))
    return f"{name}: {old!r:.60} became {row[at]!r:.60}"
