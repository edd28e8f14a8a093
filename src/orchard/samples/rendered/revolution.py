"""Surfaces of revolution, concave ones included, seen from any side without marching rays.

A plane of constant `w` that holds the line of sight cuts the surface in one closed curve, so each
row of the image is a problem in two dimensions: walk along the curve from its lowest point in the
image, and what lies beyond everything walked past is visible (the horizon method). Ray marching
would need some ten times the work.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchard.samples.rendered.view import Array, Surface, View, pixel_centres

N_PROFILE = 160  # points of a profile: about one for each pixel of its arc at 100 pixels
SUBROWS = 4  # coverage is the mean over so many lines within a row of pixels


@dataclass(frozen=True, slots=True)
class Profile:
    """The half outline that is revolved, from the lower pole to the upper, evenly by arc length.

    rho, z: (N_PROFILE,) distance from the axis and height. normal_rho, normal_z: outward normal.
    """

    rho: Array
    z: Array
    normal_rho: Array
    normal_z: Array

    @classmethod
    def through(cls, knots: Array) -> Profile:
        """A smooth profile through knots (k, 2) of (rho, z), both ends on the axis."""
        rho, z = _even(_catmull_rom(knots))
        tangent_rho, tangent_z = np.gradient(rho), np.gradient(z)
        length = np.hypot(tangent_rho, tangent_z)
        return cls(rho, z, tangent_z / length, -tangent_rho / length)

    def flipped(self) -> Profile:
        """Upside down, points still from the lower pole to the upper."""
        return Profile(self.rho[::-1], -self.z[::-1], self.normal_rho[::-1], -self.normal_z[::-1])


def revolve(profile: Profile, view: View, size: int) -> Surface:
    """What `view` shows of the revolved profile, in an image of size × size pixels."""
    cos, sin = float(np.cos(view.tilt)), float(np.sin(view.tilt))
    upside_down, backwards = sin < 0, cos < 0
    seen = profile.flipped() if upside_down else profile
    # a lean past the vertical shows the mirror image, with near and far exchanged
    row, column, coverage, place, q = _first_quadrant(seen, abs(cos), abs(sin), size)
    w = _half_rows(size)[row]
    if upside_down != backwards:
        column = size - 1 - column
    if backwards:
        q = -q
    if upside_down:
        place = np.float32(N_PROFILE - 1) - place
    normal_rho, normal_z = _at(profile.normal_rho, place), _at(profile.normal_z, place)
    rho = np.maximum(np.sqrt(w * w + q * q), np.float32(1e-6))
    twin = np.flatnonzero(w > 0)  # the half w < 0 mirrors this one
    across = np.concatenate([size // 2 + row, (size - 1) // 2 - row[twin]])
    sin_u, u = (np.concatenate([a, -a[twin]]) for a in (w / rho, np.arctan2(w, q)))
    along, cos_u, v, coverage, normal_rho, normal_z = (
        np.concatenate([a, a[twin]])
        for a in (column, q / rho, place / (N_PROFILE - 1), coverage, normal_rho, normal_z)
    )
    return Surface(
        pixel=(size - 1 - along) * size + across if view.upright else across * size + along,
        coverage=coverage,
        u=u,
        v=v,
        normal=view.to_camera(normal_rho * sin_u, normal_rho * cos_u, normal_z),
        tangent_u=view.to_camera(cos_u, -sin_u, np.zeros_like(u)),
        tangent_v=view.to_camera(-normal_z * sin_u, -normal_z * cos_u, normal_rho),
    )


def _first_quadrant(
    profile: Profile, cos: float, sin: float, size: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], Array, Array, Array]:
    """For cos, sin ≥ 0, the covered pixels of the half w ≥ 0: row, column, coverage, place, q."""
    w = _half_rows(size)
    horizon = _horizon(_sections(profile, w, cos, sin))
    coverage = _coverage(profile, w, horizon, cos, size)
    row, column = np.nonzero(coverage > 1 / 255)
    row = np.minimum(row, len(horizon) - 1)
    # a pixel whose centre is just outside shows what is at the edge
    centre = pixel_centres(size).astype(np.float32)[column]
    target = np.clip(centre, horizon[row, 0], horizon[row, -1] - np.float32(1e-5))
    apart = 4.0  # more than any two coordinates differ: all rows become one ascending sequence
    lift = np.float32(apart) * np.arange(len(horizon), dtype=np.float32)
    keys = (horizon + lift[:, None]).ravel()
    target += lift[row]
    last = horizon.shape[1] - 1
    start = row * (last + 1)
    after = np.clip(np.searchsorted(keys, target, side="right"), start + 1, start + last)
    low = keys[after - 1]
    share = np.clip((target - low) / np.maximum(keys[after] - low, 1e-6), 0, 1)
    index = (after - 1 - start).astype(np.float32) + share
    place = np.where(index <= N_PROFILE - 1, index, np.minimum(last - index, N_PROFILE - 1))
    square = _at(profile.rho, place) ** 2 - w[row] ** 2
    q = np.sqrt(np.maximum(square, 0))
    q[index > N_PROFILE - 0.5] *= -1
    return row, column, coverage[row, column], place, q


def _sections(profile: Profile, w: Array, cos: float, sin: float) -> Array:
    """The closed curve of each section that is not empty, by image coordinate: (rows, 2 n).

    The near branch runs up, the far branch down; a point beyond the section is −inf, but the one
    next to the section's end is moved onto it.
    """
    w = w[w < profile.rho.max()][:, None]
    square = profile.rho**2 - w**2
    inside = square > 0
    q = np.sqrt(np.where(inside, square, 0))
    z = np.broadcast_to(profile.z, inside.shape).copy()
    end = np.zeros_like(inside)
    for side in (1, -1):
        beside = ~inside & np.roll(inside, -side, axis=1)
        i, j = np.nonzero(beside)
        other = (j + side) % N_PROFILE
        share = (w[i, 0] - profile.rho[j]) / (profile.rho[other] - profile.rho[j])
        z[i, j] = profile.z[j] + share * (profile.z[other] - profile.z[j])
        end |= beside
    near = np.where(inside | end, z * cos - q * sin, -np.inf)
    far = np.where(inside | end, z * cos + q * sin, -np.inf)
    return np.concatenate([near, far[:, ::-1]], axis=1)


def _horizon(along: Array) -> Array:
    """Running maximum of each row, from its lowest point on the near branch."""
    near = np.where(np.isneginf(along[:, :N_PROFILE]), np.inf, along[:, :N_PROFILE])
    lowest = near.argmin(axis=1)
    start = near[np.arange(len(near)), lowest]
    before = np.arange(along.shape[1]) < lowest[:, None]
    return np.maximum.accumulate(np.where(before, start[:, None], along), axis=1)


def _coverage(profile: Profile, w: Array, horizon: Array, cos: float, size: int) -> Array:
    """Share of each pixel that lies within the outline: (half rows, size)."""
    widest = int(profile.rho.argmax())
    nodes = np.append(w[: len(horizon)], profile.rho[widest])
    tip = profile.z[widest] * cos
    pitch = 2.0 / size
    sub = (w[:, None] + pitch * ((np.arange(SUBROWS) + 0.5) / SUBROWS - 0.5)).ravel()
    low = np.interp(np.abs(sub), nodes, np.append(horizon[:, 0], tip))
    high = np.interp(np.abs(sub), nodes, np.append(horizon[:, -1], tip))
    empty = np.abs(sub) >= nodes[-1]
    centre = pixel_centres(size).astype(np.float32)
    to_high, to_low = (a.astype(np.float32)[:, None] for a in (high, low))
    lines = np.minimum(to_high - centre, centre - to_low) / pitch + 0.5
    lines = np.clip(lines, 0, 1)
    lines[empty] = 0.0
    shares: Array = lines.reshape(len(w), SUBROWS, size).mean(axis=1)
    return shares


def _half_rows(size: int) -> Array:
    return pixel_centres(size)[size // 2 :].astype(np.float32)


def _at(values: Array, place: Array) -> Array:
    """Linear interpolation of (N_PROFILE,) values at fractional indices."""
    low = np.minimum(place.astype(np.int32), N_PROFILE - 2)
    share = place - low.astype(np.float32)
    return np.take(values, low) + np.take(np.diff(values), low) * share


def _catmull_rom(knots: Array, steps: int = 24) -> Array:
    """A smooth curve (k, 2) through the knots, horizontal where it meets the axis."""
    mirror = np.array([-1.0, 1.0])
    p = np.concatenate([knots[1:2] * mirror, knots, knots[-2:-1] * mirror])
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[:, None, None]
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    cubic = b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    curve = cubic.transpose(1, 0, 2).reshape(-1, 2)
    return np.concatenate([curve, knots[-1:]])


def _even(curve: Array) -> tuple[Array, Array]:
    length = np.append(0.0, np.cumsum(np.hypot(*np.diff(curve, axis=0).T)))
    even = np.linspace(0.0, length[-1], N_PROFILE)
    rho, z = np.interp(even, length, curve[:, 0]), np.interp(even, length, curve[:, 1])
    return np.maximum(rho, 0.0).astype(np.float32), z.astype(np.float32)
