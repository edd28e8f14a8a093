"""Images on a disk: the files below a folder, and the bytes of one."""

from __future__ import annotations

import errno
import fnmatch
import glob
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from orchard.errors import SourceError
from orchard.images.junk import PassedOver
from orchard.records import Failure, Found, Reason
from orchard.storage import local_path
from orchard.storage.results import MARKER

_SIGNS = frozenset({MARKER, "features"})


def absolute(path: str) -> str:
    """The same place from every folder; Path.resolve would follow links."""
    return os.path.abspath(local_path(path))


def expand(source: str) -> list[str]:
    """The files and folders that a path or a glob pattern names. Raises SourceError."""
    path = absolute(source)
    if os.path.lexists(path):
        return [path]
    matches = sorted(glob.glob(path, recursive=True)) if glob.has_magic(path) else []
    if not matches:
        raise SourceError(f"{source}: no such folder, file or pattern")
    return matches


def namer(source: str) -> Callable[[str], Iterator[str]]:
    """What a path is called below each folder that a source, a path or a glob pattern, can name."""
    whole = absolute(source)
    is_pattern = glob.has_magic(whole) and not os.path.lexists(whole)
    wanted = [part for part in whole.split("/") if part]

    def below(path: str) -> Iterator[str]:
        parts = path.split("/")[1:]
        for n in range(len(parts) + 1):
            if _names(parts[:n], wanted) if is_pattern else parts[:n] == wanted:
                yield "/".join(parts[n:]) or parts[-1]

    return below


def _names(parts: list[str], pattern: list[str]) -> bool:
    """Whether a glob pattern matches a path as `glob.glob` does, folder by folder."""
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_names(parts[n:], pattern[1:]) for n in range(len(parts) + 1))
    head = bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0])
    return head and _names(parts[1:], pattern[1:])


def walk(
    base: str,
    skip: str | None,
    is_result: Callable[[str], bool] = lambda _: False,
    passed_over: PassedOver | None = None,
) -> Iterator[tuple[str, str, Found | Failure]]:
    """(path, path relative to the source, what was found) for every visible file below `base`.

    Of folders only those that cannot be listed; their relative path ends in "/". Nothing below
    `skip`, or below a folder with the signs of a result that `is_result` finds to be one.
    passed_over: counts the junk.
    """
    passed_over = passed_over or PassedOver()
    skipped = _identity(skip)
    pending: list[tuple[str, frozenset[tuple[int, int]]]] = [(base, frozenset())]
    while pending:
        path, ancestors = pending.pop()
        relative = os.path.relpath(path, base) if path != base else Path(base).name
        try:
            found = os.stat(path)
            if not stat.S_ISDIR(found.st_mode):
                if stat.S_ISREG(found.st_mode):
                    yield path, relative, _found(path, found)
                continue
            relative += "/"
            identity = (found.st_dev, found.st_ino)
            if identity in ancestors or identity == skipped or _is_linked_into(path, skip):
                continue
            with os.scandir(path) as entries:
                names = passed_over.leaves(entry.name for entry in entries)
            if not _SIGNS.isdisjoint(names) and is_result(path):
                continue
            pending.extend((f"{path.rstrip('/')}/{name}", ancestors | {identity}) for name in names)
        except OSError as error:
            yield path, relative, failure(error)


def found_at(path: str) -> Found | Failure:
    """What a listing says of one file."""
    try:
        found = os.stat(path)
    except OSError as error:
        return failure(error)
    if not stat.S_ISREG(found.st_mode):
        return Failure(Reason.VANISHED, "not a regular file")
    return _found(path, found)


def read(path: str, *, max_bytes: int) -> bytes | Failure:
    """The bytes of a listed file, or why not; never raises, never waits on a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        return failure(error)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            return Failure(Reason.VANISHED, "no longer a regular file")
        if found.st_size > max_bytes:
            return Failure(
                Reason.TOO_MANY_BYTES, f"{found.st_size} bytes; at most {max_bytes} are read"
            )
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(max_bytes)
    except OSError as error:
        return failure(error)
    finally:
        os.close(descriptor)


def _is_linked_into(path: str, folder: str | None) -> bool:
    """Whether a folder is a link to somewhere below another."""
    if folder is None or not os.path.islink(path):
        return False
    return os.path.realpath(path).startswith(f"{os.path.realpath(folder).rstrip('/')}/")


def _identity(folder: str | None) -> tuple[int, int] | None:
    """What a folder is under whatever name it is reached; None where there is none."""
    if folder is None or not Path(folder).is_dir():
        return None
    found = Path(folder).stat()
    return found.st_dev, found.st_ino


def _found(path: str, status: os.stat_result) -> Found | Failure:
    name = os.fsencode(path)
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return Failure(Reason.BAD_NAME, f"rename the file: {name!r} is not UTF-8")
    return Found(status.st_size, status.st_mtime_ns // 1000)


def failure(error: OSError) -> Failure:
    """Why a file cannot be read."""
    reasons = {
        errno.EACCES: Reason.FORBIDDEN,
        errno.EPERM: Reason.FORBIDDEN,
        errno.ENOENT: Reason.VANISHED,
        errno.ENOTDIR: Reason.VANISHED,
        errno.EISDIR: Reason.VANISHED,
        errno.ENXIO: Reason.VANISHED,
    }
    detail = error.strerror or str(error)
    return Failure(reasons.get(error.errno or 0, Reason.IO_ERROR), detail)
