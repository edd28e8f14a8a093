"""A classifier's arrays as a browser takes them: safetensors, a third of the bytes.

Projection P and basis Q (k, d) are most of it, and one follows from the other: with the eigenvalues
w and the scales s of `classify.space`, P = diag(√w) V diag(1 / s) and Q = diag(1 / √w) V diag(s),
where V has orthonormal rows. So V goes once, as float16, with s and √w; scales that differ a
thousandfold then cost no digits. The head goes as it is. Symbols: d features, k components.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from orchard.classify.heads import Head
from orchard.classify.landmarks import Landmarks
from orchard.classify.space import Space


def portable(head: Head, space: Space, landmarks: Landmarks) -> bytes:
    """Arrays `space.mean`, `.rows`, `.scale`, `.roots`, those of the head and of the landmarks.

    rows: (k, d) float16, V. scale: (d,) float32, s. roots: (k,) float32, √w.
    """
    rows, scale, roots = _of_space(space)
    arrays: dict[str, NDArray[np.generic]] = {
        "space.mean": space.mean,
        "space.rows": rows.astype(np.float16),
        "space.scale": scale.astype(np.float32),
        "space.roots": roots.astype(np.float32),
    }
    arrays |= head.arrays() | landmarks.arrays()
    return bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def _of_space(
    space: Space,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """(V, s, √w): √w are the lengths of the metric's columns, s² fits w Q = P s² best."""
    roots = np.linalg.norm(space.metric, axis=0)
    p, q = space.projection.astype(np.float64), space.basis.astype(np.float64)
    weight = np.square(p).sum(axis=0)
    squared = ((roots**2)[:, None] * p * q).sum(axis=0)
    # A feature without variance is in no component, whatever it is divided by.
    scale = np.sqrt(np.where(weight > 0, squared / np.where(weight > 0, weight, 1), 1))
    return p * scale / roots[:, None], scale, roots
