"""The index at the end of Orchard's own shards: a tar is then listed by one request for its end.

It is the last member, of a name that readers of WebDataset leave out. Its content is JSON, packed
by zlib, and in its last block the place where it begins; two blocks of zeros end the archive.
"""

from __future__ import annotations

import io
import json
import tarfile
import zlib
from collections.abc import Sequence
from typing import Any, BinaryIO

from orchard.images.containers.members import Member, refused

NAME = "__orchard_index__"
BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)  # of a tar
_MARK = b"orchard-index-1 "
_MOST_BYTES = 256 * 1024 * 1024


def read(file: BinaryIO, size: int) -> list[Member] | None:
    """The members that a shard's index names; None where the archive has none that can be used."""
    found = content(file, size)
    if found is None:
        return None
    try:
        columns = (found["names"], found["sizes"], found["offsets"], found["checksums"])
        labels = found["labels"]
        members = [_member(labels, *row) for row in zip(*columns, strict=True)]
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    fits = all(one.offset >= 0 and one.offset + one.span <= size for one in members)
    return members if fits else None


def versions(file: BinaryIO, size: int) -> list[str | None]:
    """Of each member of `read`, the version of the file that it was packed from, where it had
    one."""
    found = content(file, size) or {}
    return list(found.get("versions", ()))


def block(members: Sequence[Member], versions: Sequence[str | None], at: int) -> bytes:
    """The end of a shard whose members take `at` bytes. key of a member: its CRC-32, "-", size."""
    told = {
        "names": [member.name for member in members],
        "sizes": [member.size for member in members],
        "offsets": [member.offset for member in members],
        "checksums": [(member.key or "").partition("-")[0] for member in members],
        "versions": list(versions),
        "labels": {m.name: m.data.decode() for m in members if m.data is not None},
    }
    packed = zlib.compress(json.dumps(told, separators=(",", ":")).encode(), 9)
    padded = packed + bytes(-len(packed) % BLOCK)
    mark = (_MARK + f"{at + BLOCK} {len(packed)}\n".encode()).ljust(BLOCK, b"\0")
    return header(NAME, len(padded) + BLOCK) + padded + mark + END


def header(name: str, size: int) -> bytes:
    """A member's header, the same for the same name and size: no time, no owner."""
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info.tobuf(tarfile.PAX_FORMAT)


def _member(labels: dict[str, str], name: str, size: int, offset: int, checksum: str) -> Member:
    clean, failure = refused(name)
    key = f"{checksum}-{size}"
    data = labels[name].encode() if name in labels else None
    span = int(size) + BLOCK
    return Member(clean, int(size), 0, key, int(offset), span, failure=failure, data=data)


def content(file: BinaryIO, size: int) -> dict[str, Any] | None:
    """What a shard's index says, as it was written; None where the archive has none."""
    file.seek(max(0, size - len(END) - BLOCK), io.SEEK_SET)
    mark = file.read(BLOCK)
    if not mark.startswith(_MARK):
        return None
    try:
        start, length = map(int, mark[len(_MARK) :].partition(b"\n")[0].split())
        file.seek(start)
        unpacker = zlib.decompressobj()
        found = json.loads(unpacker.decompress(file.read(min(length, size)), _MOST_BYTES))
    except (ValueError, OSError, zlib.error, RecursionError):
        return None
    return found if isinstance(found, dict) else None
