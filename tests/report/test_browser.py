"""The report as people meet it: opened from the disk in Chromium, pointed at, typed into."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import orchard
from orchard.report.build import build
from orchard.store.output import Output
from orchard.store.tables import Tables
from tests.report.conftest import HOSTILE

pytestmark = pytest.mark.browser

PATIENCE = 300_000  # milliseconds, of a busy machine; nothing waits for them to pass
SIZES = {"desktop": (1280, 900), "phone": (360, 740)}
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu"),
    *("--disable-background-networking", "--no-first-run"),
]

COUNTING = """
    window.decoded = window.ready = 0;
    const decode = window.createImageBitmap;
    window.createImageBitmap = (blob) => {
        window.decoded++;
        return decode(blob).finally(() => { window.ready++; });
    };
"""

# Until the pictures are there and the dots are drawn, and a frame more.
DRAWN = """async (nSheets) => {
    const frame = () => new Promise(requestAnimationFrame);
    const copy = document.createElement("canvas").getContext("2d");
    const dots = () => [...document.querySelectorAll("#stage canvas")]
        .find((canvas) => canvas.id !== "overlay" && !canvas.closest("#card"));
    const areDrawn = () => {
        const {width, height} = dots() ?? {};
        if (!width || !height) return false;
        Object.assign(copy.canvas, {width, height});
        copy.drawImage(dots(), 0, 0);
        return copy.getImageData(0, 0, width, height).data.some((value) => value);
    };
    while (window.ready < nSheets || !areDrawn()) await frame();
    await frame();
}"""


def chromium() -> str | None:
    named = os.environ.get("CHROMIUM")
    known = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return named or next(filter(None, map(shutil.which, known)), None)


@pytest.fixture(scope="module")
def launch() -> Iterator[Callable[..., Any]]:
    """Start Chromium with some more flags; all are closed at the end."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on this machine: install one, or name it in CHROMIUM")
    with sync_api.sync_playwright() as playwright:
        started: dict[tuple[str, ...], Any] = {}

        def launch(*flags: str) -> Any:
            if flags not in started:
                started[flags] = playwright.chromium.launch(
                    executable_path=path, args=[*FLAGS, *flags], timeout=PATIENCE
                )
            return started[flags]

        yield launch
        for browser in started.values():
            browser.close()


class Visit:
    """A page, and what it complained of, asked for and tried to say."""

    def __init__(self, browser: Any, file: Path, size: str, **settings: Any) -> None:
        width, height = SIZES[size]
        still = {"reduced_motion": "reduce"}  # where a point is, it stays
        settings = {"locale": "en-GB", "has_touch": size == "phone"} | still | settings
        self.context = browser.new_context(viewport={"width": width, "height": height}, **settings)
        self.context.set_default_timeout(PATIENCE)
        self.context.add_init_script(COUNTING)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda m: m.type == "error" and self.errors.append(m.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog: {dialog.message}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(file.as_uri())
        self.page.locator("html[data-ready=true]").wait_for(state="attached")
        self.data = json.loads(self.page.locator("#data").text_content())
        self.start = self.data["start"]

    def settle(self) -> None:
        """Until all is drawn, and two pictures taken one after the other are the same."""
        self.page.evaluate(DRAWN, self.page.locator("script.sheet").count())
        before = b""
        while (now := self.page.locator("#stage").screenshot()) != before:
            before = now

    def screen(self) -> np.ndarray:
        """(n, 2) pixels of the points on the stage, all of which are in view."""
        box = self.page.locator("#stage").bounding_box()
        xy = np.frombuffer(base64.b64decode(self.data["xy"]), "<u2").reshape(-1, 2) / 65535 - 0.5
        scale = 0.94 * min(box["width"], box["height"])
        return np.array([box["width"], box["height"]]) / 2 + xy * scale * [1, -1]

    def lonely(self) -> int:
        """The point farthest from all others, so that no other can be meant."""
        at = self.screen()
        apart = np.linalg.norm(at[:, None] - at, axis=2)
        np.fill_diagonal(apart, np.inf)
        inside = (at > 60).all(axis=1)
        return int(np.where(inside, apart.min(axis=1), 0).argmax())

    def point_at(self, point: int) -> None:
        """With the pointer, the point in the middle of the window, where nothing covers it."""
        x, y = self.screen()[point]
        self.page.evaluate(
            """y => {
                const top = document.querySelector("#stage").getBoundingClientRect().top;
                window.scrollBy(0, top + y - window.innerHeight / 2);
            }""",
            y,
        )
        box = self.page.locator("#stage").bounding_box()
        self.page.mouse.move(box["x"] + x, box["y"] + y)

    def pixels(self) -> np.ndarray:
        picture = Image.open(io.BytesIO(self.page.locator("#stage").screenshot()))
        return np.asarray(picture.convert("RGB"), int)


@pytest.fixture
def visit(launch: Callable[..., Any], reported: orchard.Result) -> Iterator[Callable[..., Visit]]:
    file = Path(reported.output) / "report" / "index.html"
    visits: list[Visit] = []

    def visit(size: str = "desktop", flags: tuple[str, ...] = (), **settings: Any) -> Visit:
        visits.append(Visit(launch(*flags), file, size, **settings))
        return visits[-1]

    yield visit
    for one in visits:
        one.context.close()
        assert one.errors == []


def colour_of_file(path: str) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), float).mean(axis=(0, 1))


