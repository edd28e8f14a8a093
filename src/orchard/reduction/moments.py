"""Count, mean and scatter of a set of vectors: all that standardising and PCA need to know of it.

Symbols: n samples, d features, x a sample, m the mean, S the scatter matrix Σ (x − m)(x − m)ᵀ.

`update` takes in a batch, `merge` joins two sets. A batch is centred on its own mean before its
product is taken, and two sets are joined by

    δ = m_b − m_a,   n = n_a + n_b,   m = m_a + δ n_b / n,   S = S_a + S_b + δ δᵀ n_a n_b / n

(Chan, Golub & LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances",
1979). The rejected alternative, Σ xxᵀ − n m mᵀ in one go, loses every digit where the mean is large
against the spread; `tests/laws/test_moments.py` shows it failing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchard.errors import ReductionError


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of n samples in d dimensions, float64.

    n_samples: n; mean: (d,); scatter: (d, d), symmetric.
    """

    n_samples: int
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]

    @property
    def n_features(self) -> int:
        return self.mean.shape[0]

    @classmethod
    def empty(cls, n_features: int) -> Moments:
        """The neutral element of `merge`."""
        return cls(0, np.zeros(n_features), np.zeros((n_features, n_features)))

    @classmethod
    def of(cls, batch: NDArray[np.floating]) -> Moments:
        """Moments of one batch of shape (n, d); see `update`."""
        return update(cls.empty(batch.shape[1]), batch)


def update(known: Moments, batch: NDArray[np.floating]) -> Moments:
    """Moments of what was known and a batch of shape (n, d), any float dtype; cost n d² + d².

    The last term of the joining formula is one more row of the product, √(n_a n_b / n) δ, as in
    scikit-learn's `IncrementalPCA`. An empty batch changes nothing, whatever its width.

    Raises ReductionError where the batch has another width, or a value is not finite.
    """
    n_batch, n_features = batch.shape
    if n_batch == 0:
        return known
    if n_features != known.n_features:
        raise ReductionError(
            f"a batch has {n_features} features and the ones before it {known.n_features}; the "
            "features of two models cannot be mixed"
        )
    mean = _finite_mean(batch)
    delta = mean - known.mean
    n_samples = known.n_samples + n_batch
    rows = np.empty((n_batch + 1, n_features))
    np.subtract(batch, mean, out=rows[:-1])
    np.multiply(delta, np.sqrt(known.n_samples * n_batch / n_samples), out=rows[-1])
    scatter = rows.T @ rows
    scatter += known.scatter
    return Moments(n_samples, known.mean + delta * (n_batch / n_samples), scatter)


def merge(a: Moments, b: Moments) -> Moments:
    """Moments of the union of two disjoint sets; cost d²."""
    if a.n_features != b.n_features:
        raise ReductionError(f"cannot merge moments of {a.n_features} and {b.n_features} features")
    if a.n_samples == 0 or b.n_samples == 0:
        return b if a.n_samples == 0 else a
    n_samples = a.n_samples + b.n_samples
    delta = b.mean - a.mean
    weighted = delta * np.sqrt(a.n_samples * b.n_samples / n_samples)
    scatter = np.outer(weighted, weighted)  # √ on both sides: symmetric to the last bit
    scatter += a.scatter
    scatter += b.scatter
    return Moments(n_samples, a.mean + delta * (b.n_samples / n_samples), scatter)


def _finite_mean(batch: NDArray[np.floating]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore"):  # ∞ − ∞; reported below
        mean: NDArray[np.float64] = batch.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        raise ReductionError(
            f"{np.count_nonzero(~np.isfinite(batch).all(axis=1))} of {len(batch)} feature "
            "vectors hold a value that is not finite; the model or its input is broken"
        )
    return mean
