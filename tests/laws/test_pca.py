"""Laws of the PCA: what it must satisfy whatever the features are.

EXACT bounds, relatively, what an orthogonal transformation loses in float64: a small multiple of
d ε, 3e-15 here. An eigenvector loses more, by λ₁ over the distance to the next eigenvalue: it is
looked at where that is GAP or more of λ₁.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from random import Random

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from orchard.errors import ReductionError
from orchard.reduction import PCA, Moments, components_for, fit, fit_rows, update

Features = NDArray[np.floating]

EXACT = 1e-12
GAP = 1e-3  # of the largest eigenvalue
BELOW_RANK = 1e-6  # √(size · ε), the standard deviation of what the rank's bound leaves out


@dataclass(frozen=True)
class Case:
    """Features (n, d), columns of which are constant or copies of others; their rank."""

    features: Features
    constant: NDArray[np.bool_]
    rank: int


@st.composite
def cases(draw: st.DrawFn, broad: bool = True) -> Case:
    """n from 3 to 40, d from 2 to 12: more rows than columns and fewer, means up to 1e6."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, n_free = draw(st.integers(3, 40)), draw(st.integers(2, 8))
    features = rng.standard_normal((n, n_free)) @ rng.standard_normal((n_free, n_free))
    copies = draw(st.integers(0, 2)) if broad else 0
    n_constant = draw(st.integers(0, 2)) if broad else 0
    features = np.hstack([features, features[:, :copies], np.zeros((n, n_constant))])
    constant = np.arange(features.shape[1]) >= n_free + copies
    features *= 10.0 ** rng.integers(-1, 2, features.shape[1])
    features += rng.choice([0.0, 1.0, 0.1], features.shape[1])
    features[:, constant] += rng.choice([0.0, 0.1, 1e6 + 0.1], n_constant)
    rank = min(n - 1, n_free)
    singular = np.linalg.svd(features - features.mean(axis=0), compute_uv=False)
    assume(singular[rank - 1] > 1e-4 * singular[0])
    order = rng.permutation(features.shape[1])
    return Case(features[:, order], constant[order], rank)


def fitted(features: Features, k: int | float, standardize: bool = True) -> PCA:
    return fit(Moments.of(features), k, standardize=standardize)


def separated(pca: PCA) -> NDArray[np.bool_]:
    """Which of the k components are determined: their eigenvalue has no other near it."""
    spectrum = np.concatenate([[np.inf], pca.explained_variance, [0.0]])
    gaps = -np.diff(spectrum) > GAP * pca.explained_variance[0]
    return (gaps[:-1] & gaps[1:])[: pca.n_components]


def size(features: Features) -> float:
    return float(np.abs(features).max())


both = st.booleans()


@given(cases(), both)
def test_components_are_orthonormal(case: Case, standardize: bool) -> None:
    components = fitted(case.features, case.rank, standardize).components
    identity = np.eye(case.rank)
    np.testing.assert_allclose(components @ components.T, identity, rtol=0, atol=EXACT)


@given(cases(), both)
def test_the_spectrum_descends_is_not_negative_and_its_ratio_sums_to_one(
    case: Case, standardize: bool
) -> None:
    pca = fitted(case.features, 1, standardize)
    n, d = case.features.shape
    assert pca.explained_variance.shape == (min(n - 1, d),)
    assert (np.diff(pca.explained_variance) <= 0).all()
    assert (pca.explained_variance >= 0).all()
    np.testing.assert_allclose(pca.explained_variance_ratio.sum(), 1, rtol=EXACT)


@given(cases(), both)
def test_the_spectrum_sums_to_the_total_variance(case: Case, standardize: bool) -> None:
    pca = fitted(case.features, 1, standardize)
    total = (~case.constant).sum() if standardize else case.features.var(axis=0, ddof=1).sum()
    np.testing.assert_allclose(pca.explained_variance.sum(), total, rtol=EXACT)


@given(cases(), both)
def test_projections_are_uncorrelated_with_the_explained_variances_as_variances(
    case: Case, standardize: bool
) -> None:
    pca = fitted(case.features, case.rank, standardize)
    projected = pca.transform(case.features)
    covariance = np.atleast_2d(np.cov(projected, rowvar=False, ddof=1))
    expected = np.diag(pca.explained_variance[: case.rank])
    np.testing.assert_allclose(covariance, expected, rtol=0, atol=EXACT * pca.explained_variance[0])
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=EXACT * size(projected))


@given(cases())
def test_standardised_columns_have_mean_zero_and_unit_sample_variance(case: Case) -> None:
    pca = fitted(case.features, 1)
    standardised = ((case.features - pca.mean) / pca.scale)[:, ~case.constant]
    np.testing.assert_allclose(standardised.mean(axis=0), 0, atol=EXACT)
    np.testing.assert_allclose(standardised.var(axis=0, ddof=1), 1, rtol=EXACT)


