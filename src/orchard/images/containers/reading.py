"""The bytes of members: neighbours by one request, a compressed tar or a table as a stream.

`jobs` cuts consecutive rows into pieces of work that can be in flight together; `stream` reads
what has only one order, a little ahead of who takes it.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import groupby

import pyarrow as pa

from orchard.images.containers import names, tables, tars, zips
from orchard.images.containers.ahead import Ahead, Content
from orchard.images.containers.files import (
    CHANGED,
    Container,
    Unreadable,
    of_path,
    opened,
    read_range,
)
from orchard.images.containers.listing import members_of
from orchard.images.containers.members import Member
from orchard.images.containers.places import PLACE, has_places
from orchard.records import Failure, Reason
from orchard.storage import Storage, is_remote

RANGE_BYTES = 8 * 1024 * 1024  # of one request at most, but for a member that is larger
GAP_BYTES = 128 * 1024  # read and dropped, rather than asked around
KNOWN_CONTAINERS = 8  # whose members a process keeps, for paths that come without their place


_NO_MEMBER = Failure(Reason.VANISHED, "the archive has no such member")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the bytes of a row lie; container is None for a plain file. failure: there is none."""

    path: str
    size: int
    container: Container | None = None
    offset: int = 0
    span: int = 0
    detail: int = 0
    failure: Failure | None = None

    @property
    def is_streamed(self) -> bool:
        return self.container is not None and self.container.kind in (names.STREAM, names.TABLE)


@dataclass(frozen=True, slots=True)
class Job:
    """Work that gives the contents of consecutive rows."""

    do: Callable[[], list[Content]]
    n_bytes: int


def places(images: pa.Table, storage: Storage) -> list[Place]:
    """Of each row of a listing; of members whose place is not told, by reading what their
    containers hold."""
    paths = images["path"].to_pylist()
    sizes = [size or 0 for size in images["size"].to_pylist()]
    if not has_places(images):
        now = lru_cache(partial(_as_it_is_now, storage=storage))  # one look at each for all rows
        return [_looked_up(p, size, storage, now) for p, size in zip(paths, sizes, strict=True)]
    told = zip(*(images[name].to_pylist() for name in PLACE.names), strict=True)
    return [_place(path, size, *row) for path, size, row in zip(paths, sizes, told, strict=True)]


def place_of(path: str, size: int, storage: Storage) -> Place:
    """A plain file's, or a member's as its container is now."""
    return _looked_up(path, size, storage, partial(_as_it_is_now, storage=storage))


def jobs(rows: list[Place], storage: Storage, max_bytes: int) -> Iterator[Job]:
    """Ranges of neighbouring members of tars and zips; none of the rows is streamed or plain."""
    start = 0
    while start < len(rows):
        stop, end = start + 1, rows[start].offset + rows[start].span
        while stop < len(rows) and _joins(rows[start], rows[stop], end):
            end = max(end, rows[stop].offset + rows[stop].span)
            stop += 1
        run = rows[start:stop]
        yield Job(partial(_read, run, storage, max_bytes), end - run[0].offset)
        start = stop


def stream(rows: list[Place], storage: Storage, max_bytes: int) -> Iterator[Content]:
    """The contents of consecutive rows of streamed containers, read ahead by a thread."""
    ahead = Ahead(_streamed(rows, storage, max_bytes))
    try:
        yield from ahead.items()
    finally:
        ahead.stop()


def read_one(place: Place, storage: Storage, max_bytes: int) -> Content:
    """The bytes of one member; never raises."""
    if place.is_streamed:
        assert place.container is not None
        return next(_of_container(place.container, [place], storage, max_bytes))
    return _read([place], storage, max_bytes)[0]


def _looked_up(
    path: str, size: int, storage: Storage, now: Callable[[str], Container | Failure]
) -> Place:
    parts = names.split(path)
    if parts is None or (not is_remote(path) and os.path.lexists(path)):
        return Place(path, size)
    container = now(parts[0])
    try:
        if isinstance(container, Failure):
            raise Unreadable(container)
        member = _known(container, storage)[path]
    except Unreadable as error:
        return Place(path, size, failure=error.failure)
    except KeyError:
        return Place(path, size, failure=_NO_MEMBER)
    return Place(path, member.size, container, member.offset, member.span, member.detail)


def _as_it_is_now(path: str, storage: Storage) -> Container | Failure:
    try:
        return of_path(path, names.kind_of(path) or names.TAR, storage)
    except Unreadable as error:
        return error.failure


