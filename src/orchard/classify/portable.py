"""A classifier's arrays as a browser takes them: safetensors, a third of the bytes.

The projection P (k, d) is most of it. The basis Q (k, d) is as large again, and follows from P:
Q = diag(1 / w) P diag(s²), w the eigenvalues and s the scales of `classify.space`. So P goes as
float16, each row divided by its largest value, and s² and 1 / w instead of Q. The head goes as it
is. Symbols: d features, k components.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from orchard.classify.heads import Head
from orchard.classify.space import Space


def portable(head: Head, space: Space) -> bytes:
    """Arrays `space.mean`, `.projection`, `.lengths`, `.spread`, `.shares` and those of the head.

    projection: (k, d) float16; row i times lengths[i] is P's. spread: (d,) float32, s². shares:
    (k,) float32, 1 / w.
    """
    lengths = np.abs(space.projection).max(axis=1)
    lengths = np.where(lengths > 0, lengths, 1).astype(np.float32)
    spread, shares = _of_basis(space)
    arrays: dict[str, NDArray[np.generic]] = {
        "space.mean": space.mean,
        "space.projection": (space.projection / lengths[:, None]).astype(np.float16),
        "space.lengths": lengths,
        "space.spread": spread,
        "space.shares": shares,
    }
    arrays |= head.arrays()
    return bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def _of_basis(space: Space) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(s², 1 / w): w are the squared lengths of the metric's columns, s² fits Q best."""
    w = np.square(space.metric).sum(axis=0)
    p, q = space.projection.astype(np.float64), space.basis.astype(np.float64)
    weight = np.square(p).sum(axis=0)
    spread = (w[:, None] * p * q).sum(axis=0) / np.where(weight > 0, weight, 1)
    return spread.astype(np.float32), (1 / w).astype(np.float32)
