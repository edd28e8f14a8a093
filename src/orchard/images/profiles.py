"""Pixels in the colours of a profile, as sRGB, by Little CMS."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image

_MOST_BYTES = 4 << 20  # of a profile: those of presses take 2 MiB
_STEPS = np.array([0, 32, 64, 96, 128, 160, 192, 224, 255], np.uint8)
_CHANNELS = {"L": 1, "RGB": 3, "RGBA": 3, "CMYK": 4}
_UNNOTICED = 1  # of 255: what two writers of the same profile differ by


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An image of mode L, RGB, RGBA or CMYK, converted; itself where there is nothing to convert.

    That is where the profile is sRGB's by whatever name, broken, or of other channels than the
    image has: then the pixels are what they are without it, bit for bit.
    """
    if not profile or len(profile) > _MOST_BYTES or image.mode not in _CHANNELS:
        return image
    found = _transform(profile, image.mode)
    return image if found is None else found.apply(image)


@lru_cache(32)
def _transform(profile: bytes, mode: str) -> Any:
    from PIL import ImageCms  # most photos need none

    try:
        made = ImageCms.buildTransform(
            BytesIO(profile),
            ImageCms.createProfile("sRGB"),
            mode,
            "RGBA" if mode == "RGBA" else "RGB",
            ImageCms.Intent.PERCEPTUAL,
        )
        return made if _is_noticed(made, mode) else None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _is_noticed(transform: Any, mode: str) -> bool:
    """Whether it changes any of the colours of a grid."""
    if mode == "CMYK":
        return True
    axes = np.meshgrid(*[_STEPS] * _CHANNELS[mode], indexing="ij")
    grid = np.stack(axes, axis=-1).reshape(len(axes[0]), -1, _CHANNELS[mode])
    shown = Image.fromarray(grid[..., 0] if mode == "L" else grid).convert(mode)
    after = np.asarray(transform.apply(shown).convert("RGB"), np.int16)
    return int(np.abs(after - np.asarray(shown.convert("RGB"), np.int16)).max()) > _UNNOTICED
