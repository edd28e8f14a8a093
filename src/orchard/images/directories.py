"""The directories of a TIFF: read without its pixels, and written so that it begins elsewhere.

Sources: TIFF 6.0, section 2; BigTIFF.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_TYPE_SIZES = dict(zip(range(1, 14), (1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4), strict=True))
_TYPE_SIZES |= {16: 8, 17: 8, 18: 8}
_UNSIGNED = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_OF_BYTES = (1, 2, 7)  # as one object each: profiles, texts
_DATA_TAGS = ((273, 279), (324, 325))  # (offsets, byte counts) of strips, of tiles


@dataclass(frozen=True, slots=True)
class Entry:
    """where: of its first value in the file; None for one that is `value`."""

    tag: int
    kind: int
    count: int
    where: int | None
    value: int = 0

    @property
    def value_size(self) -> int:
        return _TYPE_SIZES.get(self.kind, 0)


def start(data: bytes) -> int:
    """Where the first directory is; 0 where the file has no such place."""
    order, word, _ = _layout(data)
    try:
        return _unpack(order + word, data, 8 if word == "Q" else 4)[0]
    except EOFError:
        return 0


def directory(data: bytes, at: int) -> tuple[dict[int, Entry], int]:
    """The entries of the directory there, by tag; where the next one is.

    Raises `EOFError` where any value of the directory lies beyond the file.
    """
    order, word, width = _layout(data)
    (n_entries,) = _unpack(order + ("Q" if width == 8 else "H"), data, at)
    at += 8 if width == 8 else 2
    end = at + n_entries * (4 + 2 * width)
    (after,) = _unpack(order + word, data, end)
    entries = {}
    for place in range(at, end, 4 + 2 * width):
        tag, kind, count = _unpack(f"{order}HH{word}", data, place)
        where = place + 4 + width
        n_bytes = count * _TYPE_SIZES.get(kind, 0)
        if n_bytes > width:
            (where,) = _unpack(order + word, data, where)
        if where + n_bytes > len(data):
            raise EOFError
        entries[tag] = Entry(tag, kind, count, where)
    return entries, after


def numbers(data: bytes, entry: Entry) -> tuple[int, ...]:
    """The values of an entry; none where they are no whole numbers."""
    if entry.kind not in _UNSIGNED or entry.where is None:
        return ()
    return _unpack(f"{_layout(data)[0]}{entry.count}{_UNSIGNED[entry.kind]}", data, entry.where)


def n_values(data: bytes) -> int:
    """Values of the first directory that are numbers: strips and tiles have two each."""
    try:
        entries, _ = directory(data, start(data))
        return sum(entry.count for entry in entries.values() if entry.kind not in _OF_BYTES)
    except EOFError:  # as far as it goes; the reader says what is missing
        return 0


def is_cut(data: bytes) -> bool:
    """Tell whether the first directory, a value it points to, or a strip of pixels is missing."""
    try:
        entries, _ = directory(data, start(data))
    except EOFError:
        return True
    tags = {
        tag: numbers(data, entries[tag]) for pair in _DATA_TAGS for tag in pair if tag in entries
    }
    return any(
        offset + n_bytes > len(data)
        for offsets, byte_counts in _DATA_TAGS
        for offset, n_bytes in zip(tags.get(offsets, ()), tags.get(byte_counts, ()), strict=False)
    )


def beginning_at(data: bytes, at: int) -> bytes:
    """The file, with the directory there as its first."""
    order, word, width = _layout(data)
    where = 8 if width == 8 else 4
    return data[:where] + struct.pack(order + word, at) + data[where + width :]


def with_page(data: bytes, entries: list[Entry]) -> bytes:
    """The file, beginning with a directory of these entries, which lies behind all else."""
    order, word, width = _layout(data)
    at = len(data) + len(data) % 2
    count = struct.pack(order + ("Q" if width == 8 else "H"), len(entries))
    packed = b"".join(
        struct.pack(f"{order}HH{word}", entry.tag, entry.kind, entry.count) + _content(data, entry)
        for entry in sorted(entries, key=lambda entry: entry.tag)
    )
    end = struct.pack(order + word, 0)
    return beginning_at(data, at).ljust(at, b"\0") + count + packed + end


def _content(data: bytes, entry: Entry) -> bytes:
    """What stands in an entry's last field: its values where they fit, else where they are."""
    order, word, width = _layout(data)
    if entry.where is None:
        return struct.pack(f"{order}H", entry.value).ljust(width, b"\0")
    n_bytes = entry.count * entry.value_size
    if n_bytes <= width:
        return data[entry.where : entry.where + n_bytes].ljust(width, b"\0")
    return struct.pack(order + word, entry.where)


def _layout(data: bytes) -> tuple[str, str, int]:
    """Byte order, the type of an offset, and its bytes."""
    order = "<" if data[:1] == b"I" else ">"
    return (order, "Q", 8) if 43 in data[2:4] else (order, "I", 4)


def _unpack(layout: str, data: bytes, at: int) -> tuple[int, ...]:
    if at + struct.calcsize(layout) > len(data):
        raise EOFError
    return struct.unpack_from(layout, data, at)
