"""How much an image is like what the classifier was trained on, before it is asked which.

The components were fitted on fruit alone: what a picture of something else has that fruit has not
lies outside them. The share of its (standardised) features' energy that the components hold is the
likeness: about 0.95 for the images a PCA of 95 % was fitted on. The most probable class would not
do: a softmax is as sure about a chair as about an apple.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchard.reduction import PCA


def familiarity(
    pca: PCA, features: NDArray[np.floating], components: NDArray[np.floating]
) -> NDArray[np.float64]:
    """(n, d) features and their (n, k) components → (n,) in [0, 1]."""
    scaled = np.subtract(features, pca.mean, dtype=np.float64)
    scaled /= pca.scale
    energy = np.einsum("ij,ij->i", scaled, scaled)
    kept = np.einsum("ij,ij->i", components, components)
    share: NDArray[np.float64] = kept / np.maximum(energy, np.finfo(np.float64).tiny)
    return np.minimum(share, 1.0)
