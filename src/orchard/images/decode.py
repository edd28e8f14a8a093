"""Bytes in, RGB pixels of the network's input size out, or the reason why not.

The bytes are untrusted. Each format goes straight to Pillow's reader for it, chosen by the first
bytes and never by a name, so that no other of Pillow's readers can be reached and no error is lost
on the way. (A JPEG's pixels come from libjpeg by another way: see `orchard.images.jpeg`.) Size is
checked from the header before a pixel is decoded, and only the first frame or page is. `decode`
returns a `Failure` for whatever a reader may raise.

What "truncated" means: pixels are missing. At every cut of every format Pillow either complains or
returns the same pixels, with one exception: of a JPEG that was cut and then filled up, with zeros
say, it reads the filling. So a JPEG must have its end mark; what follows the mark, as phones append
videos, is ignored. A PNG or GIF that has lost only its end mark is whole, and is read. "Damaged" is
a JPEG of which libjpeg warns that pixels are lost in between. What no reader can see is damage
inside the data of other formats without checksums (WebP, HEIC, AVIF, GIF, BMP).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.TiffImagePlugin import TiffImageFile

from orchard.images import boxes, headers, jpeg, png, raw, tiff
from orchard.images import colour as colours
from orchard.images.colour import UndefinedColourError
from orchard.images.crop import Box, within
from orchard.images.headers import sniff
from orchard.images.opening import READERS, open_image
from orchard.images.pillow_settings import PillowSettings
from orchard.images.profiles import to_srgb
from orchard.images.rejected import RejectedError
from orchard.images.views import placed, share_of, view_of
from orchard.records import Failure, Reason

__all__ = ["DEFAULT_MAX_PIXELS", "Pixels", "decode", "policy", "sniff"]

DEFAULT_MAX_PIXELS = 100_000_000
"""Pixels an image may have. Pillow holds one in 4 bytes, and turning, blending or 16-bit grey take
further copies: at 100 million a decode was measured to peak at 0.6 to 1.3 GiB, of WebP at 1.7.
They are twice what the 50-megapixel cameras of phones give."""

_COLOURS = {"ignore": "colour profiles ignored", "srgb": "colour profiles converted to srgb"}
_DRAFT_SHARE = 1.5  # of the input side: what a scaled decode leaves bicubic to choose from

_JXL = "a JPEG XL photo; no reader under a free licence is small: make a PNG of it with djxl"
_EXIF_ORIENTATION = 0x0112
_TRANSPOSITIONS = {  # CIPA DC-008 (Exif), tag Orientation: what undoes each value
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED = (5, 6, 7, 8)  # orientations that swap width and height
_UNSUPPORTED = re.compile(
    r"unsupported|not (yet )?supported|not implemented|cannot handle|unknown pixel mode", re.I
)


def policy(*, scaled: bool, colour: str) -> str:
    """What the pixels of a file depend on, in words; part of the fingerprint."""
    text = (
        f"first frame; exif orientation applied; {_COLOURS[colour]}; alpha over white; "
        "16-bit grey / 257; pillow bicubic on the full decode"
    )
    return f"{text}, of JPEG scaled to 1.5 times the input side or more" if scaled else text


@dataclass(frozen=True, slots=True)
class Pixels:
    """A decoded image, at the network's input size."""

    array: NDArray[np.uint8]  # (size, size, 3) RGB, read-only: the first view
    width: int  # of the whole image, after orientation
    height: int
    others: tuple[NDArray[np.uint8], ...] = ()  # further views, as `array`

    @property
    def views(self) -> NDArray[np.uint8]:
        """(number of views, size, size, 3)."""
        return np.stack([self.array, *self.others])


def decode(
    data: bytes,
    size: int,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    scaled: bool = False,
    views: tuple[str, ...] = ("plain",),
    colour: Literal["srgb", "ignore"] = "srgb",
    damaged: Literal["refuse", "keep"] = "refuse",
    crop: Box | None = None,
) -> Pixels | Failure:
    """Turn the bytes of an image file into (size, size, 3) uint8 RGB, or say why not.

    JPEG, PNG, WebP, HEIC, AVIF, BMP, GIF and TIFF are read, of several frames the first; of camera
    raw, the JPEG in it. EXIF orientation is applied, broken EXIF is ignored, transparency is
    blended over white, 16-bit grey is divided by 257 (65535 = 255 · 257). Resizing is Pillow's
    bicubic on the full decode, to a square, so that for an ordinary photo the result equals, bit
    for bit, `Image.open(f).convert("RGB").resize((size, size))`, as Keras's users prepare images;
    TensorFlow's own resize differs and was not taken. views: of `orchard.images.views`, each of the
    one decoded image.

    colour: what is done about a colour profile, or what stands for one (a PNG's gAMA and cICP, the
    code points of HEIC and AVIF): "srgb" converts from it, "ignore" takes the samples as they are.
    damaged: a JPEG of which libjpeg warns that part is lost is a `Failure`, or kept as it is.

    scaled: decode a large JPEG at 1/2, 1/4 or 1/8 of its size, from the low frequencies of its
    blocks (libjpeg's scaled IDCT), to no less than 1.5 times `size`: some five times faster for 12
    megapixels, and other pixels by a little.

    crop: the part that the views are of, in pixels of the image as people see it; what lies outside
    of the image is left out. Such a part is never of a scaled decode.

    No bytes make this raise; a `size` below 1 does (`ValueError`). Threads may call it together.
    """
    if size < 1:
        raise ValueError(f"size={size}: expected a number of pixels, at least 1")
    if not data:
        return Failure(Reason.EMPTY, "0 bytes")
    kind = sniff(data)
    if kind == "jxl":
        return Failure(Reason.UNSUPPORTED, _JXL)
    if kind is None:
        known = ", ".join(READERS)
        return Failure(Reason.NOT_AN_IMAGE, f"begins with {data[:12]!r}; expected one of {known}")
    try:
        with PillowSettings(max_pixels):
            asked = _Asked(
                size, max_pixels, scaled and crop is None, views, colour == "srgb",
                damaged == "keep", crop,
            )  # fmt: skip
            return _decode_as(kind, data, asked)
    except RejectedError as rejected:
        return Failure(rejected.reason, rejected.detail)
    except UndefinedColourError as error:
        return Failure(Reason.UNSUPPORTED, str(error))
    except Exception as error:  # Pillow's readers raise over a dozen types on damaged files
        if told := _known_to_fail(kind, data):
            return Failure(Reason.UNSUPPORTED, told)
        return Failure(_reason(error, kind, data), f"{type(error).__name__}: {error}"[:200])


