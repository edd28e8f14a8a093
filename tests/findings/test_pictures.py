"""Pictures that are poor by themselves and beside the others."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from orchard.findings import pictures
from orchard.images.quality import quality

N = 40


def usual() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {
        "width": np.full(N, 400.0),
        "height": np.full(N, 300.0),
        "sharpness": np.exp(rng.normal(7, 0.3, N)),
        "brightness": rng.normal(0.45, 0.04, N),
        "clipped": rng.uniform(0, 0.01, N),
    }


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("blurred", {"sharpness": 40.0}),
        ("dark", {"brightness": 0.05}),
        ("bright", {"brightness": 0.95}),
        ("tiny", {"width": 50.0, "height": 60.0}),
        ("uniform", {"sharpness": 0.0}),
        ("uniform", {"clipped": 1.0}),
    ],
)
def test_a_poor_picture_is_found_as_what_it_is_and_nothing_else(
    kind: str, changed: dict[str, float]
) -> None:
    given = usual()
    assert not any(len(found.rows) for found in pictures.poor(**given).values())
    for name, value in changed.items():
        given[name][17] = value
    found = pictures.poor(**given)
    assert {name: one.rows.tolist() for name, one in found.items() if len(one.rows)} == {kind: [17]}
    assert found[kind].scores[0] > 0


def test_where_all_are_bright_none_is_found_for_that() -> None:
    given = usual()
    given["brightness"] = np.random.default_rng(1).normal(0.9, 0.02, N)
    assert not len(pictures.poor(**given)["bright"].rows)


def test_images_of_which_nothing_was_measured_are_no_finding() -> None:
    given = usual() | {name: np.full(N, np.nan) for name in ("sharpness", "brightness", "clipped")}
    assert not any(len(found.rows) for found in pictures.poor(**given).values())


def test_the_worst_comes_first() -> None:
    given = usual()
    given["sharpness"][[3, 8]] = 60.0, 20.0
    found = pictures.poor(**given)["blurred"]
    assert found.rows.tolist() == [8, 3]
    assert found.scores[0] > found.scores[1] > 1


def test_a_photo_that_is_blurred_on_purpose_is_found_among_its_like() -> None:
    rng = np.random.default_rng(4)
    shown = []
    for number in range(20):
        noise = rng.integers(0, 256, (14, 14, 3), np.uint8)
        image = Image.fromarray(noise).resize((112, 112), Image.Resampling.BICUBIC)
        shown.append(quality(image.filter(ImageFilter.GaussianBlur(9)) if number == 6 else image))
    of = {name: np.array([getattr(one, name) for one in shown]) for name in shown[0]._fields}
    size = np.full(20, 112.0)
    assert pictures.poor(size, size, **of)["blurred"].rows.tolist() == [6]


def test_an_image_far_from_all_others_is_unusual() -> None:
    isolation = np.random.default_rng(0).lognormal(0, 0.2, 200).astype(np.float32)
    assert not len(pictures.unusual(isolation).rows)
    isolation[50] = 6
    assert pictures.unusual(isolation).rows.tolist() == [50]
