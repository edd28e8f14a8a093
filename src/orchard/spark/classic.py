"""Tasks by RDDs, where this process has a SparkContext: one element a partition."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pyspark import AccumulatorParam

from orchard.spark.hands import Sent
from orchard.spark.housekeeping import without_housekeeping
from orchard.spark.jobs import cancel, new_tag, run_action
from orchard.spark.session import jvm_pid

if TYPE_CHECKING:
    from pyspark import Accumulator
    from pyspark.sql import SparkSession

T = TypeVar("T")
R = TypeVar("R")


class ClassicHands:
    """See `orchard.spark.hands.Hands`."""

    def __init__(self, session: SparkSession) -> None:
        self._session, self._context = session, session.sparkContext

    @property
    def slots(self) -> int:
        return self._context.defaultParallelism

    @property
    def where(self) -> str:
        return f"Spark {self._context.version} on {self._context.master}"

    @property
    def ui(self) -> str | None:
        return self._context.uiWebUrl

    @property
    def jvm_pid(self) -> int | None:
        return jvm_pid(self._session)

    def send(self, data: bytes) -> Sent:
        return self._context.broadcast(data)

    def job(self, work: Callable[[T], R], tasks: Sequence[T]) -> ClassicJob[T, R]:
        return ClassicJob(self._session, work, tasks)

    def reduce(self, work: Callable[[T], R], tasks: Sequence[T], merge: Callable[[R, R], R]) -> R:
        rdd = self._context.parallelize(tasks, len(tasks)).map(work)
        return run_action(self._session, lambda: rdd.treeReduce(merge))


class _Appended(AccumulatorParam["list[Any]"]):
    def zero(self, value: list[Any]) -> list[Any]:
        return []

    def addInPlace(self, value1: list[Any], value2: list[Any]) -> list[Any]:
        value1 += value2  # in place: a new list for each task would copy those of all before it
        return value1


class ClassicJob(Generic[T, R]):
    """See `orchard.spark.hands.Job`."""

    def __init__(self, session: SparkSession, work: Callable[[T], R], tasks: Sequence[T]) -> None:
        self._session, self._tasks, self._tag = session, tasks, new_tag()
        self._ended: Accumulator[list[R]] = session.sparkContext.accumulator([], _Appended())
        self._work = partial(_told, work, self._ended)

    def run(self) -> list[R]:
        if not self._tasks:
            return []
        context = self._session.sparkContext
        rdd = context.parallelize(self._tasks, len(self._tasks)).map(self._work)
        return run_action(self._session, rdd.collect, self._tag)

    def so_far(self) -> Sequence[R]:
        return list(self._ended.value)  # which another thread adds to

    def cancel(self) -> None:
        cancel(self._session, self._tag)


def _told(work: Callable[[T], R], ended: Accumulator[list[R]], task: T) -> R:
    result = without_housekeeping(work, task)
    ended.add([result])
    return result
