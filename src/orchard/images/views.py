"""What the network is shown of an image; the features of several views are averaged.

A whole photo squeezed into 224 pixels shows a shelf, its middle shows a fruit. On phone photos of
fruit in shops the mean of the two was worth 7 to 10 points of top-1, for a second pass through the
network, and a third, nearer one 2 to 4 more (see docs/accuracy.md).

Of several networks side by side each is shown the views at its own size. A view's name then ends in
a size that is smaller than the largest, as in `zoom:96`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

MIDDLES = {"zoom": 0.6, "near": 0.4}  # of each side, about the middle


def _plain(rgb: Image.Image, size: int) -> Image.Image:
    """The whole image, squeezed to a square."""
    if rgb.size == (size, size):
        return rgb
    return rgb.resize((size, size), Image.Resampling.BICUBIC)


def _mirror(rgb: Image.Image, size: int) -> Image.Image:
    return _plain(rgb, size).transpose(Image.Transpose.FLIP_LEFT_RIGHT)


def _middle(rgb: Image.Image, size: int, *, share: float) -> Image.Image:
    width, height = rgb.size
    left, top = width * (1 - share) / 2, height * (1 - share) / 2
    middle = (left, top, width - left, height - top)
    return rgb.resize((size, size), Image.Resampling.BICUBIC, box=middle)


VIEWS: dict[str, Callable[[Image.Image, int], Image.Image]] = {
    "plain": _plain,
    "mirror": _mirror,
    **{kind: partial(_middle, share=share) for kind, share in MIDDLES.items()},
}


def share_of(view: str) -> float:
    """Of each side of the image, what a view shows."""
    return MIDDLES.get(view.partition(":")[0], 1.0)


def view_of(rgb: Image.Image, view: str, size: int) -> Image.Image:
    """A view of an image: size × size pixels, or the smaller size that its name ends in."""
    kind, _, own = view.partition(":")
    return VIEWS[kind](rgb, int(own) if own else size)


def placed(square: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """(s, s, 3), s ≤ size → (size, size, 3): all views of an image make one array, a smaller one
    lies in its upper left corner."""
    if len(square) == size:
        return square
    canvas = np.zeros((size, size, 3), np.uint8)
    canvas[: len(square), : len(square)] = square
    return canvas
