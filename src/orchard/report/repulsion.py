"""What drives the points of a t-SNE map apart: a sum over all pairs, by convolution on a grid.

Of few points all pairs are summed as they are. Groups of near duplicates, closer to each other than
the grid's nodes, would else fall onto one place.

Linderman et al. 2019 (FIt-SNE) interpolate charges; here the points are spread on the grid as
quadratic B-splines (three nodes an axis) and only their density is convolved with the potential
φ = Σ 1 / (1 + d²): the force is the gradient of its spline, and the sum of φ over the points, which
normalises the map, is a sum of frequencies. So a step takes one transform and one back.

Every sum is made in the same order whatever the number of threads, which only the transforms use:
what NumPy does between them is over too soon for threads to pay.
"""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy import fft

SPACING = 0.5  # of the grid, in units of the map, where the potential's width is 1
FEW = 500  # points: their maps are so small that the grid is coarse, and all pairs take no longer
POINTS_A_PART = 4096  # whose nodes fit the processor's cache
Floats = NDArray[np.float32]


class Repulsion:
    """The forces of all points on each. threads: of the transforms."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._side = 0
        self._kernel = self._own = np.zeros((0, 0), np.float32)

    def __call__(self, x: Floats, y: Floats) -> tuple[Floats, Floats, float]:
        """x, y: (n,). Forces Σ (x_i - x_j) / (1 + d²)² along either axis, and Σ 1 / (1 + d²) over
        all pairs of different points."""
        if len(x) < FEW:
            return _summed(x, y)
        n, low = len(x), (x.min(), y.min())
        nodes = int(max(float(np.ptp(x)), float(np.ptp(y))) / SPACING) + 4
        self._prepare(nodes)
        ends = [slice(start, start + POINTS_A_PART) for start in range(0, n, POINTS_A_PART)]
        parts = [_Splines(x[part], y[part], low, nodes, self._own) for part in ends]
        density: Floats = reduce(np.add, [part.density() for part in parts])
        potential, total = self._convolved(density)
        slopes = [part.gradient(potential) for part in parts]
        along_x, along_y = (np.concatenate(axis) for axis in zip(*slopes, strict=True))
        half = np.float32(-0.5)  # the gradient of 1 / (1 + d²) is -2 (x_i - x_j) / (1 + d²)²
        own = sum(part.own_potential for part in parts)
        return half * along_x, half * along_y, total - own

    def _convolved(self, density: Floats) -> tuple[Floats, float]:
        """The potential at the nodes, (nodes²,), and its sum over the points, themselves included.

        That sum is one over frequencies (Parseval); all columns but the first and last count twice.
        """
        nodes, shape = len(density), (self._side, self._side)
        waves = fft.rfft2(density, s=shape, workers=self._threads)
        convolved = waves * self._kernel
        power = np.einsum("ij,ij->j", waves.real, convolved.real)
        power += np.einsum("ij,ij->j", waves.imag, convolved.imag)
        total = 2 * float(power.sum(dtype=np.float64)) - float(power[0]) - float(power[-1])
        potential = fft.irfft2(convolved, s=shape, workers=self._threads)[:nodes, :nodes]
        return np.ascontiguousarray(potential).ravel(), total / self._side**2

    def _prepare(self, nodes: int) -> None:
        """The potential's transform, less what two splines blur, on a grid that nothing leaves at
        one side to come back at the other; and what nine nodes give each other."""
        side = fft.next_fast_len(2 * nodes, real=True)
        while side % 2:
            side = fft.next_fast_len(side + 1, real=True)
        if side == self._side:
            return
        steps = np.arange(side)
        apart = np.minimum(steps, side - steps) * SPACING
        potential = 1 / (1 + apart[:, None] ** 2 + apart**2)
        blur = (6 + 2 * np.cos(2 * np.pi * steps / side)) / 8  # of (1, 6, 1) / 8
        kernel = fft.rfft2(potential).real / (blur[:, None] * blur[: side // 2 + 1]) ** 2
        column, row = (nine.ravel() for nine in np.indices((3, 3)))
        between = fft.irfft2(kernel, s=(side, side))
        own = between[column[:, None] - column, row[:, None] - row]
        self._side = side
        self._kernel, self._own = kernel.astype(np.float32), own.astype(np.float32)


def _summed(x: Floats, y: Floats) -> tuple[Floats, Floats, float]:
    along_x, along_y = x[:, None] - x, y[:, None] - y
    potential = 1 / (1 + along_x * along_x + along_y * along_y)
    strength = potential * potential
    total = float(potential.sum(dtype=np.float64)) - len(x)
    return np.einsum("ij,ij->i", strength, along_x), np.einsum("ij,ij->i", strength, along_y), total


class _Splines:
    """Some points as quadratic B-splines on the nine nodes about each."""

    def __init__(
        self, x: Floats, y: Floats, low: tuple[np.float32, np.float32], nodes: int, own: Floats
    ) -> None:
        self._nodes = nodes
        column, self._x, self._dx = _weights(x, low[0])
        row, self._y, self._dy = _weights(y, low[1])
        first = column * nodes + row
        self._places = np.stack([first + (a * nodes + b) for a in range(3) for b in range(3)])
        self._at_nodes = np.stack([wx * wy for wx in self._x for wy in self._y])
        self._own = own @ self._at_nodes
        self.own_potential = float((self._own * self._at_nodes).sum(dtype=np.float64))

    def density(self) -> Floats:
        """(nodes, nodes): how much of the points lies at each node."""
        counted = np.bincount(self._places.ravel(), self._at_nodes.ravel(), self._nodes**2)
        return counted.astype(np.float32).reshape(self._nodes, self._nodes)

    def gradient(self, potential: Floats) -> tuple[Floats, Floats]:
        """Where the points are, of a field given at the nodes, (nodes²,), less each point's own
        part of it: in the spline alone a point drives itself, away from some places of the grid."""
        field = potential.take(self._places) - self._own
        along_x, along_y = np.zeros_like(field[0]), np.zeros_like(field[0])
        for a, (wx, dx) in enumerate(zip(self._x, self._dx, strict=True)):
            value, slope = np.zeros_like(wx), np.zeros_like(wx)
            for b, (wy, dy) in enumerate(zip(self._y, self._dy, strict=True)):
                value += wy * field[3 * a + b]
                slope += dy * field[3 * a + b]
            along_x += dx * value
            along_y += wx * slope
        return along_x / np.float32(SPACING), along_y / np.float32(SPACING)


def _weights(
    x: Floats, low: np.float32
) -> tuple[NDArray[np.int64], tuple[Floats, ...], tuple[Floats, ...]]:
    """The first of three nodes along an axis, what each gets, and the derivatives of that."""
    half, three_quarters = np.float32(0.5), np.float32(0.75)
    at = (x - low) / np.float32(SPACING) + np.float32(1)
    middle = np.floor(at + half)
    t = at - middle
    weights = (half * (half - t) ** 2, three_quarters - t * t, half * (half + t) ** 2)
    return middle.astype(np.int64) - 1, weights, (t - half, -2 * t, t + half)