@dataclass(frozen=True, slots=True)
class _Asked:
    size: int
    max_pixels: int
    scaled: bool
    views: tuple[str, ...]
    converts: bool
    keeps_damaged: bool
    crop: Box | None


def _decode_as(kind: str, data: bytes, asked: _Asked) -> Pixels:
    turned = 1
    if kind == "raw" or (kind == "tiff" and tiff.is_raw(data)):
        found = raw.embedded(data)
        kind, data, turned = "jpeg", found.data, found.orientation
    elif kind == "tiff":
        data = tiff.full_page(data)
    image = open_image(kind, data, asked.max_pixels)
    whole = image.size
    orientation = _orientation(image.info.get("exif"), turned)
    nearest = round(asked.size / min(map(share_of, asked.views)))
    drafted = asked.scaled and isinstance(image, JpegImageFile) and _draft(image, nearest)
    profile = _profile(kind, data, image) if asked.converts else None
    loaded = _loaded(image, data, asked)
    # A PNG may hold linear light, which resizing would weigh otherwise; the others' curves are
    # near to sRGB's, and a photo of 12 megapixels takes a quarter of a second to convert.
    late = profile if kind != "png" and loaded.mode == "RGB" else None
    rgb = colours.to_rgb(loaded, None if late else profile)
    if (transposition := _TRANSPOSITIONS.get(orientation)) is not None:
        rgb = rgb.transpose(transposition)
    width, height = rgb.size
    if drafted:
        width, height = whole[::-1] if orientation in _TURNED else whole
    if asked.crop is not None:
        rgb = rgb.crop(within(asked.crop, width, height))
    shown = (to_srgb(view_of(rgb, view, asked.size), late) for view in asked.views)
    first, *others = (placed(np.asarray(one), asked.size) for one in shown)
    return Pixels(first, width, height, tuple(others))


def _loaded(image: ImageFile.ImageFile, data: bytes, asked: _Asked) -> Image.Image:
    if isinstance(image, JpegImageFile):
        return jpeg.load(image, data, keep_damaged=asked.keeps_damaged)
    if isinstance(image, TiffImageFile):
        return tiff.load(image, data)
    image.load()
    return image


def _profile(kind: str, data: bytes, image: ImageFile.ImageFile) -> bytes | None:
    """An ICC profile of the samples; None where they are sRGB, or nothing says what they are."""
    if kind == "png":
        return png.profile(data)
    embedded: bytes | None = image.info.get("icc_profile")
    if embedded is None and kind in ("heic", "avif") and (points := boxes.cicp(data)):
        return points.profile()
    return embedded


def _draft(image: JpegImageFile, size: int) -> bool:
    side = ceil(_DRAFT_SHARE * size)
    return image.draft(None, (side, side)) is not None


def _orientation(exif_block: bytes | None, otherwise: int = 1) -> int:
    # Pillow turns TIFF pages by itself, and keeps no block of EXIF for them.
    if not exif_block:
        return otherwise
    exif = Image.Exif()
    try:
        exif.load(exif_block)
        value = exif.get(_EXIF_ORIENTATION, otherwise)
    except Exception:  # whatever is wrong with the EXIF, the pixels are none the worse
        return otherwise
    return value if isinstance(value, int) else otherwise


def _known_to_fail(kind: str, data: bytes) -> str | None:
    """What the libraries of some installations do not read, in words."""
    if kind == "jpeg":
        return jpeg.rare_coding(data)
    return tiff.rare_kind(data) if kind == "tiff" else None


def _reason(error: Exception, kind: str, data: bytes) -> Reason:
    cause = error.__cause__ or error  # ImageFile.__init__ wraps what `_open` raised
    if isinstance(error, MemoryError):
        return Reason.TOO_COSTLY
    if isinstance(error, Image.DecompressionBombError):
        return Reason.TOO_MANY_PIXELS
    if headers.is_cut(data, kind):
        return Reason.TRUNCATED
    if kind != "png" and (
        isinstance(cause, struct.error | IndexError | EOFError) or "truncated" in str(error).lower()
    ):
        return Reason.TRUNCATED
    if isinstance(cause, KeyError) or _UNSUPPORTED.search(str(error)):
        return Reason.UNSUPPORTED
    return Reason.CORRUPT
