"""The three protocols: who trains the head, who is asked, what is counted.

The chain is a user's: features → standardise → PCA (a number of components, or a share of the
variance) → logistic regression (scikit-learn's default penalty), fitted on training photos alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from backbone.features import Features
from backbone.protocol import UNSEEN_VARIETIES, is_other_axis, is_unseen_variety, is_validation
from orchard.knowledge import species_of

SEEDS = range(5)
LEFT = 0.1  # of the training photos, by class, that each seed leaves out
MAX_ITER = 500


def grocery(photos: Features, components: float | int) -> dict[str, Any]:
    """Photos of shops: trained on `train-…`, asked about `val-…`, by class.

    top1 is of all training photos; by_seed of five trainings that each leave a random tenth out.
    """
    test = photos.where(is_validation)
    truth = photos.labels[test]
    answers = _answers(photos, ~test, test, photos.labels, components)
    fewer = [_most(photos, ~test, seed) for seed in SEEDS]
    drawn = [_answers(photos, train, test, photos.labels, components) for train in fewer]
    by_seed = [round(float((seeds == truth).mean()), 4) for seeds in drawn]
    return _scores(answers, truth) | {"by_seed": by_seed}


def axis(photos: Features, components: float | int) -> dict[str, Any]:
    """Photos on white: trained on frames of one turn of the table, asked about other turns."""
    other, labels = photos.where(is_other_axis), photos.labels
    both = np.isin(labels, np.intersect1d(labels[other], labels[~other]))
    answers = _answers(photos, both & ~other, both & other, labels, components)
    return _scores(answers, labels[both & other])


def varieties(photos: Features, components: float | int) -> dict[str, Any]:
    """Apple, cherry, pear or tomato? Trained on some varieties, asked about others."""
    species = np.array([species_of(label) or "" for label in photos.labels])
    concerned = np.isin(species, list(UNSEEN_VARIETIES))
    unseen = photos.where(is_unseen_variety)
    answers = _answers(photos, concerned & ~unseen, concerned & unseen, species, components)
    scores = _scores(answers, species[concerned & unseen])
    labels = photos.labels[concerned & unseen]
    right = answers == species[concerned & unseen]
    each = {label: round(float(right[labels == label].mean()), 4) for label in np.unique(labels)}
    return scores | {"by_variety": each}


MEASURES = {"grocery": grocery, "axis": axis, "varieties": varieties}


def _answers(
    photos: Features,
    train: NDArray[np.bool_],
    test: NDArray[np.bool_],
    labels: NDArray[np.str_],
    components: float | int,
) -> NDArray[np.str_]:
    chain = make_pipeline(
        StandardScaler(),
        PCA(components, svd_solver="covariance_eigh"),
        LogisticRegression(max_iter=MAX_ITER),
    )
    chain.fit(photos.values[train].astype(np.float64), labels[train])
    return chain.predict(photos.values[test].astype(np.float64))


def _scores(answers: NDArray[np.str_], truth: NDArray[np.str_]) -> dict[str, Any]:
    """by_class: the mean over classes. half_width: of the 95 % interval of top1, binomial."""
    right = answers == truth
    top1 = float(right.mean())
    by_class = float(np.mean([right[truth == name].mean() for name in np.unique(truth)]))
    half = 1.96 * float(np.sqrt(top1 * (1 - top1) / len(truth)))
    return {
        "top1": round(top1, 4),
        "by_class": round(by_class, 4),
        "half_width": round(half, 4),
        "classes": len(np.unique(truth)),
        "asked": len(truth),
    }


def _most(photos: Features, train: NDArray[np.bool_], seed: int) -> NDArray[np.bool_]:
    """`train` without a random tenth of each class."""
    kept, generator = train.copy(), np.random.default_rng(seed)
    for name in np.unique(photos.labels[train]):
        rows = np.flatnonzero(train & (photos.labels == name))
        kept[generator.choice(rows, round(LEFT * len(rows)), replace=False)] = False
    return kept
