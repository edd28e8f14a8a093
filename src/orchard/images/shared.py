"""Memory that two processes share: what has become of each image of a request."""

from __future__ import annotations

import mmap
import os
import tempfile
from contextlib import suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

ANSWER = np.dtype(
    [("is_there", "?"), ("width", "i4"), ("height", "i4"), ("reason", "S32"), ("detail", "S512")]
)


class Shared:
    """Memory of two processes: an answer and the views for each image."""

    def __init__(self, n_bytes: int, fd: int | None = None) -> None:
        self.n_bytes = n_bytes
        self.fd = _nameless_file(n_bytes) if fd is None else fd
        self._memory = mmap.mmap(self.fd, n_bytes)

    @classmethod
    def opened(cls, fd: int) -> Shared:
        return cls(os.fstat(fd).st_size, fd)

    @staticmethod
    def needs(n: int, n_views: int, size: int) -> int:
        return n * (ANSWER.itemsize + n_views * size * size * 3)

    def of(self, n: int, n_views: int, size: int) -> tuple[NDArray[Any], NDArray[np.uint8]]:
        """(n,) answers and (n, n_views, size, size, 3) pixels."""
        answers: NDArray[Any] = np.frombuffer(self._memory, ANSWER, n)
        shape = (n, n_views, size, size, 3)
        pixels = np.frombuffer(self._memory, np.uint8, int(np.prod(shape)), n * ANSWER.itemsize)
        return answers, pixels.reshape(shape)

    def __del__(self) -> None:
        with suppress(OSError, AttributeError):
            os.close(self.fd)


def _nameless_file(n_bytes: int) -> int:
    """A file in memory where the system has them; its descriptor."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("orchard-pixels")
    else:
        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    os.ftruncate(fd, n_bytes)
    return fd
