"""Tars: headers, each before its file; or, of Orchard's own shards, an index at the end.

`tarfile` reads the headers. It takes a damaged header for the end, so what follows the last one is
looked at here.
"""

from __future__ import annotations

import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import BinaryIO

from orchard.images.containers import names, shard_index
from orchard.images.containers.files import CHANGED, Unreadable
from orchard.images.containers.members import (
    BOMB,
    CUT,
    RATIO,
    RATIO_BYTES,
    Contents,
    Member,
    refused,
)
from orchard.images.containers.sidecars import is_sidecar
from orchard.records import Failure, Reason

BLOCK = tarfile.BLOCKSIZE
_PIECE = 1024 * 1024
_ENDS_HERE = Failure(Reason.TRUNCATED, "the archive ends within it")
_SPARSE = Failure(Reason.UNSUPPORTED, "stored as a sparse file: pack it anew without --sparse")
_DAMAGED = Failure(
    Reason.CORRUPT, "a header in the archive is damaged; members up to there are read"
)
BROKEN = (tarfile.TarError, EOFError, ValueError, zlib.error, OSError, ImportError)

Body = Callable[[tarfile.TarFile, tarfile.TarInfo], "tuple[str | None, bytes | None]"]


def read_tar(file: BinaryIO, size: int) -> Contents:
    """What a tar without compression holds. Raises Unreadable where it is none."""
    if own := shard_index.read(file, size):
        return Contents(own, is_indexed=True)
    file.seek(0)
    with _open(file, "r:") as tar:
        found = _collected(tar, _where_it_lies)
        found.members = [_within(member, size) for member in found.members]
        if found.failure is None:
            file.seek(tar.offset)
            if file.read(BLOCK) != bytes(BLOCK):
                found.failure = CUT if tar.offset + BLOCK > size else _DAMAGED
    return _keyed(found)


def read_stream(file: BinaryIO, size: int) -> Contents:
    """What a compressed tar holds: all of it is read once, in pieces. offset of a member is its
    number among those that are no folders. Raises Unreadable where it is none."""
    with _open(file, "r|*") as tar:
        return _collected(tar, _passing_by, size * RATIO + RATIO_BYTES)


def read_members(
    file: BinaryIO, wanted: list[tuple[int, int]], max_bytes: int
) -> Iterator[bytes | Failure]:
    """Members of a compressed tar, each (number, size), in rising order. Raises `BROKEN`."""
    pending = iter(wanted)
    number, size = next(pending, (-1, 0))
    with _open(file, "r|*") as tar:
        for at, info in enumerate(iterate(tar)):
            if at != number:
                continue
            content = _content(tar, info, size, max_bytes)
            while number == at:  # links to one member share its place
                yield content
                number, size = next(pending, (-1, 0))
            if number < 0:
                return


def _content(
    tar: tarfile.TarFile, info: tarfile.TarInfo, size: int, max_bytes: int
) -> bytes | Failure:
    if info.size != size:
        return CHANGED
    if size > max_bytes:
        return Failure(Reason.TOO_MANY_BYTES, f"{size} bytes; at most {max_bytes} are read")
    body = tar.extractfile(info)
    return body.read() if body is not None else CHANGED


def iterate(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Members that are no folders, in order, none of which is kept. Raises `BROKEN`."""
    while (info := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]
        if not info.isdir():
            yield info


@contextmanager
def _open(file: BinaryIO, mode: str) -> Iterator[tarfile.TarFile]:
    """Raises Unreadable where it is no tar."""
    try:
        tar = tarfile.open(fileobj=file, mode=mode)  # type: ignore[call-overload]  # noqa: SIM115
    except BROKEN as error:
        raise Unreadable(_why_none(error)) from None
    with tar:
        yield tar


def _collected(tar: tarfile.TarFile, body: Body, most: int | None = None) -> Contents:
    found = Contents()
    known: dict[str, Member] = {}
    try:
        for number, info in enumerate(iterate(tar)):
            if most is not None and info.offset_data + info.size > most:
                found.failure = BOMB
                break
            member = _member(tar, info, body, number if most is not None else None)
            if info.islnk() or info.issym():
                member = _linked(info, member, known)
            if info.isreg() or info.islnk() or info.issym():
                known[member.name] = member
                found.members.append(member)
    except BROKEN as error:
        found.failure = replace(CUT, detail=f"{CUT.detail} ({error})")
    return found


def _member(tar: tarfile.TarFile, info: tarfile.TarInfo, body: Body, number: int | None) -> Member:
    name, failure = refused(info.name)
    key, data = body(tar, info) if info.isreg() else (None, None)
    return Member(
        name=name,
        size=info.size,
        modified=int(info.mtime * 1_000_000),
        key=key,
        offset=info.offset_data - BLOCK if number is None else number,
        span=info.size + BLOCK,
        failure=_SPARSE if info.issparse() else failure,
        data=data,
    )


def _where_it_lies(tar: tarfile.TarFile, info: tarfile.TarInfo) -> tuple[str | None, bytes | None]:
    if not is_sidecar(info.name, info.size):
        return None, None
    file = tar.fileobj
    assert file is not None
    file.seek(info.offset_data)
    return None, file.read(info.size)


def _passing_by(tar: tarfile.TarFile, info: tarfile.TarInfo) -> tuple[str | None, bytes | None]:
    """A checksum, for which all has to be read anyway, and what a sidecar says."""
    body = tar.extractfile(info)
    assert body is not None
    checksum, kept = 0, b""
    while piece := body.read(_PIECE):
        checksum = zlib.crc32(piece, checksum)
        kept = piece if is_sidecar(info.name, info.size) else b""
    return f"{checksum:08x}-{info.size}", kept or None


def _linked(info: tarfile.TarInfo, link: Member, known: dict[str, Member]) -> Member:
    """A link as what it names, which lies before it; links are followed, as in folders."""
    target = info.linkname
    if info.issym():
        target = posixpath.join(posixpath.dirname(link.name), target)
    found = known.get(posixpath.normpath(target))
    if found is not None and link.failure is None:
        return replace(found, name=link.name)
    missing = Failure(Reason.VANISHED, f"a link to {names.shown(target)}, which is not before it")
    return replace(link, failure=link.failure or missing)


def _within(member: Member, size: int) -> Member:
    """What is cut is marked, so that its neighbours can be read."""
    is_cut = member.offset + member.span > size
    return replace(member, failure=member.failure or _ENDS_HERE) if is_cut else member


def _keyed(found: Contents) -> Contents:
    """Times tell content if they differ: an archive of one time throughout says nothing by it."""
    if len({member.modified for member in found.members}) > 1:
        found.members = [replace(m, key=m.key or f"{m.modified}-{m.size}") for m in found.members]
    return found


def _why_none(error: Exception) -> Failure:
    said = str(error) or type(error).__name__
    if "truncated" in said or "empty" in said or "ended before" in said or "unexpected end" in said:
        return Failure(Reason.TRUNCATED, f"not a whole archive: {said}")
    return Failure(Reason.NOT_AN_IMAGE, f"named as an archive, and is none: {said}")
