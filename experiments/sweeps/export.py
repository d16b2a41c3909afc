"""The runs of a sweep as a table for other programs."""

from pathlib import Path
from typing import Any

import numpy as np

from ...simulator.core.outputs import make_folder
from ...traces.export import Format, write_tables
from .results import POLICY, SweepResults


def export_sweep(results: SweepResults, directory: Path, file_format: Format) -> Path:
    """Write a sweep's runs as a table: a row for each run, also for those that are missing.

    Its columns are `id`, the swept keys (SI where they are quantities), `policy`, `seed`, `trace`,
    `replication`, and the numbers of `METRICS`, SI, null where there are none.

    Args:
        results: of the sweep.
        directory: where the table goes; made if it is not there.
        file_format: "csv" or "parquet".

    Returns:
        The path of the table.

    Raises:
        OutputError: a file is in the place of the folder.
    """
    import pyarrow as pa

    seeds = len(results.seeds)
    runs = [run for case in results.runs for run in case]
    columns: dict[str, Any] = {"id": [run.id for run in runs]}
    for key in results.keys:
        quantity = results.values(key)
        column = results.labels(key) if quantity is None else quantity[0]
        columns[key] = np.repeat(np.array(column, dtype=None if quantity else object), seeds)
    columns[POLICY] = np.repeat(np.array(results.labels(POLICY), object), seeds)
    columns["seed"] = np.tile(np.array(results.seeds), len(results.cases))
    columns["trace"] = [run.trace for run in runs]
    columns["replication"] = [run.replication for run in runs]
    for key, values in results.numbers.items():
        columns[key] = pa.array(values.ravel(), from_pandas=True)
    make_folder(directory)
    target = directory / f"runs.{file_format}"
    write_tables(target, iter([columns]), file_format)
    return target
