"""A bounded pool: so many images are answered at once, so many wait, the next is told to come back.

Decoding and the network hold no interpreter lock, so threads use every core; each runs the network
on one thread, since two images at once on two cores are twice as many answers as one on both.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from orchard.web.problems import Problem

T = TypeVar("T")


class Pool:
    """n_workers: at once. queue: waiting beyond those. seconds: to wait and to run, together."""

    def __init__(self, n_workers: int, queue: int, seconds: float) -> None:
        self.n_workers = n_workers
        self.capacity = n_workers + queue
        self.seconds = seconds
        self.n_inside = 0
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(n_workers, thread_name_prefix="identify")

    async def run(self, function: Callable[[], T]) -> tuple[T, float]:
        """What the function returns, and the seconds it waited for a worker.

        Raises Problem 503 where the queue is full or the time is up. Work that nobody waits for any
        more is dropped unless it has begun; one that has begun keeps its place until it ends.
        """
        self._enter()
        asked = time.perf_counter()
        future = self._executor.submit(_timed, function)
        future.add_done_callback(self._leave)
        try:
            result, began = await asyncio.wait_for(asyncio.wrap_future(future), self.seconds)
        except asyncio.TimeoutError:
            raise busy("The answer took too long; try again in a moment.") from None
        return result, began - asked

    def close(self) -> None:
        """Finish what has begun and drop the rest."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _enter(self) -> None:
        with self._lock:
            if self.n_inside >= self.capacity:
                raise busy("Too many images are waiting; try again in a moment.")
            self.n_inside += 1

    def _leave(self, _: Future[tuple[T, float]]) -> None:
        with self._lock:
            self.n_inside -= 1


def busy(detail: str) -> Problem:
    return Problem(503, "busy", detail, retry_after=1)


def _timed(function: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    return function(), began
