"""How much one client, and all of them together, may ask for."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from orchard.web.pool import busy
from orchard.web.problems import Problem

MAX_ADDRESSES = 10_000  # remembered at once; the longest unseen is forgotten first


class Rate:
    """So many images a minute from one address, and as many at once: a bucket that refills.

    Addresses are held in memory alone, and only until their bucket is full again. An IPv6 address
    counts as its /64, which one household has. This machine itself is not limited.
    """

    def __init__(self, per_minute: int) -> None:
        self.per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str | None, now: float | None = None) -> None:
        """Raises Problem 429 where the bucket is empty. now: seconds of a monotonic clock."""
        client = _client(address)
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


def _client(address: str | None) -> str | None:
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if found.is_loopback:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


@dataclass
class Uploads:
    """Bodies on their way: how many, and the bytes they hold together until they are answered."""

    most: int
    most_bytes: int
    n: int = field(default=0, init=False)
    n_bytes: int = field(default=0, init=False)

    @contextmanager
    def one(self) -> Iterator[Upload]:
        """Raises Problem 503 where there are too many."""
        if self.n >= self.most:
            raise busy("Too many images are being uploaded; try again in a moment.")
        upload = Upload(self)
        self.n += 1
        try:
            yield upload
        finally:
            self.n -= 1
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
