"""Reading a little ahead of who takes it, in a thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

from orchard.records import Failure

QUEUED = 64  # images that a stream is ahead
QUEUED_BYTES = 16 * 1024 * 1024
Content = bytes | Failure


class Ahead:
    """Takes items from an iterator in a thread, until what is waiting is enough."""

    def __init__(self, items: Iterator[Content]) -> None:
        self._items = items
        self._queue: queue.Queue[Content | BaseException | None] = queue.Queue(QUEUED)
        self._n_bytes, self._lock = 0, threading.Condition()
        self._is_over = False
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def items(self) -> Iterator[Content]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            with self._lock:
                self._n_bytes -= _n_bytes(item)
                self._lock.notify()
            yield item

    def stop(self) -> None:
        """End the thread, and what it reads from, whether all was taken or not."""
        with self._lock:
            self._is_over = True
            self._lock.notify()
        while self._thread.is_alive():
            while not self._queue.empty():
                self._queue.get_nowait()
            self._thread.join(0.01)

    def _take(self) -> None:
        try:
            for item in self._items:
                with self._lock:
                    self._lock.wait_for(lambda: self._is_over or self._n_bytes < QUEUED_BYTES)
                    if self._is_over:
                        return
                    self._n_bytes += _n_bytes(item)
                self._queue.put(item)
            self._queue.put(None)
        except BaseException as error:  # raised again where the items are taken
            self._queue.put(error)


def _n_bytes(item: Content) -> int:
    return len(item) if isinstance(item, bytes) else 0
