"""Images that t-SNE did not place, put on its map by their neighbours among those it did.

The placed ones are divided into cells about centres (an inverted file, Jégou et al. 2011). An image
is compared with those of the PROBES cells nearest to its own cell's centre, so with one in thirty,
and stands at the weighted mean of its K nearest: memory is a few numbers an image.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from orchard.machine import available_cores
from orchard.report.neighbours import smallest

K = 5
PROBES = 5
ROUNDS = 4  # of moving the centres: more change hardly any neighbour
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Others:
    """rows: (m,) of `Images`, ascending. xy: (m, 2) float32 on the map. nearest: (m,) the number of
    the nearest point that t-SNE placed."""

    rows: NDArray[np.int64]
    xy: Floats
    nearest: NDArray[np.int32]

    @classmethod
    def none(cls) -> Others:
        return cls(np.zeros(0, np.int64), np.zeros((0, 2), np.float32), np.zeros(0, np.int32))


class Placing:
    """components: (n, d) of the points placed. xy: (n, 2) where."""

    def __init__(self, components: Floats, xy: Floats) -> None:
        self._centre = components.mean(axis=0)
        self._points, self._xy = components - self._centre, xy
        self._centres = _centres(self._points, max(1, int(len(components) ** 0.5)))
        own = _cells(self._points, self._centres)
        members = [np.flatnonzero(own == cell) for cell in range(len(self._centres))]
        near = np.argsort(_squared(self._centres, self._centres), axis=1, kind="stable")[:, :PROBES]
        self._around = [np.concatenate([members[cell] for cell in cells]) for cells in near]

    def __call__(self, vectors: Floats) -> tuple[Floats, NDArray[np.int32]]:
        """(m, d or more) components → (m, 2) places, and (m,) the nearest point's number."""
        vectors = vectors[:, : self._points.shape[1]] - self._centre
        xy, nearest = np.zeros((len(vectors), 2), np.float32), np.zeros(len(vectors), np.int32)
        cells = _cells(vectors, self._centres)
        order = np.argsort(cells, kind="stable")
        groups = np.split(order, np.flatnonzero(np.diff(cells[order])) + 1)

        def place(rows: NDArray[np.int64]) -> None:
            xy[rows], nearest[rows] = self._placed(vectors[rows], self._around[cells[rows[0]]])

        with threadpool_limits(1, "blas"), ThreadPoolExecutor(available_cores()) as pool:
            list(pool.map(place, groups))
        return xy, nearest

    def _placed(
        self, vectors: Floats, candidates: NDArray[np.int64]
    ) -> tuple[Floats, NDArray[np.int64]]:
        squared = _squared(vectors, self._points[candidates])
        found = smallest(squared, min(K, len(candidates)))
        apart = np.maximum(np.take_along_axis(squared, found, axis=1), 1e-12)
        weights = apart.min(axis=1, keepdims=True) / apart
        weights /= weights.sum(axis=1, keepdims=True)
        points = candidates[found]
        first = np.take_along_axis(points, apart.argmin(axis=1)[:, None], axis=1)[:, 0]
        return np.einsum("ij,ijk->ik", weights, self._xy[points]), first


def place(
    parts: Iterable[tuple[NDArray[np.int64], Floats]],
    placing: Placing,
    wanted: NDArray[np.bool_],
) -> Others:
    """parts: rows and their components. wanted: whether a row is to be placed."""
    rows = np.flatnonzero(wanted)
    at = np.cumsum(wanted, dtype=np.int64) - 1
    xy, nearest = np.zeros((len(rows), 2), np.float32), np.zeros(len(rows), np.int32)
    for part, vectors in parts:
        chosen = wanted[part]
        if chosen.any():
            places = at[part[chosen]]
            xy[places], nearest[places] = placing(vectors[chosen])
    return Others(rows, xy, nearest)


def _centres(points: Floats, n: int) -> Floats:
    """Lloyd's algorithm from points spread over their order."""
    centres = points[np.linspace(0, len(points) - 1, n).astype(np.int64)]
    for _ in range(ROUNDS):
        own = _cells(points, centres)
        count = np.bincount(own, minlength=n)
        sums = np.zeros_like(centres)
        np.add.at(sums, own, points)
        centres = np.where(count[:, None], sums / np.maximum(count, 1)[:, None], centres)
        centres = centres.astype(np.float32)
    return centres


def _cells(vectors: Floats, centres: Floats) -> NDArray[np.int64]:
    return _squared(vectors, centres).argmin(axis=1)


def _squared(one: Floats, other: Floats) -> Floats:
    """(n, m) squared distances, of float32's accuracy: enough to tell which are near."""
    lengths = np.einsum("ij,ij->i", one, one)[:, None] + np.einsum("ij,ij->i", other, other)
    return np.asarray(lengths - 2 * (one @ other.T), np.float32)
