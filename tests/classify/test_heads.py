"""Heads are plain arrays that answer as the library that trained them."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load, save

from orchard.classify.forests import balanced
from orchard.classify.heads import head_from
from orchard.errors import ClassifierError
from orchard.training.local import GRID, fit


def blobs(n_classes: int, n: int = 150) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    y = rng.integers(0, n_classes, n)
    return rng.normal(size=(n, 6)) + 1.5 * rng.normal(size=(n_classes, 6))[y], y


@pytest.mark.parametrize("kind", GRID)
@pytest.mark.parametrize("n_classes", [2, 4])
def test_a_head_comes_back_from_safetensors_as_it_was(kind: str, n_classes: int) -> None:
    x, y = blobs(n_classes)
    head = fit(kind, GRID[kind][0], x, y, n_classes, seed=0)
    again = head_from(load(save(head.arrays())))
    np.testing.assert_array_equal(again.logits(x), head.logits(x))
    assert (again.n_classes, again.n_components) == (n_classes, 6)
    assert (head.logits(x).argmax(axis=1) == y).mean() > 0.8


@pytest.mark.parametrize("kind", GRID)
def test_a_class_that_was_not_trained_on_is_never_the_answer(kind: str) -> None:
    x, y = blobs(4)
    head = fit(kind, GRID[kind][-1], x[y != 2], y[y != 2], 4, seed=0)
    assert not (head.logits(x).argmax(axis=1) == 2).any()


@pytest.mark.parametrize("unit", [1e-3, 1e3])
def test_the_unit_of_the_components_does_not_matter(unit: float) -> None:
    x, y = blobs(4)
    for kind in ("logistic", "svm"):
        plain, scaled = (fit(kind, 0.1, x * u, y, 4, seed=0).logits(x * u) for u in (1.0, unit))
        np.testing.assert_allclose(plain, scaled, atol=2e-3)  # float32, and where L-BFGS stops


@pytest.mark.parametrize("n_classes", [2, 5])
def test_logistic_regression_is_scikit_learns(n_classes: int) -> None:
    from sklearn.linear_model import LogisticRegression

    x, y = blobs(n_classes)
    scale = np.sqrt(np.mean(x**2))
    reference = LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000, tol=1e-8)
    expected = reference.fit(x / scale, y).predict_proba(x / scale)
    logits = fit("logistic", 0.01, x, y, n_classes, seed=0).logits(x)
    found = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=5e-3)  # tol=1e-3 stops earlier


def test_the_svms_are_liblinears() -> None:
    from sklearn.svm import LinearSVC

    x, y = blobs(4)
    scale = np.sqrt(np.mean(x**2))
    reference = LinearSVC(C=0.01, dual=False, tol=1e-8, intercept_scaling=1e3)
    expected = reference.fit(x / scale, y, sample_weight=balanced(y)).decision_function(x / scale)
    found = fit("svm", 0.01, x, y, 4, seed=0).logits(x)
    np.testing.assert_allclose(found, expected, atol=5e-3)


def test_a_forest_is_scikit_learns() -> None:
    from sklearn.ensemble import RandomForestClassifier

    x, y = blobs(4)
    x = x.astype(np.float32)
    reference = RandomForestClassifier(64, class_weight="balanced", random_state=0).fit(x, y)
    logits = fit("forest", 64, x, y, 4, seed=0).logits(x)
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(p, reference.predict_proba(x), atol=2e-3)  # shares in float16


def test_classes_weigh_the_same() -> None:
    y = np.repeat([0, 1], [90, 10])
    weights = balanced(y)
    assert weights.mean() == pytest.approx(1)
    assert weights[y == 0].sum() == pytest.approx(weights[y == 1].sum())


def test_one_class_is_not_enough() -> None:
    with pytest.raises(ClassifierError, match=r"1 class to train on: expected at least two"):
        fit("logistic", 0.1, np.ones((3, 2)), np.zeros(3, np.intp), 2, seed=0)


def test_arrays_of_no_head_are_refused() -> None:
    with pytest.raises(ClassifierError, match="not those of a head"):
        head_from({"head.weights": np.ones((2, 2)), "head.extra": np.ones(1)})
