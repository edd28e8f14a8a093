"""Pictures that are poor in themselves: blurred, dark, bright, tiny, near-uniform.

The workers have measured sharpness, brightness and clipping of each small picture. What is poor is
so by itself and beside the others: where all fruit are on white ground, being bright is no finding.
"Beside the others" is the modified z-score of Iglewicz and Hoaglin (How to Detect and Handle
Outliers, 1993): the distance to the median over the median distance, times 0.6745.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FAR = 3.5  # of a modified z-score: what they advise
SHARP = 400.0  # variance of the Laplacian: from here on nothing is called blurred
DARK, BRIGHT = 0.2, 0.85  # mean luma
SMALL, SHOWN = 64, 224  # pixels of the shorter side; what networks are shown
FLAT, CLIPPED = 1.0, 0.98  # sharpness; share of pixels that are black or white


@dataclass(frozen=True, slots=True)
class Found:
    """rows: of images, the worst first. scores: of each, the higher the worse."""

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, is_found: NDArray[np.bool_], scores: NDArray[np.float64]) -> Found:
        rows = np.flatnonzero(is_found)
        order = np.argsort(-scores[rows], kind="stable")
        return cls(rows[order], scores[rows[order]])


def poor(
    width: NDArray[np.float64],
    height: NDArray[np.float64],
    sharpness: NDArray[np.float64],
    brightness: NDArray[np.float64],
    clipped: NDArray[np.float64],
) -> dict[str, Found]:
    """By kind. All arrays: (n,), NaN where an older run has measured nothing.

    Scores: blurred, how many times less sharp than the median; dark, 1 − brightness; bright, the
    brightness; tiny, how many times its shorter side is enlarged to SHOWN pixels; uniform, 1 for a
    picture of one colour, and less for one with edges.
    """
    side = np.minimum(width, height)
    with np.errstate(invalid="ignore"):  # comparisons with NaN are false, as wanted
        flat = (sharpness < FLAT) | (clipped > CLIPPED)
        logs = np.log(np.maximum(sharpness, FLAT))
        blurred = (sharpness < SHARP) & (z_scores(logs) < -FAR) & ~flat
        z = z_scores(brightness)
        dark, bright = (brightness < DARK) & (z < -FAR), (brightness > BRIGHT) & (z > FAR)
        tiny = (side < SMALL) | ((side < SHOWN) & (side < _median(side) / 4))
        uniform = np.where(clipped > CLIPPED, clipped, 1 / (1 + sharpness))
    return {
        "blurred": Found.of(blurred, np.exp(_median(logs) - logs)),
        "dark": Found.of(dark & ~flat, 1 - brightness),
        "bright": Found.of(bright & ~flat, brightness),
        "tiny": Found.of(tiny, SHOWN / np.maximum(side, 1)),
        "uniform": Found.of(flat, uniform),
    }


def unusual(isolation: NDArray[np.float32]) -> Found:
    """Images far from their neighbours: by the logarithm of `Neighbours.isolation`, the score."""
    values = isolation.astype(np.float64)
    return Found.of(z_scores(np.log(np.maximum(values, 1e-12))) > FAR, values)


def z_scores(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) modified z-scores; NaN where a value is. Of values that are mostly equal, by the mean
    distance, as Iglewicz and Hoaglin do, and 0 of values that all are."""
    apart = values - _median(values)
    scale = _median(np.abs(apart)) / 0.6745
    if not scale > 0:
        scale = 1.2533 * float(np.nanmean(np.abs(apart))) if np.isfinite(apart).any() else np.nan
    return apart / scale if scale > 0 else apart * 0


def _median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")
