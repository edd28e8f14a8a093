"""Labels that are probably wrong, and classes that overlap, by what the other images say.

Each image is classified without itself, twice: by linear discriminants that a fifth of the images,
its own among them, had no part in (cross-validation), and by its nearest neighbours. The mean of
the two is the probability p(c). A label is suspected by confident learning (Northcutt, Jiang and
Chuang, Confident Learning, JAIR 70, 2021): another class is the likeliest, and at least as likely
as images of that class are their own class on average. The classes' own averages make up for some
being harder than others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchard.report.neighbours import Neighbours

DIMENSIONS = 256  # leading components: fewer confuse classes that are alike; ADR 47
FOLDS = 5
LEAST = 4  # images of a class, below which nothing is said of it
SHRINKAGE = 0.1  # of the classes' common scatter towards a sphere (Ledoit and Wolf 2004)
TEMPERATURES = (1.0, 2.0, 4.0, 8.0, 16.0)  # discriminants are too sure; the likeliest is taken
VOTERS = 10  # neighbours
ROWS = 2048
OVERLAP, OVERLAPPING = 0.1, 3  # share of two classes' images taken for the other; how many at least


@dataclass(frozen=True, slots=True)
class Judged:
    """Of each image. likeliest: the code of the class, its own where nothing is said. sure: p of
    it. own: p of the image's own class. is_suspect: whether the label is probably wrong."""

    likeliest: NDArray[np.int64]
    sure: NDArray[np.float64]
    own: NDArray[np.float64]
    is_suspect: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two classes, the one more of whose images are taken for the other's first; share: of the
    images of both."""

    code: int
    other: int
    share: float


def folds(codes: NDArray[np.int64], same: NDArray[np.int64], seed: int = 0) -> NDArray[np.int64]:
    """(n,) a fold of each image, spread evenly over each class; equal images lie in one.

    codes: of the labels. same: (n,) the first image of the same bytes.
    """
    rank = np.empty(len(codes), np.int64)
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    starts = np.searchsorted(codes[order], codes[order])
    rank[order] = np.arange(len(codes)) - starts
    return (rank % FOLDS)[same]


def judge(
    vectors: NDArray[np.float32],
    codes: NDArray[np.int64],
    fold: NDArray[np.int64],
    near_by: Neighbours,
    same: NDArray[np.int64],
) -> Judged:
    """vectors: (n, d) components. codes: (n,) of the labels, -1 of images without one or of a class
    that nothing is said of. same: as of `folds`; an image's own bytes have no say about it. Time:
    n·d² + n·d·classes; memory: a block of rows, d² a fold."""
    n_classes = int(codes.max(initial=-1)) + 1
    nobody = Judged(codes, np.ones(len(codes)), np.ones(len(codes)), np.zeros(len(codes), np.bool_))
    if n_classes < 2:
        return nobody
    planes = _discriminants(vectors, codes, fold, n_classes)
    found = [np.empty((3, len(codes))) for _ in TEMPERATURES]
    for start in range(0, len(codes), ROWS):
        rows = np.arange(start, min(start + ROWS, len(codes)))
        scores = _scores(vectors, rows, fold, planes)
        votes = _votes(near_by, rows, codes, n_classes, same)
        at = np.arange(len(rows))
        for held, temperature in zip(found, TEMPERATURES, strict=True):
            p = (_softmax(scores / temperature) + votes) / 2
            best = p.argmax(axis=1)
            held[:, rows] = best, p[at, best], p[at, codes[rows]]
    said = codes >= 0
    likeliest, sure, own = max(found, key=lambda one: np.log(one[2][said] + 1e-6).mean())
    usual = np.bincount(codes[said], own[said], n_classes) / np.maximum(
        np.bincount(codes[said], minlength=n_classes), 1
    )
    best = np.where(said, likeliest, codes).astype(np.int64)
    is_suspect = said & (best != codes) & (sure >= usual[best])
    return Judged(best, sure, np.where(said, own, 1.0), is_suspect)


def overlaps(codes: NDArray[np.int64], likeliest: NDArray[np.int64]) -> list[Overlap]:
    """Pairs of classes that are taken for each other, those most so first."""
    taken = np.flatnonzero((codes >= 0) & (codes != likeliest))
    if not len(taken):
        return []
    n_classes = int(codes.max()) + 1
    size = np.bincount(codes[codes >= 0], minlength=n_classes)
    keys, n_taken = np.unique(codes[taken] * n_classes + likeliest[taken], return_counts=True)
    count = dict(zip(keys.tolist(), n_taken.tolist(), strict=True))
    found = []
    for key, one_way in count.items():
        a, b = divmod(key, n_classes)
        back = count.get(b * n_classes + a, 0)
        share = (one_way + back) / (size[a] + size[b])
        is_first = (one_way, -a) > (back, -b)
        if is_first and one_way + back >= OVERLAPPING and share >= OVERLAP:
            found.append(Overlap(a, b, float(share)))
    return sorted(found, key=lambda one: (-one.share, one.code, one.other))


_Planes = list[tuple[NDArray[np.float64], NDArray[np.float64]]]


def _discriminants(
    vectors: NDArray[np.float32], codes: NDArray[np.int64], fold: NDArray[np.int64], n_classes: int
) -> _Planes:
    """For each fold the planes (d, classes) and offsets (classes,) that the other folds give.

    Sums of each fold are taken once; what a fold leaves is all less its own.
    """
    d = vectors.shape[1]
    scatter, sums = np.zeros((FOLDS, d, d)), np.zeros((FOLDS, n_classes, d))
    counts = np.zeros((FOLDS, n_classes))
    for start in range(0, len(codes), ROWS):
        part = slice(start, start + ROWS)
        x, y, f = vectors[part].astype(np.float64), codes[part], fold[part]
        for number in range(FOLDS):
            rows = np.flatnonzero((f == number) & (y >= 0))
            scatter[number] += x[rows].T @ x[rows]
            np.add.at(sums[number], y[rows], x[rows])
            counts[number] += np.bincount(y[rows], minlength=n_classes)
    return [
        _planes(scatter.sum(0) - scatter[f], sums.sum(0) - sums[f], counts.sum(0) - counts[f])
        for f in range(FOLDS)
    ]


def _planes(
    scatter: NDArray[np.float64], sums: NDArray[np.float64], counts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Linear discriminant analysis (Hastie et al., The Elements of Statistical Learning, 4.3) with
    a shrunk scatter."""
    d = len(scatter)
    means = sums / np.maximum(counts, 1)[:, None]
    within = (scatter - (means * counts[:, None]).T @ means) / max(counts.sum(), 1)
    sphere = np.trace(within) / d
    within = (1 - SHRINKAGE) * within + (SHRINKAGE * sphere + 1e-12) * np.eye(d)
    planes = np.linalg.solve(within, means.T)
    prior = np.log(np.maximum(counts, 1e-9) / max(counts.sum(), 1))
    return planes, prior - np.einsum("ij,ji->i", means, planes) / 2


