"""What draws the points of a t-SNE map together: the similarity of neighbours.

P is that of van der Maaten and Hinton (2008), a Gaussian about each point that is as wide as its
perplexity asks, over its nearest neighbours alone, made symmetric.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from orchard.report.neighbours import Neighbours
from orchard.report.repulsion import Floats

BISECTIONS = 32
ROWS_A_PART = 4096


def similarities(neighbours: Neighbours, perplexity: float) -> sparse.csr_matrix:
    """(n, n) float32, symmetric, of sum 1."""
    n, k = neighbours.indices.shape
    squared = neighbours.distances.astype(np.float32) ** 2
    squared -= squared[:, :1]
    squared /= np.maximum(squared.mean(axis=1, keepdims=True), np.float32(1e-12))
    weights = _as_wide_as(squared, min(perplexity, k / 3))
    from_one = sparse.csr_matrix(
        (weights.ravel(), neighbours.indices.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n)
    )
    both = from_one + from_one.T
    return sparse.csr_matrix(both / both.sum(dtype=np.float64), dtype=np.float32)


def _as_wide_as(squared: Floats, perplexity: float) -> Floats:
    """Rows of Gaussian weights, of sum 1, whose entropy is the perplexity's logarithm: by bisection
    of the precision's logarithm."""
    low = np.full((len(squared), 1), -20, np.float32)
    high = -low
    for _ in range(BISECTIONS):
        precision = np.exp((low + high) / 2)
        weights = np.exp(-squared * precision)
        total = weights.sum(axis=1, keepdims=True)
        mean = (weights * squared).sum(axis=1, keepdims=True) / total
        too_wide = np.log(total) + precision * mean > np.log(perplexity)
        low, high = (
            np.where(too_wide, (low + high) / 2, low),
            np.where(too_wide, high, (low + high) / 2),
        )
    return np.asarray(weights / total, np.float32)


class Attraction:
    """Forces along the edges of `similarities`, some rows at a time."""

    def __init__(self, similar: sparse.csr_matrix) -> None:
        first = similar.indptr.astype(np.int64)
        others = similar.indices.astype(np.int64)
        n = similar.shape[0]
        self._parts = []
        for start in range(0, n, ROWS_A_PART):
            stop = min(start + ROWS_A_PART, n)
            ends = first[start : stop + 1]
            edges = slice(ends[0], ends[-1])
            own = np.repeat(np.arange(start, stop), np.diff(ends))
            self._parts.append((own, others[edges], similar.data[edges], ends[:-1] - ends[0]))

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Σ p_ij (x_i - x_j) / (1 + d²) along either axis, (n,)."""
        pulls = [_pull(x, y, *part) for part in self._parts]
        along_x, along_y = (np.concatenate(axis) for axis in zip(*pulls, strict=True))
        return along_x, along_y


def _pull(
    x: Floats,
    y: Floats,
    own: NDArray[np.int64],
    other: NDArray[np.int64],
    similarity: Floats,
    first: NDArray[np.int64],
) -> tuple[Floats, Floats]:
    """first: of each row's edges."""
    along_x, along_y = x.take(own), y.take(own)
    along_x -= x.take(other)
    along_y -= y.take(other)
    weight = along_x * along_x
    weight += along_y * along_y
    weight += 1
    np.divide(similarity, weight, out=weight)
    along_x *= weight
    along_y *= weight
    return np.add.reduceat(along_x, first), np.add.reduceat(along_y, first)
