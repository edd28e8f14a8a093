from __future__ import annotations

import colorsys
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import orchard
from tests.conftest import silent

HOSTILE = '<img src=x onerror="alert(1)">'
FOLDERS = {  # folder → hue; names that would break a careless page are names of real folders
    "apple red": 0.0,
    "apple green": 0.33,
    "lemon": 0.15,
    "plum": 0.8,
    HOSTILE: 0.55,
    "{{ 7 * 7 }} 'quoted' \"twice\"": 0.66,
    "a\u2028b": 0.45,
    "x<": 0.93,
}


def picture(hue: float, number: int) -> Image.Image:
    """A colour with stripes: pictures of a folder are alike, no two are equal."""
    rgb = np.array(colorsys.hsv_to_rgb(hue, 0.85, 0.55 + 0.025 * number)) * 255
    pixels = np.full((64, 64, 3), rgb)
    pixels[:: 3 + number % 5] *= 0.9
    return Image.fromarray(pixels.astype(np.uint8))


def write_photos(folder: Path) -> None:
    for name, hue in FOLDERS.items():
        # Below "x<" lies "script>", so that a path holds the text that ends a script element.
        inner = folder / name / "script>" if name == "x<" else folder / name
        inner.mkdir(parents=True)
        for number in range(11):
            picture(hue, number).save(inner / f"{number}.png")
    (folder / "lemon" / "twin.png").write_bytes((folder / "lemon" / "0.png").read_bytes())
    whole = io.BytesIO()
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (200, 200, 3), np.uint8))
    noise.save(whole, "JPEG")
    (folder / "plum" / "cut.jpg").write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    (folder / "plum" / "note.txt").write_text("not an image")
    (folder / "lemon" / "line\nbreak.png").write_bytes(b"")


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "colours"
    write_photos(folder)
    return folder


@pytest.fixture(scope="session")
def reported(spark: Any, colours: Path) -> orchard.Result:
    """A run on `colours` with its report."""
    config = orchard.RunConfig(
        sources=(str(colours),),
        output=str(colours.parent / "result"),
        weights="fruit",
        size=32,
        components=12,
    )
    return orchard.run(config, silent())


@pytest.fixture(scope="session")
def page(reported: orchard.Result) -> str:
    return (Path(reported.output) / "report" / "index.html").read_text(encoding="utf-8")
