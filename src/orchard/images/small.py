"""An image as a small JPEG of its own: no EXIF, no position, no name, nothing but pixels."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from orchard.images.apart import SECONDS, decode_apart
from orchard.images.decode import DEFAULT_MAX_PIXELS
from orchard.records import Failure

QUALITY = 88


def as_jpeg(
    data: bytes, side: int, max_pixels: int = DEFAULT_MAX_PIXELS, seconds: float = SECONDS
) -> bytes | Failure:
    """Decode and re-encode it; its longer side is at most `side` pixels.

    `decode` reads nothing of EXIF but the orientation, and applies it.
    """
    pixels = decode_apart(
        data, side, max_pixels=max_pixels, scaled=True, damaged="keep", seconds=seconds
    )
    if isinstance(pixels, Failure):
        return pixels
    longer = max(pixels.width, pixels.height)
    scale = min(1.0, side / longer)
    width, height = (max(1, round(x * scale)) for x in (pixels.width, pixels.height))
    out = BytesIO()
    picture = Image.fromarray(pixels.array).resize((width, height), Image.Resampling.LANCZOS)
    picture.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()
