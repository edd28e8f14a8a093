"""What a browser is given stands for the same space and the same head."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load

from orchard.classify.heads import LinearHead
from orchard.classify.landmarks import Landmarks
from orchard.classify.portable import portable
from orchard.classify.space import Space
from orchard.reduction import PCA


def pca(d: int, k: int, *, standardized: bool) -> PCA:
    """Of any data: orthonormal rows, scales of three orders of magnitude, one constant feature."""
    rng = np.random.default_rng(3)
    scale = np.exp(rng.normal(0, 1.5, d)) if standardized else np.ones(d)
    components = rng.normal(size=(k, d))
    components[:, 0] = 0
    components = np.linalg.qr(components.T)[0].T
    return PCA(rng.normal(size=d), scale, components, np.ones(d), 100)


@pytest.mark.parametrize("standardized", [True, False])
def test_projection_and_likeness_come_out_the_same_from_half_of_the_arrays(
    standardized: bool,
) -> None:
    fitted = pca(60, 7, standardized=standardized)
    space = Space.of(fitted)
    head = LinearHead(np.ones((3, 7), np.float32), np.zeros(3, np.float32))
    arrays = load(portable(head, space, Landmarks.at(np.ones((2, 3)))))
    rows = arrays["space.rows"].astype(np.float32)
    projection = arrays["space.roots"][:, None] * rows / arrays["space.scale"]
    basis = rows * arrays["space.scale"] / arrays["space.roots"][:, None]
    assert np.abs(projection - space.projection).max() < 5e-4 * np.abs(space.projection).max()
    assert np.abs(basis - space.basis).max() < 5e-4 * np.abs(space.basis).max()
    rng = np.random.default_rng(4)
    inside = rng.normal(size=(20, 7)) @ fitted.components
    x = (fitted.mean + fitted.scale * (inside + rng.normal(0, 0.1, (20, 60)))).astype(np.float32)
    given = Space(space.mean, projection, basis, space.metric)
    assert np.abs(given.likeness(x) - space.likeness(x)).max() < 1e-3
    assert np.array_equal(arrays["head.weights"], head.weights)
    assert "space.basis" not in arrays
