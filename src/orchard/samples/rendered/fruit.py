"""One fruit on its turntable: a surface seen, a skin looked up, light, and a white ground."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from orchard.samples.rendered.foliage import Foliage
from orchard.samples.rendered.revolution import Profile, revolve
from orchard.samples.rendered.skin import ALBEDO, GLOSS, HEIGHT, SLOPE_U, SLOPE_V, WIDTH
from orchard.samples.rendered.species import TABLE, Shape, Species, chart_of, shape_of
from orchard.samples.rendered.view import Array, Surface, View

_LIGHT = (-0.4509, 0.5511, 0.7014)  # from the upper left, in the camera frame
_HALFWAY = (-0.2444, 0.2987, 0.9225)  # Blinn's vector: between the light and the camera
_AMBIENT, _DIFFUSE, _RIM = 0.42, 0.78, 0.30


@dataclass(frozen=True, slots=True)
class Lit:
    """A surface with the light's cosines against its normal and its two tangents, (n,) each."""

    pixel: NDArray[np.intp]
    coverage: Array
    u: Array
    row: NDArray[np.int32]
    light: tuple[Array, Array, Array]
    halfway: tuple[Array, Array, Array]
    facing: Array

    @classmethod
    def of(cls, surface: Surface) -> Lit:
        frame = (surface.normal, surface.tangent_u, surface.tangent_v)
        return cls(
            surface.pixel,
            surface.coverage,
            surface.u * np.float32(WIDTH / (2 * np.pi)),
            (surface.v * np.float32(HEIGHT - 1) + np.float32(0.5)).astype(np.int32) * WIDTH,
            (_cosine(frame[0], _LIGHT), _cosine(frame[1], _LIGHT), _cosine(frame[2], _LIGHT)),
            (_cosine(frame[0], _HALFWAY), _cosine(frame[1], _HALFWAY), _cosine(frame[2], _HALFWAY)),
            np.sqrt(np.maximum(surface.normal[2], 0)),
        )


@dataclass(frozen=True, slots=True)
class Fruit:
    """An individual: its body, its skin (HEIGHT × WIDTH, N_CHANNELS) and its foliage."""

    species: Species
    shape: Shape
    skin: Array
    foliage: Foliage | None
    pose: float
    turning: dict[int, Lit] = field(default_factory=dict)  # by size: the same at each angle

    def image(self, angle: float, axis: int, size: int) -> NDArray[np.uint8]:
        """(size, size, 3) after a turn of `angle` degrees about turntable axis 0 or 1."""
        view = self._view(angle, axis)
        lit = self._lit(view, axis, size)
        column = np.floor(lit.u - np.float32(view.spin * WIDTH / (2 * np.pi))).astype(np.int32)
        texel = lit.row + (column & (WIDTH - 1))
        rgb = _shaded(np.take(self.skin, texel, axis=0, mode="clip"), lit)
        canvas = np.full((size, size, 3), 255, dtype=np.uint8)
        under, over = self.foliage.layers(view, size) if self.foliage else (None, None)
        if under:
            under.onto(canvas)
        flat = canvas.reshape(-1, 3)
        ground = np.take(flat, lit.pixel, axis=0)
        rgb = ground + (rgb * 255 - ground) * lit.coverage[:, None]
        flat[lit.pixel] = (rgb + np.float32(0.5)).astype(np.uint8)
        if over:
            over.onto(canvas)
        return canvas

    def _view(self, angle: float, axis: int) -> View:
        turn, elevation = float(np.radians(angle)), float(np.radians(self.species.elevation))
        if axis == 0:
            return View(elevation, turn + self.pose, upright=True)
        if self.species.bent:
            return View(0.0, turn + self.pose, upright=False)
        return View(turn, self.pose, upright=False)

    def _lit(self, view: View, axis: int, size: int) -> Lit:
        if isinstance(self.shape, Profile) and axis == 0:
            if size not in self.turning:
                self.turning[size] = Lit.of(revolve(self.shape, view, size))
            return self.turning[size]
        if isinstance(self.shape, Profile):
            return Lit.of(revolve(self.shape, view, size))
        return Lit.of(self.shape.seen(view, size))


def _shaded(skin: Array, lit: Lit) -> Array:
    slope_u, slope_v = skin[:, SLOPE_U], skin[:, SLOPE_V]
    diffuse = lit.light[0] - slope_u * lit.light[1] - slope_v * lit.light[2]
    glance = lit.halfway[0] - slope_u * lit.halfway[1] - slope_v * lit.halfway[2]
    diffuse = np.maximum(0.25 + 0.75 * diffuse, 0)
    bright = (_AMBIENT + _DIFFUSE * diffuse) * (1 - _RIM + _RIM * lit.facing)
    glance = np.clip(glance, 0, 1)
    for _ in range(3):  # its 8th power: NumPy's own takes five times as long
        glance = glance * glance
    broad, sharp = glance, (glance * glance) ** 2 * glance
    shine = skin[:, GLOSS] * (np.float32(0.16) * broad + np.float32(0.55) * sharp)
    rgb: Array = np.minimum(skin[:, ALBEDO] * bright[:, None] + shine[:, None], 1)
    return rgb


def _cosine(vectors: Array, direction: tuple[float, float, float]) -> Array:
    x, y, z = (np.float32(c) for c in direction)
    cosine: Array = vectors[0] * x + vectors[1] * y + vectors[2] * z
    return cosine


@lru_cache(maxsize=2 * len(TABLE))
def fruit(name: str, seed: int, individual: int) -> Fruit:
    """The individual of that number; the same arguments give the same fruit."""
    number = next(k for k, species in enumerate(TABLE) if species.name == name)
    rng = np.random.default_rng([seed, individual, number])
    species = TABLE[number]
    shape, scale = shape_of(species, rng)
    skin = species.paint(chart_of(shape, rng, HEIGHT))
    hue = rng.uniform(0.94, 1.06, 3).astype(np.float32)
    skin.albedo = np.clip(skin.albedo * hue, 0, 1)
    foliage = Foliage.of(species.grow(rng), species.pivot, scale)
    return Fruit(species, shape, skin.pixels(), foliage, float(rng.uniform(0, 2 * np.pi)))
