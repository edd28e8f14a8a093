"""One writer at a time on an OUTPUT.

On a disk, the kernel holds the lock and releases it when the process ends, however it ends. In a
bucket, the lock is an object that is created only if there is none, and renewed while the writer
lives. A process that finds one watches it: if it is renewed, it belongs to a running writer; if it
is unchanged for LEASE_SECONDS, to a dead one. The lock is then taken over by a put that names the
version seen, which only one of several processes can win.
"""

from __future__ import annotations

import fcntl
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, PreconditionError
from obstore.store import ObjectStore

from orchard.errors import TableError
from orchard.storage import create_object

LOCK = "_lock"
MOST = 400  # bytes of a lock
_HELD = re.compile(rb"process \d+ on ")
RENEW_SECONDS = 5.0
LEASE_SECONDS = 30.0


def _holder() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


@contextmanager
def disk_lock(root: str) -> Iterator[None]:
    """Raises TableError where another process holds it, or a file of that name is somebody else's;
    OSError where it cannot be written."""
    path = Path(root) / LOCK
    path.parent.mkdir(parents=True, exist_ok=True)
    with _open_lock(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(root, _text(path)) from None
        if not path.exists() or not os.path.samestat(os.fstat(file.fileno()), path.lstat()):
            raise _in_use(root, "")  # its holder has just taken it away
        file.seek(0)
        if not is_lock(file.read(MOST)):
            raise TableError(
                f"{path} is not a lock of Orchard's: choose another OUTPUT, or rename it"
            )
        file.truncate(0)
        file.write(_holder().encode())
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def is_lock(content: bytes) -> bool:
    """Whether a file named as the lock is one: nothing, or who holds it."""
    return not content or _HELD.match(content) is not None


def _open_lock(path: Path) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    return os.fdopen(os.open(path, flags, 0o666), "r+b")


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace")[:MOST]


@contextmanager
def bucket_lock(store: ObjectStore, root: str) -> Iterator[None]:
    """Raises TableError where another process holds the folder."""
    mine = f"{_holder()}\n{os.urandom(4).hex()}\n".encode()
    etag = _acquire(store, root, mine)
    over = threading.Event()

    def renew() -> None:
        nonlocal etag
        while not over.wait(RENEW_SECONDS):
            data = mine + f"{time.time():.3f}\n".encode()  # equal bytes would have an equal etag
            with suppress(BaseError):  # one taken over meets Delta's conflict check at the commit
                etag = _renew(store, mine, data, etag)

    renewer = threading.Thread(target=renew, daemon=True)
    renewer.start()
    try:
        yield
    finally:
        over.set()
        renewer.join()
        with suppress(BaseError):  # a lock that stays is taken over when its lease is over
            if (held := _look(store)) and held[1].startswith(mine):
                obstore.delete(store, LOCK)


def _acquire(store: ObjectStore, root: str, mine: bytes) -> str:
    try:
        return create_object(store, LOCK, mine)
    except AlreadyExistsError:
        pass
    found = _look(store)
    deadline = time.monotonic() + LEASE_SECONDS
    while found is not None and time.monotonic() < deadline:
        time.sleep(RENEW_SECONDS / 2)
        now = _look(store)
        if now is not None and now[0] != found[0]:
            raise _in_use(root, now[1].decode().partition("\n")[0])
        found = now
    try:
        if found is None:
            return create_object(store, LOCK, mine)
        return obstore.put(store, LOCK, mine, mode={"e_tag": found[0]})["e_tag"] or ""
    except (AlreadyExistsError, PreconditionError):
        raise _in_use(root, "another process") from None


def _renew(store: ObjectStore, mine: bytes, data: bytes, etag: str) -> str:
    """The new version, or the one that an earlier renewal made whose answer was lost."""
    try:
        return obstore.put(store, LOCK, data, mode={"e_tag": etag})["e_tag"] or ""
    except PreconditionError:
        held = _look(store)
        return held[0] if held and held[1].startswith(mine) else etag


def _look(store: ObjectStore) -> tuple[str, bytes] | None:
    """The lock's version and content; None where nobody holds it."""
    try:
        found = obstore.get(store, LOCK)
        return found.meta["e_tag"] or "", bytes(found.bytes())
    except (NotFoundError, FileNotFoundError):
        return None


def _in_use(root: str, holder: str) -> TableError:
    return TableError(
        f"{root} is being written by {holder.strip() or 'another process'}; wait for it to end, or "
        "give another OUTPUT"
    )
