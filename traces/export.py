"""A trace as plain tables, for tools that do not read HDF5."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..simulator.core.outputs import make_folder, replaced
from ..simulator.core.recorder import OUTCOMES
from .file_errors import indices, reported
from .reader import TraceError, open_trace
from .variables import TABLES

if TYPE_CHECKING:
    import pyarrow as pa
    import xarray as xr

Format = Literal["csv", "parquet"]

CHUNK_ROWS = 1 << 18
"""Rows held in memory at a time."""


def export(path: str | Path, directory: str | Path, file_format: Format = "parquet") -> list[Path]:
    """Write a trace as tidy tables, in pieces, however large it is.

    There is a table for each set of dimensions: `slots` (one row per replication and slot),
    `devices` (per replication, slot and device), `stations`, `tasks`, and, at level "full", `links`,
    `interference` (per replication, slot, device and interfering device) and `forecasts` (per replication, slot,
    station and lead).
    Numbers come out bit for bit, in CSV too; outcomes and stations come with their names.

    Args:
        path: of the trace.
        directory: where the tables go; made if it is not there.
        file_format: "csv" or "parquet".

    Returns:
        The paths of the tables.

    Raises:
        TraceError: if the trace cannot be read, or has level "summary".
        OutputError: a file is in the place of the folder.
    """
    directory = Path(directory)
    tables = []
    with open_trace(path) as trace:
        if trace.level == "summary":
            raise TraceError(f"{path}: a trace of level 'summary' has no slots or tasks to export")
        make_folder(directory)
        for name, dims in TABLES.items():
            if (table := trace.table(name)).data_vars:
                target = directory / f"{name}.{file_format}"
                write_tables(target, _pieces(table, dims, path), file_format)
                tables.append(target)
    return tables


def _pieces(dataset: "xr.Dataset", dims: tuple[str, ...], path: object) -> Iterator[dict[str, Any]]:
    """Column by name, all of one piece's rows; the slots and tasks go by in order."""
    along = "task" if dims == ("task",) else "slot"
    row_size = max(1, int(np.prod([dataset.sizes[dim] for dim in dims if dim != along])))
    step = max(1, CHUNK_ROWS // row_size)
    length = dataset.sizes[along]
    for begin in range(0, max(length, 1), step):
        with reported(path):
            piece = dataset.isel({along: slice(begin, begin + step)})
            shape = tuple(piece.sizes[dim] for dim in dims)
            table: dict[str, Any] = {}
            for axis, dim in enumerate(dims):
                if dim == "task":
                    continue
                labels = np.asarray(piece[dim].values)
                spread = labels.reshape([-1 if i == axis else 1 for i in range(len(dims))])
                table[dim] = np.broadcast_to(spread, shape).ravel()
            if "station" in dims and "station_name" in dataset:
                table["station_name"] = dataset["station_name"].values[table["station"]]
            for name in map(str, dataset.data_vars):
                table[name] = piece[name].values.ravel()
            if "outcome" in table:
                table["outcome"] = np.array(OUTCOMES)[
                    indices(table["outcome"], len(OUTCOMES), path)
                ]
        yield table


def write_tables(target: Path, pieces: Iterator[dict[str, Any]], file_format: Format) -> None:
    """Write a table, piece by piece; it is there when it is whole.

    Args:
        target: the file.
        pieces: columns by name, all of one piece's rows; all with the same names and types.
        file_format: "csv" or "parquet".
    """
    import pyarrow as pa

    guarded = file_format == "csv"
    with replaced(target) as hidden:
        first = _arrow(next(pieces), pa, guarded)
        if guarded:
            with hidden.open("wb") as file:
                names = (name.replace('"', '""') for name in first.column_names)
                file.write(",".join(f'"{name}"' for name in names).encode() + b"\n")
                for table in chain([first], (_arrow(piece, pa, guarded) for piece in pieces)):
                    file.write(_csv_lines(table))
            return
        from pyarrow.parquet import ParquetWriter

        with ParquetWriter(str(hidden), first.schema) as writer:
            writer.write_table(first)
            for piece in pieces:
                writer.write_table(_arrow(piece, pa, guarded))


def _csv_lines(table: "pa.Table") -> bytes:
    """The rows of a table. pyarrow's own writer has no way to say how a number looks."""
    import pyarrow.compute as pc

    cells = [_csv_cells(column) for column in table.combine_chunks().columns]
    lines = pc.binary_join_element_wise(*cells, ",", null_handling="replace")
    ended = pc.binary_join_element_wise(lines, "", "\n")
    return "".join(ended.to_pylist()).encode()


def _csv_cells(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Text as every reader of CSV takes it for the same type.

    A float has a point or an exponent, else polars calls a column that begins so whole. Infinity is a
    number beyond all floats, as some readers take its names for dates or text.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type):
        doubled = pc.replace_substring(column, '"', '""')
        return pc.binary_join_element_wise('"', doubled, '"', "")
    text = pc.cast(column, pa.string())
    if pa.types.is_floating(column.type):
        text = pc.replace_substring_regex(text, r"^(-?\d+)$", r"\1.0")
        text = pc.replace_substring(text, "inf", "1e999")
        text = pc.replace_substring(text, "nan", "NaN")
    return text


def _arrow(columns: dict[str, Any], pa: Any, guarded: bool) -> "pa.Table":
    """A table; if guarded, of texts that no spreadsheet takes for formulas."""
    arrays = {name: pa.array(column) for name, column in columns.items()}
    if not guarded:
        return pa.table(arrays)
    for name, array in arrays.items():
        if pa.types.is_string(array.type):
            arrays[name] = pa.array([text and no_formula(text) for text in array.to_pylist()])
    return pa.table({no_formula(name): array for name, array in arrays.items()})


def no_formula(text: str) -> str:
    """A text for a cell of a CSV file: with an apostrophe where a spreadsheet would calculate."""
    if not text.startswith(("=", "+", "-", "@", "\t", "\r")):
        return text
    try:
        float(text)
    except ValueError:
        return f"'{text}"
    return text
