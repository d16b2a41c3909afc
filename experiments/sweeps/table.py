"""The table of a sweep: the numbers of all its traces, so that they need not all be opened.

It is an SQLite file beside the traces, written in transactions while the sweep goes on. The traces
remain the truth: a table that is lost is made again from them. It has SQLite's rollback journal, not
its write-ahead log, which can neither be read in a read-only folder nor shared over a network.
"""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self
from zlib import crc32

from pydantic import TypeAdapter

from ...simulator.core.arrays import FloatArray
from ...traces.reader import TraceError, ended, open_trace
from ...traces.summary import WARMUP

NAME = "sweep.sqlite"
TRACES = "traces"
"""The folder of the traces, beside the table."""

FORMAT = 2

_COLUMNS = {
    "sweep": "name TEXT PRIMARY KEY, value TEXT NOT NULL",
    "cases": "number INTEGER PRIMARY KEY, point INTEGER NOT NULL, policy TEXT NOT NULL, "
    "keys TEXT NOT NULL, scenario TEXT NOT NULL",
    "runs": "id TEXT PRIMARY KEY, case_number INTEGER NOT NULL, seed INTEGER NOT NULL",
    "results": "id TEXT PRIMARY KEY, trace TEXT NOT NULL, replication INTEGER NOT NULL, "
    "numbers TEXT NOT NULL",
    "traces": "name TEXT PRIMARY KEY, bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, "
    "digest TEXT NOT NULL, cpu_s REAL NOT NULL",
    "failures": "id TEXT PRIMARY KEY, message TEXT NOT NULL",
}
"""By table. Each has one column more, a checksum of the others: SQLite has none."""
# runs: what the sweep, as it was started last, asks for. results: what there is, also of runs that it
# does not ask for any more.


@dataclass(frozen=True)
class TraceFacts:
    """A trace, as the table has it.

    Attributes:
        name: of its file.
        size: bytes.
        mtime_ns: time of its last change.
        digest: of its bytes.
        numbers: by key of `METRICS`, one for each replication, SI, without the warm-up.
    """

    name: str
    size: int
    mtime_ns: int
    digest: str
    numbers: dict[str, list[float]]

    @classmethod
    def read(
        cls, path: Path, scenario: str, values: Mapping[str, FloatArray] | None = None
    ) -> Self:
        """Read a finished trace.

        Args:
            path: of the trace.
            scenario: the resolved scenario, TOML, that it has to be of.
            values: its numbers, (R,) SI by key of `METRICS`, if who wrote it knows them.

        Raises:
            TraceError: it cannot be read, is not complete, or of another scenario.
        """
        if ended(path) != ("complete", scenario):
            raise TraceError(f"{path}: not complete, or of another scenario")
        if values is None:
            with open_trace(path) as trace:
                values = trace.replication_values(WARMUP)
        state = path.stat()
        numbers = {key: value.tolist() for key, value in values.items()}
        return cls(path.name, state.st_size, state.st_mtime_ns, digest(path), numbers)


