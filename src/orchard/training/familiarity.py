"""How much an image is like what the classifier was trained on, before it is asked which.

The components were fitted on fruit alone: what a picture of something else has that fruit has not
lies outside the directions they span. Likeness is 1 − ‖r‖² / ‖x‖², x the features and r what the
projection leaves of them, in the features' own metric. Tried and rejected, on 45 photos and
drawings without fruit, against held-out fruit: the most probable class (a softmax is nearly as sure
about a chair as about an apple), the distance to the nearest known image, Mahalanobis' distance;
all let some pass that this does not. Wang et al. 2022, "ViM: Out-Of-Distribution with Virtual-logit
Matching", found the residual to be the strongest single sign, too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchard.classify.space import Space
from orchard.errors import ReductionError
from orchard.reduction import fit_rows

FALSE_ALARMS = 0.01  # of held-out fruit that may be called no fruit
PARTS = 4  # that the likeness of held-out fruit is estimated on


@dataclass(frozen=True, slots=True)
class Familiarity:
    """The least likeness of a fruit, and what it does.

    known: share of held-out images below it; unseen: of images of species left out; made: of made
    pictures without fruit, which should all be below.
    """

    least: float
    known: float
    unseen: float
    made: float


def choose(
    features: NDArray[np.float32],
    species: NDArray[np.intp],
    made: NDArray[np.float32],
    space: Space,
    *,
    standardize: bool,
    seed: int,
) -> Familiarity:
    """The likeness that all but FALSE_ALARMS of fruit have that the projection has not seen.

    features: (n, d), a sample of the training's; species: (n,); made: (m, d), of pictures without
    fruit. Projections are refitted without a part of the images, then without part of the
    species: those that a projection was fitted on look more familiar than they should.
    """
    rng = np.random.default_rng(seed)
    parts = rng.permutation(len(features)) % PARTS
    known = _likeness_left_out(features, parts, space.n_components, standardize)
    names = rng.permutation(np.unique(species))
    number = np.argsort(names)[np.searchsorted(np.sort(names), species)] % PARTS
    unseen = _likeness_left_out(features, number, space.n_components, standardize)
    if not len(known):
        return Familiarity(0.0, 0.0, 0.0, 0.0)
    least = float(np.quantile(known, FALSE_ALARMS))
    shares = [float((found < least).mean()) if len(found) else 0.0 for found in (known, unseen)]
    return Familiarity(least, shares[0], shares[1], float((space.likeness(made) < least).mean()))


def _likeness_left_out(
    features: NDArray[np.float32], parts: NDArray[np.intp], k: int, standardize: bool
) -> NDArray[np.float64]:
    """Of each row by a projection that was fitted without its part; none where too few are left."""
    found = np.empty(len(features))
    for part in np.unique(parts):
        rest = features[parts != part]
        if len(rest) < 3:
            return np.zeros(0)
        try:
            pca = fit_rows(rest, min(k, len(rest) - 2), standardize=standardize)
        except ReductionError:  # images too much alike to span so many directions
            return np.zeros(0)
        found[parts == part] = Space.of(pca).likeness(features[parts == part])
    return found
