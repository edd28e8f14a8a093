"""A hundred thousand images on the map, in Chromium."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import orchard
from orchard.report import encoding, findings, placing
from orchard.report.page import render
from orchard.report.points import Images
from orchard.store import runs
from orchard.store.output import Output
from orchard.store.tables import Tables
from tests.report.test_browser import Visit, launch
from tests.report.test_page import N_IMAGES

__all__ = ["launch"]  # a fixture

pytestmark = pytest.mark.browser
MORE = 100_000


def widened(found: findings.Findings, n: int) -> findings.Findings:
    """The same findings with n images more, each beside one that t-SNE placed."""
    rng = np.random.default_rng(0)
    images, placed = found.images, found.placed
    like = rng.integers(0, len(placed.points), n)
    rows = images.rows.take(pa.array(placed.points[like]))
    paths = pa.array([f"{images.start}zz more/{k:06d}.png" for k in range(n)])
    more = rows.set_column(0, "path", paths).cast(images.rows.schema)
    span = np.ptp(placed.embedding.xy, axis=0) * 0.02
    xy = placed.embedding.xy[like] + rng.uniform(-1, 1, (n, 2)) * span
    at = np.arange(len(images), len(images) + n)
    low, high = placed.embedding.xy.min(axis=0), placed.embedding.xy.max(axis=0)
    others = placing.Others(at, xy.clip(low, high).astype(np.float32), like.astype(np.int32))
    codes = np.concatenate([images.codes, images.codes[placed.points[like]]])
    rows = pa.concat_tables([images.rows, more])
    return replace(
        found,
        images=Images(rows, images.labels, codes, images.places),
        placed=replace(placed, others=others),
    )


def test_what_python_encodes_the_page_decodes(launch: Callable[..., Any]) -> None:
    values = np.random.default_rng(0).integers(0, 2**32, (500, 2))
    made = encoding.column(values, "u4")
    code = Path(encoding.__file__).with_name("templates") / "js" / "columns.js"
    page = launch().new_page()
    page.set_content(f'<script type="text/plain" class="column" data-name="a">{made.text}</script>')
    asked = "return [...(await columns.all({a: ['u4', 2, 500]})).a];"
    assert (
        page.evaluate(f"async () => {{ {code.read_text()}\n{asked} }}") == values.T.ravel().tolist()
    )
    page.close()


@pytest.fixture(scope="module")
def many(reported: orchard.Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a result of that many images."""
    tables = Tables(Output.at(reported.output))
    found = findings.find(tables, runs.last(tables.output), True, lambda _: None)
    file = tmp_path_factory.mktemp("many") / "index.html"
    file.write_bytes(render(widened(found, MORE)))
    return file


@pytest.mark.parametrize("flags", [(), ("--disable-3d-apis",)], ids=["webgl", "without"])
def test_each_of_very_many_images_is_shown_found_and_pointed_at(
    launch: Callable[..., Any], many: Path, flags: tuple[str, ...]
) -> None:
    assert many.stat().st_size < 4_000_000
    seen = Visit(launch(*flags), many, "desktop")
    page = seen.page
    page.click("#none")
    bare = seen.pixels()
    page.click("#all")
    assert page.locator("#status").text_content() == f"{N_IMAGES + MORE:,} images shown"
    assert (np.abs(seen.pixels() - bare).max(axis=2) > 60).mean() > 0.005, "dots are drawn"
    page.fill("#search", "zz more/012345")
    page.locator("#results button:not(.class)").first.click()
    assert page.locator("#picked .path").text_content() == f"{seen.start}zz more/012345.png"
    assert page.locator("#picked .neighbours button").count() == 8
    page.wait_for_selector("#card:not([hidden])")
    assert page.locator("#card .path").text_content() == "zz more/012345.png"
    page.fill("#search", "")
    page.locator("#stage").focus()
    page.keyboard.press("Escape")
    page.wait_for_selector("#card", state="hidden")
    box = page.locator("#stage").bounding_box()  # in its middle is the image that was chosen
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#card:not([hidden])")
    assert page.locator("#card .path").text_content() == "zz more/012345.png"
    seen.context.close()
    assert seen.errors == []