@given(cases(), both)
def test_constant_columns_stay_at_zero(case: Case, standardize: bool) -> None:
    assume(case.constant.any())
    pca = fitted(case.features, case.rank, standardize)
    np.testing.assert_array_equal(pca.scale[case.constant], 1)
    np.testing.assert_array_equal(pca.components[:, case.constant], 0)
    moved = case.features.copy()
    moved[:, ~case.constant] = pca.mean[~case.constant]
    np.testing.assert_allclose(pca.transform(moved), 0, atol=BELOW_RANK)


@given(st.floats(-1e6, 1e6), st.integers(2, 3000), st.integers(1, 700), both)
def test_a_constant_is_seen_as_one_however_it_was_streamed(
    constant: float, n: int, batch: int, standardize: bool
) -> None:
    """The mean of n equal numbers need not be that number."""
    features = np.full((n, 2), constant)
    features[:, 1] = np.arange(n)
    moments = reduce(update, np.split(features, range(batch, n, batch)), Moments.empty(2))
    pca = fit(moments, 1, standardize=standardize)
    np.testing.assert_array_equal(pca.scale[0], 1)
    np.testing.assert_array_equal(pca.components, [[0, 1]])


@given(cases(), both)
def test_at_full_rank_the_inverse_returns_the_features(case: Case, standardize: bool) -> None:
    pca = fitted(case.features, case.rank, standardize)
    returned = pca.inverse_transform(pca.transform(case.features))
    np.testing.assert_allclose(
        returned, case.features, rtol=0, atol=BELOW_RANK * size(case.features)
    )


@given(cases(), both, st.floats(0.01, 0.99))
def test_projections_hold_the_explained_share_of_the_energy(
    case: Case, standardize: bool, fraction: float
) -> None:
    pca = fitted(case.features, fraction, standardize)
    energy, kept = pca.energy(case.features), np.square(pca.transform(case.features)).sum()
    total = (len(case.features) - 1) * pca.explained_variance.sum()
    np.testing.assert_allclose(energy, total, rtol=EXACT)
    share = pca.explained_variance_ratio[: pca.n_components].sum()
    np.testing.assert_allclose(kept / energy, share, rtol=EXACT)


@given(cases(), both, st.floats(0.01, 0.99))
def test_projections_return_from_the_inverse_at_any_k(
    case: Case, standardize: bool, fraction: float
) -> None:
    pca = fitted(case.features, fraction, standardize)
    projected = pca.transform(case.features)
    returned = pca.transform(pca.inverse_transform(projected))
    scale = size(case.features) / pca.scale.min()
    np.testing.assert_allclose(returned, projected, rtol=0, atol=EXACT * scale)


@given(cases(), both)
def test_rows_in_memory_are_fitted_as_their_moments_are(case: Case, standardize: bool) -> None:
    expected = fitted(case.features, case.rank, standardize)
    found = fit_rows(case.features, case.rank, standardize=standardize)
    np.testing.assert_allclose(found.mean, expected.mean, rtol=0, atol=EXACT * size(case.features))
    np.testing.assert_allclose(found.scale, expected.scale, rtol=EXACT)
    np.testing.assert_allclose(
        found.explained_variance,
        expected.explained_variance,
        rtol=0,
        atol=EXACT * expected.explained_variance[0],
    )
    alone = separated(expected)
    np.testing.assert_allclose(
        found.components[alone], expected.components[alone], rtol=0, atol=EXACT / GAP
    )


@given(cases(broad=False), both)
def test_negating_the_features_negates_the_mean_and_no_component(
    case: Case, standardize: bool
) -> None:
    pca = fitted(case.features, case.rank, standardize)
    negated = fitted(-case.features, case.rank, standardize)
    np.testing.assert_array_equal(negated.mean, -pca.mean)
    alone = separated(pca)
    np.testing.assert_allclose(
        negated.components[alone], pca.components[alone], rtol=0, atol=EXACT / GAP
    )


@given(cases(broad=False), both, st.randoms(use_true_random=False), st.integers(1, 40))
def test_permuting_and_streaming_the_rows_changes_nothing(
    case: Case, standardize: bool, random: Random, batch: int
) -> None:
    n, d = case.features.shape
    order = list(range(n))
    random.shuffle(order)
    batches = np.split(case.features[order], range(batch, n, batch))
    pca = fitted(case.features, case.rank, standardize)
    other = fit(reduce(update, batches, Moments.empty(d)), case.rank, standardize=standardize)
    largest = pca.explained_variance[0]
    np.testing.assert_allclose(
        other.explained_variance, pca.explained_variance, rtol=0, atol=EXACT * largest
    )
    alone = separated(pca)
    np.testing.assert_allclose(
        other.components[alone], pca.components[alone], rtol=0, atol=EXACT / GAP
    )