def _scores(
    vectors: NDArray[np.float32], rows: NDArray[np.int64], fold: NDArray[np.int64], planes: _Planes
) -> NDArray[np.float64]:
    found = np.empty((len(rows), planes[0][0].shape[1]))
    for number, (plane, offset) in enumerate(planes):
        own = fold[rows] == number
        found[own] = vectors[rows[own]] @ plane + offset
    return found


def _votes(
    near_by: Neighbours,
    rows: NDArray[np.int64],
    codes: NDArray[np.int64],
    n_classes: int,
    same: NDArray[np.int64],
) -> NDArray[np.float64]:
    """(rows, classes) the share of the nearest neighbours, by the inverse of their distance; of
    those nearer than half the mean by the inverse of that, lest one near duplicate outvote all."""
    indices = near_by.indices[rows, :VOTERS]
    near, apart = codes[indices], near_by.distances[rows, :VOTERS].astype(np.float64)
    weight = 1 / np.maximum(np.maximum(apart, apart.mean(axis=1, keepdims=True) / 2), 1e-9)
    weight[(near < 0) | (same[indices] == same[rows, None])] = 0
    votes = np.zeros((len(rows), n_classes))
    np.add.at(votes, (np.arange(len(rows))[:, None], np.maximum(near, 0)), weight)
    total = votes.sum(axis=1, keepdims=True)
    return np.divide(votes, total, out=np.full_like(votes, 1 / n_classes), where=total > 0)


def _softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
