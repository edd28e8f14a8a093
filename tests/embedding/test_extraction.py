"""One task: each image becomes one feature row or one error row, in the order given."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from corpus.bad import damaged_jpegs
from PIL import Image

from orchard.embedding.extraction import BATCH_SIZE, extract, listing_errors
from orchard.images.cicp import PRIMARIES, matrix_profile
from orchard.images.decode import decode
from orchard.images.reading import Reading
from orchard.images.source import list_images
from orchard.model import Embedder, load_model
from orchard.records import (
    COMPONENTS,
    ERRORS,
    FEATURES,
    LISTING,
    Failure,
    Reason,
    list_column,
    vectors_of,
)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder(load_model("fruit", 32))


def pictures(folder: Path, n: int) -> pa.Table:
    """The listing of n small pictures, no two alike."""
    rng = np.random.default_rng(3)
    folder.mkdir()
    for number in range(n):
        coarse = rng.integers(0, 256, (4, 4, 3), np.uint8)
        image = Image.fromarray(coarse).resize((30 + number, 20), Image.Resampling.BICUBIC)
        image.save(folder / f"{number:02d}.png")
    return list_images((str(folder),)).images


@pytest.mark.parametrize("n", [1, BATCH_SIZE - 1, BATCH_SIZE, BATCH_SIZE + 1, 2 * BATCH_SIZE + 3])
def test_no_image_of_the_last_batch_is_lost(tmp_path: Path, embedder: Embedder, n: int) -> None:
    images = pictures(tmp_path / "in", n)
    result = extract(images, embedder, fingerprint="f", run_id="r")
    rows = result.features
    assert rows.schema == FEATURES
    assert rows.select(LISTING.names) == images
    assert rows["width"].to_pylist() == [30 + number for number in range(n)]
    assert set(rows["height"].to_pylist()) == {20}
    assert set(zip(rows["fingerprint"].to_pylist(), rows["run_id"].to_pylist(), strict=True)) == {
        ("f", "r")
    }
    for row in rows.to_pylist():
        data = Path(row["path"]).read_bytes()
        assert row["sha256"] == hashlib.sha256(data).hexdigest()
        alone = embedder(decode(data, 32).array[None])[0]
        np.testing.assert_allclose(row["features"], alone, atol=1e-5)


def test_bad_images_between_good_ones_take_no_place(tmp_path: Path, embedder: Embedder) -> None:
    images = pictures(tmp_path / "in", 20)
    whole = extract(images, embedder, fingerprint="f", run_id="r").features
    bad = {
        1: b"",
        7: b"no picture",
        8: None,
        15: Path(images["path"][15].as_py()).read_bytes()[:60],
    }
    for number, data in bad.items():
        path = Path(images["path"][number].as_py())
        path.unlink() if data is None else path.write_bytes(data)
    result = extract(images, embedder, fingerprint="f", run_id="r")
    good = [number for number in range(20) if number not in bad]
    assert result.features["path"] == images["path"].take(good)
    np.testing.assert_allclose(
        vectors_of(result.features["features"]), vectors_of(whole["features"])[good], atol=1e-5
    )
    assert result.errors.schema == ERRORS
    assert result.errors.select(LISTING.names) == images.take(list(bad))
    assert result.errors["reason"].to_pylist() == [
        "empty",
        "not_an_image",
        "vanished",
        "truncated",
    ]
    assert all(result.errors["detail"].to_pylist())
    assert set(result.errors["run_id"].to_pylist()) == {"r"}


def test_only_bad_images_give_no_features(tmp_path: Path, embedder: Embedder) -> None:
    images = pictures(tmp_path / "in", 2)

    def fetch(images: pa.Table) -> Iterator[Failure]:
        for path in images["path"].to_pylist():
            yield Failure(Reason.IO_ERROR, f"no disk for {Path(path).name}")

    result = extract(images, embedder, fingerprint="f", run_id="r", fetch=fetch)
    assert (result.features.num_rows, result.features.schema) == (0, FEATURES)
    assert result.errors["detail"].to_pylist() == ["no disk for 00.png", "no disk for 01.png"]


def test_the_time_is_told_by_what_it_was_spent_on(tmp_path: Path, embedder: Embedder) -> None:
    result = extract(pictures(tmp_path / "in", 3), embedder, fingerprint="f", run_id="r")
    assert set(result.seconds) == {"read", "decode", "network", "pictures"}
    assert all(spent > 0 for spent in result.seconds.values())


def test_failures_of_the_listing_become_error_rows() -> None:
    rows = listing_errors([("a", Failure(Reason.FORBIDDEN, "why"))], "r")
    assert rows.schema == ERRORS
    (row,) = rows.to_pylist()
    assert {name: value for name, value in row.items() if value is not None} == {
        "path": "a",
        "reason": "forbidden",
        "detail": "why",
        "run_id": "r",
    }
    assert listing_errors([], "r").schema == ERRORS


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (3, 5), (2, 1280)])
def test_vectors_survive_the_column_unchanged(shape: tuple[int, int]) -> None:
    vectors = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    column = list_column(vectors, COMPONENTS.field("components").type)
    assert column.type == COMPONENTS.field("components").type
    np.testing.assert_array_equal(vectors_of(column), vectors)


def test_a_column_in_chunks_and_a_slice_are_the_rows_they_show() -> None:
    vectors = np.arange(12, dtype=np.float32).reshape(4, 3)
    column = list_column(vectors, COMPONENTS.field("components").type)
    np.testing.assert_array_equal(vectors_of(column.slice(1, 2)), vectors[1:3])
    chunked = pa.chunked_array([column.slice(2), column.slice(0, 1)])
    np.testing.assert_array_equal(vectors_of(chunked), vectors[[2, 3, 0]])


def test_a_column_shares_the_arrays_memory() -> None:
    vectors = np.zeros((2, 3), np.float32)
    column = list_column(vectors, COMPONENTS.field("components").type)
    vectors[1, 2] = 7
    assert vectors_of(column)[1, 2] == 7


def test_images_are_read_as_the_settings_say(tmp_path: Path, embedder: Embedder) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "damaged.jpg").write_bytes(damaged_jpegs()["half-of-the-scan.jpg"])
    wide = matrix_profile(PRIMARIES[12], lambda v: v**2.2)
    coarse = np.random.default_rng(3).integers(0, 256, (4, 4, 3), np.uint8)
    Image.fromarray(coarse).resize((64, 64)).save(folder / "p3.png", icc_profile=wide)
    images = list_images((str(folder),)).images

    def found(**settings: Any) -> tuple[pa.Table, list[str]]:
        reading = Reading(**settings)
        made = extract(images, embedder, fingerprint="f", run_id="r", reading=reading)
        return made.features, made.errors["reason"].to_pylist()

    features, reasons = found()
    assert reasons == ["damaged"]
    kept, none = found(damaged="keep", colour="ignore")
    assert (kept.num_rows, none) == (2, [])
    converted, ignored = vectors_of(features["features"])[0], vectors_of(kept["features"])[1]
    assert np.abs(converted - ignored).max() > 0.01
    assert found(max_pixels=1000)[1] == ["too_many_pixels"] * 2
