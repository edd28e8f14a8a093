"""An image's header, read by the reader of its format, and every size that it announces checked.

What is refused here costs no pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from PIL import ImageFile
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from orchard.images import colour, directories, headers, jpeg, tiff
from orchard.images.heic import open_heic
from orchard.images.rejected import RejectedError
from orchard.records import Reason

MAX_SIDE = 1_000_000
"""Pixels a side may have, whatever the other is: resizing allocates 32 bytes for each."""

MOST_SEGMENTS = 4096
"""Segments before the pixels of a JPEG. Pillow's time grows with their square; the longest profiles
and the depth maps of phones take some hundreds."""

MOST_VALUES = 1_000_000
"""Values in the first directory of a TIFF, of which Pillow makes a Python object each. A tile of 16
by 16 pixels, the smallest that TIFF 6.0 allows, makes 780,000 of 100 megapixels."""

_RLE_SHARE = 10  # Pillow expands run-length BMP in Python, some ten times slower than the rest
_MAX_PASSES = 32  # times max_pixels, over all scans of a JPEG; encoders write 1 to about 12 scans

READERS: dict[str, Callable[[BytesIO], ImageFile.ImageFile]] = {
    "jpeg": JpegImageFile,
    "png": PngImageFile,
    "webp": WebPImageFile,
    "bmp": BmpImageFile,
    "gif": GifImageFile,
    "tiff": TiffImageFile,
    "avif": AvifImageFile,
    "heic": open_heic,
}
_BMP_RUN_LENGTH = (1, 2)
_JPEG_END = b"\xff\xd9"
_TIFF_TILE_WIDTH, _TIFF_TILE_LENGTH = 322, 323


def open_image(kind: str, data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """Read the header and check every size it announces, before anything is decoded."""
    if kind == "jpeg":
        jpeg.check_coding(data)
        _check_count(headers.jpeg_segments(data), MOST_SEGMENTS, "segments")
    if kind == "tiff":
        _check_count(directories.n_values(data), MOST_VALUES, "strips, tiles and other values")
        data = tiff.openable(data)
    if kind == "webp":
        _check_size(headers.webp_size(data), max_pixels)
    if kind == "png":
        data = headers.png_without_text(data)
    image = READERS[kind](BytesIO(data))
    _check_size(image.size, max_pixels)
    if isinstance(image, BmpImageFile) and image.info["compression"] in _BMP_RUN_LENGTH:
        _check_size(image.size, max_pixels // _RLE_SHARE)
    if isinstance(image, TiffImageFile):
        tile = image.tag_v2.get(_TIFF_TILE_WIDTH), image.tag_v2.get(_TIFF_TILE_LENGTH)
        if isinstance(tile[0], int) and isinstance(tile[1], int):
            _check_size((tile[0], tile[1]), max_pixels)  # one tile may be larger than the image
        image.info.pop("xmp", None)  # Pillow would take an orientation from it: only EXIF counts
    if isinstance(image, JpegImageFile):
        _check_scans(data, image.size, max_pixels)
        if not data.endswith(_JPEG_END) and headers.is_cut(data, kind):
            raise RejectedError(Reason.TRUNCATED, "no end-of-image mark (FF D9)")
    if isinstance(image, PngImageFile):
        colour.scale_transparent_sample(image)
    return image


def _check_count(n: int, most: int, of_what: str) -> None:
    if n > most:
        detail = f"{n} {of_what}; expected at most {most}"
        raise RejectedError(Reason.TOO_COSTLY, detail)


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        announced = f"{width} x {height} = {width * height} pixels"
        detail = f"{announced}; expected at most {max_pixels} (--max-pixels raises it)"
        raise RejectedError(Reason.TOO_MANY_PIXELS, detail)
    if max(size) > MAX_SIDE:
        detail = f"{width} x {height} pixels; expected sides of at most {MAX_SIDE}"
        raise RejectedError(Reason.TOO_MANY_PIXELS, detail)


def _check_scans(data: bytes, size: tuple[int, int], max_pixels: int) -> None:
    n_passes = _MAX_PASSES * max_pixels // (size[0] * size[1])
    # Counting bytes is quick and never too low; a video appended to a photo may make it too high.
    if data.count(b"\xff\xda") > n_passes and (n_scans := headers.jpeg_scans(data)) > n_passes:
        detail = f"{n_scans} scans of {size[0]} x {size[1]} pixels; expected at most {n_passes}"
        raise RejectedError(Reason.TOO_MANY_PIXELS, detail)
