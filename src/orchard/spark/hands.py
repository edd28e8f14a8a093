"""What hands tasks to workers: an RDD where this process has a SparkContext, a DataFrame through
Spark Connect, which knows no RDD.

Both run exactly the tasks that were planned, one a partition, without a shuffle, and bring back a
few numbers: workers read and write OUTPUT themselves, so that no pixel or feature goes through the
JVM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from orchard.spark.jobs import is_connect

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

T = TypeVar("T")
R = TypeVar("R")


class Sent(Protocol):
    """Bytes that every worker finds; they travel once, whatever the number of tasks."""

    @property
    def value(self) -> bytes:
        """For a worker to read."""

    def destroy(self) -> None:
        """Let go of them, as far as Spark can."""


class Job(Protocol[R]):
    """Tasks that are handed out by `run`, and can be watched and cancelled from other threads."""

    def run(self) -> list[R]:
        """What the work makes of each task, in their order.

        Raises what a worker raised if that was an OrchardError, else an OrchardError that says it.
        """

    def so_far(self) -> Sequence[R]:
        """What is known of the tasks that have ended, in any order."""

    def cancel(self) -> None: ...


class Hands(Protocol):
    """How a session's tasks are handed out.

    slots: tasks that run at the same time. where: the Spark it is, for people. ui: the address of
    its own page, if it serves one. jvm_pid: of the driver, where it runs on this machine.
    """

    @property
    def slots(self) -> int: ...

    @property
    def where(self) -> str: ...

    @property
    def ui(self) -> str | None: ...

    @property
    def jvm_pid(self) -> int | None: ...

    def send(self, data: bytes) -> Sent: ...

    def job(self, work: Callable[[T], R], tasks: Sequence[T]) -> Job[R]: ...

    def reduce(self, work: Callable[[T], R], tasks: Sequence[T], merge: Callable[[R, R], R]) -> R:
        """What the work makes of the tasks, at least one, merged in pairs."""


def hands_of(session: SparkSession) -> Hands:
    if is_connect(session):
        from orchard.spark.connect import ConnectHands

        return ConnectHands(session)
    from orchard.spark.classic import ClassicHands

    return ClassicHands(session)
