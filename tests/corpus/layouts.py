"""TIFFs that Pillow does not write: separate planes, thumbnails first, a sensor's data."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

Tags = dict[int, tuple[int, ...]]


def directories(*pages: tuple[Tags, bytes], sub: bool = False) -> bytes:
    """A little-endian TIFF of pages: tags, and the one strip of each. sub: all but the first are
    its SubIFDs, instead of a chain."""
    data, at = b"II*\0" + bytes(4), []
    for tags, strip in pages:
        place = len(data)
        data += strip + bytes(len(strip) % 2)
        at.append({273: (place,), 279: (len(strip),)} | tags)
    starts: list[int] = []
    for number in reversed(range(len(at))):
        tags = dict(at[number])
        after = starts[-1] if starts and not sub else 0
        if sub and number == 0 and len(at) > 1:
            tags[330] = tuple(reversed(starts))
        values, entries = b"", b""
        start = len(data)
        beyond = start + 2 + 12 * len(tags) + 4
        for tag in sorted(tags):
            packed = struct.pack(f"<{len(tags[tag])}I", *tags[tag])
            where = packed if len(packed) == 4 else struct.pack("<I", beyond + len(values))
            values += packed if len(packed) > 4 else b""
            entries += struct.pack("<HHI", tag, 4, len(tags[tag])) + where
        data += struct.pack("<H", len(tags)) + entries + struct.pack("<I", after) + values
        starts.append(start)
    return data[:4] + struct.pack("<I", starts[-1]) + data[8:]


def page(pixels: NDArray[np.uint8], **tags: int) -> tuple[Tags, bytes]:
    """An uncompressed page of (h, w, 3) or (h, w); `tags` (t254=1) come on top."""
    height, width = pixels.shape[:2]
    n = pixels.shape[2] if pixels.ndim == 3 else 1
    found: Tags = {
        256: (width,),
        257: (height,),
        258: (8,) * n,
        259: (1,),
        277: (n,),
        278: (height,),
    }
    found[262] = (2 if n == 3 else 1,)
    return found | {int(tag[1:]): (value,) for tag, value in tags.items()}, pixels.tobytes()


def raw(
    jpeg: bytes | None,
    sensor: tuple[int, int],
    thumbnail: NDArray[np.uint8],
    orientation: int = 1,
) -> bytes:
    """As NEF and DNG are: a small picture first, the sensor's data and a JPEG in SubIFDs."""
    width, height = sensor
    bayer = page(np.zeros((height, width), np.uint8), t262=32803)
    inside = [bayer]
    if jpeg is not None:
        inside.append(({254: (1,), 259: (6,), 513: (8,), 514: (len(jpeg),)}, jpeg))
    return directories(page(thumbnail, t254=1, t274=orientation), *inside, sub=True)
