"""The folder a result lives in, on a disk or in a bucket: whole objects, each written atomically.

A killed writer leaves the old object or the new one. An `Output` is a plain value: it travels to
the workers, which open their own store.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import obstore
import pyarrow as pa
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore

from orchard.errors import TableError
from orchard.storage import DEFAULT, Storage, create_object, is_remote, one_line
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
        root = str(path).rstrip("/") if is_remote(str(path)) else str(Path(path).absolute())
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
        try:
            obstore.put(self._store(), path, data, use_multipart=False)
        except (BaseError, OSError) as error:
            raise TableError(_sentence("write", self.uri(path), error)) from error

    def create(self, path: str, data: bytes) -> None:
        """Write an object where there is none. Raises TableError, also where another is there."""
        try:
            create_object(self._store(), path, data)
        except (BaseError, OSError) as error:
            raise TableError(_sentence("write", self.uri(path), error)) from error

    def put_json(self, path: str, content: Any) -> None:
        """Write a JSON file; an object gets a checksum, which `get_json` looks at."""
        self.put(path, to_json(content).encode("utf-8", "backslashreplace"))

    def get(self, path: str) -> memoryview:
        """An object's bytes. Raises TableError."""
        self._check_inside(path)
        try:
            return memoryview(obstore.get(self._store(), path).bytes())
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
                file = pa.PythonFile(RangeReader(self._store(), path), mode="r")
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
        """Rename; in a bucket a copy on the server's side and a delete."""
        try:
            obstore.rename(self._store(), source, target)
        except (BaseError, OSError) as error:
            raise TableError(_sentence("write", self.uri(target), error)) from error

    def paths(self, folder: str) -> list[str]:
        """The paths of all objects below a folder, sorted; none where it does not exist."""
        if self.is_local and not Path(self.root).is_dir():
            return []
        try:
            batches = obstore.list(self._store(), folder)
            return sorted(meta["path"] for batch in batches for meta in batch)
        except (BaseError, OSError) as error:
            raise TableError(_sentence("read", self.uri(folder), error)) from error

    def delete(self, paths: list[str]) -> None:
        """Raises TableError."""
        try:
            if paths:
                obstore.delete(self._store(), paths)
        except (BaseError, OSError) as error:
            raise TableError(_sentence("write", self.root, error)) from error

    def delete_folder(self, folder: str) -> None:
        """Delete all objects below a folder, and the folder."""
        self.delete(self.paths(folder))
        if self.is_local:
            shutil.rmtree(Path(self.root) / folder, ignore_errors=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold OUTPUT for one writer. Raises TableError where another process holds it."""
        with ExitStack() as stack:
            try:
                stack.enter_context(
                    disk_lock(self.root) if self.is_local else bucket_lock(self._store(), self.root)
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

    def _store(self) -> ObjectStore:
        return _local_store(self.root) if self.is_local else self.storage.store(self.root)


def _sentence(verb: str, uri: str, error: Exception) -> str:
    """obstore's errors run over many lines of nested causes: the one a person can act on."""
    text = str(error)
    for cause, advice in (
        ("No space left", "the disk is full; free some space and run the same command again"),
        ("Disk quota", "the disk quota is used up; free some space and run the same command again"),
        ("Read-only", "the file system is read-only; choose another OUTPUT"),
        ("Permission denied", "permission denied; choose an OUTPUT you may write to"),
        ("Not a directory", "a file is in the way; choose another OUTPUT"),
        ("File exists", "a file is in the way; choose another OUTPUT"),
        ("No such file", "no such file"),
    ):
        if cause in text:
            return f"cannot {verb} {uri}: {advice}"
    return f"cannot {verb} {uri}: {one_line(error)}"


@lru_cache(maxsize=8)
def _local_store(root: str) -> LocalStore:
    try:
        return LocalStore(root, mkdir=True)
    except (BaseError, OSError) as error:
        raise TableError(_sentence("write", root, error)) from error
