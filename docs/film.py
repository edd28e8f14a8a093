"""Draw docs/images/workbench-*.webp: one task, from a selection in the report to a classifier.

Rendered fruit is spoiled on purpose (three wrong labels, three copies, a dark picture), run through
Orchard, and the report is used in Chromium as the page how-to/report.md tells it. A classifier is
trained before and after, and the figures of both are printed.

python docs/film.py     takes about a minute; CHROMIUM names another browser
"""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageEnhance
from playwright.sync_api import Page, sync_playwright

import orchard
from orchard.samples.turntable import write_sample
from orchard.training import TrainConfig, train

IMAGES = Path(__file__).parent / "images"
WINDOW = {"width": 1280, "height": 800}
SHOWN = 960  # pixels wide, in the documentation
WRONG = (("Lemon", "Pear", 2), ("Avocado", "Apple Red", 5), ("Grape Blue", "Cherry", 9))
COPIED = (("Banana", 1), ("Orange", 4), ("Lemon", 7))


def spoil(folder: Path) -> None:
    """Three pictures in wrong folders, three copies, one picture far too dark."""

    def one(label: str, number: int) -> Path:
        return sorted((folder / label).iterdir())[number]

    for label, other, number in WRONG:
        path = one(label, number)
        path.rename(folder / other / f"IMG_{number:04d}{path.suffix}")
    for label, number in COPIED:
        path = one(label, number)
        shutil.copy(path, path.with_name(f"{path.stem} copy{path.suffix}"))
    with Image.open(one("Banana", 8)) as picture:
        dark = ImageEnhance.Brightness(picture.convert("RGB")).enhance(0.15)
    dark.save(folder / "Banana" / "dark.png")


def play(page: Page, decisions: Path) -> None:
    """As how-to/report.md tells it, a picture after each step."""
    stage = page.locator("#stage").bounding_box()
    assert stage is not None
    page.click("#lasso")
    corners = [(0.1, 0.3), (0.2, 0.2), (0.4, 0.16), (0.55, 0.26), (0.5, 0.42), (0.2, 0.46)]
    for step, (x, y) in enumerate(corners):
        page.mouse.move(stage["x"] + x * stage["width"], stage["y"] + y * stage["height"], steps=8)
        if not step:
            page.mouse.down()
    shoot(page, 1)
    page.mouse.up()
    show(page, "#selection")
    shoot(page, 2)
    show(page, "#work-section")
    page.get_by_role("button", name="Exact duplicates").click()
    page.locator("#cases .shot-button").first.focus()
    for _ in COPIED:
        page.keyboard.press("s")
    shoot(page, 3)
    page.get_by_role("button", name="Label may be wrong").click()
    page.locator("#cases .shot-button").first.focus()
    for _ in WRONG:
        page.keyboard.press("r")
    shoot(page, 4)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save the decisions").click()
    saved.value.save_as(decisions)
    page.locator("#decisions summary").click()
    shoot(page, 5)


def trained(page: Page, result: Path, number: int) -> None:
    """Train, print how many held-out images are told right, and show what is confused."""
    metrics = train(TrainConfig(output=str(result))).metrics
    fine, search = metrics[metrics["decisive"]]["fine"], metrics["search"][0]
    print(f"{result.name}: {fine['top1']:.3f} of {fine['n']} held-out images are told right, "
          f"log loss {search['log_loss']:.3f}")  # fmt: skip
    page.goto((result / "report" / "classifier.html").as_uri())
    page.get_by_role("heading", name="Worst pairs").evaluate("node => node.scrollIntoView()")
    shoot(page, number)


def show(page: Page, what: str) -> None:
    page.evaluate(
        "what => document.querySelector(what).scrollIntoView({behavior: 'instant'})", what
    )


def shoot(page: Page, number: int) -> None:
    page.wait_for_timeout(400)  # sheets of thumbnails are decoded
    with Image.open(io.BytesIO(page.screenshot())) as picture:
        small = picture.convert("RGB").resize(
            (SHOWN, SHOWN * WINDOW["height"] // WINDOW["width"]), Image.Resampling.LANCZOS
        )
    small.save(IMAGES / f"workbench-{number}.webp", "WEBP", quality=72, method=6)


def main() -> None:
    browser: Any = os.environ.get("CHROMIUM") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as made, sync_playwright() as playwright:
        folder = Path(made)
        write_sample(folder / "fruits", 494)
        spoil(folder / "fruits")
        os.chdir(folder)  # so that the page's commands name no folder of this machine
        spoiled = orchard.RunConfig(
            sources=("fruits",), output="result", weights="fruit", components=40
        )
        orchard.run(spoiled)
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(viewport=WINDOW, reduced_motion="reduce", locale="en-GB")
        page.goto((folder / "result" / "report" / "index.html").as_uri())
        play(page, folder / "decisions.csv")
        trained(page, folder / "result", 6)
        orchard.run(
            replace(spoiled, output="cleaned", labels="decisions.csv", exclude_from="decisions.csv")
        )
        trained(page, folder / "cleaned", 7)
        chromium.close()


if __name__ == "__main__":
    main()
