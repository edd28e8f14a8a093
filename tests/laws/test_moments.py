"""Laws of the moments: whatever the batches, the order and the partitions, one result.

An entry of the scatter is a sum of n products of two centred values, each off by no more than
n ε |x|: every tolerance below is that bound, `rounding(samples)`, and nothing measured.
"""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from orchard.errors import ReductionError
from orchard.reduction import Moments, merge, update

Samples = NDArray[np.floating]

EPSILON = float(np.finfo(np.float64).eps)


@st.composite
def samples(draw: st.DrawFn) -> Samples:
    """(n, d) values of ReLU6's range and beyond, around means up to 1e6, of either float width."""
    floats = {np.float32: st.floats(-6, 6, width=32), np.float64: st.floats(-6, 6)}
    dtype = draw(st.sampled_from(list(floats)))
    shape = draw(st.integers(1, 24)), draw(st.integers(1, 5))
    values = draw(arrays(dtype, shape, elements=floats[dtype]))
    offset = draw(arrays(dtype, shape[1], elements=st.sampled_from([0.0, 1.0, -300.0, 1e6])))
    return (values + offset).astype(dtype)


@st.composite
def partitions(draw: st.DrawFn, parts: int | None = None) -> tuple[Samples, list[Samples]]:
    """Samples, and the same rows cut into consecutive parts, some of which may be empty."""
    rows = draw(samples())
    n_cuts = draw(st.integers(0, 6)) if parts is None else parts - 1
    cuts = draw(st.lists(st.integers(0, len(rows)), min_size=n_cuts, max_size=n_cuts))
    return rows, np.split(rows, sorted(cuts))


def rounding(rows: Samples) -> tuple[float, float]:
    """What float64 may lose: (in an entry of the mean, in an entry of the scatter)."""
    n, peak = len(rows), float(np.abs(rows).max(initial=0))
    spread = float(np.ptp(rows.astype(np.float64), axis=0).max(initial=0))
    off = n * EPSILON * peak
    return 4 * off, 4 * n * off * (spread + off)


def assert_same(got: Moments, expected: Moments, rows: Samples) -> None:
    in_mean, in_scatter = rounding(rows)
    assert got.n_samples == expected.n_samples
    np.testing.assert_allclose(got.mean, expected.mean, rtol=0, atol=in_mean)
    np.testing.assert_allclose(got.scatter, expected.scatter, rtol=0, atol=in_scatter)


def exact(rows: Samples) -> Moments:
    """Moments in rational numbers, rounded once at the end."""
    n, d = rows.shape
    columns = [[Fraction(float(x)) for x in column] for column in rows.T]
    means = [sum(column) / n for column in columns]
    centred = [[x - m for x in column] for column, m in zip(columns, means, strict=True)]
    scatter = [
        [float(sum(a * b for a, b in zip(centred[i], centred[j], strict=True))) for j in range(d)]
        for i in range(d)
    ]
    return Moments(n, np.array([float(m) for m in means]), np.array(scatter))


@given(samples())
def test_moments_are_those_of_exact_arithmetic(rows: Samples) -> None:
    assert_same(Moments.of(rows), exact(rows), rows)


@given(partitions(parts=3))
def test_merge_is_associative(case: tuple[Samples, list[Samples]]) -> None:
    rows, parts = case
    a, b, c = map(Moments.of, parts)
    assert_same(merge(merge(a, b), c), merge(a, merge(b, c)), rows)


@given(partitions(parts=2))
def test_merge_is_commutative(case: tuple[Samples, list[Samples]]) -> None:
    rows, (first, second) = case
    a, b = Moments.of(first), Moments.of(second)
    assert_same(merge(a, b), merge(b, a), rows)


@given(partitions(), st.randoms(use_true_random=False))
def test_order_and_partitions_do_not_change_the_moments(
    case: tuple[Samples, list[Samples]], random: Random
) -> None:
    rows, parts = case
    random.shuffle(parts)
    assert_same(reduce(merge, map(Moments.of, parts)), Moments.of(rows), rows)


@given(partitions())
def test_streamed_equals_batch(case: tuple[Samples, list[Samples]]) -> None:
    rows, parts = case
    streamed = reduce(update, parts, Moments.empty(rows.shape[1]))
    assert_same(streamed, Moments.of(rows), rows)


