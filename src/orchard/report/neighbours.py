"""Nearest neighbours among the points, and what they tell: near duplicates, unusual images."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from orchard.machine import available_cores

DIMENSIONS = 50  # leading components that distances are measured in; t-SNE's usual preparation
UNUSUAL_K = 10
NEAR_K = 15
ROWS_A_BLOCK = 128
SPARE = 8  # neighbours beyond those wanted, among which rounding may have mistaken the order
GROUP = 32
ROWS_A_PART = 1024  # of a thread, with all their neighbours
PAIRS_A_PART = 512  # whose features are 5 MB
ONE = 32767
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
    """Exact neighbours by Euclidean distance, the lower row first among equals.

    vectors: (n, d). Squared distances come from a product of matrices in float32, a block of rows
    at a time. Rounding may mistake their order, so that a few more than k are taken, measured from
    the differences themselves, and put in order.
    """
    n = len(vectors)
    vectors = np.ascontiguousarray(vectors - vectors.mean(axis=0), np.float32)
    k = min(k, n - 1)
    left, right = left_of(vectors), right_of(vectors)

    def of(rows: slice) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        products = left[rows] @ right
        own = np.arange(rows.start, rows.stop)
        products[np.arange(len(own)), own] = np.inf
        found = smallest(products, min(k + SPARE, n - 1))
        apart = vectors[found] - vectors[rows, None]
        squared = np.einsum("ijk,ijk->ij", apart, apart)
        order = np.lexsort((found, squared), axis=1)[:, :k]
        distances = np.sqrt(np.take_along_axis(squared, order, axis=1))
        return np.take_along_axis(found, order, axis=1), distances

    blocks = [slice(i, min(i + ROWS_A_BLOCK, n)) for i in range(0, n, ROWS_A_BLOCK)]
    # One thread a block, rather than all of the product's threads on each block.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(available_cores()) as pool:
        indices, distances = zip(*pool.map(of, blocks), strict=True)
    return Neighbours(np.concatenate(indices), np.concatenate(distances))


def left_of(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, d + 1), whose product with `right_of` others is the squared distances, less the squares
    of these: enough to tell which are near, in one pass."""
    return np.concatenate([vectors, np.ones((len(vectors), 1), np.float32)], axis=1)


