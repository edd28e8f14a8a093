"""Small pictures of the pixels that the network is shown, and which images get one."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from orchard.images import thumbnail
from orchard.images.thumbnail import MOST, SIDE, as_jpeg, gets_one, number_of, opened, share, small


def ramp(size: int) -> np.ndarray:
    """(size, size, 3): a picture whose every part is another colour."""
    at = np.arange(size)
    rows, columns = np.meshgrid(at * 255 // (size - 1), at * 255 // (size - 1), indexing="ij")
    return np.stack([rows, columns, 255 - rows], axis=-1).astype(np.uint8)


def test_a_thumbnail_is_the_view_with_each_four_pixels_as_one() -> None:
    view = ramp(2 * SIDE)
    expected = view.reshape(SIDE, 2, SIDE, 2, 3).mean(axis=(1, 3))
    assert np.abs(np.asarray(small(view)) - expected).max() <= 0.5
    shown = opened(as_jpeg(small(view)), SIDE)
    assert shown is not None
    assert np.abs(np.asarray(shown) - expected).mean() < 2.5


@pytest.mark.parametrize(("size", "side"), [(32, 32), (96, 96), (160, SIDE), (3 * SIDE, SIDE)])
def test_no_side_is_longer_than_it_must_be(size: int, side: int) -> None:
    picture = small(ramp(size))
    assert picture.size == (side, side)
    whole = np.asarray(Image.fromarray(ramp(size)).resize((side, side), Image.Resampling.BOX))
    assert np.abs(np.asarray(picture, int) - whole).max() <= 1


def test_a_thumbnail_holds_nothing_but_pixels() -> None:
    with Image.open(io.BytesIO(as_jpeg(small(ramp(224))))) as image:
        assert not image.getexif()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_a_paths_number_is_the_same_on_every_machine() -> None:
    assert number_of("/photos/apple/0.jpg") == 14_114_697_974_554_907_629
    assert number_of("s3://bucket/Bärlauch é.jpg") == 17_955_875_071_912_882_090
    assert number_of("/photos/\udcff") > 0


def test_all_get_one_up_to_a_number_and_of_more_as_many() -> None:
    paths = [f"/photos/{number}.jpg" for number in range(4000)]
    assert share(0) == share(1) == share(MOST) == 1.0
    assert all(gets_one(path, share(MOST)) for path in paths)
    some = [path for path in paths if gets_one(path, share(20 * MOST))]
    assert len(some) == pytest.approx(4000 / 20, rel=0.2)


def test_as_the_number_grows_fewer_get_one_and_no_others() -> None:
    paths = [f"/photos/{number}.jpg" for number in range(4000)]
    before = set(paths)
    for n_images in (MOST, MOST + 1, 3 * MOST, 20 * MOST, 1000 * MOST):
        now = {path for path in paths if gets_one(path, share(n_images))}
        assert now <= before
        before = now


def test_what_is_no_thumbnail_is_not_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    large, png = io.BytesIO(), io.BytesIO()
    Image.new("RGB", (SIDE + 1, SIDE)).save(large, "JPEG")
    Image.new("RGB", (8, 8)).save(png, "PNG")
    data = as_jpeg(small(ramp(224)))
    for other in (b"", b"\xff\xd8\xff", png.getvalue(), large.getvalue(), data[: len(data) // 2]):
        assert opened(other, SIDE) is None
    assert opened(data, SIDE) is not None
    monkeypatch.setattr(thumbnail, "MOST_BYTES", 100)
    assert opened(data, SIDE) is None


def test_a_small_tile_is_decoded_at_a_part_of_the_size() -> None:
    data = as_jpeg(small(ramp(224)))
    assert [opened(data, side).size[0] for side in (112, 64, 56, 48, 28, 24)] == [
        112, 70, 56, 56, 28, 28
    ]  # fmt: skip