@given(partitions(parts=2))
def test_update_is_merge_with_the_moments_of_a_batch(case: tuple[Samples, list[Samples]]) -> None:
    rows, (first, second) = case
    known = Moments.of(first)
    assert_same(update(known, second), merge(known, Moments.of(second)), rows)


@given(samples())
def test_empty_moments_are_neutral(rows: Samples) -> None:
    moments, nothing = Moments.of(rows), Moments.empty(rows.shape[1])
    for merged in (merge(moments, nothing), merge(nothing, moments)):
        assert merged.n_samples == moments.n_samples
        np.testing.assert_array_equal(merged.mean, moments.mean)
        np.testing.assert_array_equal(merged.scatter, moments.scatter)
    assert merge(nothing, nothing).n_samples == 0


@given(samples())
def test_an_empty_batch_changes_nothing_whatever_its_width(rows: Samples) -> None:
    moments = Moments.of(rows)
    assert update(moments, rows[:0]) is moments
    assert update(moments, np.empty((0, 0), np.float32)) is moments


@given(partitions())
def test_scatter_is_symmetric_and_positive_semidefinite(
    case: tuple[Samples, list[Samples]],
) -> None:
    rows, parts = case
    for scatter in (
        Moments.of(rows).scatter,
        reduce(merge, map(Moments.of, parts)).scatter,
        reduce(update, parts, Moments.empty(rows.shape[1])).scatter,
    ):
        np.testing.assert_array_equal(scatter, scatter.T)
        least = np.linalg.eigvalsh(scatter)[0]
        assert least >= -8 * len(scatter) * EPSILON * np.trace(scatter)


@given(partitions())
def test_neither_update_nor_merge_writes_to_what_it_was_given(
    case: tuple[Samples, list[Samples]],
) -> None:
    rows, parts = case
    rows.flags.writeable = False
    known = Moments.of(rows)
    known.mean.flags.writeable = known.scatter.flags.writeable = False
    for part in parts:
        update(known, part)
        merge(known, Moments.of(part))
        merge(Moments.of(part), known)


def test_the_naive_formula_fails_where_the_mean_is_large_and_ours_does_not() -> None:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((1000, 4)) + 1e8
    truth = exact(rows).scatter
    mean = rows.mean(axis=0)
    naive = rows.T @ rows - len(rows) * np.outer(mean, mean)
    assert np.abs(naive - truth).max() > 0.5 * truth.max()
    streamed = reduce(update, np.split(rows, 8), Moments.empty(4)).scatter
    merged = reduce(merge, map(Moments.of, np.split(rows, 8))).scatter
    for ours in (Moments.of(rows).scatter, streamed, merged):
        # a value near 1e8 is known to 1.5e-8, and so is each factor of a product
        np.testing.assert_allclose(ours, truth, rtol=0, atol=1e-7 * truth.max())


def test_float32_features_are_summed_in_float64() -> None:
    """Half a million ones and a 2⁻²⁰ each: float32 would lose the small part at once."""
    rows = np.full((1 << 19, 1), 1 + 2**-20, np.float32)
    rows[::2] = 1 - 2**-20
    moments = Moments.of(rows)
    assert moments.mean.dtype == moments.scatter.dtype == np.float64
    assert moments.mean[0] == 1.0
    np.testing.assert_allclose(moments.scatter[0, 0], 2.0**-21, rtol=1e-9)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(broken: float) -> None:
    rows = np.ones((6, 3), np.float32)
    rows[1, 0] = rows[4, 2] = broken
    with pytest.raises(ReductionError, match=r"^2 of 6 feature vectors .* not finite"):
        Moments.of(rows)


def test_infinities_of_both_signs_are_refused_without_a_warning() -> None:
    rows = np.array([[np.inf], [-np.inf], [1.0]], np.float32)
    with pytest.raises(ReductionError, match=r"^2 of 3 feature vectors"):
        update(Moments.empty(1), rows)


def test_a_batch_of_another_width_is_refused() -> None:
    known = Moments.of(np.ones((2, 3)))
    with pytest.raises(ReductionError, match="a batch has 4 features and the ones before it 3"):
        update(known, np.ones((2, 4)))


def test_moments_of_different_widths_are_not_merged() -> None:
    with pytest.raises(ReductionError, match="cannot merge moments of 3 and 4 features"):
        merge(Moments.empty(3), Moments.empty(4))
