"""How many images are stored, and how many of one client: known without looking at the disk."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from orchard.store import contributions
from orchard.store.output import Output
from orchard.web.problems import Problem

_HOUR, _MINUTE = 3600, 60


class Places:
    """most: images at once. each: of one client, of those given since the server began.

    The files are listed when the server begins, once an hour, and, at most once a minute, where
    there seems to be no place: another process may have erased some. Who gave an image is known as
    a hash under a key that is nowhere stored, for as long as both the image and the server last.
    """

    def __init__(self, output: Output, most: int, each: int) -> None:
        self._output, self._most, self._each = output, most, each
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._names: set[str] = set()
        self._coming: set[str] = set()
        self._givers: dict[str, bytes] = {}
        self._counted_at: float | None = None

    def __len__(self) -> int:
        return len(self._names)

    def count(self) -> None:
        """List what is there. Raises TableError."""
        with self._lock:
            self._count()

    @contextmanager
    def one(self, client: str) -> Iterator[str]:
        """The code of an image to be stored, whose place is free again if the block fails.

        client: as of `client_of`. Raises Problem 429 or 503 where there is no place, and TableError
        where that cannot be found out.
        """
        code = contributions.new_code()
        name = contributions.name_of(code)
        self._enter(name, self._hash(client))
        try:
            yield code
        except BaseException:
            self.leave(code)
            raise
        finally:
            with self._lock:
                self._coming.discard(name)

    def leave(self, code: str) -> None:
        """The image of this code is gone, under whichever name."""
        with self._lock:
            for name in (contributions.name_of(code), code):
                self._names.discard(name)
                self._givers.pop(name, None)

    def _enter(self, name: str, giver: bytes) -> None:
        with self._lock:
            if self._counted_at is None or (self._refusal(giver) and self._is_old()):
                self._count()
            if refusal := self._refusal(giver):
                raise refusal
            self._names.add(name)
            self._coming.add(name)
            self._givers[name] = giver

    def _refusal(self, giver: bytes) -> Problem | None:
        if len(self._names) >= self._most:
            detail = "No more images are stored for now; thank you all the same."
            return Problem(503, "full", detail, retry_after=_HOUR)
        if sum(known == giver for known in self._givers.values()) >= self._each:
            detail = f"{self._each} images from your address are stored already; thank you."
            return Problem(429, "too_many_contributions", detail, retry_after=_HOUR)
        return None

    def _is_old(self) -> bool:
        return self._counted_at is not None and time.monotonic() - self._counted_at >= _MINUTE

    def _count(self) -> None:
        if self._counted_at is None:
            contributions.tidy(self._output)
        self._names = {*contributions.kept(self._output), *self._coming}
        self._givers = {n: giver for n, giver in self._givers.items() if n in self._names}
        self._counted_at = time.monotonic()

    def _hash(self, client: str) -> bytes:
        return blake2b(client.encode(), key=self._key, digest_size=16).digest()
