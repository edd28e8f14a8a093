"""The space that a head works in: the components, in the features' own metric.

A PCA of standardised features gives a feature that hardly varies as much say as one that does. That
is right for explaining variance and costs a classifier accuracy: 3 points of top-1 on phone photos
whose scenes were held out (docs/accuracy.md). The components span the same directions either way;
what differs is the length along each. Symbols: x (d,) features, μ mean, s scale, C (k, d)
components, z = C ((x − μ) / s) what the components table holds, and B = C · diag(s), so that z B
are the features that z stands for. With B Bᵀ = U diag(w) Uᵀ, the head's inputs are u = z U
diag(√w): their angles and lengths are those of z B. Without standardisation B is C, and u is z.

Of networks side by side, one whose features vary more would have all the say. So the features of
each get as much variance as those of the others: B = C · diag(s g), with one gain g for each
network. That was worth 2 points (docs/accuracy.md);
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchard.reduction import PCA

Arrays = dict[str, NDArray[np.generic]]
_NAMES = ("mean", "projection", "basis", "metric")


@dataclass(frozen=True, slots=True)
class Space:
    """mean: (d,) float32, μ. projection: (k, d) float32, u = projection (x − μ).

    basis: (k, d) float32; u · basis are the features that u stands for, centred. metric:
    (k, k) float64, u = z · metric.
    """

    mean: NDArray[np.float32]
    projection: NDArray[np.float32]
    basis: NDArray[np.float32]
    metric: NDArray[np.float64]

    @classmethod
    def of(cls, pca: PCA, widths: Sequence[int] = ()) -> Space:
        """widths: how many features each network has, where there are several."""
        stands_for = pca.components * pca.scale
        balanced = stands_for * _gains(pca, stands_for, widths)
        w, u = np.linalg.eigh(balanced @ balanced.T)
        root = np.sqrt(np.maximum(w, np.finfo(np.float64).tiny))[::-1]
        u = u[:, ::-1]
        metric = u * root
        return cls(
            pca.mean.astype(np.float32),
            (metric.T @ (pca.components / pca.scale)).astype(np.float32),
            ((u / root).T @ stands_for).astype(np.float32),
            metric,
        )

    @property
    def n_components(self) -> int:
        return self.projection.shape[0]

    def from_features(self, features: NDArray[np.floating]) -> NDArray[np.float32]:
        """(n, d) → (n, k)."""
        centred: NDArray[np.float32] = features.astype(np.float32) - self.mean
        return centred @ self.projection.T

    def from_components(self, components: NDArray[np.floating]) -> NDArray[np.float32]:
        """Rows of the components table, (n, k) → (n, k)."""
        return (components @ self.metric).astype(np.float32)

    def likeness(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """1 − ‖x − x̂‖² / ‖x‖², x̂ what is left of (n, d) features after projection: (n,), ≤ 1."""
        rebuilt = self.from_features(features) @ self.basis + self.mean
        lost = np.square(features - rebuilt, dtype=np.float64).sum(axis=1)
        whole = np.square(features, dtype=np.float64).sum(axis=1)
        found: NDArray[np.float64] = 1 - lost / np.maximum(whole, np.finfo(np.float64).tiny)
        return found

    def arrays(self) -> Arrays:
        return {f"space.{name}": getattr(self, name) for name in _NAMES}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[np.generic]]) -> Space:
        """Raises KeyError where one is missing."""
        return cls(**{name: arrays[f"space.{name}"] for name in _NAMES})  # type: ignore[arg-type]


def _gains(pca: PCA, stands_for: NDArray[np.float64], widths: Sequence[int]) -> NDArray[np.float64]:
    """(d,) g: after it, what the components hold of each network has as much variance as what they
    hold of the one that had most."""
    if len(widths) < 2:
        return np.ones(pca.n_features)
    variance = pca.explained_variance[: pca.n_components] @ np.square(stands_for)
    starts = np.cumsum([0, *widths[:-1]])
    own = np.add.reduceat(variance, starts)
    largest = own.max()
    of_each = np.sqrt(np.divide(largest, own, out=np.ones_like(own), where=own > 0))
    return np.repeat(of_each, widths)
