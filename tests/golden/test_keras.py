"""Orchard's graph against the features that Keras itself computed from the same weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from orchard.model import Embedder, load_model

# float32 in another order of summation; the largest seen is 3e-5 on values up to 5.5.
TOLERANCE = 1e-4


def test_features_are_those_of_keras(shared: Path) -> None:
    weights = next((shared / "weights").glob("*.h5"), None)
    golden = shared / "golden" / "keras_mobilenet_v2_features.npz"
    if weights is None or not golden.is_file():
        pytest.skip("golden features are not on this machine")
    expected = np.load(golden, allow_pickle=False)
    images = np.stack([_pixels(shared / "data" / path) for path in expected["path"]])
    features = Embedder(load_model(str(weights)))(images)
    assert np.abs(features - expected["features"]).max() <= TOLERANCE


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BICUBIC))
