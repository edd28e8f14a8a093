"""Writers of what Pillow will not write: chunks, directories and headers with any values."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
IEND = b"\0\0\0\0IEND\xaeB`\x82"
# Exif (CIPA DC-008), tag Orientation: which side of the scene the stored row 0 and column 0 are.
ORIENTATION_SIDES = {
    1: ("top", "left"),
    2: ("top", "right"),
    3: ("bottom", "right"),
    4: ("bottom", "left"),
    5: ("left", "top"),
    6: ("right", "top"),
    7: ("right", "bottom"),
    8: ("left", "bottom"),
}


def pillow(image: Image.Image | NDArray[Any], file_format: str, **options: Any) -> bytes:
    out = BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(out, file_format, **options)
    return out.getvalue()


def stored_for(scene: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Return the rows and columns a camera would store for `scene`, from the tag's definition."""
    height, width = scene.shape[:2]
    sides = ORIENTATION_SIDES[orientation]
    shape = (width, height) if sides[0] in ("left", "right") else (height, width)
    stored = np.empty(shape + scene.shape[2:], scene.dtype)
    for row in range(shape[0]):
        for column in range(shape[1]):
            at = {}
            for side, index in zip(sides, (row, column), strict=True):
                at["y" if side in ("top", "bottom") else "x"] = {
                    "top": index,
                    "bottom": height - 1 - index,
                    "left": index,
                    "right": width - 1 - index,
                }[side]
            stored[row, column] = scene[at["y"], at["x"]]
    return stored


def exif(orientation: int) -> bytes:
    """Return an EXIF block with the one tag; the reader's "Exif" prefix is not part of it."""
    return tiff_directory([(0x0112, 3, 1, orientation)])


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + crc(name + content)


def crc(content: bytes) -> bytes:
    return struct.pack(">I", zlib.crc32(content))


def png(
    width: int, height: int, bits: int, colour_type: int, rows: list[bytes], *chunks: bytes
) -> bytes:
    """Return a PNG of unfiltered `rows`; `chunks` come between the header and the pixels."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0))
    pixels = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"".join([PNG_MAGIC, header, *chunks, pixels, IEND])


def png_with(data: bytes, *chunks: bytes) -> bytes:
    """Return a PNG with `chunks` put in after its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def tiff_directory(entries: list[tuple[int, int, int, int]], after: bytes = b"") -> bytes:
    """Return a little-endian TIFF: (tag, type, count, value) each, then `after`."""
    packed = b"".join(
        struct.pack("<HHI", tag, kind, count) + struct.pack("<I", value)
        for tag, kind, count, value in sorted(entries)
    )
    count = struct.pack("<H", len(entries))
    return b"II*\0" + struct.pack("<I", 8) + count + packed + b"\0\0\0\0" + after


def tiff(
    width: int, height: int, pixels: bytes, *, bits: int = 8, photometric: int = 1, **tags: int
) -> bytes:
    """Return a grey TIFF of one strip; `tags` (t339=3) come on top, or instead."""
    values = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 277: 1, 278: height}
    values |= {273: 0, 279: len(pixels)} | {int(tag[1:]): value for tag, value in tags.items()}
    values[273] = 8 + 2 + 12 * len(values) + 4
    return tiff_directory([(tag, 4, 1, value) for tag, value in values.items()], pixels)


def bmp_with_alpha(rgba: NDArray[np.uint8]) -> bytes:
    """Return a 32-bit BMP whose header declares an alpha mask; without one, alpha is unused."""
    height, width = rgba.shape[:2]
    pixels = rgba[::-1, :, [2, 1, 0, 3]].tobytes()
    masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 56, width, height, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 70 + len(pixels), 0, 0, 70) + header + masks + pixels


def patched(data: bytes, at: int, replacement: bytes) -> bytes:
    return data[:at] + replacement + data[at + len(replacement) :]


def jpeg_with_segment(data: bytes, marker: int, content: bytes) -> bytes:
    """Return a JPEG with a segment put in right after its start mark."""
    return (
        data[:2] + bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content + data[2:]
    )


def jpeg_size_patched(data: bytes, width: int, height: int) -> bytes:
    """Return a baseline JPEG whose frame header announces another size."""
    return patched(data, data.index(b"\xff\xc0") + 5, struct.pack(">HH", height, width))
