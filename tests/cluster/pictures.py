"""Small pictures for runs that are disturbed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

N_BROKEN = 3


def write_pictures(folder: Path, n: int, seed: int) -> Path:
    """n small files in two folders, no two alike, N_BROKEN of them no pictures."""
    rng = np.random.default_rng(seed)
    for label in ("apple", "plum"):
        (folder / label).mkdir()
    for number in range(n - N_BROKEN):
        coarse = rng.integers(0, 256, (5, 5, 3), np.uint8)
        image = Image.fromarray(coarse).resize((40, 40), Image.Resampling.BICUBIC)
        image.save(folder / ("apple", "plum")[number % 2] / f"{number:03}.png")
    for number in range(N_BROKEN):
        (folder / "plum" / f"broken{number}.png").write_bytes(b"no picture")
    return folder
