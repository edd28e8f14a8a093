"""Many balls that touch, such as a bunch of grapes: drawn far to near, the nearer covering."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchard.samples.rendered.view import Array, Surface, View


@dataclass(frozen=True, slots=True)
class Cluster:
    """centres: (k, 3) in the body frame. radii: (k,)."""

    centres: Array
    radii: Array

    def seen(self, view: View, size: int) -> Surface:
        """What `view` shows. v tells the ball, (index + 1/2) / k; u is measured on the ball."""
        middle = view.project(self.centres)
        order = np.argsort(middle[:, 2], kind="stable")
        middle, radii = middle[order], self.radii[order]
        pitch = 2.0 / size
        reach = int(np.ceil(radii.max() / pitch)) + 1
        grid = np.arange(-reach, reach + 1)
        nearest = np.floor((middle[:, :2] + 1.0) / pitch).astype(np.int32)
        column, line = nearest[:, :1] + grid, nearest[:, 1:] + grid
        dx = ((column + 0.5) * pitch - 1.0 - middle[:, :1]).astype(np.float32)
        dy = ((line + 0.5) * pitch - 1.0 - middle[:, 1:2]).astype(np.float32)
        distance = np.sqrt(dx[:, None, :] ** 2 + dy[:, :, None] ** 2)
        edge = (radii / pitch + 0.5).astype(np.float32)[:, None, None]
        share = np.clip(edge - distance * np.float32(1 / pitch), 0, 1)
        within = ((column >= 0) & (column < size))[:, None, :]
        share *= within & ((line >= 0) & (line < size))[:, :, None]
        pixel = ((size - 1 - line) * size)[:, :, None] + column[:, None, :]
        share, pixel = share.ravel(), pixel.ravel()
        winner = np.full(size * size, -1, dtype=np.intp)
        coverage = np.zeros(size * size, dtype=np.float32)
        full = share == 1
        for part in (np.flatnonzero((share > 1 / 255) & ~full), np.flatnonzero(full)):
            winner[pixel[part]] = part  # rims first: they never show the ground through the bunch
            coverage[pixel[part]] = share[part]
        covered = np.flatnonzero(winner >= 0)
        ball, place = np.divmod(winner[covered], len(grid) ** 2)
        j, i = np.divmod(place, len(grid))
        x, y = dx[ball, i] / radii[ball], dy[ball, j] / radii[ball]
        norm = np.maximum(np.hypot(x, y), 1.0)
        x, y = (x / norm).astype(np.float32), (y / norm).astype(np.float32)
        level = np.zeros((3, len(x)), dtype=np.float32)  # the skin of a ball is smooth
        return Surface(
            pixel=covered,
            coverage=coverage[covered],
            u=np.arctan2(y, x),
            v=((order[ball] + 0.5) / len(radii)).astype(np.float32),
            normal=np.stack([x, y, np.sqrt(np.maximum(1 - x**2 - y**2, 0))]),
            tangent_u=level,
            tangent_v=level,
        )
