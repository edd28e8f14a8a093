"""What can be shown of an image that `decode` has refused: the part before the fault."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from orchard.images.headers import png_without_text, sniff

MAX_PIXELS = 25_000_000  # of a damaged file: half of what a phone's camera gives, in 100 MB
_READERS: dict[str, type[JpegImageFile | PngImageFile]] = {
    "jpeg": JpegImageFile,
    "png": PngImageFile,
}


def glimpse(data: bytes, size: int) -> NDArray[np.uint8] | None:
    """(size, size, 3) RGB of as much as can be read, or None; never raises.

    In the caller's process: not of bytes that have ended a decoder, or might.
    """
    kind = sniff(data)
    if kind not in _READERS:
        return None
    with suppress(Exception):  # Pillow's readers raise over a dozen types on damaged files
        return _rest(kind, data, size)
    return None


def _rest(kind: str, data: bytes, size: int) -> NDArray[np.uint8] | None:
    image = _READERS[kind](BytesIO(png_without_text(data) if kind == "png" else data))
    if image.width * image.height > MAX_PIXELS:
        return None
    image.draft("RGB", (2 * size, 2 * size))
    with suppress(OSError, SyntaxError, ValueError):
        image.load()
    if image.im is None:
        return None
    seen = Image.Image()._new(image.im).convert("RGB")
    pixels = np.asarray(seen.resize((size, size), Image.Resampling.BICUBIC))
    return None if pixels.min() == pixels.max() else pixels  # one flat grey shows nothing
