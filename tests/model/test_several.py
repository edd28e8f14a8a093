"""Several networks side by side: what each computes alone, in one graph."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from orchard.embedding.fingerprint import EmbeddingIdentity, network_of
from orchard.errors import ConfigError, WeightsError
from orchard.images.decode import Pixels, decode
from orchard.model import Embedder, Model, Ranges, load_model
from orchard.model.calibration import calibrate
from orchard.model.named import named
from orchard.model.ranges import known_ranges
from orchard.model.several import ranges_of

VIEWS = ("plain", "zoom", "mirror")


def photo(size: tuple[int, int] = (100, 70)) -> bytes:
    coarse = np.random.default_rng(3).integers(0, 256, (7, 10, 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(content, "JPEG")
    return content.getvalue()


def features(model: Model, *contents: bytes) -> np.ndarray:
    seen = []
    for content in contents:
        found = decode(content, model.size, views=model.shown)
        assert isinstance(found, Pixels)
        seen.append(found.views)
    return Embedder(model).mean(np.stack(seen))


@pytest.mark.parametrize("turned", [False, True])
def test_the_features_are_those_of_each_alone_one_after_another(
    two_networks: str, turned: bool
) -> None:
    names = two_networks.split(",")[:: -1 if turned else 1]
    model = Model.from_onnx(load_model(",".join(names), views=VIEWS).onnx)
    photos = [photo(), photo((50, 90)), photo((48, 48))]
    alone = [features(load_model(name, views=VIEWS), *photos) for name in names]
    assert [one.shape[1] for one in alone] == [branch.dim for branch in model.branches]
    assert model.dim == 1286
    np.testing.assert_array_equal(features(model, *photos), np.concatenate(alone, axis=1))


def test_each_is_shown_the_image_at_its_own_size_and_decoded_once(two_networks: str) -> None:
    model = load_model(two_networks, views=("zoom", "plain"))
    assert (model.size, model.sizes) == (48, "48, 32")
    assert model.shown == ("zoom", "plain", "zoom:32", "plain:32")
    found = decode(photo(), 48, views=model.shown)
    assert isinstance(found, Pixels)
    small = decode(photo(), 32, views=("zoom", "plain"))
    assert isinstance(small, Pixels)
    np.testing.assert_array_equal(found.views[2:, :32, :32], small.views)
    assert not found.views[2:, 32:].any()


def test_two_of_one_size_share_what_is_decoded(two_networks: str, tmp_path: Path) -> None:
    first = two_networks.split(",")[0]
    other = tmp_path / "other.onnx"
    other.write_bytes(Path(first).read_bytes())
    model = load_model(f"{first},{other}")
    assert model.shown == ("plain",)
    assert features(model, photo()).shape == (1, 2560)


def test_they_have_one_fingerprint_that_names_each_and_their_order(two_networks: str) -> None:
    first, second = two_networks.split(",")
    identity = EmbeddingIdentity.of(load_model(two_networks))
    again, _ = network_of(identity.card(), two_networks)
    assert EmbeddingIdentity.of(again).fingerprint == identity.fingerprint
    assert identity.fields["size"] == "48, 32"
    assert str(identity.fields["weights_sha256"]).split(", ") == [
        load_model(one).weights_sha256 for one in (first, second)
    ]
    others = {
        EmbeddingIdentity.of(load_model(weights)).fingerprint
        for weights in (first, second, f"{second},{first}")
    }
    assert identity.fingerprint not in others


def test_pictures_of_the_largest_size_serve_all(two_networks: str) -> None:
    model = load_model(two_networks)
    first, second = (load_model(one) for one in two_networks.split(","))
    pictures = np.random.default_rng(1).integers(0, 256, (3, 48, 48, 3), np.uint8)
    small = np.stack([Image.fromarray(one).resize((32, 32)) for one in pictures])
    expected = np.concatenate([Embedder(first)(pictures), Embedder(second)(small)], axis=1)
    np.testing.assert_array_equal(Embedder(model)(pictures), expected)


def test_int8_is_made_of_ranges_of_both(two_networks: str) -> None:
    model = load_model(two_networks)
    pictures = np.random.default_rng(1).integers(0, 256, (6, 48, 48, 3), np.uint8)
    ranges = calibrate(model, pictures, "test")
    assert {name.partition("/")[0] for name in ranges.tensors} == {"0", "1"}
    made = Model.from_onnx(model.in_int8(ranges).onnx)
    assert made.branches == model.branches
    exact, close = Embedder(model)(pictures), Embedder(made)(pictures)
    assert np.abs(exact - close).max() < 0.05 * np.abs(exact).max()


def test_the_ranges_of_networks_by_name_are_known_together() -> None:
    found = ranges_of("imagenet,fruit")
    assert found is not None
    assert Ranges.parse(found.text()).digest == found.digest
    own = known_ranges("fruit")
    assert {name: found.tensors[f"1/{name}"] for name in own.tensors} == own.tensors
    assert ranges_of("fruit,other.onnx") is None


def test_a_name_with_a_comma_may_be_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a,b.onnx"
    assert named(f"imagenet, {path.parent / 'c.onnx'}") == ("imagenet", str(tmp_path / "c.onnx"))
    path.write_bytes(b"")
    assert named(str(path)) == (str(path),)


@pytest.mark.parametrize("weights", ["fruit,", ",", "fruit,fruit", ",".join("abcdefghi")])
def test_empty_names_and_repeated_ones_are_refused(weights: str) -> None:
    with pytest.raises(ConfigError, match="different networks with commas"):
        load_model(weights)


def test_one_size_for_several_is_refused(two_networks: str) -> None:
    with pytest.raises(ConfigError, match=r"--size 64: .* at their own size; leave --size out"):
        load_model(two_networks, 64)


def test_graphs_of_different_fixed_batches_are_refused(two_networks: str, tmp_path: Path) -> None:
    colours = onnx.load(two_networks.split(",")[1])
    paths = []
    for batch in (2, 3):
        shape = colours.graph.input[0].type.tensor_type.shape
        shape.dim[0].dim_value = batch
        colours.graph.output[0].type.tensor_type.shape.dim[0].dim_value = batch
        paths.append(tmp_path / f"of{batch}.onnx")
        onnx.save(colours, paths[-1])
    with pytest.raises(WeightsError, match=r"take 2 and 3 images a call.* with a free batch"):
        load_model(",".join(map(str, paths)))
    pair = load_model(f"{paths[0]},fruit")
    assert pair.input.batch == 2
    assert features(pair, photo(), photo(), photo()).shape == (3, 1286)


def test_more_features_than_a_pca_takes_are_refused(
    two_networks: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchard.model.several.MAX_DIM", 1285)
    with pytest.raises(WeightsError, match=r"1,286 features an image together, .* at most 1,285"):
        load_model(two_networks)
