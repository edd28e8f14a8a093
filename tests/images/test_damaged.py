"""JPEGs that are whole from end to end and have lost part of their picture."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from corpus.bad import damaged_jpegs, noisy
from corpus.good import good_files, jpeg
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from orchard.images.decode import Pixels, decode
from orchard.images.glimpse import glimpse
from orchard.images.jpeg import load
from orchard.images.small import as_jpeg
from orchard.records import Failure, Reason

DAMAGED = damaged_jpegs()
WHOLE = {name: data for name, (data, _) in good_files().items() if data[:3] == b"\xff\xd8\xff"}


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("name", DAMAGED)
def test_what_pillow_reads_without_a_word_is_told(name: str, scaled: bool) -> None:
    data = DAMAGED[name]
    assert Image.open(BytesIO(data)).convert("RGB").size == (256, 192)
    found = decode(data, 32, scaled=scaled)
    assert isinstance(found, Failure)
    assert found.reason is Reason.DAMAGED
    assert found.detail.startswith("part of the picture is lost: ")


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_jpeg_is_not_taken_for_a_damaged_one(name: str) -> None:
    for scaled in (False, True):
        assert isinstance(decode(WHOLE[name], 8, scaled=scaled), Pixels)


@pytest.mark.parametrize("name", DAMAGED)
def test_it_is_kept_where_that_is_asked_for(name: str) -> None:
    kept = decode(DAMAGED[name], 32, damaged="keep")
    assert isinstance(kept, Pixels)
    assert (kept.width, kept.height) == (256, 192)
    expected = Image.open(BytesIO(DAMAGED[name])).convert("RGB").resize((32, 32))
    np.testing.assert_array_equal(kept.array, np.asarray(expected))


def test_what_is_left_of_it_is_shown() -> None:
    data = DAMAGED["half-of-the-scan.jpg"]
    assert glimpse(data, 32) is not None
    assert isinstance(as_jpeg(data, 32), bytes)


@pytest.mark.parametrize("space", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("side", [None, 300, 150, 70])
def test_its_pixels_are_pillows(
    space: str, subsampling: int, progressive: bool, side: int | None
) -> None:
    photo = Image.fromarray(noisy()).resize((603, 407), Image.Resampling.BICUBIC).convert(space)
    data = jpeg(photo, subsampling=subsampling, progressive=progressive, quality=85)
    mine, theirs = JpegImageFile(BytesIO(data)), JpegImageFile(BytesIO(data))
    if side is not None:
        mine.draft(None, (side, side))
        theirs.draft(None, (side, side))
    theirs.load()
    found = load(mine, data, keep_damaged=False)
    assert found.mode == theirs.mode
    np.testing.assert_array_equal(np.asarray(found), np.asarray(theirs))


def test_no_real_photo_is_refused(shared: Path) -> None:
    photos = sorted((shared / "data").rglob("*.jpg"))[::500]
    assert len(photos) > 20
    for photo in photos:
        assert isinstance(decode(photo.read_bytes(), 32), Pixels), photo