@lru_cache(KNOWN_CONTAINERS)
def _known(container: Container, storage: Storage) -> dict[str, Member]:
    return members_of(container, storage)


def _place(
    path: str,
    size: int,
    archive: str | None,
    kind: str,
    archive_size: int,
    modified: int,
    etag: str | None,
    offset: int,
    span: int,
    detail: int,
) -> Place:
    if archive is None:
        return Place(path, size)
    container = Container(archive, kind, archive_size, modified, etag)
    return Place(path, size, container, offset, span, detail)


def _joins(first: Place, place: Place, end: int) -> bool:
    if place.container != first.container or place.failure or first.failure:
        return False
    near = end <= place.offset <= end + GAP_BYTES or place.offset == first.offset
    return near and place.offset + place.span - first.offset <= RANGE_BYTES


def _read(run: list[Place], storage: Storage, max_bytes: int) -> list[Content]:
    """Never raises: where the range cannot be read, that is why no member of it can."""
    first = run[0]
    if first.container is None or first.failure is not None:
        return [first.failure or _NO_MEMBER] * len(run)
    if len(run) == 1 and first.size > max_bytes:
        return [_too_large(first.size, max_bytes)]
    start, stop = first.offset, max(place.offset + place.span for place in run)
    try:
        data = read_range(first.container, storage, start, stop)
    except Unreadable as error:
        return [error.failure] * len(run)
    parts = (data[place.offset - start : place.offset - start + place.span] for place in run)
    return [_unpacked(place, part, max_bytes) for place, part in zip(run, parts, strict=True)]


def _unpacked(place: Place, data: bytes, max_bytes: int) -> Content:
    if place.size > max_bytes:
        return _too_large(place.size, max_bytes)
    if place.container is not None and place.container.kind == names.ZIP:
        return zips.unpacked(data, place.detail, place.size)
    try:
        info = tarfile.TarInfo.frombuf(data[: tars.BLOCK], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return CHANGED
    return data[tars.BLOCK :] if info.size == place.size else CHANGED


def _too_large(size: int, max_bytes: int) -> Failure:
    return Failure(Reason.TOO_MANY_BYTES, f"{size} bytes; at most {max_bytes} are read")


def _streamed(rows: list[Place], storage: Storage, max_bytes: int) -> Iterator[Content]:
    for container, group in groupby(rows, lambda place: place.container):
        assert container is not None
        yield from _of_container(container, list(group), storage, max_bytes)


def _of_container(
    container: Container, rows: list[Place], storage: Storage, max_bytes: int
) -> Iterator[Content]:
    """Never raises; rows without an answer get the reason why there is none."""
    read = _rows_of_table if container.kind == names.TABLE else _rows_of_stream
    done, failure = 0, CHANGED
    try:
        for content in read(container, rows, storage, max_bytes):
            yield content
            done += 1
    except Unreadable as error:
        failure = error.failure
    except Exception as error:  # what parsers raise on damaged files has no bounds
        failure = Failure(Reason.CORRUPT, str(error).partition("\n")[0])
    yield from [failure] * (len(rows) - done)


def _rows_of_table(
    container: Container, rows: list[Place], storage: Storage, max_bytes: int
) -> Iterator[Content]:
    wanted = [(place.detail, place.offset) for place in rows]
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    with opened(container, storage, tables.TAIL) as file:
        found = tables.read_rows(file, container.path, [wanted[at] for at in order])
        yield from _in_given_order(_capped(found, max_bytes), order)


def _rows_of_stream(
    container: Container, rows: list[Place], storage: Storage, max_bytes: int
) -> Iterator[Content]:
    order = sorted(range(len(rows)), key=lambda at: rows[at].offset)
    wanted = [(rows[at].offset, rows[at].size) for at in order]
    with opened(container, storage) as file:
        yield from _in_given_order(tars.read_members(file, wanted, max_bytes), order)


def _capped(contents: Iterator[Content], max_bytes: int) -> Iterator[Content]:
    for found in contents:
        is_large = isinstance(found, bytes) and len(found) > max_bytes
        yield _too_large(len(found), max_bytes) if is_large else found  # type: ignore[arg-type]


def _in_given_order(contents: Iterator[Content], order: list[int]) -> Iterator[Content]:
    """What comes in the container's order, as it was asked for: the same, as a rule."""
    early: dict[int, Content] = {}
    at = 0
    for number, content in zip(order, contents, strict=False):
        early[number] = content
        while at in early:
            yield early.pop(at)
            at += 1
