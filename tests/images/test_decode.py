from __future__ import annotations

import inspect
import sys
import threading
import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from corpus.bad import bad_files, noisy, whole_files
from corpus.encode import (
    ORIENTATION_SIDES,
    exif,
    jpeg_with_segment,
    pillow,
    png,
    stored_for,
)
from corpus.good import broken_exif_blocks, good_files, jpeg
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngImageFile

from orchard.config import RunConfig
from orchard.images import decode as module
from orchard.images.decode import Pixels, decode, policy, sniff
from orchard.images.opening import MAX_SIDE, READERS
from orchard.images.reading import Reading
from orchard.records import Failure, Reason

GOOD, BAD, WHOLE = good_files(), bad_files(), whole_files()


def pixels(data: bytes, size: int = 8, **options: int) -> Pixels:
    result = decode(data, size, **options)
    assert isinstance(result, Pixels), result
    return result


def reason(data: bytes, size: int = 8, **options: int) -> Reason:
    result = decode(data, size, **options)
    assert isinstance(result, Failure)
    return result.reason


def by_pillow(data: bytes, size: int) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(data)).convert("RGB").resize((size, size)))


@pytest.mark.parametrize("size", [1, 7, 48, 64, 224])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 2}])
def test_an_ordinary_photo_equals_the_plain_calls_to_pillow(size: int, options: dict) -> None:
    data = pillow(noisy(), "JPEG", **options)
    np.testing.assert_array_equal(pixels(data, size).array, by_pillow(data, size))


def test_real_photos_equal_the_plain_calls_to_pillow(shared: Path) -> None:
    photos = sorted((shared / "data").rglob("*.jpg"))[::500]
    assert len(photos) > 20
    for photo in photos:
        data = photo.read_bytes()
        np.testing.assert_array_equal(pixels(data, 224).array, by_pillow(data, 224))


def test_a_picture_of_the_right_size_is_not_resampled() -> None:
    square = noisy()[:48, :48]
    np.testing.assert_array_equal(pixels(pillow(square, "PNG"), 48).array, square)


@pytest.mark.parametrize("value", ORIENTATION_SIDES)
def test_each_orientation_gives_the_scene_back(value: int) -> None:
    scene = noisy()[:, :48]  # square, so that nothing is resampled
    stored = pillow(stored_for(scene, value), "PNG", exif=exif(value))
    np.testing.assert_array_equal(pixels(stored, 48).array, scene)


@pytest.mark.parametrize("value", ORIENTATION_SIDES)
def test_width_and_height_are_those_of_the_turned_picture(value: int) -> None:
    data = pillow(stored_for(noisy(), value), "JPEG", exif=b"Exif\0\0" + exif(value))
    result = pixels(data)
    assert (result.width, result.height) == (64, 48)


@pytest.mark.parametrize("name", broken_exif_blocks())
def test_broken_exif_changes_no_pixel(name: str) -> None:
    plain = pillow(noisy(), "JPEG")
    broken = jpeg_with_segment(plain, 0xE1, b"Exif\0\0" + broken_exif_blocks()[name])
    np.testing.assert_array_equal(pixels(broken, 48).array, pixels(plain, 48).array)


def test_grey_of_16_bits_is_rounded_to_the_nearest_of_8() -> None:
    every_value = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    grey = pixels(pillow(every_value, "PNG"), 256).array
    nearest = np.rint(every_value / 257).astype(np.uint8)
    np.testing.assert_array_equal(grey, np.dstack([nearest] * 3))


def test_alpha_is_blended_over_white() -> None:
    value, alpha = np.meshgrid(np.arange(256), np.arange(256))
    rgba = np.dstack([value, 255 - value, value, alpha]).astype(np.uint8)
    blended = np.rint((rgba[..., :3] * (alpha / 255)[..., None]) + 255 - alpha[..., None])
    np.testing.assert_array_equal(pixels(pillow(rgba, "PNG"), 256).array, blended)


def test_opaque_alpha_changes_no_pixel() -> None:
    rgba = np.dstack([noisy(), np.full((48, 64), 255, np.uint8)])
    expected = pixels(pillow(noisy(), "PNG"), 48).array
    np.testing.assert_array_equal(pixels(pillow(rgba, "PNG"), 48).array, expected)


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_cut_anywhere_is_truncated_or_whole_in_every_pixel(name: str) -> None:
    data = WHOLE[name]
    whole = pixels(data, 48).array
    step = 1 if name.endswith("jpg") else 7
    n_kept_whole = 0
    for n_bytes in [*range(1, len(data) - 32, step), *range(len(data) - 32, len(data))]:
        result = decode(data[:n_bytes], 48)
        if isinstance(result, Pixels):
            np.testing.assert_array_equal(result.array, whole, f"cut at {n_bytes}")
            n_kept_whole += 1
        else:
            early = Reason.NOT_AN_IMAGE if sniff(data[:n_bytes]) is None else Reason.TRUNCATED
            assert result.reason is early, (n_bytes, result)
    assert n_kept_whole <= 24  # checksums, padding, end marks; a JPEG must have its own
    assert n_kept_whole == 0 or not name.endswith("jpg")


