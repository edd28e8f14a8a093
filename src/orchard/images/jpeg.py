"""The pixels of a JPEG, and what libjpeg thinks of them.

libjpeg reads over damage inside a scan: half of a photo may be grey or shifted, and only a warning
tells. Pillow drops the warnings. simplejpeg asks the same library for the same pixels, bit for bit,
and hands on the first of them. What it does not read (CMYK, rare subsamplings) is Pillow's.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any

import simplejpeg
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from orchard.images import headers
from orchard.images.rejected import RejectedError
from orchard.records import Reason

_SPACES = {"RGB": "RGB", "L": "GRAY"}  # modes whose pixels are taken from simplejpeg
# Of libjpeg's warnings those that speak of pixels, not of a version's or a profile's number.
_LOST = re.compile(r"Corrupt JPEG data(?!: bad ICC)|Premature end|Inconsistent progression")
_ARITHMETIC = "arithmetic coding"
_CODINGS = {  # ITU-T T.81, table B.1; ITU-T T.87 (JPEG-LS): the frames that libjpeg does not read
    **dict.fromkeys((0xC5, 0xC6, 0xC7), "hierarchical coding"),
    0xCB: "lossless arithmetic coding",
    **dict.fromkeys((0xCD, 0xCE, 0xCF), "hierarchical arithmetic coding"),
    0xF7: "JPEG-LS",
}
_MAYBE = {0xC3: "lossless coding", 0xC9: _ARITHMETIC, 0xCA: f"progressive {_ARITHMETIC}"}


def check_coding(data: bytes) -> None:
    """Raise RejectedError for a kind of JPEG that no reader here knows."""
    if name := _CODINGS.get(headers.jpeg_frame(data)):
        raise RejectedError(Reason.UNSUPPORTED, unread(name))


def rare_coding(data: bytes) -> str | None:
    """Of a coding that only some builds of libjpeg read: what to say where this one does not."""
    name = _MAYBE.get(headers.jpeg_frame(data))
    return unread(name) if name else None


def unread(coding: str) -> str:
    return f"{coding}; expected a baseline or progressive JPEG: save it as one"


def load(image: JpegImageFile, data: bytes, *, keep_damaged: bool) -> Image.Image:
    """The pixels of an opened JPEG, at the scale that `draft` has set, in its mode.

    Raises RejectedError where libjpeg warns that pixels are not what was stored, unless
    keep_damaged; what Pillow raises where it cannot be read at all.
    """
    pixels, warning = _read(data, _SPACES.get(image.mode, "CMYK"), image.size)
    if pixels is None:
        image.load()
    if warning is not None and not keep_damaged:
        raise RejectedError(Reason.DAMAGED, f"part of the picture is lost: {warning}")
    if pixels is None or image.mode not in _SPACES:
        image.load()
        return image
    found = Image.fromarray(pixels[..., 0] if image.mode == "L" else pixels)
    found.info = image.info
    return found


def _read(data: bytes, space: str, size: tuple[int, int]) -> tuple[NDArray[Any] | None, str | None]:
    """The pixels, or None where simplejpeg cannot read them; libjpeg's first warning, or None."""
    width, height = size
    wanted = {"colorspace": space, "min_height": height, "min_width": width}
    pixels, warning = None, None
    try:
        pixels = simplejpeg.decode_jpeg(data, **wanted)
    except ValueError as told:
        warning = str(told) if _LOST.match(str(told)) else None
        with suppress(ValueError):  # no warning, then, or one about what precedes the scans
            pixels = simplejpeg.decode_jpeg(data, strict=False, **wanted)
    if pixels is not None and pixels.shape[:2] != (height, width):
        pixels = None
    return pixels, warning
