"""What the bytes of an image file announce, read without decoding a pixel.

Pillow reports "truncated" for some formats only, allocates a WebP canvas before it can be asked
for its size, inflates PNG texts nobody asked for, and sets no bound on the scans of a JPEG. These
few reads of the container fill those gaps; `orchard.images.decode` does everything else.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from itertools import takewhile

JPEG_SOS, JPEG_EOI = 0xDA, 0xD9
_JPEG_BARE = (0x01, 0xD8)  # TEM and SOI: markers without a segment
# Neither stuffing (FF 00), nor restart markers (FF D0-D7), nor fill bytes (FF FF).
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")

_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)
_PNG_TEXT = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_TIFF_TYPE_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
}
_TIFF_TYPE_SIZES |= {16: 8, 17: 8, 18: 8}
_TIFF_UNSIGNED = {3: "H", 4: "I", 16: "Q"}
_TIFF_DATA_TAGS = ((273, 279), (324, 325))  # (offsets, byte counts) of strips, of tiles


def sniff(data: bytes) -> str | None:
    """Name the image format that the first bytes are of, or None; a file's name plays no part."""
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "tiff"
    if data.startswith(b"BM") and _looks_like_bmp(data):
        return "bmp"
    return None


def is_cut(data: bytes, kind: str) -> bool:
    """Tell whether the file ends before what it announces does.

    Asked about files that will not decode: whole ones with a careless size field exist. Of a GIF,
    which announces no size, it is always False; Pillow's own error tells.
    """
    if kind == "jpeg":
        return not any(marker == JPEG_EOI for marker, _ in _jpeg_markers(data))
    if kind == "png":
        return not any(chunk == b"IEND" for chunk, _, _ in _png_chunks(data))
    if kind == "webp":
        return len(data) < 30 or len(data) < struct.unpack_from("<I", data, 4)[0] + 8
    if kind == "bmp":
        return len(data) < 18 or len(data) < struct.unpack_from("<I", data, 2)[0]
    return kind == "tiff" and _tiff_is_cut(data)


def jpeg_scans(data: bytes) -> int:
    """Count the scans of a JPEG; each is a pass over every pixel, however few its bytes."""
    return sum(marker == JPEG_SOS for marker, _ in _jpeg_markers(data))


def jpeg_segments(data: bytes) -> int:
    """Count the segments before the first scan of a JPEG."""
    before = takewhile(lambda found: found[0] not in (JPEG_SOS, JPEG_EOI), _jpeg_markers(data))
    return sum(1 for _ in before)


def tiff_values(data: bytes) -> int:
    """Count the values of the first directory of a TIFF: strips and tiles have two each."""
    try:
        return sum(count for _, _, count, _ in _tiff_entries(data))
    except EOFError:  # as far as it goes; the reader says what is missing
        return 0


def png_without_text(data: bytes) -> bytes:
    """Cut texts and colour profile out of a PNG: compressed, they may be bombs, and none is used.

    Returns `data` itself where there is none.
    """
    kept, start = [], 0
    for chunk, at, end in _png_chunks(data):
        if chunk in _PNG_TEXT:
            kept.append(data[start:at])
            start = end
    return b"".join([*kept, data[start:]]) if kept else data


def webp_size(data: bytes) -> tuple[int, int]:
    """Read a WebP's canvas, (width, height) in pixels; (0, 0) where the header is malformed.

    Source: RFC 9649, sections 2.5 to 2.7.
    """
    chunk = data[12:16]
    if len(data) >= 30 and chunk == b"VP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if len(data) >= 30 and chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    if len(data) >= 25 and chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return 0, 0


def _looks_like_bmp(data: bytes) -> bool:
    # "BM" alone also opens plain text; the size of the second header, or a NUL, tells.
    if len(data) < 18:
        return b"\0" in data
    return struct.unpack_from("<I", data, 14)[0] in _BMP_HEADER_SIZES


def _jpeg_markers(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (marker, offset) up to the end-of-image marker, or as far as the file goes."""
    at = 0
    while found := _JPEG_MARKER.search(data, at):
        at, marker = found.end(), data[found.start() + 1]
        yield marker, found.start()
        if marker == JPEG_EOI:
            return
        if marker not in _JPEG_BARE:
            at += int.from_bytes(data[at : at + 2], "big")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, start, end) of each chunk that lies in the file whole, up to IEND."""
    at = 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if end > len(data):
            return
        yield data[at + 4 : at + 8], at, end
        if data[at + 4 : at + 8] == b"IEND":
            return
        at = end


def _tiff_is_cut(data: bytes) -> bool:
    """Tell whether the first directory, a value it points to, or a strip of pixels is missing."""
    try:
        tags = _tiff_data_tags(data)
    except EOFError:
        return True
    return any(
        offset + n_bytes > len(data)
        for offsets, byte_counts in _TIFF_DATA_TAGS
        for offset, n_bytes in zip(tags.get(offsets, ()), tags.get(byte_counts, ()), strict=False)
    )


def _tiff_data_tags(data: bytes) -> dict[int, tuple[int, ...]]:
    """Read the strip and tile tags of the first directory (TIFF 6.0, section 2; BigTIFF).

    Raises `EOFError` where any value of the directory lies beyond the file.
    """
    order = "<" if data[:1] == b"I" else ">"
    values: dict[int, tuple[int, ...]] = {}
    for tag, kind, count, where in _tiff_entries(data):
        if kind in _TIFF_UNSIGNED and any(tag in pair for pair in _TIFF_DATA_TAGS):
            values[tag] = _unpack(f"{order}{count}{_TIFF_UNSIGNED[kind]}", data, where)
    return values


def _tiff_entries(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield (tag, type, count, offset) of each entry of the first directory.

    Raises `EOFError` where any value of the directory lies beyond the file.
    """
    order = "<" if data[:1] == b"I" else ">"
    big = 43 in data[2:4]
    word, width = ("Q", 8) if big else ("I", 4)
    (at,) = _unpack(order + word, data, 8 if big else 4)
    (n_entries,) = _unpack(order + ("Q" if big else "H"), data, at)
    at += 8 if big else 2
    end = at + n_entries * (4 + 2 * width)
    _unpack(order + word, data, end)  # where the next directory is
    for entry in range(at, end, 4 + 2 * width):
        tag, kind, count = _unpack(f"{order}HH{word}", data, entry)
        where = entry + 4 + width
        n_bytes = count * _TIFF_TYPE_SIZES.get(kind, 0)
        if n_bytes > width:
            (where,) = _unpack(order + word, data, where)
        if where + n_bytes > len(data):
            raise EOFError
        yield tag, kind, count, where


def _unpack(layout: str, data: bytes, at: int) -> tuple[int, ...]:
    if at + struct.calcsize(layout) > len(data):
        raise EOFError
    return struct.unpack_from(layout, data, at)
