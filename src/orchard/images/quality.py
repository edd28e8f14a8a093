"""What a glance at the small picture tells of an image's quality: blur, exposure, clipping."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image


class Quality(NamedTuple):
    """Of the small picture that a thumbnail is of, in luma (ITU-R BT.601) of 0 to 255.

    sharpness: the variance of its Laplacian, low where it is blurred. brightness: its mean, as a
    share of 255. clipped: the share of pixels that are 0 or 255.
    """

    sharpness: float
    brightness: float
    clipped: float


def quality(image: Image.Image) -> Quality:
    """Of an RGB picture. Those of pictures of one size can be compared.

    The variance of the Laplacian as a measure of focus is LAPV of Pech-Pacheco et al., Diatom
    autofocusing in brightfield microscopy: a comparative study (ICPR 2000); here with the kernel of
    four neighbours, over all pixels but the border's.
    """
    grey = image.convert("L")
    counts = np.array(grey.histogram(), np.int64)
    n = int(counts.sum())
    luma = np.asarray(grey)
    return Quality(
        _variance(_laplacian(luma)),
        float(counts @ np.arange(256)) / (255 * n),
        float(counts[0] + counts[255]) / n,
    )


def _laplacian(luma: NDArray[np.uint8]) -> NDArray[np.int16]:
    """(height - 2, width - 2): the sum of four neighbours, less four times the pixel."""
    wide = luma.astype(np.int16)
    found = wide[:-2, 1:-1] + wide[2:, 1:-1]
    found += wide[1:-1, :-2]
    found += wide[1:-1, 2:]
    found -= wide[1:-1, 1:-1] << 2
    return found


def _variance(values: NDArray[np.int16]) -> float:
    flat = values.ravel().astype(np.float32)  # exact: of at most 1020, its square of a million
    if not flat.size:
        return 0.0
    mean = float(values.sum(dtype=np.int64)) / flat.size
    return max(0.0, float(flat @ flat) / flat.size - mean * mean)
