"""Standardisation and exact PCA from merged moments.

Symbols: n samples, d features, k components, Λ eigenvalues in descending order, V eigenvectors.

With standardisation the matrix decomposed is the correlation matrix, without it the covariance
matrix, both with n − 1 in the denominator, as in R's `prcomp` and MLlib's `StandardScaler`
(scikit-learn's `StandardScaler` divides by n; the components are the same, the scale differs by
√(n/(n−1))). All d eigenvalues come at once, so a fixed k and a share of the variance are one
computation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchard.errors import ReductionError
from orchard.reduction.moments import Moments

SHARES = (0.80, 0.90, 0.95)  # of the variance, that records, pictures and the report mark
EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class PCA:
    """A fitted standardisation and projection, float64.

    mean, scale: (d,); components: (k, d), orthonormal rows, each with its entry of largest
    magnitude positive (scikit-learn's convention since 1.5), of several as large the first;
    explained_variance: the full spectrum, (min(n − 1, d),), descending, unit: the squared unit of
    the (standardised) features; n_samples: n. A constant column has scale 1 and weighs 0 in every
    component.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    components: NDArray[np.float64]
    explained_variance: NDArray[np.float64]
    n_samples: int

    @property
    def n_components(self) -> int:
        return self.components.shape[0]

    @property
    def n_features(self) -> int:
        return self.mean.shape[0]

    @property
    def explained_variance_ratio(self) -> NDArray[np.float64]:
        """Share of the total variance by component, over the full spectrum; sums to 1."""
        return self.explained_variance / self.explained_variance.sum()

    def transform(self, features: NDArray[np.floating]) -> NDArray[np.float64]:
        """Project (n, d) features on the components: (n, k).

        Raises ReductionError where the features have another width.
        """
        if features.shape[1] != self.n_features:
            raise ReductionError(
                f"features have {features.shape[1]} columns; this PCA was fitted on "
                f"{self.n_features}"
            )
        centred = np.subtract(features, self.mean, dtype=np.float64)
        return centred @ (self.components / self.scale).T

    def energy(self, features: NDArray[np.floating]) -> float:
        """Σ‖z‖² over the rows z, centred and scaled, of (n, d) features.

        Projections hold Σ‖z W‖² of it: the share of these rows' variance that the model explains.
        """
        scaled = np.subtract(features, self.mean, dtype=np.float64)
        scaled /= self.scale
        return float(np.vdot(scaled, scaled))

    def inverse_transform(self, projected: NDArray[np.floating]) -> NDArray[np.float64]:
        """The (n, d) features nearest to (n, k) projections.

        Raises ReductionError where the projections have another width.
        """
        if projected.shape[1] != self.n_components:
            raise ReductionError(
                f"projections have {projected.shape[1]} columns; this PCA has "
                f"{self.n_components} components"
            )
        return (projected @ self.components) * self.scale + self.mean


def fit(moments: Moments, n_components: int | float, *, standardize: bool = True) -> PCA:
    """Fit to n ≥ 2 samples; cost d³, memory a few (d, d) float64 matrices whatever n is.

    n_components: a whole number k ≥ 1, or a fraction in (0, 1): the least k whose components
    explain at least that share of the variance. Raises ReductionError where it is neither, where k
    exceeds the number of features or the rank, where n < 2, and where no feature varies.
    """
    n, mean = moments.n_samples, moments.mean
    _check(n_components, n, moments.n_features)
    variance = np.diag(moments.scatter) / (n - 1)
    varies, scale = _varies(variance, mean, n), np.ones(len(mean))
    covariance = moments.scatter[np.ix_(varies, varies)]
    covariance /= n - 1
    if standardize:
        scale[varies] = np.sqrt(variance[varies])
        covariance /= np.outer(scale[varies], scale[varies])
    eigenvalues, eigenvectors = np.linalg.eigh(covariance)
    spectrum = np.clip(eigenvalues[::-1], 0.0, None)
    return _kept(mean, scale, varies, spectrum, eigenvectors[:, ::-1].T, n, n_components)


def fit_rows(
    rows: NDArray[np.floating], n_components: int | float, *, standardize: bool = True
) -> PCA:
    """`fit` to (n, d) features in memory: cost n² d where they are fewer than they are wide."""
    n, d = rows.shape
    if n >= d:
        return fit(Moments.of(rows), n_components, standardize=standardize)
    _check(n_components, n, d)
    mean = rows.mean(axis=0, dtype=np.float64)
    centred = rows - mean
    variance = np.square(centred).sum(axis=0) / (n - 1)
    varies, scale = _varies(variance, mean, n), np.ones(d)
    if standardize:
        scale[varies] = np.sqrt(variance[varies])
    scaled = centred[:, varies] / scale[varies]
    _, singular, directions = np.linalg.svd(scaled, full_matrices=False)
    return _kept(mean, scale, varies, singular**2 / (n - 1), directions, n, n_components)


def components_for(spectrum: NDArray[np.float64], fraction: float) -> int:
    """The least k whose components explain at least `fraction` of the variance.

    Of ten equal components eight explain 0.8: the rounding of a sum must not add a ninth.
    """
    wanted = fraction * spectrum.sum() * (1 - spectrum.size * EPSILON)
    return min(int(np.searchsorted(np.cumsum(spectrum), wanted)) + 1, spectrum.size)


def n_shown(pca: PCA) -> int:
    """How much of the spectrum is drawn: what is kept, and some way beyond the last of SHARES."""
    enough = components_for(pca.explained_variance, max(SHARES))
    return min(pca.explained_variance.size, max(10, round(1.35 * enough), pca.n_components))


def _kept(
    mean: NDArray[np.float64],
    scale: NDArray[np.float64],
    varies: NDArray[np.bool_],
    spectrum: NDArray[np.float64],
    directions: NDArray[np.float64],
    n: int,
    n_components: int | float,
) -> PCA:
    """Of all directions, rows by descending variance, in the columns that vary, the first k."""
    if not varies.any():
        raise ReductionError(f"all {n} images have the same features: there is no variance")
    d = len(mean)
    whole = np.pad(spectrum, (0, d))[: min(n - 1, d)]  # a constant column adds a 0
    k = _choose(whole, n_components, n, d)
    components = np.zeros((k, d))
    components[:, varies] = _fix_signs(directions[:k])
    return PCA(mean, scale, components, whole, n)


def _check(n_components: int | float, n: int, d: int) -> None:
    valid = 0 < n_components < 1 if isinstance(n_components, float) else n_components >= 1
    if not valid:
        raise ReductionError(
            f"--components {n_components}: expected a whole number of at least 1 or a fraction in "
            "(0, 1); for 95 % of the variance write 0.95"
        )
    if n < 2:
        raise ReductionError(f"a PCA needs at least two images with features, and there are {n}")
    if n_components > d:
        raise ReductionError(
            f"--components {n_components}: expected at most {d}, the number of features"
        )


def _choose(spectrum: NDArray[np.float64], n_components: int | float, n: int, d: int) -> int:
    rank = _rank(spectrum, max(n, d))
    if isinstance(n_components, float):
        return min(components_for(spectrum, n_components), rank)
    if n_components > rank:
        raise ReductionError(
            f"--components {n_components}: {n} images span only {rank} directions; expected at "
            f"most {rank}, or a share of the variance such as 0.95"
        )
    return int(n_components)


def _rank(spectrum: NDArray[np.float64], size: int) -> int:
    """Eigenvalues above the rounding of the decomposition (`numpy.linalg.matrix_rank`'s bound)."""
    return int(np.count_nonzero(spectrum > spectrum[0] * size * EPSILON))


def _varies(variance: NDArray[np.float64], mean: NDArray[np.float64], n: int) -> NDArray[np.bool_]:
    """Columns whose variance is more than rounding (the bound of scikit-learn's scaler)."""
    return variance > n * EPSILON * variance + (n * mean * EPSILON) ** 2


def _fix_signs(components: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two standardised features have components (1, ±1) / √2: rounding must not choose the sign."""
    magnitude = np.abs(components)
    bar = (1 - EPSILON**0.5) * magnitude.max(axis=1, keepdims=True)
    largest = (magnitude >= bar).argmax(axis=1)
    signs = np.sign(components[np.arange(len(components)), largest])
    return components * signs[:, None]