def colour_of_canvas(page: Any, selector: str) -> np.ndarray:
    """Mean colour of a canvas, once something is drawn on it."""
    mean = """async (selector) => {
        await new Promise(requestAnimationFrame);
        const canvas = document.querySelector(selector);
        const {data} = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const sum = [0, 0, 0, 0];
        data.forEach((value, i) => { sum[i % 4] += value; });
        return sum[3] ? sum.map((value) => 4 * value / data.length) : null;
    }"""
    while (found := page.evaluate(mean, selector)) is None:  # the policy lets no one poll by eval
        pass
    return np.array(found)[:3]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_it_opens_from_the_disk_without_complaint(
    visit: Callable[..., Visit], size: str, scheme: str
) -> None:
    seen = visit(size, color_scheme=scheme)
    ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    lightness = np.mean([int(part) for part in ground[4:-1].split(",")])
    assert (lightness > 200) if scheme == "light" else (lightness < 60)
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    stage, tools = (seen.page.locator(name).bounding_box() for name in ("#stage", ".tools"))
    assert stage["x"] + stage["width"] <= SIZES[size][0], "the map is cut off"
    assert tools["x"] + tools["width"] <= SIZES[size][0]
    elsewhere = [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))]
    assert elsewhere == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_nothing_keeps_people_with_a_screen_reader_or_a_keyboard_out(
    visit: Callable[..., Visit], size: str, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    seen = visit(size, color_scheme=scheme)
    seen.page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    for opened in (False, True):
        if opened:
            seen.page.locator("#classes button.open").first.click()
            seen.page.locator("#image[open]").wait_for()
        found = axe.Axe().run(seen.page).response["violations"]
        assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found] == []


@pytest.mark.parametrize("size", SIZES)
def test_pointing_at_a_point_shows_its_own_image(visit: Callable[..., Visit], size: str) -> None:
    seen = visit(size)
    seen.page.locator("#stage").scroll_into_view_if_needed()
    point = seen.lonely()
    seen.point_at(point)
    seen.page.wait_for_selector("#card:not([hidden])")
    path = seen.data["paths"][point]
    assert seen.page.locator("#card .path").text_content() == path
    shown = colour_of_canvas(seen.page, "#card canvas")
    assert np.abs(shown - colour_of_file(seen.start + path)).max() < 8


def test_tapping_a_point_shows_it_with_its_nearest(visit: Callable[..., Visit]) -> None:
    seen = visit("phone")
    seen.page.locator("#stage").scroll_into_view_if_needed()
    point = seen.lonely()
    x, y = seen.screen()[point]
    seen.page.locator("#stage").tap(position={"x": x, "y": y})
    seen.page.wait_for_selector("#picked:not([hidden])")
    assert (
        seen.page.locator("#picked .path").text_content() == seen.start + seen.data["paths"][point]
    )
    assert seen.page.locator("#picked .neighbours button").count() == 8


def test_search_finds_a_class_by_its_name(visit: Callable[..., Visit]) -> None:
    seen = visit()
    seen.page.fill("#search", "PLUM")
    seen.page.wait_for_selector("#results:not([hidden]) button")
    assert seen.page.locator("#status").text_content() == "Classes: 1, images: 11"
    assert seen.page.locator("#results .class").all_text_contents() == ["plum"]
    seen.page.locator("#results button:not(.class)").first.focus()
    assert seen.page.locator("#card b").text_content() == "plum"
    seen.page.fill("#search", "no such thing")
    seen.page.get_by_text("Nothing found").wait_for()
    assert seen.page.locator("#results button").count() == 0


def test_a_class_can_be_switched_off_and_on(visit: Callable[..., Visit]) -> None:
    seen = visit()
    for button in ("#names", "#photos"):
        seen.page.click(button)
    code = seen.data["labels"].index("plum")
    hexed = seen.data["colours"][code][0]
    colour = np.array([int(hexed[at : at + 2], 16) for at in (1, 3, 5)])

    def n_coloured() -> int:
        seen.settle()
        return int((np.abs(seen.pixels() - colour).max(axis=2) < 12).sum())

    before = n_coloured()
    box = seen.page.locator(f"#legend [data-code='{code}'] input")
    box.uncheck()
    seen.page.mouse.move(5, 5)
    assert before > 50
    assert n_coloured() == 0
    assert seen.page.locator("#status").text_content() == f"{seen.data['n'] - 11} images shown"
    box.check()
    seen.page.mouse.move(5, 5)
    assert n_coloured() == before


