"""Synthetic pictures without fruit, to check that they are not taken for fruit: none is a photo.

Noise, flat colours, soft blobs, stripes, clouds and what looks like a printed page from afar. They
stand in for what people point a phone at, and are easier to tell than that: say so where a figure
on them is shown.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]


def made_pictures(n: int, size: int, seed: int) -> NDArray[np.uint8]:
    """(n, size, size, 3) uint8, the kinds in turn."""
    rng = np.random.default_rng(seed)
    kinds = (_noise, _flat, _blobs, _stripes, _clouds, _page)
    return np.stack([kinds[i % len(kinds)](rng, size) for i in range(n)])


def _noise(rng: np.random.Generator, size: int) -> Picture:
    return rng.integers(0, 256, (size, size, 3), np.uint8)


def _flat(rng: np.random.Generator, size: int) -> Picture:
    return np.tile(rng.integers(0, 256, 3, np.uint8), (size, size, 1))


def _blobs(rng: np.random.Generator, size: int) -> Picture:
    rows, columns = rng.integers(2, 12, 2)
    return _enlarged(rng.integers(0, 256, (rows, columns, 3), np.uint8), size)


def _stripes(rng: np.random.Generator, size: int) -> Picture:
    turn, width = rng.uniform(0, np.pi), rng.uniform(2, 20)
    y, x = np.mgrid[:size, :size]
    colours = rng.integers(0, 256, (2, 3), np.uint8)
    picked = np.sin((x * np.cos(turn) + y * np.sin(turn)) / width) > 0
    return colours[picked.astype(int)]


def _clouds(rng: np.random.Generator, size: int) -> Picture:
    total = np.zeros((size, size, 3))
    for octave in range(2, 7):
        coarse = rng.integers(0, 256, (2**octave, 2**octave, 3), np.uint8)
        total += _enlarged(coarse, size) / 2.0**octave
    return (total / total.max() * 255).astype(np.uint8)


def _page(rng: np.random.Generator, size: int) -> Picture:
    page = np.full((size, size, 3), rng.integers(180, 256), np.uint8)
    for top in range(size // 20, size - size // 20, max(3, size // 28)):
        words = rng.integers(size // 40 + 1, size // 8 + 2, 8).cumsum()
        for left, right in zip(words[::2], words[1::2], strict=True):
            page[top : top + max(1, size // 56), left : right - 1] = rng.integers(0, 100)
    return page


def _enlarged(small: Picture, size: int) -> Picture:
    return np.asarray(Image.fromarray(small).resize((size, size), Image.Resampling.BICUBIC))
