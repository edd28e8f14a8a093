"""Copies of one picture are told from two pictures of one thing."""

from __future__ import annotations

import io

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageEnhance

import orchard
from orchard.findings import copies
from orchard.images.thumbnail import as_jpeg, small
from orchard.report.neighbours import ClosePairs, directions
from orchard.store.output import Output
from orchard.store.tables import Tables


def photo(shift: int) -> Image.Image:
    """A heap of spots; another shift is another photo of the same heap."""
    rng = np.random.default_rng(3)
    heap = Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8))
    whole = heap.resize((480, 480), Image.Resampling.BICUBIC)
    return whole.crop((shift, shift, 400 + shift, 400 + shift))


def compressed(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=40)
    return Image.open(buffer).convert("RGB")


def shown(image: Image.Image) -> bytes:
    """What a worker keeps of it."""
    return as_jpeg(small(np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC))))


@pytest.mark.parametrize(
    ("other", "is_copy"),
    [
        (compressed(photo(0)), True),
        (photo(0).resize((150, 150)), True),
        (ImageEnhance.Brightness(photo(0)).enhance(0.8), True),
        (photo(12), False),
        (photo(60), False),
    ],
)
def test_a_smaller_or_harder_compressed_photo_is_a_copy_and_a_second_photo_is_not(
    other: Image.Image, is_copy: bool
) -> None:
    lumas = np.stack([copies.luma(shown(image)) for image in (photo(0), other)])
    pair = ClosePairs(np.array([0]), np.array([1]), np.array([0.9], np.float32))
    two = copies.Smalls(directions(copies.centred(lumas)), np.arange(2))
    assert copies.are_copies(pair, two).tolist() == [is_copy]


def test_small_pictures_are_compared_where_they_are_of_the_same_bytes(
    photo_result: orchard.Result,
) -> None:
    tables = Tables(Output.at(photo_result.output))
    rows = tables.read("features", ["path", "sha256"]).combine_chunks()
    digests = rows["sha256"].to_pylist()
    changed = rows.set_column(1, "sha256", pa.array([*digests[:-1], "another"]))
    last = len(rows) - 1
    stored = copies.Stored.read(tables, changed)
    assert (stored.at >= 0).tolist() == [True] * last + [False]
    found = stored.smalls(np.array([0, 5, last]))
    assert np.flatnonzero(found.at).tolist() == [0, 5]
    one, other = np.array([0, 5, 0]), np.array([0, 5, last])
    assert found.correlations(one, other) == pytest.approx([1, 1, 0], abs=1e-3)
    assert copies.Stored.read(tables, rows).smalls(np.array([last])).at[last] == 1


def test_what_is_no_picture_is_a_copy_of_nothing() -> None:
    white = shown(Image.new("RGB", (300, 200), "white"))
    assert not copies.centred(np.stack([copies.luma(b"no JPEG"), copies.luma(white)])).any()
