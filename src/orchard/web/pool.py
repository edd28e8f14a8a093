"""A bounded pool: so many images are answered at once, so many wait, the next is turned away.

Decoding and the network hold no interpreter lock, so threads use every core; each runs the network
on one thread, since two images at once on two cores are twice as many answers as one on both.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

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

    async def run(
        self, function: Callable[[], T], receive: Receive, undo: Callable[[T], None] | None = None
    ) -> tuple[T, float]:
        """What the function returns, and the seconds it waited for a worker.

        receive: of the request whose body has come: it tells when the client goes. Raises Problem
        503 where the queue is full or the time is up, ClientDisconnect where the client is gone.
        Work that nobody waits for any more is dropped unless it has begun; one that has begun keeps
        its place until it ends, and `undo` is called with what it returns.
        """
        self._enter()
        asked = time.perf_counter()
        future = self._executor.submit(_timed, function)
        future.add_done_callback(self._leave)
        answered, gone = asyncio.wrap_future(future), asyncio.create_task(_until_gone(receive))
        try:
            either: set[asyncio.Future[Any]] = {answered, gone}
            await asyncio.wait(either, timeout=self.seconds, return_when=asyncio.FIRST_COMPLETED)
            if answered.done():
                result, began = answered.result()
                return result, began - asked
            if gone.done():
                raise ClientDisconnect
            raise busy("The answer took too long; try again in a moment.")
        finally:
            gone.cancel()
            if answered.cancel() and undo is not None:
                future.add_done_callback(partial(_undone, undo))

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


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _undone(undo: Callable[[T], None], future: Future[tuple[T, float]]) -> None:
    if not future.cancelled() and future.exception() is None:
        undo(future.result()[0])


def _timed(function: Callable[[], T]) -> tuple[T, float]:
    began = time.perf_counter()
    return function(), began
