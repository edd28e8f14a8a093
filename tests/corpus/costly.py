"""Small files that cost a decoder much time or memory."""

from __future__ import annotations

import io
import struct

from PIL import Image


def tiff(width: int, height: int, tags: dict[int, tuple[int, ...]], data: bytes) -> bytes:
    """An uncompressed grey TIFF, its values as unsigned 32-bit numbers."""
    tags = {256: (width,), 257: (height,), 258: (8,), 259: (1,), 262: (1,), 277: (1,)} | tags
    directory, values = b"", b""
    start = 8 + 2 + 12 * len(tags) + 4
    for tag in sorted(tags):
        packed = struct.pack(f"<{len(tags[tag])}I", *tags[tag])
        place = struct.pack("<I", start + len(values)) if len(packed) > 4 else packed
        values += packed if len(packed) > 4 else b""
        directory += struct.pack("<HHI", tag, 4, len(tags[tag])) + place
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + directory + bytes(4) + values + data


def overlapping_strips() -> bytes:
    """Two rows of a million pixels whose offsets differ by one."""
    side = 1_000_000
    strips = {273: (4096, 4097), 278: (1,), 279: (side, side)}
    return tiff(side, 2, strips, bytes(side + 8192))


def tiny_tiles() -> bytes:
    side = 1100
    n = side * side
    tiles = {322: (1,), 323: (1,), 324: (8,) * n, 325: (1,) * n}
    return tiff(side, side, tiles, b"\0")


def many_segments() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (60, 40), "red").save(out, "JPEG")
    whole = out.getvalue()
    return whole[:2] + b"\xff\xe1\x00\x08Exif\0\0" * 100_000 + whole[2:]
