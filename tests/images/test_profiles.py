"""One picture in many colour spaces, each in the words of its file, is one picture."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from corpus.bad import noisy
from corpus.encode import chunk, pillow, png_with
from numpy.typing import NDArray
from PIL import Image, ImageCms

from orchard.images.cicp import PRIMARIES, Chromaticities, Cicp, matrix_profile
from orchard.images.decode import Pixels, decode

SIDE = 48
NEAR = 1.0  # of 255, in the mean: 8 bits are rounded twice
# Colours that every space here can show: none is so saturated that it would be clipped.
SCENE = (noisy()[:, :SIDE].astype(np.float64) * 0.4 + 60).round().astype(np.uint8)

P3 = PRIMARIES[12]
ADOBE: Chromaticities = ((0.3127, 0.329), (0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
PROPHOTO: Chromaticities = ((0.3457, 0.3585), (0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001))


def light_of_srgb(v: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def srgb_of_light(v: NDArray[np.float64]) -> NDArray[np.float64]:
    v = np.clip(v, 0, 1)
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055)


def to_xyz(primaries: Chromaticities) -> NDArray[np.float64]:
    white, *rgb = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in primaries)
    columns = np.array(rgb).T
    return columns * np.linalg.solve(columns, white)


def adapted(here: Chromaticities, there: Chromaticities) -> NDArray[np.float64]:
    """From one white to another, by Bradford."""
    bradford = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    cones = [bradford @ np.array([x / y, 1, (1 - x - y) / y]) for x, y in (here[0], there[0])]
    return np.linalg.inv(bradford) @ np.diag(cones[1] / cones[0]) @ bradford


def coded(
    primaries: Chromaticities, signal_of_light: Callable[..., NDArray[np.float64]]
) -> NDArray[np.uint8]:
    """SCENE as a file in that space holds it."""
    light = light_of_srgb(SCENE / 255)
    matrix = (
        np.linalg.inv(to_xyz(primaries)) @ adapted(PRIMARIES[1], primaries) @ to_xyz(PRIMARIES[1])
    )
    there = np.clip(light @ matrix.T, 0, 1)
    return np.rint(signal_of_light(there) * 255).astype(np.uint8)


def gamma(value: float) -> Callable[..., NDArray[np.float64]]:
    return lambda light: light ** (1 / value)


def difference(data: bytes, colour: str = "srgb") -> float:
    found = decode(data, SIDE, colour=colour)
    assert isinstance(found, Pixels), found
    return float(np.abs(found.array.astype(int) - SCENE).mean())


def of_gamma(value: float) -> bytes:
    return struct.pack(">I", round(100_000 / value))


def cicp(primaries: int, transfer: int) -> bytes:
    return chunk(b"cICP", bytes([primaries, transfer, 0, 1]))


def profiles() -> dict[str, tuple[NDArray[np.uint8], bytes]]:
    return {
        "Display P3": (coded(P3, srgb_of_light), matrix_profile(P3, light_of_srgb)),
        "Adobe RGB": (coded(ADOBE, gamma(2.2)), matrix_profile(ADOBE, lambda v: v**2.2)),
        "ProPhoto": (coded(PROPHOTO, gamma(1.8)), matrix_profile(PROPHOTO, lambda v: v**1.8)),
    }


FILES = {
    "JPEG": {"quality": 100, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "AVIF": {"quality": 100, "subsampling": "4:4:4"},
}


@pytest.mark.parametrize("file_format", FILES)
@pytest.mark.parametrize("name", profiles())
def test_a_profile_is_converted_from(name: str, file_format: str) -> None:
    samples, profile = profiles()[name]
    data = pillow(samples, file_format, icc_profile=profile, **FILES[file_format])
    allowed = NEAR + (0.8 if file_format in ("JPEG", "AVIF") else 0)
    assert difference(data) <= allowed
    assert difference(data, "ignore") > 3
    without = decode(pillow(samples, file_format, **FILES[file_format]), SIDE)
    ignoring = decode(data, SIDE, colour="ignore")
    np.testing.assert_array_equal(ignoring.array, without.array)


def test_srgb_by_whatever_name_changes_no_pixel() -> None:
    little_cms = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    by_hand = matrix_profile(PRIMARIES[1], light_of_srgb)
    for profile in (little_cms, by_hand):
        for file_format, options in FILES.items():
            plain = decode(pillow(SCENE, file_format, **options), SIDE)
            named = decode(pillow(SCENE, file_format, icc_profile=profile, **options), SIDE)
            np.testing.assert_array_equal(named.array, plain.array)


@pytest.mark.parametrize(
    "profile",
    [b"", b"no profile", b"\0" * 200, matrix_profile(P3, light_of_srgb)[:300], b"x" * (5 << 20)],
    ids=["empty", "text", "zeros", "cut", "huge"],
)
def test_a_broken_profile_changes_no_pixel(profile: bytes) -> None:
    assert difference(pillow(SCENE, "TIFF", icc_profile=profile)) == 0
    assert difference(png_with(pillow(SCENE, "PNG"), chunk(b"iCCP", b"x\0\0" + profile))) == 0


def test_a_profile_of_other_channels_than_the_image_changes_no_pixel() -> None:
    profile = matrix_profile(P3, light_of_srgb)
    grey = SCENE[..., 0]
    found = decode(pillow(grey, "PNG", icc_profile=profile), SIDE)
    np.testing.assert_array_equal(found.array, np.dstack([grey] * 3))


def test_what_is_transparent_stays_white_and_what_is_not_is_converted() -> None:
    samples, profile = profiles()["ProPhoto"]
    rgba = np.dstack([samples, np.full((SIDE, SIDE), 255, np.uint8)])
    rgba[:, 24:, 3] = 0
    found = decode(pillow(rgba, "PNG", icc_profile=profile), SIDE)
    assert (found.array[:, 24:] == 255).all()
    assert np.abs(found.array[:, :24].astype(int) - SCENE[:, :24]).mean() <= NEAR


@pytest.mark.parametrize("value", [1.0, 1.45, 1.8, 2.6])
def test_a_pngs_gamma_is_undone(value: float) -> None:
    data = png_with(
        pillow(coded(PRIMARIES[1], gamma(value)), "PNG"), chunk(b"gAMA", of_gamma(value))
    )
    assert difference(data) <= NEAR
    assert difference(data, "ignore") > 3


def test_a_photo_is_converted_when_it_is_small_and_differs_little() -> None:
    samples, profile = profiles()["ProPhoto"]
    photo = Image.fromarray(samples).resize((480, 480), Image.Resampling.BICUBIC)
    scene = Image.fromarray(SCENE).resize((480, 480), Image.Resampling.BICUBIC)
    found = decode(pillow(photo, "WEBP", lossless=True, icc_profile=profile), 96)
    expected = decode(pillow(scene, "WEBP", lossless=True), 96)
    assert np.abs(found.array.astype(int) - expected.array).mean() <= 2


@pytest.mark.parametrize("value", [2.2, 0.001, 1e5])
def test_a_gamma_of_srgb_or_of_nothing_changes_no_pixel(value: float) -> None:
    sample = struct.pack(">I", min(round(100_000 / value), 2**32 - 1))
    assert difference(png_with(pillow(SCENE, "PNG"), chunk(b"gAMA", sample))) == 0


def test_a_pngs_primaries_are_converted_from() -> None:
    pairs = [v for pair in ADOBE for v in pair]
    chromaticities = struct.pack(">8I", *(round(v * 100_000) for v in pairs))
    data = png_with(
        pillow(coded(ADOBE, gamma(2.2)), "PNG"),
        chunk(b"gAMA", of_gamma(2.2)), chunk(b"cHRM", chromaticities),
    )  # fmt: skip
    assert difference(data) <= 1.5  # 2.2 is taken for sRGB's curve, as browsers do
    assert difference(data, "ignore") > 3


def test_the_chunk_of_most_weight_counts() -> None:
    samples, profile = profiles()["Display P3"]
    named = chunk(b"iCCP", b"p3\0\0" + zlib.compress(profile))
    wrong = chunk(b"gAMA", of_gamma(1))
    plain = pillow(samples, "PNG")
    assert difference(png_with(plain, wrong, named)) <= NEAR
    assert difference(png_with(plain, wrong, chunk(b"iCCP", b"x\0\0bad"), cicp(12, 13))) <= NEAR
    assert difference(png_with(pillow(SCENE, "PNG"), wrong, chunk(b"sRGB", b"\0"))) == 0


def test_code_points_are_converted_from() -> None:
    wide = pillow(coded(PRIMARIES[9], gamma(2.2)), "PNG")
    assert difference(png_with(wide, cicp(9, 4))) <= NEAR
    assert difference(wide) > 3
    light = pillow(coded(PRIMARIES[1], gamma(1)), "PNG")
    assert difference(png_with(light, cicp(1, 8))) <= NEAR


@pytest.mark.parametrize("points", [(1, 13), (1, 1), (2, 2), (9, 2), (200, 13), (1, 255)])
def test_code_points_of_srgb_or_of_nothing_change_no_pixel(points: tuple[int, int]) -> None:
    assert Cicp(*points).profile() is None
    assert difference(png_with(pillow(SCENE, "PNG"), cicp(*points))) == 0


def test_white_of_a_high_range_is_white() -> None:
    """203 cd/m² are 58 % of PQ's signal and 75 % of HLG's (BT.2408, table 1)."""
    for transfer, share in ((16, 0.58), (18, 0.75)):
        flat = np.full((SIDE, SIDE, 3), round(share * 255), np.uint8)
        found = decode(png_with(pillow(flat, "PNG"), cicp(9, transfer)), SIDE)
        assert found.array.min() >= 250, transfer


def test_an_iccp_bomb_is_not_inflated() -> None:
    bomb = chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(80 << 20)))
    assert difference(png_with(pillow(SCENE, "PNG"), bomb)) == 0


def test_what_a_profile_written_here_says_is_what_little_cms_reads() -> None:
    profile = ImageCms.getOpenProfile(BytesIO(matrix_profile(P3, light_of_srgb))).profile
    assert profile.xcolor_space == "RGB "
    found = np.array([profile.red_primary[1][:2], profile.green_primary[1][:2]])
    assert found.shape == (2, 2)
    transform = ImageCms.buildTransform(
        BytesIO(matrix_profile(P3, light_of_srgb)), ImageCms.createProfile("sRGB"), "RGB", "RGB"
    )
    white = transform.apply(Image.new("RGB", (1, 1), "white")).getpixel((0, 0))
    assert white == (255, 255, 255)
