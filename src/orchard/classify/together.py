"""Several photos of one fruit, one answer.

Each photo has its say in full: the mean of the probabilities (a linear opinion pool: Stone 1961,
"The Opinion Pool"). A product of them (the mean of the logarithms) was rejected: it lets one photo
that missed the fruit veto all others, and makes three photos of one mistake surer than one is. The
page's own `together` in web/static/classifier.js is this function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Seen:
    """What one photo shows, or several of one fruit. p: (c,) calibrated probabilities of the
    classes. likeness: to what was trained on. direction: (k,) the head's inputs at length 1.
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
    return p.mean(axis=0), float(np.mean(likeness, dtype=np.float64))


def as_one(seen: Sequence[Seen]) -> Seen:
    """Of n photos of one fruit; the seconds are those of all. Raises ValueError where none is."""
    p, likeness = together(
        np.array([one.p for one in seen]), np.array([one.likeness for one in seen])
    )
    middle = np.mean([one.direction for one in seen], axis=0)
    seconds = {name: sum(one.seconds[name] for one in seen) for name in seen[0].seconds}
    return Seen(p, likeness, middle, seconds)
