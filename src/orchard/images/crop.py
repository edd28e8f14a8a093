"""A part of an image, in whole pixels, as the page's crop.js cuts it."""

from __future__ import annotations

Box = tuple[int, int, int, int]
"""left, top, right, bottom: the last two are the first pixels that do not belong to it."""


def within(box: Box, width: int, height: int) -> Box:
    """What of a box lies in an image; at least one pixel of it."""
    left, top, right, bottom = box
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    return left, top, min(max(right, left + 1), width), min(max(bottom, top + 1), height)
