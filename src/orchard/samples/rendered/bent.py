"""A body stacked of horizontal discs whose centres bend to one side, seen at right angles to z.

The line of sight lies in the plane of each disc, so every row of the image is solved exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchard.samples.rendered.revolution import SUBROWS
from orchard.samples.rendered.view import Array, Surface, View, pixel_centres

N_DISCS = 400


@dataclass(frozen=True, slots=True)
class Bent:
    """radius, offset: (N_DISCS,) of the discs, evenly from z = −reach to z = reach; the centres are
    displaced by offset along q."""

    radius: Array
    offset: Array
    reach: float

    @classmethod
    def through(cls, knots: Array, scale: float = 1.0) -> Bent:
        """Through knots (k, 3) of (z, radius, offset), z ascending and symmetric about 0."""
        reach = float(knots[-1, 0])
        z = np.linspace(-reach, reach, N_DISCS)
        radius, offset = (_smooth(_smooth(np.interp(z, knots[:, 0], knots[:, k]))) for k in (1, 2))
        return cls(scale * radius, scale * offset, scale * reach)

    def seen(self, view: View, size: int) -> Surface:
        """What `view` shows; its tilt is taken as 0."""
        coverage = self._coverage(view, size)
        row, column = np.nonzero(coverage > 1 / 255)
        z = pixel_centres(size)
        w0, q0, radius = self._discs(view, z)
        sin_u = (z[column] - w0[row]) / np.maximum(radius[row], 1e-6)
        sin_u = np.clip(sin_u, -1.0, 1.0).astype(np.float32)
        cos_u: Array = np.sqrt(1 - sin_u**2)
        grow, lean_w, lean_q = (np.gradient(a, z)[row].astype(np.float32) for a in (radius, w0, q0))
        steep: Array = grow + lean_w * sin_u + lean_q * cos_u
        norm = np.sqrt(1 + steep**2)
        v = (np.clip(z[row] / self.reach, -1.0, 1.0) + 1.0).astype(np.float32) / np.float32(2)
        flat = View(0.0, 0.0, view.upright)
        return Surface(
            pixel=(size - 1 - row) * size + column if view.upright else column * size + row,
            coverage=coverage[row, column].astype(np.float32),
            u=np.arctan2(sin_u, cos_u),
            v=v,
            normal=flat.to_camera(sin_u / norm, cos_u / norm, -steep / norm),
            tangent_u=flat.to_camera(cos_u, -sin_u, np.zeros_like(v)),
            tangent_v=flat.to_camera(steep * sin_u / norm, steep * cos_u / norm, 1 / norm),
        )

    def _coverage(self, view: View, size: int) -> Array:
        """Share of each pixel that lies within the outline: (size along z, size across)."""
        z = pixel_centres(size * SUBROWS)
        w0, _, radius = self._discs(view, z)
        slant = np.hypot(1.0, np.abs(np.gradient(radius, z)) + np.abs(np.gradient(w0, z)))
        inside = radius[:, None] - np.abs(pixel_centres(size) - w0[:, None])
        lines = np.clip(inside / slant[:, None] * (size / 2.0) + 0.5, 0.0, 1.0)
        lines[radius <= 0] = 0.0
        shares: Array = lines.reshape(size, SUBROWS, size).mean(axis=1)
        return shares

    def _discs(self, view: View, z: Array) -> tuple[Array, Array, Array]:
        """Centre (w, q) and radius of the disc at each z; radius 0 beyond the ends."""
        place = (np.clip(z / self.reach, -1.0, 1.0) + 1.0) / 2.0 * (N_DISCS - 1)
        radius = np.interp(place, np.arange(N_DISCS), self.radius) * (np.abs(z) < self.reach)
        offset = np.interp(place, np.arange(N_DISCS), self.offset)
        return offset * np.sin(view.spin), offset * np.cos(view.spin), radius


def _smooth(values: Array, width: int = 71) -> Array:
    kernel = np.hanning(width + 2)[1:-1]
    padded = np.pad(values, width // 2, mode="reflect", reflect_type="odd")
    return np.convolve(padded, kernel / kernel.sum(), mode="valid")
