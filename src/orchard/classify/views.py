"""What is made of a resized image before the network; the views' features are averaged.

A fruit seen in a mirror is the same fruit: averaging an image with its mirror image takes out some
of what the network happens to see on one side. Each view costs one more pass through the network.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from orchard.model import Embedder

Pictures = NDArray[np.uint8]

VIEWS: dict[str, Callable[[Pictures], Pictures]] = {
    "plain": lambda pictures: pictures,
    "mirror": lambda pictures: pictures[:, :, ::-1],
}


def features(embedder: Embedder, pictures: Pictures, views: tuple[str, ...]) -> NDArray[np.float32]:
    """(n, size, size, 3) uint8 → (n, dim) float32, the mean over the views."""
    total = np.zeros((len(pictures), embedder.model.dim), np.float32)
    for view in views:
        total += embedder(np.ascontiguousarray(VIEWS[view](pictures)))
    return total / np.float32(len(views))
