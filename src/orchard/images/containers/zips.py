"""Zips: a directory at the end says where each member is, how it is packed and its checksum."""

from __future__ import annotations

import struct
import zipfile
import zlib
from calendar import timegm
from dataclasses import replace
from itertools import pairwise
from typing import BinaryIO

from orchard.images.containers.files import Unreadable
from orchard.images.containers.members import (
    BOMB,
    RATIO,
    RATIO_BYTES,
    Contents,
    Member,
    refused,
)
from orchard.images.containers.sidecars import is_sidecar
from orchard.records import Failure, Reason

STORED, DEFLATED = zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED
_PACKINGS = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "zstandard", 95: "XZ", 99: "AES"}
_HEADER = struct.Struct("<4s22xHH")  # of a member: signature, lengths of the name and of the rest
_SIGNATURE = b"PK\x03\x04"
_ENCRYPTED = Failure(Reason.ENCRYPTED, "encrypted: pack it anew without a password")
_OVERLAPS = Failure(Reason.CORRUPT, "shares its bytes with the next member, as bombs do")
_DAMAGED = Failure(Reason.CORRUPT, "the archive's checksum says that this member is damaged")
_IS_ENCRYPTED, _IS_LINK = 0x1, 0o120000


def read_zip(file: BinaryIO, size: int) -> Contents:
    """What a zip holds. Raises Unreadable where it is none."""
    try:
        with zipfile.ZipFile(file) as archive:
            infos = [info for info in archive.infolist() if not info.filename.endswith(("/", "\\"))]
            end = archive.start_dir
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise Unreadable(_why_none(file, error)) from None
    starts = sorted({info.header_offset for info in infos} | {end})
    following = dict(pairwise(starts))
    members = []
    for info in infos:
        member = _member(info, following.get(info.header_offset, 0) - info.header_offset)
        if member.failure is None and is_sidecar(member.name, member.size):
            file.seek(member.offset)
            data = unpacked(file.read(member.span), member.detail, member.size)
            member = replace(member, data=data if isinstance(data, bytes) else None)
        members.append(member)
    return Contents(members, is_indexed=True)


def unpacked(data: bytes, detail: int, size: int) -> bytes | Failure:
    """A member's content. data: from its header on. detail: the checksum, and in the last byte the
    method. Never more than `size` bytes come of it."""
    method, checksum = detail & 0xFF, detail >> 8
    try:
        signature, n_name, n_extra = _HEADER.unpack_from(data)
    except struct.error:
        return _DAMAGED
    start = _HEADER.size + n_name + n_extra
    if signature != _SIGNATURE:
        return _DAMAGED
    if method == STORED:
        content = data[start : start + size]
    else:
        try:
            content = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[start:], size + 1)
        except zlib.error:
            return _DAMAGED
    if len(content) != size or zlib.crc32(content) != checksum:
        return _DAMAGED
    return content


def _member(info: zipfile.ZipInfo, span: int) -> Member:
    # Some programs of Windows write their own separator.
    name, failure = refused(info.filename.replace("\\", "/"))
    return Member(
        name=name,
        size=info.file_size,
        modified=_microseconds(info.date_time),
        key=f"{info.CRC:08x}-{info.file_size}",
        offset=info.header_offset,
        span=span,
        detail=info.CRC << 8 | info.compress_type & 0xFF,
        failure=failure or _failure(info, span),
    )


def _microseconds(when: tuple[int, ...]) -> int:
    """0 for what is no date."""
    try:
        return timegm((*when, 0, 0, 0)) * 1_000_000
    except (ValueError, OverflowError):
        return 0


def _failure(info: zipfile.ZipInfo, span: int) -> Failure | None:
    if info.flag_bits & _IS_ENCRYPTED:
        return _ENCRYPTED
    if (info.external_attr >> 16) & 0o170000 == _IS_LINK:
        return Failure(Reason.UNSUPPORTED, "a link, which zips cannot follow")
    if info.compress_type not in (STORED, DEFLATED):
        name = _PACKINGS.get(info.compress_type, f"method {info.compress_type}")
        return Failure(
            Reason.UNSUPPORTED, f"packed by {name}; expected deflate, or none: pack it anew"
        )
    if info.compress_size + _HEADER.size > span:
        return _OVERLAPS
    if info.file_size > max(info.compress_size * RATIO, RATIO_BYTES):
        return BOMB
    return None


def _why_none(file: BinaryIO, error: Exception) -> Failure:
    file.seek(0)
    if file.read(4) == _SIGNATURE:
        return Failure(
            Reason.TRUNCATED, "the archive ends before its directory, without which none is read"
        )
    return Failure(Reason.NOT_AN_IMAGE, f"named as an archive, and is none: {error}")
