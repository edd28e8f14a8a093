"""What covers a fruit: a map over longitude and height, looked up by every frame of its turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orchard.samples.rendered.view import Array

HEIGHT, WIDTH = 128, 256
ALBEDO, SLOPE_U, SLOPE_V, GLOSS = slice(0, 3), 3, 4, 5
N_CHANNELS = 6


@dataclass(frozen=True, slots=True)
class Chart:
    """The grid of a skin, and noise on it that is isotropic on the surface, poles included.

    u, v: (HEIGHT, WIDTH) longitude in radians, place in [0, 1]. rho, z: of the surface there,
    x, y: the same point in the plane across the axis.
    """

    u: Array
    v: Array
    rho: Array
    z: Array
    x: Array
    y: Array
    rng: np.random.Generator

    @classmethod
    def of(cls, rho: Array, z: Array, rng: np.random.Generator) -> Chart:
        """rho, z: (HEIGHT,) of the surface from its lower pole to its upper."""
        longitude = np.arange(WIDTH) * (2 * np.pi / WIDTH)
        grid = (longitude[None], np.linspace(0, 1, HEIGHT)[:, None], rho[:, None], z[:, None])
        u, v, rho, z = (np.broadcast_to(a, (HEIGHT, WIDTH)).astype(np.float32) for a in grid)
        return cls(u, v, rho, z, rho * np.cos(u), rho * np.sin(u), rng)

    def noise(self, frequency: float, stretch: float = 1.0) -> Array:
        """Value noise in about −1 … 1 (HEIGHT, WIDTH), `frequency` cells to the unit of length;
        stretch > 1 draws it out along the axis."""
        n = 32
        cells, shares = [], []
        for axis, scale in ((self.x, 1.0), (self.y, 1.0), (self.z, 1.0 / stretch)):
            place = axis * np.float32(frequency * scale) + np.float32(self.rng.uniform(0, n))
            low = np.floor(place)
            f = place - low
            shares.append(f * f * (3 - 2 * f))
            cells.append(low.astype(np.int32))
        values = self.rng.random(n * n * n, dtype=np.float32) * 2 - 1
        (i, j, k), (p, q, r) = cells, shares
        x = [(i & (n - 1)) * n * n, ((i + 1) & (n - 1)) * n * n]
        y = [(j & (n - 1)) * n, ((j + 1) & (n - 1)) * n]
        z = [k & (n - 1), (k + 1) & (n - 1)]
        edges = [
            _mix(values.take(x[0] + bc), values.take(x[1] + bc), p)
            for bc in (b + c for c in z for b in y)
        ]
        return _mix(_mix(edges[0], edges[1], q), _mix(edges[2], edges[3], q), r)

    def lattice(self, spacing: float) -> tuple[Array, Array]:
        """Staggered rows of spots, evenly spaced on the surface: the offset from the nearest spot
        along u and along v, in units of `spacing`."""
        step = np.hypot(np.gradient(self.rho[:, 0]), np.gradient(self.z[:, 0]))
        arc = np.cumsum(step)[:, None] / spacing
        row = np.floor(arc)
        per_row = np.zeros_like(row)
        for r in np.unique(row):
            around = self.rho[row[:, 0] == r, 0].mean() * 2 * np.pi / spacing
            per_row[row == r] = max(3.0, np.round(around))
        around = self.u / (2 * np.pi) * per_row + 0.5 * (row % 2)
        along_u = (around - np.floor(around) - 0.5) * (self.rho * 2 * np.pi / spacing / per_row)
        return along_u, np.broadcast_to(arc - row - 0.5, self.u.shape)

    def facing(self, longitude: float) -> Array:
        """1 at a longitude, −1 on the far side."""
        cosine: Array = np.cos(self.u - longitude)
        return cosine


@dataclass(slots=True)
class Skin:
    """A chart being painted: albedo (HEIGHT, WIDTH, 3) in 0 … 1, relief in units of length."""

    chart: Chart
    albedo: Array
    relief: Array
    gloss: Array

    @classmethod
    def plain(cls, chart: Chart, *stops: tuple[float, str], gloss: float) -> Skin:
        """A gradient from pole to pole through (place, colour as #rrggbb) stops."""
        places = [place for place, _ in stops]
        colours = np.array([colour(code) for _, code in stops])
        albedo = np.stack([np.interp(chart.v, places, colours[:, k]) for k in range(3)], axis=-1)
        albedo = albedo.astype(np.float32)
        flat = np.zeros_like(chart.v)
        return cls(chart, albedo, flat, flat + gloss)

    def tint(self, code: str, amount: Array) -> None:
        """Blend towards a colour, amount (HEIGHT, WIDTH) clipped to 0 … 1."""
        share = np.clip(amount, 0, 1)[..., None]
        self.albedo = self.albedo + (colour(code) - self.albedo) * share

    def shade(self, factor: Array) -> None:
        """Multiply the brightness by (HEIGHT, WIDTH)."""
        self.albedo = self.albedo * factor[..., None]

    def raise_by(self, height: Array) -> None:
        self.relief = self.relief + height

    def pixels(self) -> Array:
        """(HEIGHT × WIDTH, N_CHANNELS), ready to be looked up."""
        rho = np.maximum(self.chart.rho, 0.05)
        step_v = np.hypot(np.gradient(self.chart.rho[:, 0]), np.gradient(self.chart.z[:, 0])).clip(
            1e-4
        )[:, None]
        ring = np.concatenate([self.relief[:, -1:], self.relief, self.relief[:, :1]], axis=1)
        slope_u = (ring[:, 2:] - ring[:, :-2]) / (rho * (4 * np.pi / WIDTH))
        slope_v = np.gradient(self.relief, axis=0) / step_v
        channels = [self.albedo, slope_u[..., None], slope_v[..., None], self.gloss[..., None]]
        return np.concatenate(channels, axis=-1).astype(np.float32).reshape(-1, N_CHANNELS)


def colour(code: str) -> Array:
    """#rrggbb as (3,) in 0 … 1."""
    return np.array([int(code[k : k + 2], 16) / 255.0 for k in (1, 3, 5)], dtype=np.float32)


def smooth_step(low: float, high: float, x: Array) -> Array:
    """0 below `low`, 1 above `high`, smooth between."""
    t: Array = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _mix(a: Array, b: Array, share: Array) -> Array:
    return a + (b - a) * share
