"""Stems, sepals and crowns: ribbons in space, drawn as polygons under or over the fruit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from orchard.samples.rendered.skin import colour
from orchard.samples.rendered.view import Array, View

OVERSAMPLING = 3  # drawn so much larger, then averaged: Pillow's polygons have hard edges
N_POINTS = 7
_T = np.linspace(0.0, 1.0, N_POINTS)
_FROM_LIGHT = np.array([-0.6, -0.8])  # in image coordinates, y down


@dataclass(frozen=True, slots=True)
class Ribbon:
    """path: (N_POINTS, 3) midline in the body frame, root to tip. width: (N_POINTS,) half widths.
    colour: #rrggbb. vein: brightness of the half that lies away from the light."""

    path: Array
    width: Array
    colour: str
    vein: float


@dataclass(frozen=True, slots=True)
class Foliage:
    """All r ribbons of a fruit. paths: (r, N_POINTS, 3). widths: (r, N_POINTS). colours: (r, 3).
    veins: (r,). pivot: height z of the place that they grow from."""

    paths: Array
    widths: Array
    colours: Array
    veins: Array
    pivot: float

    @classmethod
    def of(cls, ribbons: Iterable[Ribbon], pivot: float, scale: float) -> Foliage | None:
        grown = list(ribbons)
        if not grown:
            return None
        return cls(
            scale * np.stack([r.path for r in grown]),
            scale * np.stack([r.width for r in grown]),
            np.stack([colour(r.colour) for r in grown]),
            np.array([r.vein for r in grown]),
            scale * pivot,
        )

    def layers(self, view: View, size: int) -> tuple[Layer | None, Layer | None]:
        """What is drawn under the fruit, and what over it; None where that is nothing.

        A ribbon whose middle is nearer to the camera than the pivot lies over the fruit, unless
        the fruit turns its foliage away.
        """
        points = view.project(self.paths)
        middle = points[:, N_POINTS // 2, 2]
        over = middle > self.pivot * np.sin(view.tilt) + 0.05
        over &= np.sin(view.tilt) > -0.2
        far_to_near = np.argsort(points[:, :, 2].mean(axis=1), kind="stable")
        polygons, fills = self._halves(points, size)
        under, above = (
            [k for k in far_to_near.tolist() if over[k] == wanted] for wanted in (False, True)
        )
        return _layer(polygons, fills, under, size), _layer(polygons, fills, above, size)

    def _halves(self, points: Array, size: int) -> tuple[Array, NDArray[np.uint8]]:
        """The left and right half of each ribbon: (r, 2, 2 N_POINTS, 2) in enlarged pixels, and
        their colours (r, 2, 3)."""
        large = size * OVERSAMPLING
        flat = (points[:, :, :2] * np.array([0.5, -0.5]) + 0.5) * large
        along = np.diff(flat, axis=1)
        along = np.concatenate([along, along[:, -1:]], axis=1)
        side = np.stack([along[..., 1], -along[..., 0]], axis=-1)
        length = np.maximum(np.hypot(side[..., 0], side[..., 1]), 1e-3)
        side *= (self.widths * large / 2 / length)[..., None]
        halves = [np.concatenate([flat + s * side, flat[:, ::-1]], axis=1) for s in (1, -1)]
        lit_first = side[:, 0] @ _FROM_LIGHT > 0
        bright = np.where([lit_first, ~lit_first], 1.0, self.veins).T[..., None]
        fills = np.clip(self.colours[:, None] * bright * 255, 0, 255).astype(np.uint8)
        return np.stack(halves, axis=1), fills


@dataclass(frozen=True, slots=True)
class Layer:
    """A patch of the image: its rows and columns, and (rows, columns, 4) of RGB, premultiplied by
    alpha, and alpha; in 0 … 255."""

    rows: slice
    columns: slice
    rgba: NDArray[np.uint8]

    def onto(self, canvas: NDArray[np.uint8]) -> None:
        """Draw over an image (size, size, 3), in place."""
        patch = canvas[self.rows, self.columns]
        shown = (patch.astype(np.uint16) * (255 - self.rgba[..., 3:]) + 127) // 255
        canvas[self.rows, self.columns] = self.rgba[..., :3] + shown.astype(np.uint8)


def _layer(polygons: Array, fills: NDArray[np.uint8], chosen: list[int], size: int) -> Layer | None:
    if not chosen:
        return None
    inside = polygons[chosen].reshape(-1, 2) / OVERSAMPLING
    left, top = np.clip(np.floor(inside.min(axis=0)), 0, size - 1).astype(int).tolist()
    right, bottom = np.clip(np.ceil(inside.max(axis=0)) + 1, 1, size).astype(int).tolist()
    shape = ((right - left) * OVERSAMPLING, (bottom - top) * OVERSAMPLING)
    image = Image.new("RGBX", shape)  # Pillow would undo the premultiplication of RGBA
    pen = ImageDraw.Draw(image)
    shifted = polygons - np.array([left, top]) * OVERSAMPLING
    for k in chosen:
        for half in range(2):
            outline = shifted[k, half].ravel().tolist()
            pen.polygon(outline, fill=(*fills[k, half].tolist(), 255))
    small = np.asarray(image.reduce(OVERSAMPLING))
    return Layer(slice(top, bottom), slice(left, right), small)


def stem(
    root: float, tip: float, width: float, *, bend: float = 0.05, longitude: float = 0.6,
    colour: str = "#5e4222", knob: float = 1.3,
) -> Ribbon:  # fmt: skip
    """A stalk on the axis from z = root to z = tip, its tip displaced by `bend`."""
    out = bend * _T**2
    path = [out * np.sin(longitude), out * np.cos(longitude), root + (tip - root) * _T]
    return Ribbon(np.stack(path, -1), width * (1.0 + (knob - 1.0) * _T**3), colour, 0.65)


def leaf(
    longitude: float, root: tuple[float, float], control: tuple[float, float],
    tip: tuple[float, float], width: float, colour: str,
) -> Ribbon:  # fmt: skip
    """A blade in the plane of a longitude, along a quadratic Bézier curve of (rho, z) points."""
    weights = np.stack([(1 - _T) ** 2, 2 * _T * (1 - _T), _T**2], axis=-1)
    rho, z = (weights @ np.array([root, control, tip])).T
    path = np.stack([rho * np.sin(longitude), rho * np.cos(longitude), z], axis=-1)
    blade = width * np.maximum(np.sin(np.pi * (0.18 + 0.82 * _T)), 0.03)
    return Ribbon(path, blade, colour, 0.8)
