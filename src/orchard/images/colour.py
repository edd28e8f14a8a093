"""From each of Pillow's pixel modes to 8-bit RGB.

`Image.convert("RGB")` alone forgets transparency (what it shows was never meant to be seen), clips
16-bit grey, and leaves some samples of PNG and TIFF unscaled; a photo in RGB, grey or CMYK comes
through here exactly as from it.
"""

from __future__ import annotations

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

from orchard.images.profiles import to_srgb

_OPAQUE = ("1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr")
_WITH_ALPHA = ("LA", "PA", "RGBA")
_PREMULTIPLIED = {"La": "LA", "RGBa": "RGBA"}
_DEEP_GREY = ("I", "I;16", "I;16B", "I;16L", "I;16N")

_TIFF_BITS, _TIFF_PHOTOMETRIC = 258, 262


class UndefinedColourError(ValueError):
    """The pixels are of a kind that stands for no RGB."""


def scale_transparent_sample(image: PngImageFile) -> None:
    """Bring the transparent sample to 8 bits as Pillow does the pixels; it forgets this one."""
    sample = image.info.get("transparency")
    match image.tile[0][3] if image.tile else None:
        case "L;2":
            image.info["transparency"] = sample and sample * 85
        case "L;4":
            image.info["transparency"] = sample and sample * 17
        case "RGB;16B" if sample is not None:
            image.info["transparency"] = tuple(band >> 8 for band in sample)


def to_rgb(image: Image.Image, profile: bytes | None = None) -> Image.Image:
    """Return a loaded image in mode RGB, 8 bits a channel; of a profile's colours, those of sRGB.

    Raises `UndefinedColourError` for float, Lab and 32-bit grey beyond 0 to 65535.
    """
    mode = image.mode
    if mode in _DEEP_GREY:
        return to_srgb(grey_to_8_bits(image), profile).convert("RGB")
    if mode in _PREMULTIPLIED:
        image = image.convert(_PREMULTIPLIED[mode])
        return _over_white(image, profile)
    if mode in _WITH_ALPHA or image.has_transparency_data:
        return _over_white(image, profile)
    if mode in _OPAQUE:
        shown = image if profile and mode in ("L", "CMYK") else image.convert("RGB")
        return to_srgb(shown, profile).convert("RGB")
    raise UndefinedColourError(f"pixels of mode {mode} have no defined RGB")


def _over_white(image: Image.Image, profile: bytes | None) -> Image.Image:
    rgba = to_srgb(image.convert("RGBA"), profile)
    white = Image.new("RGB", rgba.size, "white")
    white.paste(rgba, mask=rgba)
    return white


def grey_to_8_bits(image: Image.Image) -> Image.Image:
    """Deep grey as mode L; where it is transparent, white."""
    grey, white, inverted = np.asarray(image), 65535, False
    if isinstance(image, TiffImageFile):
        white = 4095 if image.tag_v2.get(_TIFF_BITS) == (12,) else white
        inverted = image.tag_v2.get(_TIFF_PHOTOMETRIC) == 0  # Pillow sees to it up to 8 bits only
    if grey.min() < 0 or grey.max() > white:
        detail = f"grey from {grey.min()} to {grey.max()}; expected 0 to {white}"
        raise UndefinedColourError(detail)
    # Pillow's own conversion to 8 bits clips at 255 or drops the low byte, by mode.
    grey8 = ((grey.astype(np.uint32) * 255 + white // 2) // white).astype(np.uint8)
    if (transparent := image.info.get("transparency")) is not None:
        grey8[grey == transparent] = 255
    return Image.fromarray(255 - grey8 if inverted else grey8)