def right_of(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(d + 1, m), for `left_of`."""
    squares = np.einsum("ij,ij->i", vectors, vectors)
    return np.concatenate([-2 * vectors, squares[:, None]], axis=1).T.copy()


def smallest(values: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """(n, k): where in each row the k smallest are, in any order.

    Of columns in groups of GROUP, the k smallest lie in the k groups of smallest minimum: most
    columns are looked at once, for that minimum.
    """
    n_rows, n_columns = values.shape
    n_groups = n_columns // GROUP
    if n_groups <= 2 * k:
        return np.argpartition(values, k - 1, axis=1)[:, :k]
    grouped = values[:, : n_groups * GROUP].reshape(n_rows, GROUP, n_groups)  # column c: c % n
    groups = np.argpartition(grouped.min(axis=1), k - 1, axis=1)[:, :k]
    inside = (groups[:, None, :] + np.arange(GROUP)[:, None] * n_groups).reshape(n_rows, -1)
    rest = np.arange(n_groups * GROUP, n_columns)
    columns = np.concatenate([inside, np.broadcast_to(rest, (n_rows, len(rest)))], axis=1)
    candidates = np.take_along_axis(values, columns, axis=1)
    chosen = np.argpartition(candidates, k - 1, axis=1)[:, :k]
    return np.take_along_axis(columns, chosen, axis=1)


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """pairs: (m, 2) points and cosines: (m,) of their features, the closest pair of each group
    first. n_images: points with a near duplicate. n_groups: sets of points so connected."""

    pairs: NDArray[np.int64]
    cosines: NDArray[np.float32]
    n_images: int
    n_groups: int


def directions(vectors: NDArray[np.float32]) -> NDArray[np.int16]:
    """Vectors of length ONE, in half the memory: cosines of them are right to four digits."""
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    scale = (ONE / np.maximum(length, 1e-30)).astype(np.float32)
    return np.rint(vectors * scale[:, None]).astype(np.int16)


@dataclass(frozen=True, slots=True)
class ClosePairs:
    """left, right: (m,) points, left the lower. cosines: (m,) of their features."""

    left: NDArray[np.int64]
    right: NDArray[np.int64]
    cosines: NDArray[np.float32]

    def take(self, chosen: NDArray[np.bool_]) -> ClosePairs:
        return ClosePairs(self.left[chosen], self.right[chosen], self.cosines[chosen])


def close_pairs(
    directions: NDArray[np.int16],
    neighbours: Neighbours,
    digests: NDArray[np.int64] | None = None,
    rows: NDArray[np.int64] | None = None,
    loosely: tuple[float, NDArray[np.bool_]] | None = None,
) -> ClosePairs:
    """Pairs among each point's NEAR_K neighbours whose features' cosine is NEAR_COSINE or more,
    each once.

    directions: of the features. digests: (n,) equal where two points' bytes are, which are left
    out. rows: of `directions`, ascending, that the points are; default all. loosely: a lower
    cosine, which is enough between two of those in the mask.
    """
    near = neighbours.indices[:, :NEAR_K]
    n, k = near.shape

    def of(start: int) -> ClosePairs:
        own = np.arange(start, min(start + ROWS_A_PART, n))
        one, other = np.repeat(own, k), near[own].ravel()
        # From its lower end; from the upper one, if the lower does not name it.
        once = (one < other) | ((one > other) & ~(near[other] == one[:, None]).any(axis=1))
        left, right = np.minimum(one, other)[once], np.maximum(one, other)[once]
        if rows is not None:
            left, right = rows[left], rows[right]
        if digests is not None:
            different = digests[left] != digests[right]
            left, right = left[different], right[different]
        cosines = _cosines(directions, left, right)
        close = cosines >= NEAR_COSINE
        if loosely is not None:
            least, among = loosely
            close |= (cosines >= least) & among[left] & among[right]
        return ClosePairs(left[close], right[close], cosines[close])

    with ThreadPoolExecutor(available_cores()) as pool:
        parts = list(pool.map(of, range(0, n, ROWS_A_PART)))
    none = np.zeros(0, np.int64)
    left = np.concatenate([none, *(part.left for part in parts)])
    right = np.concatenate([none, *(part.right for part in parts)])
    cosines = np.concatenate([np.zeros(0, np.float32), *(part.cosines for part in parts)])
    order = np.lexsort((right, left))
    return ClosePairs(left[order], right[order], cosines[order])


def cosines_of(
    directions: NDArray[np.int16], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.float32]:
    """(m,) the cosine of each pair."""
    n_rows = ROWS_A_PART * NEAR_K
    parts = [slice(i, i + n_rows) for i in range(0, len(left), n_rows)]
    with ThreadPoolExecutor(available_cores()) as pool:
        found = pool.map(lambda part: _cosines(directions, left[part], right[part]), parts)
        return np.concatenate([np.zeros(0, np.float32), *found])


def _cosines(
    directions: NDArray[np.int16], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.float32]:
    found = np.empty(len(left), np.float32)
    for start in range(0, len(left), PAIRS_A_PART):
        part = slice(start, start + PAIRS_A_PART)
        one, other = (directions[ends[part]].astype(np.float32) for ends in (left, right))
        found[part] = np.einsum("ij,ij->i", one, other) / np.float32(ONE**2)
    return np.minimum(found, np.float32(1))


def near_duplicates(
    directions: NDArray[np.int16], neighbours: Neighbours, sha256: list[str]
) -> NearDuplicates:
    """The pairs of `close_pairs` in groups. sha256: of each point's bytes."""
    digests = pa.array(sha256, pa.string()).dictionary_encode().indices.to_numpy()
    return grouped(close_pairs(directions, neighbours, digests), len(directions))


def grouped(close: ClosePairs, n: int) -> NearDuplicates:
    """Close pairs of n points, connected."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left, right, cosines = close.left, close.right, close.cosines
    if not len(left):
        return NearDuplicates(np.zeros((0, 2), np.int64), np.zeros(0, np.float32), 0, 0)
    graph = coo_array((np.ones(len(left)), (left, right)), shape=(n, n))
    _, group = connected_components(graph, directed=False)
    order = np.argsort(-cosines, kind="stable")
    _, first = np.unique(group[left[order]], return_index=True)
    best = order[np.sort(first)]
    pairs = np.sort(np.stack([left[best], right[best]], axis=1), axis=1)
    n_images = len(np.union1d(left, right))
    return NearDuplicates(pairs, cosines[best], n_images, len(first))
