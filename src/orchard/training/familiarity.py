"""How familiar an image must be to be told as a fruit, and to be told without a reserve.

The components were fitted on fruit alone: what a picture of something else has that fruit has not
lies outside the directions they span. Likeness is 1 − ‖r‖² / ‖x‖², x the features and r what the
projection leaves of them, in the features' own metric. Wang et al. 2022, "ViM: Out-Of-Distribution
with Virtual-logit Matching", found the residual to be the strongest single sign, and better still
together with the logits: see `classify.verdict`. `classify.landmarks` see what neither does.

What is held out to choose the limits are whole scenes, clusters of look-alikes. Of near copies a
random part is as familiar as what trained: limits chosen on it refuse five times as much fruit as
they say (benchmarks/refusal.py).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from orchard.classify.calibration import softmax
from orchard.classify.gallery import unit
from orchard.classify.heads import Head
from orchard.classify.landmarks import Landmarks, familiarity
from orchard.classify.space import Space
from orchard.classify.verdict import CONFIDENCE
from orchard.errors import ReductionError
from orchard.reduction import fit_rows
from orchard.training.splits import ALWAYS, Folds, unseen_folds

REFUSED = 0.0075  # of fruit in held-out scenes that may be called no fruit
UNLIKE = 0.05  # of it that may be called unlike those that are known
SCENES = 5  # of a class
LANDMARKS = 200
A_MEAN = 5  # images to a landmark, on average
AT_LEAST = 3  # images to each landmark: it shall tell of no single one
ROUNDS = 5  # of k-means: more make no better landmarks
Fit = Callable[[NDArray[np.float32], NDArray[np.intp]], Head]


@dataclass(frozen=True, slots=True)
class Familiarity:
    """The limits of `classify.verdict`, and what they do.

    least: likeness (`landmarks.familiarity`) of a fruit that is like those known. fruit: likeness
    and confidence together of any fruit. known: share of fruit in held-out scenes that is refused;
    unseen: of images of species left out; made: of made pictures without fruit, which should all
    be.
    """

    least: float
    fruit: float
    known: float
    unseen: float
    made: float


@dataclass(frozen=True, slots=True)
class Fruit:
    """A sample of the training's images. features: (n, d). y: (n,). species: (c,), the species'
    number of each class."""

    features: NDArray[np.float32]
    y: NDArray[np.intp]
    species: NDArray[np.intp]


def choose(
    fruit: Fruit,
    made: NDArray[np.float32],
    space: Space,
    landmarks: Landmarks,
    head: Head,
    fit: Fit,
    *,
    temperature: float,
    standardize: bool,
    seed: int,
) -> Familiarity:
    """The limits that all but REFUSED and UNLIKE of fruit keep in scenes held out.

    made: (m, d), of pictures without fruit. Projection and head are fitted again without a scene,
    then without a third of the species: those that they were fitted on look more familiar. Nothing
    is refused where too few images are left to tell.
    """
    with threadpool_limits(1):
        k = space.n_components
        held = scenes(fruit.features, fruit.y)
        likeness, p = _left_out(fruit, held, k, fit, temperature, standardize)
        if not len(p):
            return Familiarity(0.0, 0.0, 0.0, 0.0, 0.0)
        evidence = likeness + CONFIDENCE * p
        least, bound = float(np.quantile(likeness, UNLIKE)), float(np.quantile(evidence, REFUSED))
        apart = unseen_folds(fruit.species[fruit.y], 3, seed)
        other, of_other = _left_out(fruit, apart, k, fit, temperature, standardize)
        top = _surest(head, space.from_features(made), fruit.species, temperature)
        shares = [
            float((found < bound).mean()) if len(found) else 0.0
            for found in (
                evidence,
                other + CONFIDENCE * of_other,
                familiarity(made, space, landmarks) + CONFIDENCE * top,
            )
        ]
        return Familiarity(least, bound, *shares)


def landmarks_of(features: NDArray[np.float32]) -> Landmarks:
    """Centres of k-means on the features' directions, of clusters of AT_LEAST images; the mean of
    all where there is none. features: (n, d)."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    n = min(LANDMARKS, max(1, len(features) // A_MEAN))
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # equal images: fewer centres
        found = KMeans(n, init="random", n_init=1, max_iter=ROUNDS, random_state=0).fit(
            unit(features)
        )
    centres = found.cluster_centers_[np.bincount(found.labels_, minlength=n) >= AT_LEAST]
    return Landmarks.at(centres if len(centres) else unit(features).mean(axis=0, keepdims=True))


def scenes(features: NDArray[np.floating], y: NDArray[np.intp]) -> Folds:
    """(n,) the cluster of look-alikes of its class that an image is in: average linkage on cosines
    of the centred features. A class's largest cluster always trains, so that no class is asked for
    that was never shown."""
    from sklearn.cluster import AgglomerativeClustering

    centred = features - features.mean(axis=0)
    centred /= np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
    folds = np.full(len(y), ALWAYS, np.intp)
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        if len(rows) > 1:
            clusters = AgglomerativeClustering(
                min(SCENES, len(rows)), metric="cosine", linkage="average"
            )
            found = clusters.fit_predict(centred[rows])
            folds[rows] = np.where(found == np.bincount(found).argmax(), ALWAYS, found)
    return folds


def _left_out(
    fruit: Fruit, folds: Folds, k: int, fit: Fit, temperature: float, standardize: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Likeness and the best species' probability of each image that a fold holds out, by what was
    fitted without that fold; none where too few are left."""
    likeness, p = np.empty(len(fruit.y)), np.empty(len(fruit.y))
    nothing = np.zeros(0), np.zeros(0)
    for fold in np.unique(folds[folds != ALWAYS]):
        inside = folds == fold
        rest, y = fruit.features[~inside], fruit.y[~inside]
        if len(rest) < 3 or len(np.unique(y)) < 2:
            return nothing
        try:
            pca = fit_rows(rest, min(k, len(rest) - 2), standardize=standardize)
        except ReductionError:  # images too much alike to span so many directions
            return nothing
        space = Space.of(pca)
        head = fit(space.from_features(rest), y)
        asked = fruit.features[inside]
        likeness[inside] = familiarity(asked, space, landmarks_of(rest))
        p[inside] = _surest(head, space.from_features(asked), fruit.species, temperature)
    held = folds != ALWAYS
    return likeness[held], p[held]


def _surest(
    head: Head, inputs: NDArray[np.floating], species: NDArray[np.intp], temperature: float
) -> NDArray[np.float64]:
    """(n,) the best species' probability."""
    summed = np.zeros((len(inputs), int(species.max()) + 1))
    np.add.at(summed.T, species, softmax(head.logits(inputs), temperature).T)
    best: NDArray[np.float64] = summed.max(axis=1)
    return best
