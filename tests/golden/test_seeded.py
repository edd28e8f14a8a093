"""Orchard against the figures of Keras for seeded weights, in every checkout: see make_golden."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from orchard.model import Embedder, load_model
from orchard.model.mobilenet_v2 import weight_shapes
from tests.golden.seeded import GOLDEN, SIZES, pictures, values

# float32 in another order of summation, relative to the largest feature of a picture.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The seeded weights as Keras would save them."""
    path = tmp_path_factory.mktemp("keras") / "seeded.h5"
    layers: dict[str, list[str]] = {}
    for name in weight_shapes():
        layers.setdefault(name.partition("/")[0], []).append(name)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.encode() for layer in layers]
        for layer, names in layers.items():
            group = file.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name in names:
                group.create_dataset(name, data=values(name, weight_shapes()[name]))
    return path


@pytest.mark.parametrize("size", SIZES)
def test_features_are_those_of_keras_with_seeded_weights(keras_file: Path, size: int) -> None:
    golden = np.load(GOLDEN, allow_pickle=False)
    expected = golden[f"features_{size}"]
    features = Embedder(load_model(str(keras_file), size))(golden[f"pictures_{size}"])
    assert features.shape == expected.shape == (len(golden[f"pictures_{size}"]), 1280)
    assert expected.std(axis=0).max() > 0.1  # the pictures are told apart
    largest = np.abs(expected).max(axis=1, keepdims=True)
    assert (np.abs(features - expected) / largest).max() <= TOLERANCE


@pytest.mark.parametrize("size", SIZES)
def test_the_pictures_are_still_rendered_so(size: int) -> None:
    stored = np.load(GOLDEN, allow_pickle=False)[f"pictures_{size}"]
    # A processor that rounds a colour the other way moves it by one.
    assert np.abs(pictures(size).astype(int) - stored).max() <= 1


def test_the_golden_file_is_small_and_says_who_made_it() -> None:
    assert GOLDEN.stat().st_size < 200_000
    assert str(np.load(GOLDEN, allow_pickle=False)["made_by"]).startswith("Keras 3")
