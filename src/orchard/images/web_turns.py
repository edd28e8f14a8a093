"""Turns at a web server: so many requests at once and so many per second to one host, counted over
all processes of a user on this machine.

Files that are locked (flock) are what the workers of a machine share without a server of their own;
the system lets go of a lock whose process ends, however it ends.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from orchard.storage.web_access import WebAccess

LONGEST_WAIT = 120.0  # seconds: what lies further ahead is of a clock before this machine's start


@contextmanager
def turn(host: str, access: WebAccess) -> Iterator[None]:
    """The block is one request to a host."""
    with _place(host, access.per_host):
        _wait(host, 1 / access.rate)
        yield


def hold_back(host: str, seconds: float) -> None:
    """Let nobody ask a host for a while, as it said (429, 503 with Retry-After)."""
    with locked(file_of(host, "next")) as descriptor:
        later = time.monotonic() + min(seconds, LONGEST_WAIT / 2)
        _write(descriptor, max(later, _read(descriptor)))


@contextmanager
def _place(host: str, n: int) -> Iterator[None]:
    """One of n places, as soon as one is free."""
    order = random.sample(range(n), n)
    for number in order:
        descriptor = os.open(
            file_of(host, str(number)), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        break
    else:
        descriptor = os.open(file_of(host, str(order[0])), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(descriptor)


def _wait(host: str, interval: float) -> None:
    with locked(file_of(host, "next")) as descriptor:
        now = time.monotonic()
        mine = max(now, _read(descriptor))
        _write(descriptor, mine + interval)
    time.sleep(mine - now)


@contextmanager
def locked(file: Path) -> Iterator[int]:
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> float:
    try:
        found = float(os.pread(descriptor, 64, 0) or b"0")
    except ValueError:
        return 0.0
    return found if found < time.monotonic() + LONGEST_WAIT else 0.0


def _write(descriptor: int, moment: float) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{moment:.6f}".encode(), 0)


def file_of(host: str, what: str) -> Path:
    """Of 4,096 hosts at most: others share the turns of one of these, or a manifest of a million
    hosts would leave as many files."""
    return _folder() / f"{hashlib.sha256(host.encode()).hexdigest()[:3]}-{what}"


@lru_cache(maxsize=1)
def _folder() -> Path:
    folder = Path(tempfile.gettempdir(), f"orchard-web-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():  # another's, put in our way
        return Path(tempfile.mkdtemp(prefix="orchard-web-"))
    return folder
