"""The network inside the package is the one that its card describes, and runs at any size."""

from __future__ import annotations

from importlib import resources

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from orchard.errors import WeightsError
from orchard.model import CARDS, Embedder, builtin, load_model
from orchard.model.foreign import load_onnx

FILE = resources.files("orchard.model") / "fruit.onnx"


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


def test_the_file_is_small_and_of_half_precision() -> None:
    content = FILE.read_bytes()
    assert len(content) == builtin.card()["file"]["bytes"] <= 5_000_000
    kernels = [t for t in onnx.load_from_string(content).graph.initializer if len(t.dims) == 4]
    assert {tensor.data_type for tensor in kernels} == {onnx.TensorProto.FLOAT16}


def test_its_features_are_those_of_the_file_run_as_it_is() -> None:
    with resources.as_file(FILE) as path:
        plain = load_onnx(path)
    ours = load_model("fruit")
    assert (ours.size, ours.dim, ours.notice) == (plain.size, plain.dim, None)
    assert ours.weights_sha256 == plain.weights_sha256 == builtin.card()["file"]["sha256"]
    np.testing.assert_allclose(
        Embedder(ours)(discs(4)), Embedder(plain)(discs(4)), atol=1e-4, rtol=0
    )


def test_the_card_says_what_a_user_must_know() -> None:
    card = builtin.card()
    assert card["licence"] == CARDS["fruit"].licence
    assert card["file"]["size"] == CARDS["fruit"].default_size
    assert card["data"]
    assert card["limits"]
    for found in (card["figures"], card["baseline"]):
        assert {"grocery", "axis", "varieties"} <= set(found["figures"])
    assert card["figures"]["network"]["sha256"] == card["measured_on"]["sha256"]
    assert card["measured_on"]["protocol"] == "held-out"
    assert card["speed"]["sha256"] == card["file"]["sha256"]
    assert card["file"]["sha256"] in builtin.card_text()


def test_another_file_in_its_place_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    read = builtin._read
    monkeypatch.setattr(
        builtin, "_read", lambda suffix: read(suffix) + (b"\0" if suffix == "onnx" else b"")
    )
    with pytest.raises(WeightsError, match=r"sha256 \w{64}, expected \w{64}; reinstall Orchard"):
        load_model("fruit")


@pytest.mark.parametrize("size", [32, 96, 97, 224])
def test_features_tell_images_apart(size: int) -> None:
    features = Embedder(load_model("fruit", size))(discs(24, size)).astype(float)
    assert np.isfinite(features).all()
    cosine = np.corrcoef(features - features.mean(axis=0))
    assert np.mean(cosine[np.triu_indices(24, 1)] > 0.99) < 0.05
