"""An object read in parts, as a file that PyArrow can seek in; each part is one request."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import GenericError

from orchard.errors import first_line
from orchard.storage import objects
from orchard.storage.access import ATTEMPTS

if TYPE_CHECKING:
    from obstore.store import ObjectStore


TAIL = 512 * 1024  # bytes: the time of one more request, and a small table's whole file
_LASTING = ("retries", "non-partial", "416")  # obstore has repeated it, or ranges are refused


class RangeReader(io.RawIOBase):
    """obstore's own reader reads ahead by a megabyte, and is none of Python's files.

    The first request is for the end, where a Parquet file has its footer: it tells the size, and
    holds all of a small file. For one thread: a place is sought first and read from then. A server
    that answers no ranges (rclone's says that its part is the whole) is asked for the whole object.
    """

    def __init__(self, store: ObjectStore, path: str) -> None:
        self._store, self._path = store, path
        self._place = 0
        self._tail = self._fetch_tail()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = start + offset
        return self._place

    def readinto(self, buffer: Any) -> int:
        target = memoryview(buffer).cast("B")
        length = min(len(target), self._size - self._place)
        if length <= 0:
            return 0
        in_tail = self._place - (self._size - len(self._tail))
        if in_tail >= 0:
            target[:length] = self._tail[in_tail : in_tail + length]
        else:
            target[:length] = _repeated(partial(self._part, length))
        self._place += length
        return length

    def _fetch_tail(self) -> memoryview:
        try:
            return _repeated(self._end)
        except GenericError as error:  # no ranges here, or none of an object without bytes
            if "retries" in first_line(error):
                raise
        whole = objects.read_object(self._store, self._path)
        self._size = len(whole)
        return whole

    def _end(self) -> memoryview:
        found = obstore.get(self._store, self._path, options={"range": {"suffix": TAIL}})
        self._size = found.meta["size"]
        return memoryview(found.bytes())

    def _part(self, length: int) -> memoryview:
        part = obstore.get_range(self._store, self._path, start=self._place, length=length)
        return memoryview(part)


def _repeated(request: Callable[[], memoryview], attempts: int = ATTEMPTS) -> memoryview:
    """Again where a body was cut, which obstore repeats for whole objects alone."""
    try:
        return request()
    except GenericError as error:
        if attempts == 1 or any(word in first_line(error) for word in _LASTING):
            raise
    time.sleep(objects.PAUSE_SECONDS)
    return _repeated(request, attempts - 1)
