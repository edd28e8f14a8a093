"""What the network is shown of an image; the features of several views are averaged.

A whole photo squeezed into 224 pixels shows a shelf, its middle shows a fruit. On phone photos of
fruit in shops the mean of the two was worth 7 to 10 points of top-1, for a second pass through the
network (see docs/accuracy.md).
"""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image

ZOOM = 0.6  # of each side, about the middle


def _plain(rgb: Image.Image, size: int) -> Image.Image:
    """The whole image, squeezed to a square."""
    if rgb.size == (size, size):
        return rgb
    return rgb.resize((size, size), Image.Resampling.BICUBIC)


def _mirror(rgb: Image.Image, size: int) -> Image.Image:
    return _plain(rgb, size).transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def _zoom(rgb: Image.Image, size: int) -> Image.Image:
    width, height = rgb.size
    left, top = width * (1 - ZOOM) / 2, height * (1 - ZOOM) / 2
    middle = (left, top, width - left, height - top)
    return rgb.resize((size, size), Image.Resampling.BICUBIC, box=middle)


VIEWS: dict[str, Callable[[Image.Image, int], Image.Image]] = {
    "plain": _plain,
    "mirror": _mirror,
    "zoom": _zoom,
}
