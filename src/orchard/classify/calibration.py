"""Probabilities that mean what they say: temperature scaling, and how well it did.

Guo et al. 2017, "On Calibration of Modern Neural Networks": logits z are divided by one number
T > 0 before the softmax, chosen on held-out images. It changes no ranking. Symbols: n images, c
classes, p probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_BINS = 15  # as Guo et al.
_LOG_T = (-6.0, 6.0)  # of the natural logarithm: T from 0.0025 to 400


@dataclass(frozen=True, slots=True)
class Bin:
    """Images whose top probability lies in (lower, lower + 1 / N_BINS]."""

    lower: float
    n: int
    confidence: float  # mean top probability
    accuracy: float  # share of right answers


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float64]:
    """(n, c) logits → (n, c) probabilities, rows sum to 1."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    np.exp(scaled, out=scaled)
    scaled /= scaled.sum(axis=1, keepdims=True)
    return scaled


def losses(
    logits: NDArray[np.floating], y: NDArray[np.intp], temperature: float = 1.0
) -> NDArray[np.float64]:
    """(n,) −log p of the true classes."""
    p = softmax(logits, temperature)[np.arange(len(y)), y]
    found: NDArray[np.float64] = -np.log(np.maximum(p, np.finfo(np.float64).tiny))
    return found


def log_loss(logits: NDArray[np.floating], y: NDArray[np.intp], temperature: float = 1.0) -> float:
    """The mean of `losses`."""
    return float(losses(logits, y, temperature).mean())


def fit_temperature(logits: NDArray[np.floating], y: NDArray[np.intp]) -> float:
    """The T of least log loss on held-out images; 1 where there are none.

    The loss is convex in 1 / T, hence has one minimum in log T, found to 0.1 %.
    """
    if not len(y):
        return 1.0
    from scipy.optimize import minimize_scalar

    found = minimize_scalar(
        lambda log_t: log_loss(logits, y, float(np.exp(log_t))),
        bounds=_LOG_T, method="bounded", options={"xatol": 1e-3},
    )  # fmt: skip
    return float(np.exp(found.x))


def reliability(top: NDArray[np.floating], right: NDArray[np.bool_]) -> list[Bin]:
    """The bins that hold images. top: (n,) top probabilities. right: (n,) whether it was so."""
    number = np.clip(np.ceil(top * N_BINS).astype(int) - 1, 0, N_BINS - 1)
    return [
        Bin(
            lower=b / N_BINS,
            n=int(np.count_nonzero(number == b)),
            confidence=float(top[number == b].mean()),
            accuracy=float(right[number == b].mean()),
        )
        for b in np.unique(number)
    ]


def calibration_error(bins: list[Bin]) -> float:
    """Expected calibration error: mean |confidence − accuracy| over images; 0 without any."""
    n = sum(b.n for b in bins)
    return sum(b.n * abs(b.confidence - b.accuracy) for b in bins) / max(n, 1)
