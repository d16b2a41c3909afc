"""Known files of recorded requests: told by their columns, with what they do not say themselves."""

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

from ..workload_section import TimeUnit
from .records import normal, refuse
from .table_reader import Pieces

ALL = ""
"""Stands for all columns that are not named."""


class Format(NamedTuple):
    """What is known of a kind of file.

    Attributes:
        name: whose it is.
        columns: names that a header of it has, as `normal` writes them.
        time_column: of arrivals, or with `duration_column` of ends.
        time_unit: of it.
        duration_column: how long before its time a request arrived.
        unknown: what stands for unknown, by column, `ALL` for the others.
        names: its columns, where it has no header.
        refused: why it holds no requests; "" if it does.
        minutes: whether it counts requests, in a column for each minute.
    """

    name: str
    columns: frozenset[str] = frozenset()
    time_column: str | None = None
    time_unit: TimeUnit | None = None
    duration_column: str | None = None
    unknown: Mapping[str, tuple[str, ...]] = {}
    names: tuple[str, ...] = ()
    refused: str = ""
    minutes: bool = False

    def unknown_in(self, column: str) -> Collection[str]:
        """What stands for unknown in a column."""
        return self.unknown.get(column, self.unknown.get(ALL, ()))


_AZURE_FUNCTION = frozenset({"hashowner", "hashapp", "hashfunction"})
_HEADED = (
    Format(
        "Azure LLM inference trace",
        frozenset({"timestamp", "contexttokens", "generatedtokens"}),
        "TIMESTAMP",
    ),
    Format(
        "Azure Functions 2021",
        frozenset({"app", "func", "end timestamp", "duration"}),
        "end_timestamp",
        "s",
        "duration",
    ),
    Format("Azure Functions 2019", _AZURE_FUNCTION | {"trigger", "1"}, minutes=True),
    Format(
        "Azure Functions 2019, durations",
        _AZURE_FUNCTION | {"average", "count"},
        refused="has no times; the requests of each minute are in invocations_per_function_md.*",
    ),
    Format(
        "Alibaba GPU 2023",
        frozenset({"cpu milli", "memory mib", "num gpu", "pod phase", "creation time"}),
        "creation_time",
        "s",
        unknown={ALL: ("",)},
    ),
    Format(
        "BurstGPT",
        frozenset({"timestamp", "model", "request tokens", "response tokens", "log type"}),
        "Timestamp",
        "s",
    ),
)

_OF_MEMORY = ("", "-1", "101")
_BATCH_TASK = Format(
    "Alibaba 2018, batch_task",
    time_column="start_time",
    time_unit="s",
    unknown={"plan_mem": _OF_MEMORY, ALL: ("",)},
    names=(
        "task_name",
        "instance_num",
        "job_name",
        "task_type",
        "status",
        "start_time",
        "end_time",
        "plan_cpu",
        "plan_mem",
    ),
)
_BATCH_INSTANCE = Format(
    "Alibaba 2018, batch_instance",
    time_column="start_time",
    time_unit="s",
    unknown={"mem_avg": _OF_MEMORY, "mem_max": _OF_MEMORY, ALL: ("",)},
    names=(
        "instance_name",
        "task_name",
        "job_name",
        "task_type",
        "status",
        "start_time",
        "end_time",
        "machine_id",
        "seq_no",
        "total_seq_no",
        "cpu_avg",
        "cpu_max",
        "mem_avg",
        "mem_max",
    ),
)
_STATUS = re.compile(r"(Terminated|Failed|Running|Waiting|Ready|Interrupted|Cancelled)")
_SWF = Format(
    "Standard Workload Format",
    time_column="submit_time",
    time_unit="s",
    unknown={ALL: ("-1",)},
    names=(
        "job",
        "submit_time",
        "wait_time",
        "run_time",
        "processors",
        "cpu_time",
        "memory",
        "requested_processors",
        "requested_time",
        "requested_memory",
        "status",
        "user",
        "group",
        "executable",
        "queue",
        "partition",
        "preceding_job",
        "think_time",
    ),
)

UNKNOWN = Format("")
"""Nobody's: nothing is known but the names of its columns."""


def format_of(table: Pieces) -> tuple[Format, Pieces]:
    """The format of a table, and the table with the names of its columns.

    Raises:
        ScenarioError: one that holds no requests.
    """
    if table.separator == " ":
        if len(table.head) != len(_SWF.names):
            what = f"{len(table.head)} columns, separated by blanks"
            refuse(table.path, what, "the 18 of the Standard Workload Format")
        return _SWF, table.named(_SWF.names)
    for one in (_BATCH_TASK, _BATCH_INSTANCE):
        # None of them has a header: a status and two times stand in its place.
        if table.separator == "," and len(table.head) == len(one.names):
            status, *times = table.head[4:7]
            if _STATUS.fullmatch(status) and all(re.fullmatch(r"\d*", time) for time in times):
                return one, table.named(one.names)
    names = {normal(column): column for column in table.columns}
    found = next((one for one in _HEADED if one.columns <= names.keys()), UNKNOWN)
    if found.refused:
        refuse(table.path, found.refused, "a file with times")
    time, duration = (
        column and names[normal(column)] for column in (found.time_column, found.duration_column)
    )
    return found._replace(time_column=time, duration_column=duration), table
