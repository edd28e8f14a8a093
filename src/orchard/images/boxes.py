"""ISO base media files (HEIC, AVIF, Canon's CR3, boxed JPEG XL), as far as their boxes say.

Source: ISO/IEC 14496-12, section 4.2; 23008-12 (HEIF), sections 6.5 and 10.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from orchard.images.cicp import Cicp

HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
AVIF_BRANDS = (b"avif", b"avis")
JXL_BOX = b"\0\0\0\x0cJXL \r\n\x87\n"
_CONTAINERS = {b"meta": 4, b"iprp": 0, b"ipco": 0}  # and the bytes before their first box
_MOST_BOXES = 10_000


def sniff(data: bytes) -> str | None:
    """ "heic", "avif" or "raw" (Canon's CR3) by the brands of a file, or None."""
    if data[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(data[:4], "big"), 256)
    major, *others = [data[at : at + 4] for at in range(8, max(12, end), 4) if at != 12]
    if major == b"crx ":
        return "raw"
    for brands, kind in ((AVIF_BRANDS, "avif"), (HEIC_BRANDS, "heic")):
        if major in brands:
            return kind
    if major in (b"mif1", b"msf1", b"miaf"):  # of any coding: one that is compatible tells which
        if any(brand in AVIF_BRANDS for brand in others):
            return "avif"
        return "heic"
    return None


def are_cut(data: bytes) -> bool:
    """Whether a box of the file ends after the file does, or the one of the pixels is missing.

    Asked about files that will not decode.
    """
    found = list(_boxes(data, 0, len(data)))
    ends = found[-1][2] if found else 0
    return ends != len(data) or not any(name == b"mdat" for name, _, _ in found)


def cicp(data: bytes) -> Cicp | None:
    """The code points of the first colour box that has some."""
    return next(_code_points(data, 0, len(data)), None)


def _code_points(data: bytes, start: int, end: int) -> Iterator[Cicp]:
    for name, inside, stop in _boxes(data, start, min(end, len(data))):
        if name in _CONTAINERS:
            yield from _code_points(data, inside + _CONTAINERS[name], stop)
        elif name == b"colr" and data[inside : inside + 4] == b"nclx" and stop - inside >= 10:
            primaries, transfer = struct.unpack_from(">HH", data, inside + 4)
            yield Cicp(primaries, transfer)


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, where its content begins, where it should end) of each box that begins here."""
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return
        size, name = struct.unpack_from(">I4s", data, at)
        inside = at + 8
        if size == 1 and at + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, inside)
            inside += 8
        stop = end if size == 0 else at + size
        if stop < inside:
            return
        yield name, inside, stop
        at = stop
