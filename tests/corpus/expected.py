from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchard.records import Reason

Colour = tuple[int, int, int]
RED, GREEN, BLUE, YELLOW = (220, 40, 30), (40, 180, 60), (30, 60, 200), (230, 210, 40)
WHITE = (255, 255, 255)
CORNERS = (RED, GREEN, BLUE, YELLOW)
WIDTH, HEIGHT = 24, 16


@dataclass(frozen=True)
class Expected:
    """What a file must become: pixels, or (`reason` set) an error row."""

    reason: Reason | None = None
    width: int = WIDTH
    height: int = HEIGHT
    corners: tuple[Colour, Colour, Colour, Colour] | None = CORNERS  # top, then bottom; None: any
    tolerance: int = 0  # of a corner's channels, in 1/255


File = tuple[bytes, Expected]


def picture(width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Four quarters of four colours: no two of its eight orientations look alike."""
    rgb = np.empty((height, width, 3), np.uint8)
    for corner, colour in enumerate(CORNERS):
        rows = slice(None, height // 2) if corner < 2 else slice(height // 2, None)
        columns = slice(None, width // 2) if corner % 2 == 0 else slice(width // 2, None)
        rgb[rows, columns] = colour
    return rgb
