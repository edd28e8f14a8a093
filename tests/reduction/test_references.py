"""Ours against scikit-learn and Spark MLlib, two references that share no code with it.

Tolerances. EIGENVALUES is relative to the largest: all three solve in float64, whose eigenvalues
are good to about d ε λ₁, 3e-13 at d = 1280. An eigenvector is determined only up to its sign, and
to that error over the distance to the next eigenvalue: components and projections are compared
where this is at least GAP of λ₁.

scikit-learn's `StandardScaler` divides by n where MLlib and Orchard divide by n − 1: its
standardised features are √(n / (n − 1)) times ours, with the same components and ratios.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from orchard.reduction import PCA, Moments, components_for, fit, update

Features = NDArray[np.float32]

EIGENVALUES = 1e-12
GAP = 1e-3
VECTORS = EIGENVALUES / GAP
FRACTIONS = (0.5, 0.8, 0.95)


@dataclass(frozen=True)
class Reference:
    """ratio: share of the variance by component, all of them; components (k, d); projected (n, k).

    stretch: how much larger than ours the standardised features are.
    """

    ratio: NDArray[np.float64]
    components: NDArray[np.float64]
    projected: NDArray[np.float64]
    stretch: float


def synthetic(n: int, d: int, seed: int) -> Features:
    """Like pooled MobileNetV2 features: sparse, from 0 to 6, correlated, some columns dead."""
    rng = np.random.default_rng(seed)
    topics = rng.gamma(0.6, 1.0, (n, 24)) @ rng.gamma(0.3, 1.0, (24, d))
    activations = topics - topics.mean() + 2 * rng.standard_normal((n, d))
    features = np.clip(0.3 * activations, 0, 6).astype(np.float32)
    features[:, rng.choice(d, d // 40, replace=False)] = 0
    features[:, rng.choice(d, 2, replace=False)] = 0.7
    return features


@pytest.fixture(
    scope="module",
    params=["200x320", "600x64", "50x64", pytest.param("golden", marks=pytest.mark.long)],
    ids=lambda name: name,
)
def features(request: pytest.FixtureRequest) -> Features:
    if request.param == "golden":
        shared: Path = request.getfixturevalue("shared")
        with np.load(shared / "golden" / "keras_mobilenet_v2_features.npz") as golden:
            return np.asarray(golden["features"])
    n, d = map(int, request.param.split("x"))
    return synthetic(n, d, seed=n)


@pytest.fixture(scope="module")
def scikit_learn(features: Features) -> Reference:
    from sklearn.decomposition import PCA as Theirs
    from sklearn.preprocessing import StandardScaler

    n = len(features)
    standardised = StandardScaler().fit_transform(features.astype(np.float64))
    theirs = Theirs(svd_solver="full").fit(standardised)
    k = leading(features)
    projected = theirs.transform(standardised)[:, :k]
    ratio, components = theirs.explained_variance_ratio_, theirs.components_[:k]
    return Reference(ratio, components, projected, np.sqrt(n / (n - 1)))


def leading(features: Features) -> int:
    """How many components are compared."""
    return min(40, len(features) - 1)


@pytest.fixture(scope="module")
def mllib(spark: Any, features: Features) -> Reference:
    from pyspark.ml.feature import PCA as Theirs
    from pyspark.ml.feature import StandardScaler
    from pyspark.ml.linalg import Vectors

    rows = [(i, Vectors.dense(row.tolist())) for i, row in enumerate(features)]
    frame = spark.createDataFrame(rows, ["id", "features"])
    scaler = StandardScaler(
        withMean=True, withStd=True, inputCol="features", outputCol="standardised"
    )
    # its PCA.transform does not centre; the scaler has done so
    pca = Theirs(k=features.shape[1], inputCol="standardised", outputCol="projected")
    standardised = scaler.fit(frame).transform(frame).cache()
    model = pca.fit(standardised)
    results = sorted(model.transform(standardised).select("id", "projected").collect())
    projected = np.array([row.projected.toArray() for row in results])
    standardised.unpersist()
    k = leading(features)
    components = model.pc.toArray().T[:k]
    return Reference(model.explainedVariance.toArray(), components, projected[:, :k], 1.0)


@pytest.fixture(scope="module", params=["scikit-learn", "MLlib"])
def reference(
    request: pytest.FixtureRequest, scikit_learn: Reference, mllib: Reference
) -> Reference:
    return {"scikit-learn": scikit_learn, "MLlib": mllib}[request.param]


@pytest.fixture(scope="module")
def moments(features: Features) -> Moments:
    known = Moments.empty(features.shape[1])
    for batch in np.split(features, range(37, len(features), 37)):
        known = update(known, batch)
    return known


@pytest.fixture(scope="module")
def ours(moments: Moments, reference: Reference) -> PCA:
    return fit(moments, len(reference.components))


def separated(pca: PCA) -> NDArray[np.bool_]:
    """Which of the k components have an eigenvalue GAP away from both neighbours."""
    spectrum = np.concatenate([[np.inf], pca.explained_variance, [0.0]])
    gaps = -np.diff(spectrum) > GAP * pca.explained_variance[0]
    alone: NDArray[np.bool_] = (gaps[:-1] & gaps[1:])[: pca.n_components]
    assert alone.sum() >= 5
    return alone


def signs(ours: PCA, reference: Reference) -> NDArray[np.float64]:
    return np.sign((ours.components * reference.components).sum(axis=1))


def test_eigenvalues_agree(ours: PCA, reference: Reference) -> None:
    """Theirs past n − 1 are rounding."""
    ratio = ours.explained_variance_ratio
    theirs, rest = np.split(reference.ratio, [ratio.size])
    np.testing.assert_allclose(ratio, theirs, rtol=0, atol=EIGENVALUES * ratio[0])
    np.testing.assert_allclose(rest, 0, atol=EIGENVALUES * ratio[0])


def test_the_variances_of_their_projections_are_our_eigenvalues(
    ours: PCA, reference: Reference
) -> None:
    variances = (reference.projected / reference.stretch).var(axis=0, ddof=1)
    np.testing.assert_allclose(
        ours.explained_variance[: ours.n_components],
        variances,
        rtol=0,
        atol=EIGENVALUES * variances[0],
    )


def test_components_agree_up_to_sign(ours: PCA, reference: Reference) -> None:
    alone = separated(ours)
    theirs = signs(ours, reference)[:, None] * reference.components
    np.testing.assert_allclose(ours.components[alone], theirs[alone], rtol=0, atol=VECTORS)


def test_projections_agree_up_to_sign(ours: PCA, reference: Reference, features: Features) -> None:
    alone = separated(ours)
    theirs = signs(ours, reference) * reference.projected / reference.stretch
    projected = ours.transform(features)
    np.testing.assert_allclose(
        projected[:, alone], theirs[:, alone], rtol=0, atol=VECTORS * np.abs(projected).max()
    )


@pytest.mark.parametrize("fraction", FRACTIONS)
def test_the_same_number_of_components_reaches_a_fraction(
    ours: PCA, reference: Reference, fraction: float
) -> None:
    theirs = int((np.cumsum(reference.ratio) < fraction).sum()) + 1
    assert components_for(ours.explained_variance, fraction) == theirs


def test_signs_are_scikit_learns(moments: Moments, scikit_learn: Reference) -> None:
    """Since 1.5 it fixes signs by the same rule, so there nothing is left to be flipped."""
    theirs = scikit_learn.components[:5]
    np.testing.assert_allclose(fit(moments, 5).components, theirs, rtol=0, atol=VECTORS)


def test_scikit_learn_given_the_fraction_keeps_as_many(
    features: Features, moments: Moments
) -> None:
    from sklearn.decomposition import PCA as Theirs
    from sklearn.preprocessing import StandardScaler

    standardised = StandardScaler().fit_transform(features.astype(np.float64))
    theirs = Theirs(n_components=0.8, svd_solver="full").fit(standardised)
    assert fit(moments, 0.8).n_components == theirs.n_components_


def test_without_standardisation_it_is_scikit_learns_pca_of_the_features(
    features: Features, moments: Moments
) -> None:
    from sklearn.decomposition import PCA as Theirs

    theirs = Theirs(svd_solver="full").fit(features.astype(np.float64))
    ours = fit(moments, 5, standardize=False)
    spectrum = ours.explained_variance
    np.testing.assert_allclose(
        spectrum,
        theirs.explained_variance_[: spectrum.size],
        rtol=0,
        atol=EIGENVALUES * spectrum[0],
    )
    projected = theirs.transform(features.astype(np.float64))[:, :5]
    np.testing.assert_allclose(
        ours.transform(features), projected, rtol=0, atol=VECTORS * projected.max()
    )


def test_the_scale_is_the_sample_standard_deviation(moments: Moments, features: Features) -> None:
    ours = fit(moments, 1)
    deviation = features.astype(np.float64).std(axis=0, ddof=1)
    varies = np.ptp(features, axis=0) > 0
    mean = features.mean(axis=0, dtype=np.float64)
    np.testing.assert_allclose(ours.mean, mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(ours.scale[varies], deviation[varies], rtol=1e-12)
    np.testing.assert_array_equal(ours.scale[~varies], 1)
