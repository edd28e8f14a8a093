"""Files that people had, where they are at hand; the corpus has others of their kinds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from orchard.images.decode import Pixels, decode
from orchard.records import Failure, Reason

SIDE = 96
# The mean difference to the picture that each was made from, of 255; JPEG's own loss is 2.1.
READ = {
    "base/base.jpg": 2.5,
    "other/IMG_4711.HEIC": 6,
    "other/heic-renamed.jpg": 6,
    "other/photo.avif": 6,
    "tiff/rgb16-planar-None-le.tif": 1,
    "tiff/rgba16-planar-None.tif": 1,
    "tiff/rgba8-planar-lzw.tif": 1,
    "tiff/first-page-is-a-thumbnail.tif": 1,
    "png/pHYs-bad-crc.png": 0,
    "png/tIME-bad-crc.png": 0,
    "icc/P3.jpg": 2.1 + 1.5,
    "icc/AdobeRGB.jpg": 2.1 + 1.5,
    "icc/ProPhoto.png": 1.5,
    "icc/png-gAMA-1.0-linear.png": 1,
}
REFUSED = {
    "other/photo.jxl": (Reason.UNSUPPORTED, "JPEG XL"),
    "tiff/int8.tif": (Reason.UNSUPPORTED, "signed samples"),
    "jpegdamage/cut-half-then-EOI.jpg": (Reason.DAMAGED, "premature end"),
    "jpegdamage/zeros-in-scan-download-gap.jpg": (Reason.DAMAGED, "extraneous bytes"),
    "jpegdamage/crlf-converted.jpg": (Reason.DAMAGED, "extraneous bytes"),
    "rarejpeg/jpeg-ls.jls": (Reason.UNSUPPORTED, "JPEG-LS"),
}


@pytest.fixture(scope="module")
def cases(shared: Path) -> Path:
    if not (shared / "cases").is_dir():
        pytest.skip("these files are not on this machine (set ORCHARD_SHARED)")
    return shared / "cases"


@pytest.fixture(scope="module")
def base(cases: Path) -> NDArray[np.int64]:
    with Image.open(cases / "base/base.png") as image:
        return np.asarray(image.convert("RGB").resize((SIDE, SIDE))).astype(int)


@pytest.mark.parametrize("name", READ)
def test_it_is_read(cases: Path, base: NDArray[np.int64], name: str) -> None:
    found = decode((cases / name).read_bytes(), SIDE)
    assert isinstance(found, Pixels), found
    assert (found.width, found.height) == (128, 96)
    assert np.abs(found.array - base).mean() <= READ[name]


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_for_its_reason(cases: Path, name: str) -> None:
    found = decode((cases / name).read_bytes(), SIDE)
    reason, said = REFUSED[name]
    assert isinstance(found, Failure)
    assert found.reason is reason
    assert said in found.detail


def test_no_case_is_left_out(cases: Path) -> None:
    there = {path.relative_to(cases).as_posix() for path in cases.rglob("*") if path.is_file()}
    assert there - {"CASES.md", "base/base.png"} <= READ.keys() | REFUSED.keys()
