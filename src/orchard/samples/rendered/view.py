"""Where the camera stands, and what it sees of a surface.

body frame    (w, q, z): z is the fruit's own axis, stem up; u = atan2(w, q) is the longitude
camera frame  (right, up, towards the camera), orthographic; the image spans −1 … 1
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]  # single precision wherever there is a value for each pixel


@dataclass(frozen=True, slots=True)
class View:
    """tilt: how far the fruit's axis leans towards the camera, in radians. spin: turn about the
    fruit's own axis, in radians. upright: the axis points up in the image, else to the right."""

    tilt: float
    spin: float
    upright: bool

    def project(self, points: Array) -> Array:
        """Body coordinates (..., 3) in the camera frame (..., 3)."""
        w, q, z = points[..., 0], points[..., 1], points[..., 2]
        cos, sin = np.cos(self.spin), np.sin(self.spin)
        return np.moveaxis(self.to_camera(w * cos + q * sin, q * cos - w * sin, z), 0, -1)

    def to_camera(self, across: Array, towards: Array, axial: Array) -> Array:
        """The camera frame (3, ...) of a vector given along (w, q, z) after the spin."""
        cos, sin = float(np.cos(self.tilt)), float(np.sin(self.tilt))
        along = axial * cos - towards * sin
        depth = axial * sin + towards * cos
        if self.upright:
            return np.stack([across, along, depth])
        return np.stack([along, -across, depth])


@dataclass(frozen=True, slots=True)
class Surface:
    """The visible surface, one row for each of the n pixels that it covers.

    pixel: (n,) index into the flattened image. coverage: (n,) share of the pixel in (0, 1].
    u: (n,) longitude in the image, spin not subtracted. v: (n,) place in [0, 1] from the lower pole
    to the upper. normal, tangent_u, tangent_v: (3, n) unit vectors in the camera frame.
    """

    pixel: NDArray[np.intp]
    coverage: Array
    u: Array
    v: Array
    normal: Array
    tangent_u: Array
    tangent_v: Array


def pixel_centres(size: int) -> Array:
    """Coordinates in −1 … 1 of the centres of a row of pixels."""
    return (2.0 * np.arange(size) + 1.0) / size - 1.0
