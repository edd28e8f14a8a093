"""Duplicates in groups, of each of which one image is to be kept.

Exact: images of one SHA-256. Near: images whose features' cosine is NEAR_COSINE or more, or whose
small pictures are alike (`copies`). "Near" is not transitive: the frames of a turntable are near
their neighbours, and the first is not near the last. So a group is a star: every other image of it
is near the one that is kept, and no two that are kept are near each other. The best image that is
in no group yet is kept next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchard.findings.cells import nearest_of_many
from orchard.report.neighbours import NEAR_COSINE, NEAR_K, close_pairs, cosines_of

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]
PASSES = 6


@dataclass(frozen=True, slots=True)
class Groups:
    """kept: (n,) the row that is kept of each row's group; its own where it is kept or in none."""

    kept: NDArray[np.int64]

    @property
    def members(self) -> list[NDArray[np.int64]]:
        """Rows of each group of two or more: the kept one, then the others in their order."""
        dropped = np.flatnonzero(self.kept != np.arange(len(self.kept)))
        order = dropped[np.argsort(self.kept[dropped], kind="stable")]
        heads, starts = np.unique(self.kept[order], return_index=True)
        parts = np.split(order, starts[1:])
        return (
            [np.r_[head, part] for head, part in zip(heads, parts, strict=True)]
            if len(heads)
            else []
        )


def best_first(
    width: NDArray[np.float64],
    height: NDArray[np.float64],
    sharpness: NDArray[np.float64],
    is_suspect: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Rows by how much they are worth: those whose label is no suspect, then the larger, the
    sharper, the first.

    Sizes that differ by less than a quarter of the area count as one: a crop is no worse.
    """
    area = np.rint(np.log(np.maximum(width * height, 1)) / np.log(1.25))
    return np.lexsort((np.arange(len(area)), -sharpness, -area, is_suspect))


def exact(codes: NDArray[np.int64], best: NDArray[np.int64] | None = None) -> Groups:
    """codes: (n,) equal where the bytes are. best: rows in the order in which they are kept."""
    best = np.arange(len(codes)) if best is None else best
    _, first, place = np.unique(codes[best], return_index=True, return_inverse=True)
    kept = np.empty(len(codes), np.int64)
    kept[best] = best[first[place]]
    return Groups(kept)


def near(
    pairs: Sequence[Pairs],
    same: Groups,
    best: NDArray[np.int64],
    vectors: NDArray[np.float32],
    directions: NDArray[np.int16],
) -> tuple[Groups, Pairs]:
    """Groups of near duplicates among images of different bytes, and the pairs that join them.

    pairs: of rows, among the nearest neighbours. Where more than NEAR_K images are alike, some are
    not among those: the kept images are compared with each other again, PASSES times at most, until
    no two of them are near. Of two that are, the better takes over those of the other's group that
    are near it, too.
    """
    n = len(vectors)
    left, right = (np.concatenate([pair[end] for pair in pairs]) for end in (0, 1))
    found = _distinct(n, same.kept[left], same.kept[right])
    joined = [found]
    kept = _stars(n, found, best)
    has_near = np.zeros(n, np.bool_)
    has_near[found[0]] = has_near[found[1]] = True
    for _ in range(PASSES):
        rows = np.flatnonzero(has_near & (kept == np.arange(n)))
        if len(rows) < 2:
            break
        again = close_pairs(directions, nearest_of_many(vectors[rows], NEAR_K), None, rows)
        joined.append((again.left, again.right))
        between = (kept[found[0]] == found[0]) & (kept[found[1]] == found[1])
        left = np.r_[again.left, found[0][between]]
        right = np.r_[again.right, found[1][between]]
        if not len(left):
            break
        better = _stars(n, (left, right), best)[kept]
        members = np.flatnonzero((better != kept) & (kept != np.arange(n)))
        alone = members[cosines_of(directions, members, better[members]) < NEAR_COSINE]
        better[alone] = alone
        kept = better
    left, right = (np.concatenate([pair[end] for pair in joined]) for end in (0, 1))
    return Groups(kept), (left, right)


def connected(n: int, *pairs: Pairs) -> NDArray[np.int64]:
    """(n,) a number of each row's set, equal where rows are joined by pairs, over any others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left, right = (np.concatenate([pair[end] for pair in pairs]) for end in (0, 1))
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _distinct(n: int, left: NDArray[np.int64], right: NDArray[np.int64]) -> Pairs:
    """Each pair once, the lower row first, none of a row with itself."""
    keys = np.unique(np.minimum(left, right) * n + np.maximum(left, right))
    one, other = keys // n, keys % n
    return one[one != other], other[one != other]


def _stars(n: int, pairs: Pairs, best: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) the row kept of each row's star."""
    from scipy.sparse import coo_array

    graph = coo_array((np.ones(len(pairs[0]), np.int8), pairs), shape=(n, n)).tocsr()
    graph = (graph + graph.T).tocsr()
    starts, near_of = graph.indptr, graph.indices
    kept = np.full(n, -1, np.int64)
    for row in best[np.diff(starts)[best] > 0].tolist():
        if kept[row] < 0:
            kept[row] = row
            near_by = near_of[starts[row] : starts[row + 1]]
            kept[near_by[kept[near_by] < 0]] = row
    return np.where(kept < 0, np.arange(n), kept)
