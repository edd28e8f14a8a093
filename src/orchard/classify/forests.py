"""Trees as arrays, flattened into one forest, and the weights that make classes count the same."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchard.classify.heads import ForestHead


def balanced(y: NDArray[np.intp]) -> NDArray[np.float64]:
    """A weight for each image, mean 1, so that classes weigh the same: n / (c · size of class)."""
    _, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    return len(y) / (len(counts) * counts[inverse])


class Tree:
    """One tree as arrays; children −1 in leaves. shares: (nodes, classes present)."""

    def __init__(
        self, feature: Any, threshold: Any, left: Any, right: Any, shares: NDArray[np.floating]
    ) -> None:
        self.feature, self.threshold = np.asarray(feature), np.asarray(threshold)
        self.left, self.right = np.asarray(left), np.asarray(right)
        self.shares = shares


def flatten(
    trees: list[Tree], classes: NDArray[np.integer], n_classes: int, width: int
) -> ForestHead:
    """Trees in one numbering. classes: what the columns of their shares are."""
    first = np.cumsum([0, *(len(tree.feature) for tree in trees)])
    features, thresholds, lefts, rights, leaves, shares = [], [], [], [], [], []
    n_leaves = 0
    for tree, offset in zip(trees, first, strict=False):
        is_leaf = tree.left < 0
        features.append(np.where(is_leaf, -1, tree.feature))
        thresholds.append(_not_above(tree.threshold))
        lefts.append(np.where(is_leaf, 0, tree.left + offset))
        rights.append(np.where(is_leaf, 0, tree.right + offset))
        leaves.append(np.where(is_leaf, np.cumsum(is_leaf) - 1 + n_leaves, 0))
        n_leaves += int(is_leaf.sum())
        own = tree.shares[is_leaf]
        wide = np.zeros((len(own), n_classes), np.float16)
        wide[:, classes] = own / np.maximum(own.sum(axis=1, keepdims=True), 1e-12)
        shares.append(wide)
    whole = [np.concatenate(p).astype(np.int32) for p in (features, lefts, rights, leaves)]
    return ForestHead(
        roots=first[:-1].astype(np.int32),
        feature=whole[0],
        threshold=np.concatenate(thresholds),
        left=whole[1],
        right=whole[2],
        leaf=whole[3],
        shares=np.concatenate(shares),
        width=width,
    )


def _not_above(threshold: NDArray[np.floating]) -> NDArray[np.float32]:
    """Rounded down to float32: of float32 x, x ≤ t stays as true or false as it was."""
    rounded = threshold.astype(np.float32)
    return np.where(rounded > threshold, np.nextafter(rounded, np.float32(-np.inf)), rounded)
