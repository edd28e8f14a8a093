"""Tasks by Spark Connect: `mapInArrow` over a DataFrame that holds one task a partition.

`range(0, n, 1, n)` gives each number a partition of its own, on every server. The tasks come to
them by a broadcast join, so that a worker gets its own task and not the whole list, as it would
with the function. Results come back as a stream, in the order of the tasks.
"""

from __future__ import annotations

import hashlib
import pickle
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial, reduce
from math import isqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from weakref import WeakKeyDictionary

import pyarrow as pa
import pyspark

from orchard.errors import ConfigError
from orchard.spark.hands import Sent
from orchard.spark.housekeeping import without_housekeeping
from orchard.spark.jobs import cancel, new_tag, run_action
from orchard.spark.shipped import archive

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

T = TypeVar("T")
R = TypeVar("R")

_ROWS = pa.schema([("id", pa.int64()), ("data", pa.binary())])
_DDL = "id long, data binary"
_MANY = 100_000  # rows that fill every partition Spark makes by itself


class ConnectHands:
    """See `orchard.spark.hands.Hands`. Sends Orchard's own code to the server, once a session."""

    ui = None  # the server's, at an address that only it knows
    jvm_pid = None

    def __init__(self, session: SparkSession) -> None:
        self._session = session
        check_server(run_action(session, lambda: session.version))
        _ship(session, archive(), pyfile=True)

    @cached_property
    def slots(self) -> int:
        def numbered(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            yield pa.record_batch([[sum(batch.num_rows for batch in batches)]], names=["n"])

        parts = self._session.range(_MANY).mapInArrow(numbered, "n long")
        return max(1, len(run_action(self._session, parts.collect)))

    @property
    def where(self) -> str:
        return f"Spark {self._session.version} through Spark Connect"

    def send(self, data: bytes) -> Sent:
        name = f"orchard-{hashlib.sha256(data).hexdigest()[:32]}"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / name
            path.write_bytes(data)
            _ship(self._session, path, file=True)
        return Artifact(name)

    def job(self, work: Callable[[T], R], tasks: Sequence[T]) -> ConnectJob[T, R]:
        return ConnectJob(self._session, work, tasks)

    def reduce(self, work: Callable[[T], R], tasks: Sequence[T], merge: Callable[[R, R], R]) -> R:
        rows = _handed_out(self._session, work, tasks)
        return cast("R", self._merged(rows, merge, len(tasks)))

    def reduce_rows(
        self,
        frame: DataFrame,
        work: Callable[[Iterable[tuple[Any, ...]]], Iterable[R]],
        merge: Callable[[R, R], R],
        n: int,
    ) -> R | None:
        """What the work makes of each partition's rows, at most n, merged; None of no rows."""
        return self._merged(frame.mapInArrow(partial(_of_rows, work), _DDL), merge, n)

    def _merged(self, rows: DataFrame, merge: Callable[[R, R], R], n: int) -> R | None:
        """Merged among the workers to some √n before they travel to this process."""
        if (fewer := isqrt(n)) > 1:
            rows = rows.repartition(fewer, "id").mapInArrow(partial(_merged, merge), _DDL)
        found = sorted(run_action(self._session, rows.collect))
        return reduce(merge, (pickle.loads(row["data"]) for row in found)) if found else None


class ConnectJob(Generic[T, R]):
    """See `orchard.spark.hands.Job`."""

    def __init__(self, session: SparkSession, work: Callable[[T], R], tasks: Sequence[T]) -> None:
        self._session, self._work, self._tasks = session, work, tasks
        self._tag = new_tag()
        self._ended: list[R] = []

    def run(self) -> list[R]:
        if not self._tasks:
            return []
        rows = _handed_out(self._session, self._work, self._tasks)

        def received() -> None:
            for row in rows.toLocalIterator():
                self._ended.append(pickle.loads(row["data"]))

        run_action(self._session, received, self._tag)
        return self._ended

    def so_far(self) -> Sequence[R]:
        return list(self._ended)

    def cancel(self) -> None:
        cancel(self._session, self._tag)


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of the session, which Spark keeps beside each executor. See `hands.Sent`."""

    name: str

    @property
    def value(self) -> bytes:
        from pyspark import SparkFiles

        return Path(SparkFiles.get(self.name)).read_bytes()

    def destroy(self) -> None:
        """Stays until the session ends: Spark Connect cannot take an artifact back."""


def check_server(version: str) -> None:
    """Raises ConfigError where a server's workers could not load the functions sent to them."""
    if int(version.partition(".")[0]) < 4:
        raise ConfigError(
            f"the Spark Connect server runs Spark {version}: expected 4.0 or newer, whose workers "
            f"load what PySpark {pyspark.__version__} sends; choose another server"
        )


_shipped: WeakKeyDictionary[SparkSession, set[str]] = WeakKeyDictionary()


def _ship(session: SparkSession, path: Path, **kind: bool) -> None:
    """Add a file, whose name tells its content, to a session that does not have it yet."""
    there = _shipped.setdefault(session, set())
    if path.name not in there:
        run_action(session, lambda: session.addArtifacts(str(path), **kind))
        there.add(path.name)


def _handed_out(session: SparkSession, work: Callable[[T], R], tasks: Sequence[T]) -> DataFrame:
    """(id, data): the number of each task and what the work makes of it, pickled."""
    table = pa.table([range(len(tasks)), [pickle.dumps(task) for task in tasks]], schema=_ROWS)
    numbers = session.range(0, len(tasks), 1, len(tasks))
    rows = numbers.join(session.createDataFrame(table).hint("broadcast"), "id")
    return rows.mapInArrow(partial(_worked, work), _DDL)


def _worked(work: Callable[[T], R], batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for number, task in zip(batch["id"], batch["data"], strict=True):
            result = without_housekeeping(work, pickle.loads(task.as_py()))
            yield _row(number.as_py(), result)


def _of_rows(
    work: Callable[[Iterable[tuple[Any, ...]]], Iterable[R]], batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    from pyspark import TaskContext

    context = TaskContext.get()
    number = context.partitionId() if context is not None else 0
    rows = (row for batch in batches for row in zip(*batch.to_pydict().values(), strict=True))
    for result in work(rows):
        yield _row(number, result)


def _merged(
    merge: Callable[[R, R], R], batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """In the order of the tasks, whichever came first: sums of floats depend on it."""
    found: dict[int, bytes] = {}
    for batch in batches:
        found |= zip(batch["id"].to_pylist(), batch["data"].to_pylist(), strict=True)
    if found:
        total = reduce(merge, (pickle.loads(found[number]) for number in sorted(found)))
        yield _row(min(found), total)


def _row(number: int, result: Any) -> pa.RecordBatch:
    return pa.record_batch([[number], [pickle.dumps(result)]], schema=_ROWS)
