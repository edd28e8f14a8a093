"""Several photos of one fruit, one answer.

The mean of the logarithms of the probabilities, made to sum to 1: a logarithmic opinion pool
(Genest and Zidek 1986, "Combining Probability Distributions"). On photos of one variety it was
right as often as the mean of the probabilities or more often, and what it stated nearer to that:
the mean is too modest where photos agree (decision 52). The page's own `together` in
web/static/classifier.js is this function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAST = 1e-9  # so that no photo rules a class out for all the others


@dataclass(frozen=True, slots=True)
class Seen:
    """What one photo shows, or several of one fruit. p: (c,) calibrated probabilities of the
    classes. likeness: to what was trained on, see
    `landmarks.familiarity`. direction: (k,) the head's inputs at length 1.
    seconds: by step."""

    p: NDArray[np.float64]
    likeness: float
    direction: NDArray[np.float32]
    seconds: dict[str, float]


def together(
    probabilities: NDArray[np.floating], likeness: NDArray[np.floating]
) -> tuple[NDArray[np.float64], float]:
    """(n, c) probabilities of n photos of one fruit, (n,) likeness → (c,) probabilities, likeness.

    The rows' order makes no difference. Raises ValueError where there is no photo.
    """
    p = np.asarray(probabilities, np.float64)
    if not len(p):
        raise ValueError("no photo: expected at least one")
    pooled = np.exp(np.log(np.maximum(p, LEAST)).mean(axis=0))
    return pooled / pooled.sum(), float(np.mean(likeness, dtype=np.float64))


def as_one(seen: Sequence[Seen]) -> Seen:
    """Of n photos of one fruit; the seconds are those of all. Raises ValueError where none is."""
    p, likeness = together(
        np.array([one.p for one in seen]), np.array([one.likeness for one in seen])
    )
    middle = np.mean([one.direction for one in seen], axis=0)
    seconds = {name: sum(one.seconds[name] for one in seen) for name in seen[0].seconds}
    return Seen(p, likeness, middle, seconds)
