"""A container as a file to read from: on a disk, or in a bucket by ranges, read ahead.

What was listed is what is read: a container that has changed since is refused, never mixed.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import obstore
from obstore.exceptions import BaseError

from orchard.images import local, objects
from orchard.records import Failure, Found, Reason
from orchard.storage import Storage, is_remote, split

if TYPE_CHECKING:
    from obstore import GetOptions

LEAST, MOST, GROWTH = 64 * 1024, 16 * 1024 * 1024, 4  # bytes of a request; of the next one's
NEAR = 1024 * 1024  # what is skipped in a row of reads
TAIL = 1024 * 1024  # a zip's directory, a Parquet footer or a shard's index, by one request
CHANGED = Failure(Reason.VANISHED, "the archive has changed since it was listed")


class Unreadable(Exception):
    """A container, or a part of it, cannot be read: why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Container:
    """A listed file that holds images. etag, modified, size: of the file."""

    path: str
    kind: str
    size: int
    modified: int
    etag: str | None

    @classmethod
    def of(cls, path: str, kind: str, found: Found) -> Container:
        return cls(path, kind, found.size, found.modified, found.etag)

    @property
    def version(self) -> str:
        """What tells the same path's other content: as of an image, etag or time and size."""
        return self.etag or f"{self.modified}-{self.size}"


def of_path(path: str, kind: str, storage: Storage) -> Container:
    """A container as it is now. Raises Unreadable."""
    try:
        if is_remote(path):
            root, key = split(path)
            meta = obstore.head(storage.store(root), key)
            modified = int(meta["last_modified"].timestamp() * 1_000_000)
            etag = (meta["e_tag"] or "").strip('"') or None
            return Container(path, kind, meta["size"], modified, etag)
        status = Path(path).stat()
        return Container(path, kind, status.st_size, status.st_mtime_ns // 1000, None)
    except (BaseError, OSError) as error:
        raise Unreadable(failure_of(error)) from None


@contextmanager
def opened(container: Container, storage: Storage, tail: int = 0) -> Iterator[BinaryIO]:
    """The container to read from at any place. tail: bytes at the end that are read at once.

    Raises Unreadable, also while it is read.
    """
    if is_remote(container.path):
        yield cast(BinaryIO, Ranged(container, storage, tail))
        return
    try:
        file = Path(container.path).open("rb")  # noqa: SIM115
    except OSError as error:
        raise Unreadable(failure_of(error)) from None
    with file:
        _check(file.fileno(), container)
        yield file


def read_range(container: Container, storage: Storage, start: int, stop: int) -> bytes:
    """Bytes of a container, in a bucket by one GET. Raises Unreadable, also if it has changed."""
    if not is_remote(container.path):
        return _read_here(container, start, stop)
    root, key = split(container.path)
    options: GetOptions = {"range": (start, stop)}
    if container.etag and '"' not in container.etag:  # a weak one of the web matches nothing
        options["if_match"] = f'"{container.etag}"'
    try:
        data = bytes(obstore.get(storage.store(root), key, options=options).bytes())
    except (BaseError, OSError) as error:
        raise Unreadable(failure_of(error)) from None
    if len(data) != stop - start:
        raise Unreadable(CHANGED)
    return data


def _read_here(container: Container, start: int, stop: int) -> bytes:
    try:
        descriptor = os.open(container.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise Unreadable(failure_of(error)) from None
    try:
        _check(descriptor, container)
        data = os.pread(descriptor, stop - start, start)
    except OSError as error:
        raise Unreadable(failure_of(error)) from None
    finally:
        os.close(descriptor)
    if len(data) != stop - start:
        raise Unreadable(CHANGED)
    return data


def _check(descriptor: int, container: Container) -> None:
    """Raises Unreadable where a file on a disk is another one than was listed."""
    status = os.fstat(descriptor)
    if (status.st_size, status.st_mtime_ns // 1000) != (container.size, container.modified):
        raise Unreadable(CHANGED)


def failure_of(error: Exception) -> Failure:
    return local.failure(error) if isinstance(error, OSError) else objects.failure(error)


class Ranged(io.RawIOBase):
    """An object as a file. Reads that follow each other make fewer and larger requests."""

    def __init__(self, container: Container, storage: Storage, tail: int) -> None:
        self._container, self._storage = container, storage
        self._at = 0
        self._ahead = LEAST
        self._start, self._block = 0, b""
        self._tail_start = max(0, container.size - tail)
        self._tail = self._get(self._tail_start, container.size) if tail else b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._container.size}
        self._at = max(0, base[whence] + offset)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        view = memoryview(buffer).cast("B")
        found = self.read(len(view))
        view[: len(found)] = found
        return len(found)

    def read(self, size: int = -1, /) -> bytes:
        stop = self._container.size if size < 0 else min(self._at + size, self._container.size)
        if stop <= self._at:
            return b""
        data = self._bytes(self._at, stop)
        self._at = stop
        return data

    def _bytes(self, start: int, stop: int) -> bytes:
        if self._tail and start >= self._tail_start:
            return self._tail[start - self._tail_start : stop - self._tail_start]
        end = self._start + len(self._block)
        if self._start <= start < end:
            head = self._block[start - self._start : stop - self._start]
            return head if stop <= end else head + self._bytes(end, stop)
        follows = self._block and end <= start <= end + NEAR
        self._ahead = min(self._ahead * GROWTH, MOST) if follows else LEAST
        until = min(max(stop, start + self._ahead), self._container.size)
        if self._tail and until > self._tail_start:
            until = self._tail_start
        self._start, self._block = start, self._get(start, until)
        head = self._block[: stop - start]
        return head if stop <= until else head + self._bytes(until, stop)

    def _get(self, start: int, stop: int) -> bytes:
        if start == stop:
            return b""
        return read_range(self._container, self._storage, start, stop)