def digest(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()[:32]


class CaseRow(NamedTuple):
    """A point under a policy.

    Attributes:
        point: its number.
        policy: as the sweep file writes it.
        keys: values of the swept keys, as the file writes them.
        scenario: resolved, JSON, of the first seed.
    """

    point: int
    policy: str
    keys: dict[str, Any]
    scenario: str


class RunRow(NamedTuple):
    """A run that the sweep asks for.

    Attributes:
        id: the same for the same scenario, policy, seed and version.
        case: number of its case.
        seed: of the run.
        trace: name of its file; None if there is none yet; so are the next.
        replication: its place in the trace.
        numbers: by key of `METRICS`, SI.
    """

    id: str
    case: int
    seed: int
    trace: str | None
    replication: int | None
    numbers: dict[str, float] | None


_CASES, _RUN = TypeAdapter(list[CaseRow]), TypeAdapter(RunRow)


class SweepTable:
    """The table of a sweep's folder, open.

    Args:
        folder: of the sweep.
        create: make it if it is not there, and one anew if it is damaged.

    Raises:
        TraceError: there is none, or it cannot be read, or any of its rows is damaged.
        OSError: it cannot be written.
    """

    def __init__(self, folder: Path, *, create: bool = False) -> None:
        self.path = folder / NAME
        if not create and not folder.exists():
            raise TraceError(f"{folder}: there is no such file or folder")
        if not create and not self.path.is_file():
            raise TraceError(f"{folder}: no sweep was started here: there is no {NAME}")
        if self.path.is_symlink():
            raise TraceError(f"{self.path}: a link; a sweep's table is a file in its folder")
        try:
            self._open(create)
        except TraceError:
            if not create:
                raise
            self.path.replace(self.path.with_suffix(".damaged"))
            self._open(create)

    def _open(self, create: bool) -> None:
        # Reading too: a transaction that was cut off has to be rolled back first.
        mode = "rwc" if create else "rw"
        with self._reported():
            self._db = sqlite3.connect(
                f"{self.path.resolve().as_uri()}?mode={mode}",
                uri=True,
                timeout=60.0,
                isolation_level=None,
            )
        try:
            if create:
                for table, columns in _COLUMNS.items():
                    columns += ", checksum INTEGER NOT NULL"
                    self._all(f"CREATE TABLE IF NOT EXISTS {table} ({columns}) WITHOUT ROWID")
            kind = self.metadata("format")
            if kind not in (None, str(FORMAT)):
                written = f"written by another version of edgesim (format {kind})"
                raise TraceError(f"{self.path}: {written}")
            with self._transaction("DEFERRED"):
                self._examine()
        except BaseException:
            self.close()
            raise

    def _examine(self) -> None:
        """All pages, all rows, and whether there are as many as there have to be.

        Raises:
            TraceError: the table is damaged.
        """
        found = str(self._all("PRAGMA integrity_check(1)")[0][0])
        if found != "ok":
            raise damaged(self.path, found)
        for table in _COLUMNS:
            for row in self._all(f"SELECT * FROM {table}"):
                if row[-1] != _checksum(table, row[:-1]):
                    raise damaged(self.path, f"a row of {table} is not what was written")
        named = self._all("SELECT name FROM traces UNION SELECT trace FROM results")
        for (name,) in named:  # each becomes a path
            if (
                type(name) is not str
                or Path(name).name != name
                or name in ("", "..")
                or "\0" in name
            ):
                raise damaged(self.path, f"a trace outside of the folder: {name!r}")
        if (seeds := self.metadata("seeds")) is not None:
            cases, runs = self._all("SELECT (SELECT count(*) FROM cases), count(*) FROM runs")[0]
            if runs != cases * len(json.loads(seeds)):
                raise damaged(self.path, "rows of runs are missing")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def metadata(self, name: str) -> str | None:
        """A text that the sweep notes about itself: "title", "axes", "policies", "seeds"."""
        found = self._all("SELECT value FROM sweep WHERE name = ?", (name,))
        return str(found[0][0]) if found else None

    def plan(
        self,
        about: Mapping[str, str],
        cases: Sequence[CaseRow],
        runs: Iterable[tuple[str, int, int]],
    ) -> None:
        """Note what the sweep asks for, instead of what it asked for before.

        Args:
            about: by name, its metadata.
            cases: by number.
            runs: id, number of the case, seed.
        """
        with self._transaction() as db:
            for name in ("sweep", "cases", "runs", "failures"):
                db.execute(f"DELETE FROM {name}")
            self._put("sweep", [*about.items(), ("format", str(FORMAT))])
            self._put(
                "cases",
                (
                    (n, case.point, case.policy, json.dumps(case.keys, default=str), case.scenario)
                    for n, case in enumerate(cases)
                ),
            )
            self._put("runs", runs)

    def record(
        self,
        complete: Iterable[tuple[Sequence[str], TraceFacts, float]] = (),
        failed: Iterable[tuple[str, str]] = (),
    ) -> None:
        """Note how jobs ended, all of them or none.

        Args:
            complete: ids of the runs in a trace, its facts, and the CPU time it took.
            failed: ids of runs, and why.
        """
        with self._transaction() as db:
            for run_ids, facts, cpu_s in complete:
                self._put(
                    "traces",
                    [(facts.name, facts.size, facts.mtime_ns, facts.digest, float(cpu_s))],
                )
                for r, run_id in enumerate(run_ids):
                    numbers = json.dumps({key: row[r] for key, row in facts.numbers.items()})
                    self._put("results", [(run_id, facts.name, r, numbers)])
                    db.execute("DELETE FROM failures WHERE id = ?", (run_id,))
            self._put("failures", failed)

    def forget(self, traces: Iterable[str]) -> None:
        """Drop the results of traces that are gone or have changed."""
        with self._transaction() as db:
            for name in traces:
                db.execute("DELETE FROM results WHERE trace = ?", (name,))
                db.execute("DELETE FROM traces WHERE name = ?", (name,))

    def note_time(self, name: str, mtime_ns: int) -> None:
        """Note that a trace has another time, but the same bytes."""
        with self._transaction():
            query = "SELECT name, bytes, ?, digest, cpu_s FROM traces WHERE name = ?"
            self._put("traces", self._all(query, (mtime_ns, name)))

    def traces(self) -> dict[str, tuple[int, int, str]]:
        """Of each trace that results come from: bytes, time of last change, digest."""
        rows = self._all("SELECT name, bytes, mtime_ns, digest FROM traces")
        return {name: (size, mtime_ns, digest) for name, size, mtime_ns, digest in rows}

    def done(self, run_ids: Sequence[str]) -> bool:
        """Whether there are results of all these runs."""
        marks = ", ".join("?" * len(run_ids))
        query = f"SELECT count(*) FROM results WHERE id IN ({marks})"
        return bool(self._all(query, tuple(run_ids))[0][0] == len(run_ids))

    def complete(self) -> set[str]:
        """Ids of all runs that have results."""
        return {row[0] for row in self._all("SELECT id FROM results")}

    def cases(self) -> list[CaseRow]:
        """Of what the sweep asks for, by number."""
        rows = self._all("SELECT point, policy, keys, scenario FROM cases ORDER BY number")
        found = [(point, policy, json.loads(keys), text) for point, policy, keys, text in rows]
        return _CASES.validate_python(found, strict=True)

    def runs(self) -> Iterator[RunRow]:
        """All runs that the sweep asks for, case by case, and by seed within a case."""
        rows = self._all(
            "SELECT runs.id, case_number, seed, trace, replication, numbers FROM runs "
            "LEFT JOIN results ON results.id = runs.id ORDER BY case_number, seed"
        )
        for *about, numbers in rows:
            found = None if numbers is None else json.loads(numbers)
            yield _RUN.validate_python((*about, found), strict=True)

    def counts(self) -> tuple[int, int, int]:
        """How many runs the sweep asks for, how many are complete, and how many failed."""
        total, complete, failed = self._all(
            "SELECT count(*), count(results.id), count(failures.id) FROM runs "
            "LEFT JOIN results ON results.id = runs.id LEFT JOIN failures ON failures.id = runs.id"
        )[0]
        return total, complete, failed

    def failures(self) -> dict[str, int]:
        """By message, how many of the runs that the sweep asks for failed with it."""
        query = (
            "SELECT message, count(*) FROM failures JOIN runs ON runs.id = failures.id "
            "GROUP BY message ORDER BY count(*) DESC"
        )
        return dict(self._all(query))

    def cost(self) -> tuple[float, int, int]:
        """CPU time and bytes of the traces so far, and how many runs they hold."""
        cpu_s, size = self._all("SELECT total(cpu_s), total(bytes) FROM traces")[0]
        return cpu_s, int(size), int(self._all("SELECT count(*) FROM results")[0][0])

    def _all(self, query: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._reported():
            return self._db.execute(query, values).fetchall()

    def _put(self, table: str, rows: Iterable[Sequence[str | int | float]]) -> None:
        """Rows in place of those with the same key."""
        for row in rows:
            marks = "?, " * len(row)
            self._db.execute(
                f"INSERT OR REPLACE INTO {table} VALUES ({marks}?)", (*row, _checksum(table, row))
            )

    @contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[sqlite3.Connection]:
        with self._reported():
            self._db.execute(f"BEGIN {kind}")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """SQLite's errors as our own: our SQL is right, so where SQLite refuses it the table is damaged."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
            if isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR:
                raise OSError(None, str(error), str(self.path)) from None
            raise damaged(self.path, error) from None


def _checksum(table: str, row: Sequence[str | int | float]) -> int:
    return crc32(repr((table, *row)).encode())


def damaged(path: Path, what: object) -> TraceError:
    """The error of a damaged table."""
    return TraceError(f"{path}: the file is damaged ({what}); start the sweep again to mend it")


@contextmanager
def consistent(folder: Path) -> Iterator[None]:
    """Around what takes for granted that the parts of a table belong together.

    Raises:
        TraceError: they do not.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise damaged(folder / NAME, f"{type(error).__name__}: {error}") from error
