"""Every layout of a TIFF that tifffile writes without a codec of its own, held against its reading:
the right pixels, or `unsupported`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import BytesIO
from itertools import product
from typing import Any

import numpy as np
import pytest
import tifffile
from corpus.bad import noisy
from numpy.typing import NDArray

from orchard.images.decode import Pixels, decode
from orchard.records import Failure, Reason

SIDE = 48
DTYPES = ("?", "u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8")
ALPHA = {"none": None, "unassociated": "unassalpha", "associated": "assocalpha", "other": 0}
RGB = noisy()[:, :SIDE]
GREY = RGB[..., 0]
SLOPE = np.tile(np.linspace(0, 255, SIDE).round().astype(np.uint8), (SIDE, 1))
ROUNDING = 1.5  # of 255, in the mean: alpha and depth are rounded once more than here


@dataclass(frozen=True)
class Layout:
    dtype: str
    photometric: str
    alpha: str
    planes: str
    compression: str | None
    order: str
    tiled: bool

    def __str__(self) -> str:
        return "-".join(str(value) for value in vars(self).values())

    @property
    def samples(self) -> NDArray[np.uint8]:
        """(h, w) or (h, w, n), of 8 bits: what is to be written."""
        colours = {"minisblack": GREY, "miniswhite": GREY, "rgb": RGB}.get(self.photometric)
        if colours is None:  # "separated"
            colours = np.dstack([255 - RGB, SLOPE // 4])
        if self.alpha == "none":
            return colours
        if self.alpha == "associated":
            share = SLOPE / 255 if colours.ndim == 2 else SLOPE[..., None] / 255
            colours = np.rint(colours * share).astype(np.uint8)
        return np.dstack([colours, SLOPE])

    def write(self) -> bytes:
        values = as_type(self.samples, self.dtype)
        if self.planes == "separate":
            values = np.moveaxis(values, -1, 0)
        options: dict[str, Any] = {"tile": (16, 16)} if self.tiled else {"rowsperstrip": 7}
        if values.ndim == 3:
            options["planarconfig"] = self.planes
        if self.alpha != "none":
            options["extrasamples"] = [ALPHA[self.alpha]]
        out = BytesIO()
        tifffile.imwrite(
            out, values, photometric=self.photometric, compression=self.compression,
            byteorder=self.order, **options,
        )  # fmt: skip
        return out.getvalue()

    def shown(self, data: bytes) -> NDArray[np.float64]:
        """(h, w, 3) of 0 to 255: what tifffile reads, over white."""
        values = of_type(tifffile.imread(BytesIO(data)))
        if self.planes == "separate":
            values = np.moveaxis(values, 0, -1)
        values = values.reshape(SIDE, SIDE, -1)
        n = {"rgb": 3, "separated": 4}.get(self.photometric, 1)
        colours, alpha = values[..., :n], values[..., n:] / 255
        if self.photometric == "miniswhite":
            colours = 255 - colours
        if self.photometric == "separated":
            return (255 - colours[..., :3]) * (255 - colours[..., 3:]) / 255
        if self.alpha == "unassociated":
            colours = colours * alpha + 255 * (1 - alpha)
        if self.alpha == "associated":
            colours = colours + 255 * (1 - alpha)
        return np.broadcast_to(colours, (SIDE, SIDE, 3))


def as_type(values: NDArray[np.uint8], dtype: str) -> NDArray[Any]:
    if dtype == "?":
        return values > 127
    if dtype[0] == "f":
        return (values / 255).astype(dtype)
    return np.rint(values / 255 * np.iinfo(dtype).max).astype(dtype)


def of_type(values: NDArray[Any]) -> NDArray[np.float64]:
    if values.dtype.kind in "bf":
        return values.astype(np.float64) * 255
    return values / np.iinfo(values.dtype).max * 255


def layouts() -> Iterator[Layout]:
    for dtype, photometric, alpha, planes, compression, order, tiled in product(
        DTYPES, ("minisblack", "miniswhite", "rgb", "separated"), ALPHA, ("contig", "separate"),
        (None, "zlib"), "<>", (False, True),
    ):  # fmt: skip
        if photometric == "miniswhite" and (alpha != "none" or dtype[0] not in "?u"):
            continue  # what would white be
        if photometric in ("minisblack", "miniswhite") and alpha == "none" and planes != "contig":
            continue
        if photometric == "separated" and alpha != "none":
            continue
        yield Layout(dtype, photometric, alpha, planes, compression, order, tiled)


def outcome(layout: Layout) -> str:
    data = layout.write()
    found = decode(data, SIDE)
    if isinstance(found, Failure):
        assert found.reason is Reason.UNSUPPORTED, (str(layout), found)
        return "unsupported"
    difference = np.abs(found.array - layout.shown(data)).mean()
    assert difference <= ROUNDING, (str(layout), difference)
    return "right"


@pytest.mark.parametrize("dtype", DTYPES)
def test_its_pixels_are_right_or_it_is_refused(dtype: str) -> None:
    outcomes = [outcome(layout) for layout in layouts() if layout.dtype == dtype]
    assert len(outcomes) > 50
    assert ("right" in outcomes) == (dtype in ("?", "u1", "u2"))


@pytest.mark.parametrize("alpha", ALPHA)
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_separate_planes_are_read_as_those_together(dtype: str, alpha: str) -> None:
    together = Layout(dtype, "rgb", alpha, "contig", None, "<", False)
    for compression, order, tiled in product((None, "zlib"), "<>", (False, True)):
        apart = replace(
            together, planes="separate", compression=compression, order=order, tiled=tiled
        )
        found = decode(apart.write(), SIDE)
        assert isinstance(found, Pixels), found
        one = decode(together.write(), SIDE)
        if isinstance(one, Pixels):
            np.testing.assert_allclose(found.array, one.array, atol=1)


@pytest.mark.parametrize("order", "<>")
def test_a_large_tiff_is_read_or_refused(order: str) -> None:
    out = BytesIO()
    tifffile.imwrite(out, RGB, photometric="rgb", bigtiff=True, byteorder=order)
    found = decode(out.getvalue(), SIDE)
    if isinstance(found, Failure):
        assert (order, found.reason) == (">", Reason.UNSUPPORTED)
    else:
        np.testing.assert_array_equal(found.array, RGB)
