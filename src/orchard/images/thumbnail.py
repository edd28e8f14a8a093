"""A small JPEG of an image, from the pixels that the network is shown, and which images get one.

An image gets one if a number that its path alone decides is small enough for the number of images,
so those that a larger number admits are among those that a smaller one does. The report's map
takes the images with the smallest numbers too: what it shows has a thumbnail.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from typing import Literal

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

SIDE = 112  # pixels: half of the networks' 224, so that halving is all of the resizing
QUALITY = 75
MOST = 50_000  # thumbnails of as many images or more: twice the points of the report's map
MOST_BYTES = 256 * 1024  # that one of another's making may have
_ALL = 2**64


def small(rgb: NDArray[np.uint8]) -> Image.Image:
    """(size, size, 3) RGB at SIDE pixels, or as it is where that is less."""
    image = Image.fromarray(rgb)
    if image.width % SIDE == 0:
        return image.reduce(image.width // SIDE)
    if image.width < SIDE:
        return image
    return image.resize((SIDE, SIDE), Image.Resampling.BOX)


def as_jpeg(image: Image.Image) -> bytes:
    """What is stored: no name, no place, no time, nothing but pixels."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()


def opened(data: bytes, side: int) -> Image.Image | None:
    """A stored thumbnail, decoded at no less than `side` pixels where it has them; None where it is
    none: a table may be of somebody else's making."""
    pixels = _decoded(data, side, "RGB")
    return None if pixels is None else Image.fromarray(pixels)


def luma_of(data: bytes, side: int) -> NDArray[np.uint8] | None:
    """(height, width) luma of a stored thumbnail; otherwise as `opened`."""
    pixels = _decoded(data, side, "GRAY")
    return None if pixels is None else pixels[..., 0]


def _decoded(data: bytes, side: int, space: Literal["RGB", "GRAY"]) -> NDArray[np.uint8] | None:
    """A smaller scale is less of the decoder's work; simplejpeg has less of its own than Pillow."""
    if len(data) > MOST_BYTES:
        return None
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data)
        if max(height, width) > SIDE:
            return None
        least = {"min_height": min(side, height), "min_width": min(side, width)}
        found: NDArray[np.uint8] = simplejpeg.decode_jpeg(data, space, **least)
        return found
    except ValueError:  # what it says of every damage
        return None


def share(n_images: int) -> float:
    """Of so many images, how large a part gets a thumbnail."""
    return min(1.0, MOST / n_images) if n_images else 1.0


def gets_one(path: str, share: float) -> bool:
    return number_of(path) < share * _ALL


def number_of(path: str) -> int:
    """A path's place among all: the first 64 bits of its BLAKE2b, the same on every machine."""
    data = path.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "big")


def numbers_of(paths: Iterable[str]) -> NDArray[np.uint64]:
    return np.fromiter(map(number_of, paths), np.uint64)
