"""What the network is shown of an image."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from orchard.config import VIEW_NAMES as NAMES
from orchard.images.decode import Pixels, decode
from orchard.images.views import VIEWS
from orchard.model import Embedder, Model, load_model
from orchard.records import vectors_of


def picture(size: tuple[int, int] = (100, 60)) -> tuple[bytes, Image.Image]:
    rng = np.random.default_rng(2)
    image = Image.fromarray(rng.integers(0, 256, (6, 10, 3), np.uint8)).resize(size)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue(), image


def seen(*views: str) -> np.ndarray:
    found = decode(picture()[0], 32, views=views)
    assert isinstance(found, Pixels)
    return found.views


def test_the_settings_know_the_views() -> None:
    assert tuple(VIEWS) == NAMES


def test_the_first_view_is_the_array_and_each_follows() -> None:
    found = decode(picture()[0], 32, views=("plain", "zoom", "mirror"))
    assert isinstance(found, Pixels)
    assert found.views.shape == (3, 32, 32, 3)
    assert (found.array == found.views[0]).all()
    assert (found.views[0] == seen("plain")[0]).all()
    assert (found.views[2] == found.views[0][:, ::-1]).all()


def test_zoom_shows_the_middle() -> None:
    _, image = picture()
    middle = image.crop((20, 12, 80, 48)).resize((32, 32), Image.Resampling.BICUBIC)
    difference = np.abs(seen("zoom")[0].astype(int) - np.asarray(middle))
    assert difference[2:-2, 2:-2].max() <= 1  # at the edge a box takes in what a crop cuts off


def test_features_are_the_mean_over_the_views() -> None:
    embedder = Embedder(load_model("fruit", 32, views=("plain", "zoom")))
    views = seen("plain", "zoom")
    expected = (embedder(views[:1]) + embedder(views[1:])) / 2
    np.testing.assert_allclose(embedder.mean(views[None]), expected, atol=1e-5)


def test_the_views_travel_with_the_network_and_its_fingerprint() -> None:
    from orchard.embedding.fingerprint import EmbeddingIdentity

    plain, zoomed = (
        load_model("fruit", 32),
        load_model("fruit", 32, views=("plain", "zoom")),
    )
    assert Model.from_onnx(zoomed.onnx).views == ("plain", "zoom")
    assert Model.from_onnx(plain.onnx) == plain
    first, second = EmbeddingIdentity.of(plain), EmbeddingIdentity.of(zoomed)
    assert first.fingerprint != second.fingerprint
    assert "views" not in first.fields
    assert np.abs(first.probe - second.probe).max() > 1e-3


def test_a_table_takes_no_rows_of_other_views(run, photos, tmp_path) -> None:
    import pytest

    from orchard.errors import TableError

    zoomed = run(photos, tmp_path / "out", view=("plain", "zoom"))
    assert vectors_of(zoomed.features()["features"]).shape == (40, 1280)
    with pytest.raises(TableError, match="views was 'plain, zoom' and is None"):
        run(photos, tmp_path / "out")
