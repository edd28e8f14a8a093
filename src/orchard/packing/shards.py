"""Shards as files: how one is written, and what one that is there holds."""

from __future__ import annotations

import os
import re
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import obstore

from orchard.errors import SourceError, TableError, first_line
from orchard.images.containers import names, shard_index
from orchard.images.containers.files import TAIL, Container, Unreadable, of_path, opened
from orchard.images.containers.members import Member
from orchard.storage import Storage, is_remote, list_objects, split

BLOCK = shard_index.BLOCK
_NAME = re.compile(r"shard-(\d{6,})\.tar")
AT_ONCE = 256_000_000  # bytes that are put by one request
_BESIDE = ".orchard-packing-"  # before the name of a shard that is not whole yet


@dataclass(frozen=True, slots=True)
class Entry:
    """A file for a shard: an image, or the label beside one. version: of the file it comes from,
    where the storage gives one."""

    name: str
    data: bytes
    version: str | None = None
    is_label: bool = False


@dataclass(frozen=True, slots=True)
class Shard:
    """members: of a shard that is there, by name, with the version of what each came from."""

    number: int
    members: dict[str, tuple[Member, str | None]]


def name_of(number: int) -> str:
    return f"shard-{number:06d}.tar"


def room(size: int) -> int:
    """What a file takes in a shard, but for a long name."""
    return BLOCK + -(-size // BLOCK) * BLOCK


def present(root: str, storage: Storage) -> list[Shard]:
    """The shards that are there. Raises SourceError for a file of such a name that is none."""
    found = {}
    for container in _listed(root, storage):
        folder, _, name = container.path.rpartition("/")
        if folder == root and (matched := _NAME.fullmatch(name)):
            found[int(matched[1])] = container
    return [Shard(number, _members(box, storage)) for number, box in sorted(found.items())]


def write(root: str, number: int, entries: Iterable[Entry], storage: Storage) -> int:
    """Write a shard whole or not at all, in place of one that is there; its size, 0 where there is
    no entry, and nothing is written. Raises TableError."""
    try:
        if is_remote(root):
            return _put(f"{root}/{name_of(number)}", entries, storage)
        return _replace(Path(root), name_of(number), entries)
    except OSError as error:
        raise TableError(f"cannot write {root}/{name_of(number)}: {error.strerror}") from error


def remove(root: str, number: int, storage: Storage) -> None:
    if is_remote(root):
        base, key = split(f"{root}/{name_of(number)}")
        obstore.delete(storage.store(base), key)
    else:
        (Path(root) / name_of(number)).unlink(missing_ok=True)


def _write_into(file: BinaryIO, entries: Iterable[Entry]) -> int:
    members, versions, at = [], [], 0
    for entry in entries:
        header = shard_index.header(entry.name, len(entry.data))
        padding = bytes(-len(entry.data) % BLOCK)
        file.write(header)
        file.write(entry.data)
        file.write(padding)
        key = f"{zlib.crc32(entry.data):08x}-{len(entry.data)}"
        start = at + len(header) - BLOCK  # of a long name, other blocks come before
        size, data = len(entry.data), entry.data if entry.is_label else None
        members.append(Member(entry.name, size, 0, key, start, size + BLOCK, data=data))
        versions.append(entry.version)
        at += len(header) + len(entry.data) + len(padding)
    if not members:
        return 0
    end = shard_index.block(members, versions, at)
    file.write(end)
    return at + len(end)


def _replace(folder: Path, name: str, entries: Iterable[Entry]) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{_BESIDE}{name}"
    try:
        with unfinished.open("wb") as file:
            size = _write_into(file, entries)
            file.flush()
            os.fsync(file.fileno())
        if size:
            unfinished.replace(folder / name)
        return size
    finally:
        unfinished.unlink(missing_ok=True)


def _put(url: str, entries: Iterable[Entry], storage: Storage) -> int:
    base, key = split(url)
    with tempfile.TemporaryFile() as file:
        size = _write_into(file, entries)
        if size:
            file.seek(0)
            try:
                if size > AT_ONCE:
                    obstore.put(storage.store(base), key, file)
                else:
                    obstore.put(storage.store(base), key, file.read(), use_multipart=False)
            except Exception as error:  # obstore's and the network's
                raise TableError(f"cannot write {url}: {first_line(error)}") from error
    return size


def _listed(root: str, storage: Storage) -> Iterator[Container]:
    if is_remote(root):
        base = split(root)[0]
        for one in list_objects(root, storage):
            yield Container(f"{base}/{one.key}", names.TAR, one.size, one.modified, one.etag)
        return
    with suppress(FileNotFoundError):
        for path in Path(root).glob("shard-*.tar"):
            yield of_path(str(path), names.TAR, storage)


def _members(container: Container, storage: Storage) -> dict[str, tuple[Member, str | None]]:
    path = container.path
    try:
        with opened(container, storage, TAIL) as file:
            members = shard_index.read(file, container.size)
            versions = shard_index.versions(file, container.size)
    except Unreadable as error:
        raise SourceError(f"{path} cannot be read: {error.failure.detail}") from None
    if members is None or len(versions) != len(members):
        raise SourceError(
            f"{path} is no shard that `orchard pack` wrote, and would be in its way: expected an "
            "empty DIR, or one that it filled"
        )
    pairs = zip(members, versions, strict=True)
    return {member.name: (member, version) for member, version in pairs}
