"""Nearest neighbours among the points, and what they tell: near duplicates, unusual images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 50  # leading components that distances are measured in; t-SNE's usual preparation
UNUSUAL_K = 10
NEAR_K = 15
NEAR_COSINE = 0.98


@dataclass(frozen=True, slots=True)
class Neighbours:
    """indices, distances: (n, k), nearest first, without the point itself."""

    indices: NDArray[np.int64]
    distances: NDArray[np.float32]

    @property
    def isolation(self) -> NDArray[np.float32]:
        """(n,) mean distance to the UNUSUAL_K nearest, over its median (Ramaswamy et al. 2000)."""
        mean = self.distances[:, :UNUSUAL_K].mean(axis=1)
        return np.asarray(mean / max(float(np.median(mean)), 1e-12), np.float32)


def nearest(vectors: NDArray[np.float32], k: int) -> Neighbours:
    """Exact neighbours by Euclidean distance; scikit-learn computes them in blocks of rows."""
    from sklearn.neighbors import NearestNeighbors

    n = len(vectors)
    k = min(k, n - 1)
    search = NearestNeighbors(n_neighbors=k + 1, algorithm="brute").fit(vectors)
    distances, indices = search.kneighbors(vectors)
    # An exact duplicate may be found before the point itself, or push it out.
    own = indices == np.arange(n)[:, None]
    own[~own.any(axis=1), -1] = True
    shape = (n, k)
    return Neighbours(
        indices[~own].reshape(shape), distances[~own].reshape(shape).astype(np.float32)
    )


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """pairs: (m, 2) points and cosines: (m,) of their features, the closest pair of each group
    first. n_images: points with a near duplicate. n_groups: sets of points so connected."""

    pairs: NDArray[np.int64]
    cosines: NDArray[np.float32]
    n_images: int
    n_groups: int


def near_duplicates(
    features: NDArray[np.float32], neighbours: Neighbours, sha256: list[str]
) -> NearDuplicates:
    """Pairs among each point's NEAR_K neighbours whose features' cosine is NEAR_COSINE or more and
    whose bytes differ."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(features)
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = features / np.maximum(length, 1e-12)
    left = np.repeat(np.arange(n), min(NEAR_K, neighbours.indices.shape[1]))
    right = neighbours.indices[:, :NEAR_K].reshape(-1)
    cosines = np.concatenate(
        [
            np.einsum("ij,ij->i", unit[left[i : i + 8192]], unit[right[i : i + 8192]])
            for i in range(0, len(left), 8192)
        ]
    )
    _, digest = np.unique(np.asarray(sha256), return_inverse=True)
    close = (cosines >= NEAR_COSINE) & (digest[left] != digest[right])
    left, right, cosines = left[close], right[close], cosines[close]
    if not len(left):
        return NearDuplicates(np.zeros((0, 2), np.int64), np.zeros(0, np.float32), 0, 0)
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    order = np.argsort(-cosines, kind="stable")
    _, first = np.unique(group[left[order]], return_index=True)
    best = order[np.sort(first)]
    pairs = np.sort(np.stack([left[best], right[best]], axis=1), axis=1)
    n_images = len(np.union1d(left, right))
    return NearDuplicates(pairs, cosines[best].astype(np.float32), n_images, len(first))
