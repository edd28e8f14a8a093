"""How much one client, and all of them together, may ask for."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from orchard.web.pool import busy
from orchard.web.problems import Problem
from orchard.web.shares import Shares

MAX_ADDRESSES = 10_000  # remembered at once; the longest unseen is forgotten first


class Rate:
    """So many images a minute from one address, and as many at once: a bucket that refills.

    Addresses are held in memory alone, and only until their bucket is full again. This machine
    itself is not limited.
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str | None, now: float | None = None) -> None:
        """Raises Problem 429 where the bucket is empty. client: as of `sender`; None for this
        machine. now: seconds of a monotonic clock."""
        if not self.per_minute or client is None:
            return
        now = time.monotonic() if now is None else now
        left, seen = self._buckets.pop(client, (float(self.per_minute), now))
        left = min(self.per_minute, left + (now - seen) * self.per_minute / 60)
        self._forget(now)
        self._buckets[client] = (max(left - 1, 0) if left >= 1 else left, now)
        if left < 1:
            wait = max(1, round((1 - left) * 60 / self.per_minute))
            raise Problem(
                429,
                "too_many_requests",
                f"More than {self.per_minute} images per minute; wait {wait} s.",
                retry_after=wait,
            )

    def __len__(self) -> int:
        return len(self._buckets)

    def _forget(self, now: float) -> None:
        """Drop the buckets that are full again, and the oldest where there are too many."""
        while self._buckets:
            oldest = next(iter(self._buckets))
            if now - self._buckets[oldest][1] < 60 and len(self._buckets) < MAX_ADDRESSES:
                return
            del self._buckets[oldest]


@dataclass
class Uploads:
    """Bodies on their way: how many, and the bytes they hold together until they are answered."""

    most: int
    each: int
    most_bytes: int
    n_bytes: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._shares = Shares(self.most, self.each)

    @contextmanager
    def one(self, client: str) -> Iterator[Upload]:
        """Raises Problem 503 where there are too many, of this client or of all."""
        if not self._shares.take(client):
            raise busy("Too many images are being uploaded; try again in a moment.")
        upload = Upload(self)
        try:
            yield upload
        finally:
            self._shares.leave(client)
            self.n_bytes -= upload.n_bytes


@dataclass
class Upload:
    """One body. n_bytes: that have come."""

    among: Uploads
    n_bytes: int = 0

    def add(self, n_bytes: int) -> None:
        """Raises Problem 503 where the memory for all of them is used up."""
        self.n_bytes += n_bytes
        self.among.n_bytes += n_bytes
        if self.among.n_bytes > self.among.most_bytes:
            raise busy("The images being uploaded are too large together; try again in a moment.")
