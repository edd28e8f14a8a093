"""The folder a result lives in, on a disk or in a bucket: whole objects, each written atomically.

A killed writer leaves the old object or the new one. An `Output` is a plain value: it travels to
the workers, which open their own store.

Only what Orchard makes (`orchard.store.names`) is listed or deleted; nothing is listed, written or
deleted through a link below the folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import obstore
import pyarrow as pa
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import LocalStore, ObjectStore

from orchard.errors import TableError, first_line
from orchard.storage import DEFAULT, Storage, create_object, is_remote, local_path, read_object
from orchard.store import disk, names
from orchard.store.damage import damaged, from_json, noticing, to_json
from orchard.store.lock import bucket_lock, disk_lock
from orchard.store.ranges import RangeReader


@dataclass(frozen=True, slots=True)
class Output:
    """root: an absolute path or a URL. All other paths are relative to it, with "/"."""

    root: str
    storage: Storage = DEFAULT

    @classmethod
    def at(cls, path: str | Path, storage: Storage | None = None) -> Output:
        text = str(path)
        root = text.rstrip("/") if is_remote(text) else str(Path(local_path(text)).absolute())
        return cls(root, storage or DEFAULT)

    @property
    def is_local(self) -> bool:
        return not is_remote(self.root)

    def uri(self, path: str) -> str:
        """What people and other readers open."""
        return f"{self.root}/{path}"

    def url(self, path: str) -> str:
        """The same as a URL, which delta-rs needs where a local path holds a "%" or a space."""
        return Path(self.uri(path)).as_uri() if self.is_local else self.uri(path)

    @property
    def delta_options(self) -> dict[str, str]:
        """How delta-rs reaches the same place."""
        return self.storage.delta_options(self.root)

    def put(self, path: str, data: bytes) -> None:
        """Write an object whole, replacing what was there. Raises TableError."""
        self.refuse_links(path)
        try:
            obstore.put(self.store(), path, data, use_multipart=False)
        except (BaseError, OSError) as error:
            raise TableError(_sentence("write", self.uri(path), error)) from error

    def put_private(self, path: str, data: bytes) -> None:
        """Write an object that on a disk its owner alone can read. Raises TableError."""
        if not self.is_local:
            self.put(path, data)
            return
        self.refuse_links(path)
        try:
            self.store()  # makes the folder itself
            disk.write_private(self.root, path, data)
        except OSError as error:
            raise TableError(_sentence("write", self.uri(path), error)) from error

    def close_to_others(self, folder: str) -> None:
        """On a disk, let nobody but its owner enter a folder, if it is there. Raises TableError."""
        try:
            if self.is_local:
                disk.close_to_others(self.root, folder)
        except OSError as error:
            raise TableError(_sentence("write", self.uri(folder), error)) from error

    def create(self, path: str, data: bytes) -> None:
        """Write an object where there is none. Raises TableError, also where another is there."""
        self.refuse_links(path)
        try:
            create_object(self.store(), path, data)
        except (BaseError, OSError) as error:
            raise TableError(_sentence("write", self.uri(path), error)) from error

    def put_json(self, path: str, content: Any) -> None:
        """Write a JSON file; an object gets a checksum, which `get_json` looks at."""
        self.put(path, _json(content))

    def create_json(self, path: str, content: Any) -> None:
        self.create(path, _json(content))

    def get(self, path: str) -> memoryview:
        """An object's bytes. Raises TableError."""
        self._check_inside(path)
        try:
            return read_object(self.store(), path)
        except (BaseError, OSError) as error:
            raise TableError(_sentence("read", self.uri(path), error)) from error

    def find(self, path: str) -> bytes | None:
        """An object's bytes; None where there is none, or behind a link. Raises TableError."""
        try:
            if not self.is_local:
                return bytes(read_object(self.store(), path))
            file = Path(self.root, path)
            usable = file.is_file() and disk.link_on(self.root, path) is None
            return file.read_bytes() if usable else None
        except (NotFoundError, FileNotFoundError):
            return None
        except (BaseError, OSError) as error:
            raise TableError(_sentence("read", self.uri(path), error)) from error

    @contextmanager
    def open(self, path: str) -> Iterator[pa.NativeFile]:
        """An object to read parts of; in a bucket each is a request. Raises TableError."""
        self._check_inside(path)
        try:
            if self.is_local:
                file = pa.OSFile(self.uri(path))
            else:
                file = pa.PythonFile(RangeReader(self.store(), path), mode="r")
            with file:
                yield file
        except (BaseError, OSError) as error:
            raise TableError(_sentence("read", self.uri(path), error)) from error

    def get_json(self, path: str, kind: type | tuple[type, ...] = dict) -> Any:
        """A JSON file's content, without its checksum. Raises TableError, and DamagedError where it
        is not as it was stored or its value is of another kind."""
        data = bytes(self.get(path))
        with noticing(self.root, path):
            content = from_json(data)
        if not isinstance(content, kind):
            raise damaged(self.root, path, f"it holds a {type(content).__name__}")
        return content

    def move(self, source: str, target: str) -> None:
        """Rename; in a bucket a copy on the server's side and a delete. Raises TableError."""
        self.refuse_links(source)
        self.refuse_links(target)
        try:
            if self.is_local:
                disk.move(self.root, source, target)
            else:
                obstore.rename(self.store(), source, target)
        except (BaseError, OSError) as error:
            raise TableError(_sentence("write", self.uri(target), error)) from error

    def copy(self, source: str, target: str) -> None:
        """A second object of the same bytes, in a bucket by its server. Raises TableError."""
        if self.is_local:  # not all disks have hard links, which obstore would make
            self.create(target, bytes(self.get(source)))
            return
        try:
            obstore.copy(self.store(), source, target)
        except (BaseError, OSError) as error:
            raise TableError(_sentence("write", self.uri(target), error)) from error

    def paths(self, folder: str) -> list[str]:
        """The paths of all objects below a folder that Orchard made, sorted; none where it does not
        exist, or is behind a link. Raises TableError."""
        return sorted(filter(names.is_made, self.everything(folder)))

    def everything(self, folder: str) -> Iterator[str]:
        """The paths of all files below a folder, whoever made them, in no order; of links none."""
        try:
            if self.is_local:
                yield from disk.files_below(self.root, folder)
            else:
                for batch in obstore.list(self.store(), folder):
                    yield from (meta["path"] for meta in batch)
        except (BaseError, OSError) as error:
            raise TableError(_sentence("read", self.uri(folder), error)) from error

    def delete(self, paths: list[str]) -> int:
        """Delete those of the objects that Orchard made; how many. Raises TableError."""
        return self.delete_exactly([path for path in paths if names.is_made(path)])

    def delete_exactly(self, paths: list[str]) -> int:
        """Delete objects that are known to be Orchard's by more than their names; how many.

        Raises TableError.
        """
        try:
            if self.is_local:
                return sum(disk.delete(self.root, path) for path in paths)
            if paths:
                obstore.delete(self.store(), paths)
            return len(paths)
        except (BaseError, OSError) as error:
            raise TableError(_sentence("write", self.root, error)) from error

    def delete_folder(self, folder: str) -> int:
        """Delete all objects below a folder that Orchard made, and the folders that are empty then;
        how many objects."""
        n_deleted = self.delete(self.paths(folder))
        if self.is_local:
            for made in sorted(self._made_folders(folder), reverse=True):
                disk.delete_empty_folder(self.root, made)
        return n_deleted

    def _made_folders(self, folder: str) -> Iterator[str]:
        if disk.link_on(self.root, folder) is None:
            for place, below, _ in os.walk(Path(self.root, folder)):
                found = Path(place).relative_to(self.root).as_posix()
                if names.is_made_folder(found):
                    yield found
                below[:] = [name for name in below if names.is_made_folder(f"{found}/{name}")]

    def refuse_links(self, path: str) -> None:
        """Raises TableError where a path below OUTPUT is a link, or behind one."""
        if self.is_local and (link := disk.link_on(self.root, path)):
            raise TableError(
                f"{link} is a link; Orchard writes through none below OUTPUT: remove it, or "
                "give another OUTPUT"
            )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold OUTPUT for one writer. Raises TableError where another process holds it."""
        with ExitStack() as stack:
            try:
                stack.enter_context(
                    disk_lock(self.root) if self.is_local else bucket_lock(self.store(), self.root)
                )
            except (BaseError, OSError) as error:
                raise TableError(_sentence("write", self.root, error)) from error
            yield

    def _check_inside(self, path: str) -> None:
        """A link below OUTPUT may lead to any file of this machine: only what stays is read."""
        if self.is_local:
            root = os.path.realpath(self.root)
            if not os.path.realpath(self.uri(path)).startswith(root.rstrip("/") + "/"):
                raise TableError(
                    f"cannot read {self.uri(path)}: it lies outside OUTPUT, through a link; put "
                    "the file itself there"
                )

    def store(self) -> ObjectStore:
        """The store that the paths are of."""
        return _local_store(self.root) if self.is_local else self.storage.store(self.root)


def _json(content: Any) -> bytes:
    return to_json(content).encode("utf-8", "backslashreplace")


def _sentence(verb: str, uri: str, error: Exception) -> str:
    """obstore's errors run over many lines of nested causes: the one a person can act on."""
    text = str(error)
    for cause, advice in (
        ("No space left", "the disk is full; free some space and run the same command again"),
        ("Disk quota", "the disk quota is used up; free some space and run the same command again"),
        ("Read-only", "the file system is read-only; choose another OUTPUT"),
        ("Permission denied", "permission denied; choose an OUTPUT you may write to"),
        ("symbolic links", "a link is in the way; choose another OUTPUT"),
        ("Not a directory", "a file is in the way; choose another OUTPUT"),
        ("File exists", "a file is in the way; choose another OUTPUT"),
        ("NoSuchBucket", "there is no such bucket"),
        ("No such file", "no such file"),
    ):
        if cause in text:
            return f"cannot {verb} {uri}: {advice}"
    return f"cannot {verb} {uri}: {first_line(error)}"


@lru_cache(maxsize=8)
def _local_store(root: str) -> LocalStore:
    try:
        return LocalStore(root, mkdir=True)
    except (BaseError, OSError) as error:
        raise TableError(_sentence("write", root, error)) from error
