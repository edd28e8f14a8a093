"""What the bytes of an image file announce, read without decoding a pixel.

Pillow reports "truncated" for some formats only, allocates a WebP canvas before it can be asked
for its size, inflates PNG texts nobody asked for, and sets no bound on the scans of a JPEG. These
few reads of the container fill those gaps; `orchard.images.decode` does everything else.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from itertools import takewhile

from orchard.images import boxes, directories

JPEG_SOS, JPEG_EOI = 0xDA, 0xD9
_JPEG_DRAWN = (0xC0, 0xC1, 0xC2, 0xC9, 0xCA)  # frames that are pictures, not a sensor's data
_JPEG_BARE = (0x01, 0xD8)  # TEM and SOI: markers without a segment
# Neither stuffing (FF 00), nor restart markers (FF D0-D7), nor fill bytes (FF FF).
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")

# Fujifilm's RAF, Olympus' ORF, Panasonic's RW2, Canon's CRW, Minolta's MRW, Sigma's X3F
_RAW = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"II\x1a\0\0\0HEAPCCDR", b"\0MRM",
        b"FOVb")  # fmt: skip
_BMP_HEADER_SIZES = (12, 40, 52, 56, 64, 108, 124)
_PNG_TEXT = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_PNG_ALPHA = (b"tRNS",)


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
    if data.startswith((b"\xff\x0a", boxes.JXL_BOX)):
        return "jxl"
    if data.startswith(_RAW):
        return "raw"
    return boxes.sniff(data)


def is_cut(data: bytes, kind: str) -> bool:
    """Tell whether the file ends before what it announces does.

    Asked about files that will not decode: whole ones with a careless size field exist. Of a GIF,
    which announces no size, it is always False; Pillow's own error tells.
    """
    if kind == "jpeg":
        return not any(marker == JPEG_EOI for marker, _ in _jpeg_markers(data))
    if kind == "png":
        return not any(chunk == b"IEND" for chunk, _, _ in png_chunks(data))
    if kind == "webp":
        return len(data) < 30 or len(data) < struct.unpack_from("<I", data, 4)[0] + 8
    if kind == "bmp":
        return len(data) < 18 or len(data) < struct.unpack_from("<I", data, 2)[0]
    if kind in ("heic", "avif"):
        return boxes.are_cut(data)
    return kind == "tiff" and directories.is_cut(data)


def jpeg_scans(data: bytes) -> int:
    """Count the scans of a JPEG; each is a pass over every pixel, however few its bytes."""
    return sum(marker == JPEG_SOS for marker, _ in _jpeg_markers(data))


def jpeg_frame(data: bytes) -> int:
    """The marker of the frame, which names how a JPEG is coded; 0 where there is none."""
    before = takewhile(lambda found: found[0] not in (JPEG_SOS, JPEG_EOI), _jpeg_markers(data))
    return next((marker for marker, _ in before if _is_frame(marker)), 0)


def jpeg_at(data: bytes, start: int) -> tuple[tuple[int, int], int, int] | None:
    """(width, height), start and end of a whole JPEG of 8-bit samples that begins there."""
    size, is_shown = (0, 0), False
    for marker, at in _jpeg_markers(data, start):
        if marker == JPEG_EOI:
            return (size, start, at + 2) if is_shown and all(size) else None
        is_shown = is_shown or marker == JPEG_SOS
        if _is_frame(marker):
            if marker not in _JPEG_DRAWN or data[at + 4 : at + 5] != b"\x08":
                return None  # lossless: the sensor's data
            height, width = struct.unpack_from(">HH", data[at + 5 : at + 9].ljust(4, b"\0"), 0)
            size = width, height
    return None


def jpeg_segments(data: bytes) -> int:
    """Count the segments before the first scan of a JPEG."""
    before = takewhile(lambda found: found[0] not in (JPEG_SOS, JPEG_EOI), _jpeg_markers(data))
    return sum(1 for _ in before)


def png_without_text(data: bytes) -> bytes:
    """Cut texts and colour profile out of a PNG: compressed, they may be bombs, and Pillow would
    inflate them. So go chunks that no pixel needs and whose checksum is wrong, as in browsers.

    Returns `data` itself where there is none.
    """
    kept, start = [], 0
    for chunk, at, end in png_chunks(data):
        if chunk in _PNG_TEXT or _is_broken_and_unneeded(data, chunk, at, end):
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


def _is_frame(marker: int) -> bool:
    return (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7


def _looks_like_bmp(data: bytes) -> bool:
    # "BM" alone also opens plain text; the size of the second header, or a NUL, tells.
    if len(data) < 18:
        return b"\0" in data
    return struct.unpack_from("<I", data, 14)[0] in _BMP_HEADER_SIZES


def _jpeg_markers(data: bytes, at: int = 0) -> Iterator[tuple[int, int]]:
    """Yield (marker, offset) up to the end-of-image marker, or as far as the file goes."""
    while found := _JPEG_MARKER.search(data, at):
        at, marker = found.end(), data[found.start() + 1]
        yield marker, found.start()
        if marker == JPEG_EOI:
            return
        if marker not in _JPEG_BARE:
            at += int.from_bytes(data[at : at + 2], "big")


def _is_broken_and_unneeded(data: bytes, chunk: bytes, start: int, end: int) -> bool:
    is_ancillary = bool(chunk[0] & 0x20)  # PNG, section 5.4: the case of the first letter
    if not is_ancillary or chunk in _PNG_ALPHA:
        return False
    return zlib.crc32(data[start + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big")


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
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
