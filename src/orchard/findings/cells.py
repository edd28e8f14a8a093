"""Nearest neighbours among very many vectors: only those in the nearest cells are compared.

Vectors are put into cells around some of themselves (an inverted file: Jégou et al., Product
quantization for nearest neighbor search, IEEE TPAMI 33, 2011, without the quantisation). A cell's
vectors are compared with those of its nearest cells; then all again with other cells, since what
lies at an edge of the ones is inside the others. Most neighbours are found, not all. To find its
cell a vector is compared with n / ROWS_A_CELL centres; memory holds the vectors, 3·k numbers a row
and a few blocks.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from orchard.machine import available_cores
from orchard.report.neighbours import Neighbours, left_of, nearest, right_of, smallest

EXACT = 50_000  # vectors: up to here all pairs are compared, which takes 5 s on two cores
ROWS_A_CELL = 256
CELLS_SEARCHED = 10
ROUNDS = 2
ROWS_A_BLOCK = 4096
ROWS_A_LOOK = 512  # compared with all centres: a block that a core's cache holds


def nearest_of_many(vectors: NDArray[np.float32], k: int) -> Neighbours:
    """(n, k) neighbours by Euclidean distance, nearest first, without the vector itself.

    vectors: (n, d). Exact for EXACT or fewer.
    """
    if len(vectors) <= EXACT:
        return nearest(vectors, k)
    vectors = np.ascontiguousarray(vectors - vectors.mean(axis=0, dtype=np.float64), np.float32)
    found = _in_cells(vectors, k, 0)
    for seed in range(1, ROUNDS):
        found = _merged(found, _in_cells(vectors, k, seed))
    return found


def _in_cells(vectors: NDArray[np.float32], k: int, seed: int) -> Neighbours:
    n_cells = max(CELLS_SEARCHED, len(vectors) // ROWS_A_CELL)
    chosen = np.random.default_rng(seed).choice(len(vectors), n_cells, replace=False)
    centres = vectors[np.sort(chosen)]
    cell = _nearest_centre(vectors, centres)
    order = np.argsort(cell, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(cell, minlength=n_cells))[:-1])
    near_by = nearest(centres, CELLS_SEARCHED - 1).indices
    indices = np.zeros((len(vectors), k), np.int64)
    distances = np.full((len(vectors), k), np.inf, np.float32)

    def search(number: int) -> None:
        own = members[number]
        others = np.concatenate([own, *(members[other] for other in near_by[number])])
        candidates = vectors[others]
        right = right_of(candidates)
        for start in range(0, len(own), ROWS_A_BLOCK):
            stop = min(start + ROWS_A_BLOCK, len(own))
            places, apart = _among(candidates, right, np.arange(start, stop), k)
            rows, found = own[start:stop], others[places]
            indices[rows, : found.shape[1]], distances[rows, : found.shape[1]] = found, apart

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(search, range(n_cells)))
    return Neighbours(indices, distances)


def _merged(one: Neighbours, other: Neighbours) -> Neighbours:
    """The nearest of both, each once; block by block."""
    k = one.indices.shape[1]
    for start in range(0, len(one.indices), ROWS_A_BLOCK):
        rows = slice(start, start + ROWS_A_BLOCK)
        indices = np.concatenate([one.indices[rows], other.indices[rows]], axis=1)
        distances = np.concatenate([one.distances[rows], other.distances[rows]], axis=1)
        by_index = np.argsort(indices, axis=1, kind="stable")
        indices = np.take_along_axis(indices, by_index, axis=1)
        distances = np.take_along_axis(distances, by_index, axis=1)
        distances[:, 1:][indices[:, 1:] == indices[:, :-1]] = np.inf
        best = np.argsort(distances, axis=1, kind="stable")[:, :k]
        one.indices[rows] = np.take_along_axis(indices, best, axis=1)
        one.distances[rows] = np.take_along_axis(distances, best, axis=1)
    return one


def _nearest_centre(
    vectors: NDArray[np.float32], centres: NDArray[np.float32]
) -> NDArray[np.int64]:
    right = right_of(centres)
    found = np.empty(len(vectors), np.int64)

    def look(start: int) -> None:
        rows = slice(start, start + ROWS_A_LOOK)
        found[rows] = (left_of(vectors[rows]) @ right).argmin(axis=1)

    with threadpool_limits(1, "blas"), ThreadPoolExecutor(available_cores()) as pool:
        list(pool.map(look, range(0, len(vectors), ROWS_A_LOOK)))
    return found


def _among(
    candidates: NDArray[np.float32], right: NDArray[np.float32], own: NDArray[np.int64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Places of the k nearest of some of the candidates, and how far they are. right: `right_of` of
    all candidates. own: places of those whose nearest are asked for."""
    rough = left_of(candidates[own]) @ right
    rough[np.arange(len(own)), own] = np.inf
    k = min(k, len(candidates) - 1)
    best = smallest(rough, k) if k else np.zeros((len(own), 0), np.int64)
    apart = candidates[best] - candidates[own, None]
    distances = np.sqrt(np.einsum("ijk,ijk->ij", apart, apart))
    order = np.argsort(distances, axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1), np.take_along_axis(distances, order, axis=1)
