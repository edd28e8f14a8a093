"""Training in this process, for what fits in it: scikit-learn's logistic regression and forest, and
all the linear SVMs at once.

Symbols: n images, k components, c classes; X (n, k), scaled so that an entry's mean square is 1,
whatever the components' unit; the head's weights are scaled back.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from orchard.classify.forests import Tree, balanced, flatten
from orchard.classify.heads import ForestHead, Head, LinearHead
from orchard.errors import ClassifierError

_WORTH_THREADS = 1_000_000_000

GRID: dict[str, tuple[float, ...]] = {
    "logistic": (0.001, 0.01, 0.1, 1.0),  # C: inverse strength of the ℓ2 penalty
    "svm": (0.0001, 0.001, 0.01),  # C, as above
    "forest": (64.0,),  # trees
}


def fit(kind: str, setting: float, x: NDArray[np.floating], y: NDArray[np.intp], n_classes: int,
        seed: int) -> Head:  # fmt: skip
    """Train one head; classes weigh the same however many images they have.

    x: (n, k). y: (n,), of which some of 0 … n_classes − 1 may be missing. setting: of `GRID`.
    Raises ClassifierError where there is one class only.
    """
    present = np.unique(y)
    if len(present) < 2:
        raise ClassifierError(
            f"{len(present)} class to train on: expected at least two labels with images"
        )
    values = np.ascontiguousarray(x, np.float32)
    with one_thread_if_small(values.size * n_classes):
        return _fit(kind, setting, values, y, n_classes, seed)


def one_thread_if_small(n_products: int) -> AbstractContextManager[object]:
    """BLAS with one thread where that is less work than handing it out: on busy machines, threads
    that wait for each other took twenty times the time. n_products: of one product of matrices."""
    return threadpool_limits(1 if n_products < _WORTH_THREADS else None, user_api="blas")


def _fit(kind: str, setting: float, values: NDArray[np.float32], y: NDArray[np.intp],
         n_classes: int, seed: int) -> Head:  # fmt: skip
    present = np.unique(y)
    if kind == "forest":
        return _forest(int(setting), values, y, n_classes, seed)
    scale = np.float32(np.sqrt(np.mean(np.square(values, dtype=np.float64))) or 1.0)
    train = _logistic if kind == "logistic" else _svm
    weights, bias = train(setting, values / scale, np.searchsorted(present, y), len(present))
    return LinearHead.among(n_classes, present, weights / scale, bias)


def _logistic(
    c: float, x: NDArray[np.float32], y: NDArray[np.intp], n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=c, class_weight="balanced", max_iter=200, tol=1e-3).fit(x, y)
    weights, bias = model.coef_, model.intercept_
    if n_classes == 2:  # one row, for the second class
        weights, bias = np.concatenate([-weights, weights]) / 2, np.concatenate([-bias, bias]) / 2
    return weights, bias


def _svm(
    c: float, x: NDArray[np.float32], y: NDArray[np.intp], n_classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """min ½‖W‖² + C Σ s · max(0, 1 − t · (W x + b))², t = ±1: one SVM against the rest each.

    The problems are independent; solved together their products are two large ones, which is an
    order of magnitude faster than liblinear, one after the other.
    """
    from scipy.optimize import minimize

    n, k = x.shape
    sign = np.full((n, n_classes), -1.0, np.float32)
    sign[np.arange(n), y] = 1.0
    weight = (c * balanced(y)).astype(np.float32)[:, None]

    def loss(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        w = flat.astype(np.float32).reshape(n_classes, k + 1)
        short = np.maximum(0, 1 - sign * (x @ w[:, :k].T + w[:, k]))
        slope = -2 * weight * sign * short
        gradient = np.empty((n_classes, k + 1))
        gradient[:, :k] = slope.T @ x + w[:, :k]
        gradient[:, k] = slope.sum(axis=0)
        value = float((weight * short**2).sum(dtype=np.float64))
        return value + 0.5 * float(np.square(w[:, :k], dtype=np.float64).sum()), gradient.ravel()

    start = np.zeros(n_classes * (k + 1))
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-6}
    )
    solution: NDArray[np.float64] = found.x.reshape(n_classes, k + 1)
    return solution[:, :k], solution[:, k]


def _forest(
    n_trees: int, x: NDArray[np.float32], y: NDArray[np.intp], n_classes: int, seed: int
) -> ForestHead:
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(
        n_trees, class_weight="balanced", random_state=seed, n_jobs=-1
    ).fit(x, y)
    trees = [estimator.tree_ for estimator in model.estimators_]
    return flatten(
        [
            Tree(t.feature, t.threshold, t.children_left, t.children_right, t.value[:, 0, :])
            for t in trees
        ],
        model.classes_,
        n_classes,
        x.shape[1],
    )