@given(cases(), both)
def test_the_largest_entry_of_a_component_is_positive(case: Case, standardize: bool) -> None:
    for component in fitted(case.features, case.rank, standardize).components:
        # entries as large but for rounding may be negative, after the first of them
        assert component.max() >= np.abs(component).max() * (1 - 1e-7)


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 2), st.sampled_from([-1, 1]))
def test_rounding_does_not_choose_the_sign_of_two_equal_entries(
    seed: int, noise: float, sign: int
) -> None:
    """The components of two standardised features are (1, 1) / √2 and (1, −1) / √2, always."""
    rng = np.random.default_rng(seed)
    first = rng.standard_normal(30)
    features = np.column_stack([first, sign * first + noise * rng.standard_normal(30)])
    pca = fitted(features, 2)
    assume(separated(pca).all())
    assert (pca.components[:, 0] > 0).all()
    assert sorted(np.sign(pca.components[:, 1])) == [-1, 1]


@given(cases(), both, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_the_number_of_components_grows_with_the_fraction(
    case: Case, standardize: bool, one: float, other: float
) -> None:
    low, high = sorted([one, other])
    fewer = fitted(case.features, low, standardize).n_components
    assert fewer <= fitted(case.features, high, standardize).n_components


@given(cases(), both, st.floats(0.01, 0.99))
def test_a_fraction_picks_the_least_k_that_reaches_it(
    case: Case, standardize: bool, fraction: float
) -> None:
    pca = fitted(case.features, fraction, standardize)
    k, ratio = pca.n_components, pca.explained_variance_ratio
    assert ratio[:k].sum() >= fraction - EXACT
    assert k == 1 or ratio[: k - 1].sum() < fraction
    whole = fitted(case.features, k, standardize)
    np.testing.assert_array_equal(whole.components, pca.components)


@given(st.integers(1, 100), st.data())
def test_of_equal_components_a_share_takes_its_share(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, n))
    assert components_for(np.full(n, 0.1), k / n) == k


def test_a_fraction_near_one_takes_nothing_from_below_the_rank() -> None:
    n, variances = 10_000, np.diag([1.0, 1.0, 1e-12])
    moments = Moments(n, np.zeros(3), variances * (n - 1))
    assert fit(moments, 1 - 1e-13, standardize=False).n_components == 2


def test_float32_and_float64_features_are_projected_alike() -> None:
    features = np.random.default_rng(0).standard_normal((20, 4)).astype(np.float32)
    pca = fitted(features, 2)
    projected = pca.transform(features)
    assert projected.dtype == np.float64
    np.testing.assert_array_equal(projected, pca.transform(features.astype(np.float64)))


RNG = np.random.default_rng(11)
TALL, SHORT = RNG.standard_normal((30, 4)), RNG.standard_normal((4, 10))
COPIED = np.hstack([TALL, TALL[:, :2], np.ones((30, 1))])


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize(
    ("features", "k", "message"),
    [
        (TALL, 5, r"--components 5: expected at most 4, the number of features"),
        (SHORT, 4, r"--components 4: 4 images span only 3 directions; expected at most 3"),
        (COPIED, 5, r"--components 5: 30 images span only 4 directions; expected at most 4, or a"),
        (TALL[:1], 1, r"at least two images with features, and there are 1"),
        (TALL[:0], 1, r"at least two images with features, and there are 0"),
        (np.full((9, 3), 1e6 + 0.1), 1, r"all 9 images have the same features"),
        (np.zeros((9, 3)), 0.9, r"all 9 images have the same features"),
        (TALL, 0, r"--components 0: expected a whole number of at least 1 or a fraction"),
        (TALL, -1, r"--components -1: expected a whole number"),
        (TALL, 1.5, r"--components 1.5: .* for 95 % of the variance write 0.95"),
        (TALL, 1.0, r"--components 1.0: expected a whole number"),
        (TALL, 0.0, r"--components 0.0: expected a whole number"),
        (TALL, float("nan"), r"--components nan: expected a whole number"),
    ],
)
def test_what_admits_no_such_pca_is_refused(
    features: Features, k: int | float, message: str, standardize: bool
) -> None:
    with pytest.raises(ReductionError, match=message):
        fitted(features, k, standardize)


@pytest.mark.parametrize("standardize", [True, False])
def test_the_rank_itself_is_accepted(standardize: bool) -> None:
    assert fitted(SHORT, 3, standardize).n_components == 3
    assert fitted(COPIED, 4, standardize).n_components == 4


def test_features_of_another_width_are_not_projected() -> None:
    message = "features have 3 columns; this PCA was fitted on 4"
    with pytest.raises(ReductionError, match=message):
        fitted(TALL, 2).transform(TALL[:, :3])


def test_projections_of_another_width_are_not_inverted() -> None:
    message = "projections have 3 columns; this PCA has 2 components"
    with pytest.raises(ReductionError, match=message):
        fitted(TALL, 2).inverse_transform(np.ones((1, 3)))


def test_fitting_leaves_the_moments_as_they_were() -> None:
    moments = Moments.of(COPIED)
    before = replace(moments, mean=moments.mean.copy(), scatter=moments.scatter.copy())
    fit(moments, 2)
    np.testing.assert_array_equal(moments.mean, before.mean)
    np.testing.assert_array_equal(moments.scatter, before.scatter)