def test_a_jpeg_cut_and_filled_up_is_truncated() -> None:
    data = jpeg(noisy())
    assert Image.open(BytesIO(data[:3000] + bytes(3000))).convert("RGB")  # Pillow sees nothing
    assert reason(data[:3000] + bytes(3000)) is Reason.TRUNCATED


def test_an_end_mark_inside_a_thumbnail_is_not_the_pictures() -> None:
    thumbnail = jpeg(noisy()[:8, :8])
    data = jpeg_with_segment(jpeg(noisy()), 0xE1, b"Exif\0\0" + thumbnail)
    assert pixels(data)
    assert reason(data[:-2] + bytes(10)) is Reason.TRUNCATED


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp", "gif", "tif"])
def test_the_cap_holds_to_the_pixel(suffix: str) -> None:
    file_format = {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper())
    data = pillow(noisy(), file_format)
    assert pixels(data, max_pixels=48 * 64).width == 64
    result = decode(data, 8, max_pixels=48 * 64 - 1)
    assert isinstance(result, Failure)
    assert result.reason is Reason.TOO_MANY_PIXELS
    assert "64 x 48 = 3072 pixels; expected at most 3071" in result.detail


def test_a_side_has_a_cap_of_its_own() -> None:
    row = png(MAX_SIDE + 1, 1, 1, 0, [bytes(MAX_SIDE // 8 + 1)])
    assert reason(row) is Reason.TOO_MANY_PIXELS
    assert pixels(png(MAX_SIDE, 1, 1, 0, [bytes(MAX_SIDE // 8)])).width == MAX_SIDE


@pytest.mark.parametrize(
    "name", [n for n, (_, e) in BAD.items() if e.reason is Reason.TOO_MANY_PIXELS]
)
def test_a_bomb_is_refused_before_it_is_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: ImageFile.ImageFile) -> None:
        raise AssertionError("decoding began")

    for kind in ("jpeg", "png", "webp", "bmp", "gif", "tiff", "avif"):
        monkeypatch.setattr(READERS[kind], "load", load)
    monkeypatch.setattr(module.jpeg, "load", load)
    assert reason(BAD[name][0]) is Reason.TOO_MANY_PIXELS


def test_a_webp_canvas_is_refused_before_it_is_allocated() -> None:
    result = decode(BAD["16384x16384.webp"][0], 8)
    assert isinstance(result, Failure)
    assert result.detail.startswith("16384 x 16384 = 268435456 pixels; expected at most")


@pytest.mark.parametrize("limit", [None, 1, 10**12])
@pytest.mark.parametrize("load_truncated", [False, True])
def test_pillows_process_wide_settings_neither_count_nor_change(
    monkeypatch: pytest.MonkeyPatch, limit: int | None, load_truncated: bool
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", load_truncated)
    filters = list(warnings.filters)
    for name in ("baseline.jpg", "raw.tif", "rgb.gif", "lossless.webp"):
        assert pixels(GOOD[name][0])
    for name in ("baseline-cut-at-50-percent.jpg", "rgb-cut-at-50-percent.png"):
        assert reason(BAD[name][0]) is Reason.TRUNCATED
    assert reason(BAD["frame-60000x60000.gif"][0]) is Reason.TOO_MANY_PIXELS
    assert limit == Image.MAX_IMAGE_PIXELS
    assert ImageFile.LOAD_TRUNCATED_IMAGES is load_truncated
    assert warnings.filters == filters


def test_the_settings_hold_until_the_last_of_several_decodes_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = set()
    load = PngImageFile.load

    def load_while_another_decode_comes_and_goes(self: PngImageFile) -> object:
        assert pixels(GOOD["baseline.jpg"][0])
        seen.add((ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS))
        return load(self)

    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    monkeypatch.setattr(PngImageFile, "load", load_while_another_decode_comes_and_goes)
    assert pixels(GOOD["rgb.png"][0], max_pixels=1000)
    assert seen == {(False, module.DEFAULT_MAX_PIXELS // 2)}  # the larger cap of the two
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


def test_threads_decode_together_and_leave_the_settings_as_they_were() -> None:
    files = [data for data, _ in (GOOD | BAD).values() if len(data) < 50_000]
    alone = [decode(data, 8) for data in files]
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    together: dict[int, list[Pixels | Failure]] = {}

    def decode_all(thread: int) -> None:
        together[thread] = [decode(data, 8) for data in files]

    threads = [threading.Thread(target=decode_all, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before
    assert len(together) == 4
    for results in together.values():
        for one, other in zip(alone, results, strict=True):
            assert type(one) is type(other)
            if isinstance(one, Pixels):
                np.testing.assert_array_equal(one.array, other.array)
            else:
                assert one == other


def test_running_out_of_memory_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(self: ImageFile.ImageFile) -> None:
        raise MemoryError

    monkeypatch.setattr(PngImageFile, "load", load)
    assert reason(pillow(noisy(), "PNG")) is Reason.TOO_COSTLY


@pytest.mark.parametrize("size", [0, -1])
def test_a_size_below_one_is_the_callers_mistake(size: int) -> None:
    with pytest.raises(ValueError, match="expected a number of pixels, at least 1"):
        decode(b"", size)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("baseline.jpg", "jpeg"),
        ("rgb.png", "png"),
        ("png-named.jpg", "png"),
        ("lossy.webp", "webp"),
        ("rgb.bmp", "bmp"),
        ("rgb.gif", "gif"),
        ("raw.tif", "tiff"),
        ("grey-16-bit-big-endian.tif", "tiff"),
    ],
)
def test_sniff_names_the_format_by_its_first_bytes(name: str, kind: str) -> None:
    assert sniff(GOOD[name][0]) == kind


def test_the_policy_is_part_of_the_fingerprint_and_changes_only_on_purpose() -> None:
    ignoring = (
        "first frame; exif orientation applied; colour profiles ignored; alpha over white; "
        "16-bit grey / 257; pillow bicubic on the full decode"
    )
    scaling = ", of JPEG scaled to 1.5 times the input side or more"
    assert policy(scaled=False, colour="ignore") == ignoring
    assert policy(scaled=True, colour="ignore") == ignoring + scaling
    converting = ignoring.replace("ignored", "converted to srgb")
    assert policy(scaled=False, colour="srgb") == converting
    for scaled in (False, True):
        for colour in ("srgb", "ignore"):
            reading = Reading(scaled=scaled, colour=colour)
            assert Reading.under(reading.policy) == reading


@pytest.mark.parametrize("orientation", [None, 1, 3, 6, 8])
def test_a_scaled_decode_is_near_the_full_one_and_says_the_whole_size(
    orientation: int | None,
) -> None:
    x, y = np.meshgrid(np.arange(801), np.arange(606))
    scene = np.stack([x * 255 // 800, y * 255 // 605, (x // 100 + y // 100) % 2 * 255], axis=-1)
    exif = Image.Exif()
    if orientation is not None:
        exif[0x0112] = orientation
    file = BytesIO()
    Image.fromarray(scene.astype(np.uint8)).save(file, "JPEG", quality=90, exif=exif)
    full, scaled = (pixels(file.getvalue(), 64, scaled=flag) for flag in (False, True))
    assert (scaled.width, scaled.height) == (full.width, full.height)
    difference = np.abs(full.array.astype(int) - scaled.array)
    assert 0 < difference.mean() < 3, "at 1/4, of an image that is sharp at full size"


def test_what_is_no_large_jpeg_is_decoded_in_full_all_the_same() -> None:
    for data in (GOOD["rgb.png"][0], GOOD["rgb.bmp"][0], GOOD["baseline.jpg"][0]):
        np.testing.assert_array_equal(pixels(data, 64, scaled=True).array, pixels(data, 64).array)


def test_the_public_signature() -> None:
    signature = inspect.signature(decode)
    assert list(signature.parameters) == [
        *("data", "size", "max_pixels", "scaled", "views", "colour", "damaged", "crop")
    ]
    assert signature.parameters["max_pixels"].default == 100_000_000
    assert Reading() == Reading.of(RunConfig(sources=("in",), output="out"))


@pytest.mark.parametrize("name", sorted(whole_files()))
def test_a_scaled_decode_refuses_what_a_full_one_refuses(name: str) -> None:
    data = whole_files()[name]
    whole, scaled = decode(data, 32), decode(data, 32, scaled=True)
    assert type(whole) is type(scaled)


def test_a_heic_photo_without_its_library_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pi_heif", None)
    result = decode(GOOD["rgb.heic"][0], 8)
    assert isinstance(result, Failure)
    assert result.reason is Reason.UNSUPPORTED
    assert result.detail.startswith("a HEIC photo, and pi-heif cannot be loaded")
    assert result.detail.endswith("pip install pi-heif")
