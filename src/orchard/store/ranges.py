"""An object read in parts, as a file that PyArrow can seek in; each part is one request."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

import obstore
from obstore.exceptions import GenericError

from orchard import storage

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class RangeReader(io.RawIOBase):
    """obstore's own reader reads ahead by a megabyte, and is none of Python's files.

    For one thread: a place is sought first and read from then. A server that answers no ranges
    (rclone's says that its part is the whole) is asked for the whole object, once.
    """

    def __init__(self, store: ObjectStore, path: str) -> None:
        self._store, self._path = store, path
        self._size = obstore.head(store, path)["size"]
        self._place = 0
        self._whole: memoryview | None = None

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
        target[:length] = memoryview(self._fetch(length))
        self._place += length
        return length

    def _fetch(self, length: int, attempts: int = storage.ATTEMPTS) -> Any:
        """A part again where its body was cut, which obstore does for whole objects alone."""
        if self._whole is not None:
            return self._whole[self._place : self._place + length]
        try:
            return obstore.get_range(self._store, self._path, start=self._place, length=length)
        except GenericError as error:
            if "non-partial" in storage.one_line(error):
                self._whole = memoryview(obstore.get(self._store, self._path).bytes())
                return self._fetch(length)
            if attempts == 1 or "retries" in storage.one_line(error):  # obstore has repeated it
                raise
        time.sleep(storage.PAUSE_SECONDS)
        return self._fetch(length, attempts - 1)
