"""Labels that an image's neighbours contradict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchard.report.neighbours import UNUSUAL_K, Neighbours
from orchard.report.points import OTHER, Images

OWN_AT_MOST, OTHER_AT_LEAST = 0.2, 0.6  # shares of the neighbours
SHOWN = 2000


@dataclass(frozen=True, slots=True)
class WrongLabel:
    """score: how much larger a share of the neighbours has the suggested label than the own."""

    path: str
    label: str
    suggested_label: str
    score: float


def wrong_labels(
    images: Images, points: NDArray[np.int64], near_by: Neighbours
) -> list[WrongLabel]:
    """The surest first. An image is one where of its UNUSUAL_K nearest at most OWN_AT_MOST have its
    label, and at least OTHER_AT_LEAST have one other: the rule of edited nearest neighbours
    (Wilson 1972) with room for doubt. Images without a label neither vote nor are voted on.
    """
    near = near_by.indices[:, :UNUSUAL_K]
    if near.shape[1] < UNUSUAL_K or len(images.labels) < 2:
        return []
    codes = images.codes[points]
    named = np.array([name not in ("", OTHER) for name in images.labels])
    n, n_labels = len(points), len(images.labels)
    voted = np.where(named[codes[near]], codes[near], n_labels)
    keys, counts = np.unique(np.arange(n)[:, None] * (n_labels + 1) + voted, return_counts=True)
    of, code = keys // (n_labels + 1), keys % (n_labels + 1)
    own = np.zeros(n)
    at = code == codes[of]
    own[of[at]] = counts[at]
    others = np.flatnonzero(~at & (code < n_labels))
    others = others[np.lexsort((-counts[others], of[others]))]
    first, places = np.unique(of[others], return_index=True)
    best, votes = code[others][places], counts[others][places]
    score = (votes - own[first]) / UNUSUAL_K
    kept = named[codes[first]] & (own[first] <= OWN_AT_MOST * UNUSUAL_K)
    kept &= votes >= OTHER_AT_LEAST * UNUSUAL_K
    order = np.flatnonzero(kept)
    order = order[np.argsort(-score[order], kind="stable")][:SHOWN]
    paths = images.paths(points[first[order]])
    return [
        WrongLabel(path, images.labels[codes[first[k]]], images.labels[best[k]], float(score[k]))
        for path, k in zip(paths, order, strict=True)
    ]
