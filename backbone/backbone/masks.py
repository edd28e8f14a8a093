"""Where the fruit is in a photo on white: by colour, then by shape."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

WHITE = 238  # of 255, in the darkest channel; JPEG leaves a fringe below it around the fruit
SMALLEST = 0.04  # of the largest component; smaller ones are specks of the compression


def fruit_mask(photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(height, width, 3) RGB → (height, width): 255 on the fruit, soft over two pixels at its edge.

    The ground is what is near white and reaches the frame; a highlight inside the fruit does not.
    """
    light = (photo.min(axis=2) >= WHITE).astype(np.uint8)
    framed = cv2.copyMakeBorder(light, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    cv2.floodFill(framed, None, (0, 0), 2)
    fruit = (framed[1:-1, 1:-1] != 2).astype(np.uint8)
    fruit = cv2.morphologyEx(fruit, cv2.MORPH_OPEN, _DISC, borderType=cv2.BORDER_REPLICATE)
    fruit = _large_parts(fruit)
    # Two pixels in: the edge of the photo's fruit is mixed with its white ground.
    fruit = cv2.erode(fruit, _DISC, iterations=2, borderType=cv2.BORDER_CONSTANT, borderValue=0)
    return cv2.GaussianBlur(fruit * 255, (3, 3), 0)


def _large_parts(fruit: NDArray[np.uint8]) -> NDArray[np.uint8]:
    _, parts, stats, _ = cv2.connectedComponentsWithStats(fruit, connectivity=8)
    areas = stats[:, cv2.CC_STAT_AREA]
    keep = areas >= SMALLEST * areas[1:].max(initial=1)
    keep[0] = False  # the ground
    found: NDArray[np.uint8] = keep[parts].astype(np.uint8)
    return found


_DISC = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
