from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from orchard.model import Embedder, load_model
from orchard.model.mobilenet_v2 import weight_shapes
from orchard.model.untrained import digest, untrained_weights


def discs(n: int, size: int = 96) -> NDArray[np.uint8]:
    """Discs of random colour, place and radius on white."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:size, :size]
    images = np.full((n, size, size, 3), 255, np.uint8)
    for image in images:
        cy, cx = rng.uniform(0.3, 0.7, 2) * size
        inside = (y - cy) ** 2 + (x - cx) ** 2 < (rng.uniform(0.15, 0.4) * size) ** 2
        image[inside] = rng.integers(0, 256, 3)
    return images


def test_the_same_bits_everywhere() -> None:
    """Integers to the last step: no platform, NumPy or BLAS has a say."""
    expected = "5e7c2a5206419b8682d36133dc3210a8667a0f3d37db6d916d574cc2652645c8"
    assert digest(untrained_weights()) == expected
    assert load_model("untrained", 32).weights_sha256 == expected


def test_shapes_are_the_networks() -> None:
    weights = untrained_weights()
    assert {name: value.shape for name, value in weights.items()} == weight_shapes()
    assert list(weights) == list(weight_shapes())
    assert {value.dtype for value in weights.values()} == {np.dtype(np.float32)}


def test_features_tell_images_apart() -> None:
    features = Embedder(load_model("untrained", 96))(discs(48)).astype(float)
    deviation = features.std(axis=0)
    assert np.mean(deviation > 1e-3) > 0.98, "features are the same for all images"
    assert features.max() < 6, "a feature sits at ReLU6's bound"
    assert deviation.mean() / features.mean() > 0.15
    variance = np.linalg.svd(features - features.mean(axis=0), compute_uv=False) ** 2
    assert variance[0] / variance.sum() < 0.6, "one direction holds nearly all variance"


def test_results_say_that_it_is_untrained() -> None:
    notice = load_model("untrained", 32).notice
    assert notice is not None
    assert "untrained weights" in notice
    assert "demonstration only" in notice
