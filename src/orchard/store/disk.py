"""Files below a folder on a disk, never through a link.

Each folder on the way is opened by itself and without following links (openat, O_NOFOLLOW): what
somebody puts in its place meanwhile is not entered either. The folder itself may be a link; that is
for its user to say.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

_PRIVATE_FOLDER, _PRIVATE_FILE = 0o700, 0o600
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def files_below(root: str, folder: str) -> Iterator[str]:
    """Paths below `root`, with "/", of the regular files below root/folder."""
    return (path for path, mode in entries_below(root, folder) if stat.S_ISREG(mode))


def entries_below(root: str, folder: str) -> Iterator[tuple[str, int]]:
    """Path and mode of all that lies below root/folder, links as such; folders are gone into."""
    start = folder.strip("/")
    if link_on(root, start) is not None:
        return
    pending = [start]
    while pending:
        place = pending.pop()
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(f"{root}/{place}") as all_:
            for entry in all_:
                path = f"{place}/{entry.name}" if place else entry.name
                try:
                    mode = entry.stat(follow_symlinks=False).st_mode
                except FileNotFoundError:
                    continue
                if stat.S_ISDIR(mode):
                    pending.append(path)
                else:
                    yield path, mode


def link_on(root: str, path: str) -> str | None:
    """The first link on the way from `root` to root/path, the path itself included."""
    place = root
    for part in filter(None, path.split("/")):
        place = f"{place}/{part}"
        if os.path.islink(place):  # noqa: PTH114
            return place
    return None


def delete(root: str, path: str) -> bool:
    """Delete a regular file; whether it was there."""
    with _parent(root, path) as (folder, name):
        if folder is None:
            return False
        try:
            if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                return False
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return False
        return True


def delete_empty_folder(root: str, path: str) -> None:
    """Delete a folder that holds nothing; any other stays."""
    with _parent(root, path) as (folder, name), suppress(OSError):
        if folder is not None:
            os.rmdir(name, dir_fd=folder)


def move(root: str, source: str, target: str) -> None:
    """Rename a file, making the folders that it goes to. Raises OSError, also for a link."""
    with (
        _parent(root, source, missing="raise") as (folder, name),
        _parent(root, target, missing="make") as (new_folder, new_name),
    ):
        os.rename(name, new_name, src_dir_fd=folder, dst_dir_fd=new_folder)


def write_private(root: str, path: str, data: bytes) -> None:
    """Write a file whole that nobody but its owner can read, into a folder that nobody else can
    enter. Raises OSError, also for a link."""
    with _parent(root, path, missing="make", mode=_PRIVATE_FOLDER) as (folder, name):
        assert folder is not None
        _close_to_others(folder)
        partial = f"{secrets.token_hex(16)}.part"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(partial, flags, _PRIVATE_FILE, dir_fd=folder)
        try:
            with os.fdopen(file, "wb") as out:
                out.write(data)
            os.rename(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(partial, dir_fd=folder)
            raise


def close_to_others(root: str, folder: str) -> None:
    """Let nobody but its owner enter a folder, where there is one. Raises OSError."""
    with _parent(root, f"{folder}/-") as (place, _):
        if place is not None:
            _close_to_others(place)


def _close_to_others(folder: int) -> None:
    # Where the folder is somebody else's, or has no such modes, the files alone are closed.
    with suppress(OSError):
        if os.fstat(folder).st_mode & 0o077:
            os.fchmod(folder, _PRIVATE_FOLDER)


@contextmanager
def _parent(
    root: str, path: str, missing: str = "none", mode: int = 0o777
) -> Iterator[tuple[int | None, str]]:
    """The open folder that a path lies in, and the path's last part; None for no folder, or one
    behind a link. missing: "make" creates folders, of the given mode; "raise" is an OSError."""
    *folders, name = path.split("/")
    with ExitStack() as stack:
        try:
            place = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, place)
            for part in folders:
                if missing == "make":
                    with suppress(FileExistsError):
                        os.mkdir(part, mode, dir_fd=place)
                place = os.open(part, _FOLDER, dir_fd=place)
                stack.callback(os.close, place)
        except OSError:
            if missing != "none":
                raise
            yield None, name
            return
        yield place, name
