"""Landmarks: means of like training images, to tell how near an image is to any of them.

Likeness (`classify.space`) asks whether an image lies in the directions that fruit spans; nearness,
whether it lies where fruit is. The two err on different pictures: gravel lies in the directions of
potatoes, and not near them. A landmark is the mean of three images or more: a page for everyone
carries nothing of a single one. Symbols: x (d,) features, q (d,) landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchard.classify.gallery import unit
from orchard.classify.space import Space

_NAME = "landmarks.directions"


@dataclass(frozen=True, slots=True)
class Landmarks:
    """directions: (m, d) int8, of which only the direction counts."""

    directions: NDArray[np.int8]

    @classmethod
    def at(cls, means: NDArray[np.floating]) -> Landmarks:
        """means: (m, d), of any length."""
        most = np.abs(means).max(axis=1, keepdims=True)
        return cls(np.rint(127 * means / np.where(most > 0, most, 1)).astype(np.int8))

    def nearness(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n,) the largest cosine of the angles between (n, d) features and the landmarks."""
        cosines = unit(features) @ unit(self.directions.astype(np.float32)).T
        nearest: NDArray[np.float64] = cosines.max(axis=1).astype(np.float64)
        return nearest

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        return {_NAME: self.directions}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[np.generic]]) -> Landmarks:
        """Raises KeyError where they are missing."""
        return cls(arrays[_NAME])  # type: ignore[arg-type]


def familiarity(
    features: NDArray[np.floating], space: Space, landmarks: Landmarks
) -> NDArray[np.float64]:
    """(n,) likeness + nearness, at most 2."""
    return space.likeness(features) + landmarks.nearness(features)
