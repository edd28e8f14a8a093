"""Camera raw: the sensor's data are not read, the JPEG that the camera wrote beside them is.

Every camera's raw file holds at least one JPEG of the same photo, developed by the camera. It is
found by its own bytes, so no maker's directory has to be known.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchard.images import headers, tiff
from orchard.images.rejected import RejectedError
from orchard.records import Reason

_BEGINNING = b"\xff\xd8\xff"
_MOST_TRIED = 200
_SHARE = 0.9  # of each side of the sensor: cameras crop a little
ENOUGH = 1_000_000  # pixels that are enough whatever the sensor has: no network here sees more


@dataclass(frozen=True, slots=True)
class Embedded:
    """data: a whole JPEG. orientation: as EXIF has it, of the file it lies in."""

    data: bytes
    orientation: int


def embedded(data: bytes) -> Embedded:
    """The largest JPEG in a raw file, where it is about as large as the photo, or has ENOUGH
    pixels. Raises RejectedError (UNSUPPORTED) where none is."""
    pages = tiff.pages(_as_tiff(data))
    sensor = max((page.size for page in pages if page.is_raw), key=_area, default=None)
    found = max(_jpegs(data), key=lambda one: _area(one[0]), default=None)
    if found is None or not _is_enough(found[0], sensor):
        there = f"a JPEG of only {found[0][0]} x {found[0][1]} pixels" if found else "no JPEG"
        raise RejectedError(
            Reason.UNSUPPORTED, f"camera raw with {there} inside; develop it to JPEG or TIFF first"
        )
    orientation = pages[0].orientation if pages else 1
    return Embedded(data[found[1] : found[2]], orientation)


def _is_enough(size: tuple[int, int], sensor: tuple[int, int] | None) -> bool:
    if _area(size) >= ENOUGH:
        return True
    return sensor is not None and all(
        mine >= _SHARE * its for mine, its in zip(sorted(size), sorted(sensor), strict=True)
    )


def _area(size: tuple[int, int]) -> int:
    return size[0] * size[1]


def _jpegs(data: bytes) -> list[tuple[tuple[int, int], int, int]]:
    """Size, start and end of each whole JPEG of 8 bits that lies in no other."""
    found, n_tried, at = [], 0, 0
    while n_tried < _MOST_TRIED and (start := data.find(_BEGINNING, at)) >= 0:
        n_tried += 1
        whole = headers.jpeg_at(data, start)
        at = start + len(_BEGINNING)
        if whole:
            found.append(whole)
            at = whole[2]
    return found


def _as_tiff(data: bytes) -> bytes:
    """The directory that says how the photo is turned, as a TIFF."""
    if data[:4] in (b"IIRO", b"IIRS", b"IIU\0"):
        return b"II*\0" + data[4:]
    if data[:4] == b"MMOR":
        return b"MM\0*" + data[4:]
    if data[4:8] == b"ftyp" and (at := data.find(b"CMT1")) > 0:  # CR3
        return data[at + 4 : at + 4 + (1 << 16)]
    return data