def test_the_map_can_be_walked_by_keys(visit: Callable[..., Visit]) -> None:
    seen = visit()
    seen.page.locator("#stage").focus()
    seen.page.keyboard.press("n")
    first = seen.page.locator("#picked .path").text_content()
    seen.page.keyboard.press("n")
    second = seen.page.locator("#picked .path").text_content()
    seen.page.keyboard.press("p")
    assert [first, second] == [seen.start + path for path in seen.data["paths"][:2]]
    assert seen.page.locator("#picked .path").text_content() == first
    seen.page.keyboard.press("Escape")
    assert seen.page.locator("#picked").is_hidden()


def test_close_by_the_points_become_pictures(visit: Callable[..., Visit]) -> None:
    seen = visit()
    seen.page.click("#names")
    seen.settle()
    far = seen.pixels()
    seen.page.click("#photos")
    seen.settle()
    assert (np.abs(seen.pixels() - far).max(axis=2) > 40).mean() > 0.02


def test_a_view_with_pictures_from_many_sheets_comes_to_rest(
    launch: Callable[..., Any],
    reported: orchard.Result,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("page", "thumbnails"):
        monkeypatch.setattr(f"orchard.report.{module}.PER_SIDE", 1)  # a sheet an image
    shutil.copytree(reported.output, tmp_path / "result")
    build(Tables(Output.at(tmp_path / "result")))
    seen = Visit(launch(), tmp_path / "result" / "report" / "index.html", "desktop")
    n_sheets = seen.page.locator("script.sheet").count()
    assert n_sheets == seen.data["n"]
    decoded = """async (n) => {
        while (window.decoded < n) await new Promise(requestAnimationFrame);
        for (let frame = 0; frame < 30; frame++) await new Promise(requestAnimationFrame);
        return window.decoded;
    }"""
    assert seen.page.evaluate(decoded, n_sheets) == n_sheets, "each is decoded once"
    seen.context.close()


def test_the_three_dimensional_view_shows_all_points(visit: Callable[..., Visit]) -> None:
    seen = visit()
    seen.settle()
    flat = seen.pixels()
    seen.page.click("#view-3d")
    seen.settle()
    solid = seen.pixels()
    saturated = solid.max(axis=2) - solid.min(axis=2) > 80
    assert saturated.sum() > 500
    assert (np.abs(solid - flat).max(axis=2) > 40).mean() > 0.01


def test_it_speaks_french_on_request_and_to_french_browsers(visit: Callable[..., Visit]) -> None:
    seen = visit()
    assert seen.page.locator("#map-section h2").inner_text() == "Map"
    seen.page.click("#language")
    assert seen.page.locator("#map-section h2").inner_text() == "Carte"
    assert seen.page.get_attribute("#search", "placeholder") == "Chercher une classe ou un chemin"
    assert seen.page.get_attribute("html", "lang") == "fr"
    french = visit(locale="fr-FR")
    assert french.page.locator("#language").inner_text() == "English"


def test_light_and_dark_can_be_switched(visit: Callable[..., Visit]) -> None:
    seen = visit(color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    before = seen.page.evaluate(ground)
    seen.page.click("#theme")
    assert seen.page.evaluate(ground) != before
    seen.page.click("#theme")
    assert seen.page.evaluate(ground) == before


def test_the_table_of_classes_sorts(visit: Callable[..., Visit]) -> None:
    seen = visit()
    seen.page.locator("#classes thead button").nth(2).click()
    values = seen.page.eval_on_selector_all(
        "#classes tbody tr", "rows => rows.map(row => Number(row.cells[2].dataset.value))"
    )
    assert values == sorted(values, reverse=True)
    assert len(set(values)) > 1


def test_names_of_folders_do_nothing(visit: Callable[..., Visit]) -> None:
    seen = visit()
    seen.page.fill("#search", "onerror")
    seen.page.wait_for_selector("#results .class")
    assert seen.page.locator("#results .class").all_text_contents() == [HOSTILE]
    assert seen.page.locator("img[src=x]").count() == 0


def test_without_webgl_the_map_is_there_all_the_same(visit: Callable[..., Visit]) -> None:
    seen = visit(flags=("--disable-3d-apis",))
    assert "WebGL" in seen.page.locator("#problem").inner_text()
    seen.page.locator("#stage").scroll_into_view_if_needed()
    point = seen.lonely()
    seen.point_at(point)
    seen.page.wait_for_selector("#card:not([hidden])")
    assert seen.page.locator("#card .path").text_content() == seen.data["paths"][point]


def test_it_prints_on_white_without_its_buttons(visit: Callable[..., Visit]) -> None:
    seen = visit(color_scheme="dark")
    seen.page.emulate_media(media="print", color_scheme="dark")
    assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    assert seen.page.locator("#panel").is_hidden()
    assert seen.page.locator("#theme").is_hidden()
    seen.page.set_viewport_size({"width": 720, "height": 1000})  # A4 less its margins
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert len(seen.page.pdf()) > 50_000
