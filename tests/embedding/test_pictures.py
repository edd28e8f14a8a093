"""What a task keeps of its images' pixels: thumbnails, and figures of quality."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from orchard.embedding.extraction import extract
from orchard.embedding.pictures import OF_A_REASON
from orchard.images.decode import decode
from orchard.images.quality import quality
from orchard.images.source import list_images
from orchard.images.thumbnail import as_jpeg, gets_one, small
from orchard.model import Embedder, load_model
from orchard.records import QUALITY, THUMBNAILS

SIZE = 32


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(load_model("fruit", SIZE))


@pytest.fixture
def images(tmp_path: Path) -> pa.Table:
    rng = np.random.default_rng(6)
    for number in range(40):
        coarse = rng.integers(0, 256, (4, 5, 3), np.uint8)
        image = Image.fromarray(coarse).resize((60, 40), Image.Resampling.BICUBIC)
        image.save(tmp_path / f"{number:02d}.png")
    return list_images((str(tmp_path),)).images


def taken(images: pa.Table, embedder: Embedder, share: float | None) -> pa.Table:
    found = extract(images, embedder, fingerprint="f", run_id="r", pictured=share).thumbnails
    assert found.schema == THUMBNAILS
    return found


def test_a_thumbnail_is_of_the_plain_views_pixels(images: pa.Table, embedder: Embedder) -> None:
    rows = taken(images, embedder, 1.0).to_pylist()
    assert [row["path"] for row in rows] == images["path"].to_pylist()
    for row in rows:
        data = Path(row["path"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(data).hexdigest()
        assert row["jpeg"] == as_jpeg(small(decode(data, SIZE).array))
        assert row["run_id"] == "r"


@pytest.mark.parametrize("views", [("zoom",), ("mirror", "zoom"), ("zoom", "plain")])
def test_the_plain_view_is_shown_whatever_the_network_is(
    images: pa.Table, embedder: Embedder, views: tuple[str, ...]
) -> None:
    others = Embedder(load_model("fruit", SIZE, views=views))
    ours = extract(images, others, fingerprint="f", run_id="r", pictured=1.0)
    assert ours.thumbnails == taken(images, embedder, 1.0)
    data = Path(images["path"][3].as_py()).read_bytes()
    expected = others.mean(decode(data, SIZE, views=views).views[None])[0]
    np.testing.assert_allclose(ours.features["features"][3].as_py(), expected, atol=1e-5)


def test_the_share_decides_by_path_and_none_keeps_no_pixel(
    images: pa.Table, embedder: Embedder
) -> None:
    paths = images["path"].to_pylist()
    some = taken(images, embedder, 0.4)["path"].to_pylist()
    assert some == [path for path in paths if gets_one(path, 0.4)]
    assert 0 < len(some) < 40
    Path(paths[0]).write_bytes(Path(paths[0]).read_bytes()[:-40])
    assert taken(images, embedder, None).num_rows == 0


def test_every_image_has_its_figures(images: pa.Table, embedder: Embedder) -> None:
    rows = extract(images, embedder, fingerprint="f", run_id="r").features
    for row in rows.to_pylist():
        expected = quality(small(decode(Path(row["path"]).read_bytes(), SIZE).array))
        assert [row[name] for name in QUALITY] == pytest.approx(expected, rel=1e-6)
    assert rows["sharpness"].null_count == 0


def test_of_what_failed_something_is_shown_of_a_few(images: pa.Table, embedder: Embedder) -> None:
    rng = np.random.default_rng(0)
    whole = io.BytesIO()
    Image.fromarray(rng.integers(0, 256, (200, 200, 3), np.uint8)).save(whole, "JPEG")
    cut = whole.getvalue()[: len(whole.getvalue()) // 2]
    paths = images["path"].to_pylist()
    for path in paths[5:15]:
        Path(path).write_bytes(cut)
    Path(paths[20]).write_bytes(b"no picture")
    Path(paths[21]).unlink()
    rows = taken(images, embedder, 0.0).to_pylist()
    assert [row["path"] for row in rows] == paths[5 : 5 + OF_A_REASON]
    assert {row["sha256"] for row in rows} == {None}
    pixels = np.asarray(Image.open(io.BytesIO(rows[0]["jpeg"])).convert("L"), float)
    assert pixels[:40].std() > 10 > pixels[-30:].std()
