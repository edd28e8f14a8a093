"""Sharpness, brightness and clipped pixels, of pictures that can be reckoned by hand."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from orchard.images.quality import quality
from orchard.records import QUALITY


def grey(luma: np.ndarray) -> Image.Image:
    return Image.fromarray(np.repeat(luma.astype(np.uint8)[..., None], 3, axis=-1))


def test_the_columns_are_the_figures() -> None:
    assert quality(grey(np.full((8, 8), 9)))._fields == QUALITY


@pytest.mark.parametrize(
    ("level", "brightness", "clipped"),
    [(0, 0.0, 1.0), (51, 0.2, 0.0), (254, 254 / 255, 0.0), (255, 1.0, 1.0)],
)
def test_one_flat_grey_has_no_edge(level: int, brightness: float, clipped: float) -> None:
    found = quality(grey(np.full((16, 16), level)))
    assert found == (0.0, pytest.approx(brightness), clipped)


def test_a_chessboard_is_as_sharp_as_can_be() -> None:
    board = np.indices((16, 16)).sum(axis=0) % 2 * 255
    found = quality(grey(board))
    assert found.sharpness == pytest.approx((4 * 255) ** 2)
    assert (found.brightness, found.clipped) == (0.5, 1.0)


def test_sharpness_is_the_variance_of_the_laplacian() -> None:
    luma = np.random.default_rng(4).integers(0, 256, (40, 30))
    wide = luma.astype(float)
    laplacian = np.array(
        [
            [
                wide[y - 1, x] + wide[y + 1, x] + wide[y, x - 1] + wide[y, x + 1] - 4 * wide[y, x]
                for x in range(1, 29)
            ]
            for y in range(1, 39)
        ]
    )
    assert quality(grey(luma)).sharpness == pytest.approx(laplacian.var(), rel=1e-6)


def test_colours_count_by_their_luma() -> None:
    for colour, luma in (((255, 0, 0), 76), ((0, 255, 0), 150), ((0, 0, 255), 29)):
        found = quality(Image.new("RGB", (8, 8), colour))
        assert found.brightness == pytest.approx(luma / 255)
        assert found.clipped == 0.0


def test_what_is_blurred_is_less_sharp() -> None:
    luma = np.random.default_rng(5).integers(0, 256, (112, 112))
    sharp = grey(luma)
    figures = [
        quality(sharp.filter(ImageFilter.GaussianBlur(radius))).sharpness for radius in (0, 1, 2, 4)
    ]
    assert figures == sorted(figures, reverse=True)
    assert figures[-1] < figures[0] / 100


def test_a_picture_without_an_inside_has_no_sharpness() -> None:
    assert quality(grey(np.full((1, 1), 255))) == (0.0, 1.0, 1.0)
