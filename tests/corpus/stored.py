"""Files that no library here writes, made once of `picture()` by the programs named beside them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from corpus.expected import CORNERS, WHITE, Expected, File

_FOLDER = Path(__file__).with_name("stored")
_GREY = tuple((round(0.299 * r + 0.587 * g + 0.114 * b),) * 3 for r, g, b in CORNERS)
_NEAR = Expected(tolerance=4)

_READ = {  # by x265 through pillow-heif 1.4, with irot and imir for the orientations
    "rgb.heic": _NEAR,
    "grey.heic": replace(_NEAR, corners=_GREY),
    "rgba.heic": replace(_NEAR, corners=(*CORNERS[:3], WHITE)),
    "rgb-10-bit.heic": _NEAR,
    "rgb-12-bit.heic": _NEAR,
    "two-pictures.heic": _NEAR,
    **{f"orientation-{value}.heic": _NEAR for value in range(1, 9)},
    "rgb-10-bit.avif": _NEAR,  # avifenc 0.11
    "rgb-12-bit.avif": _NEAR,
    "animated.avif": replace(_NEAR, tolerance=12),  # Pillow 13; it holds the time of its making
    "arithmetic.jpg": _NEAR,  # cjpeg of libjpeg-turbo 2.1
    "arithmetic-progressive.jpg": _NEAR,
}
UNREAD = ("jpeg-ls.jls", "rgb.jxl", "rgb-boxed.jxl")  # CharLS, cjxl 0.7


def read_files() -> dict[str, File]:
    return {name: (stored(name), expected) for name, expected in _READ.items()}


def stored(name: str) -> bytes:
    return (_FOLDER / name).read_bytes()
