"""The whole story on a phone: a photo, an answer, the card, help improve, erasure, offline."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.conftest import PATIENCE, PHONE, ready
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from orchard.store import contributions
from orchard.store.output import Output

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
MAIN = "from orchard.cli import main; main()"
WORDS = {
    "en": ("What fruit is it?", "Season in France", "Help improve", "Erase it", "Your privacy"),
    "fr": ("Quel est ce fruit ?", "Saison en France", "Aider à améliorer Orchard", "Effacer",
           "Votre vie privée"),
}  # fmt: skip


@pytest.fixture(scope="session")
def photo(rendered: Path) -> Path:
    """ORCHARD_PHOTO, else a picture that the classifier was trained on."""
    if "ORCHARD_PHOTO" in os.environ:
        return Path(os.environ["ORCHARD_PHOTO"])
    return next(path for path in sorted(rendered.rglob("*.*")) if path.is_file())


@pytest.fixture(scope="session")
def address(output: Path) -> Iterator[str]:
    options = ["--port", "0", "--quiet", "--answer-seconds", str(PATIENCE / 1000)]
    command = [sys.executable, "-c", MAIN, "serve", str(output), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[2]
        process.terminate()


@pytest.fixture(params=["en", "fr"])
def page(request: pytest.FixtureRequest, browser: Browser, address: str) -> Iterator[Page]:
    """The page at a phone's size; anything it complains of or asks of others is a failure."""
    language = request.param
    context = browser.new_context(
        **{**PHONE, "locale": language}, color_scheme="dark" if language == "fr" else "light"
    )
    context.set_default_timeout(PATIENCE)
    page, complaints = context.new_page(), []
    page.on("console", lambda m: m.type in ("error", "warning") and complaints.append(m.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda r: complaints.extend([r.url] * (not _own(r.url, address))))
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    yield page
    context.close()
    assert [text for text in complaints if "ERR_INTERNET_DISCONNECTED" not in text] == []


def test_the_whole_story(page: Page, photo: Path, output: Path, tmp_path: Path) -> None:
    language = page.evaluate("document.documentElement.lang")
    title, season, improve, erase, privacy = WORDS[language]
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    switch = page.get_by_role("switch", name=improve)
    expect(switch).not_to_be_checked()
    switch.check()
    page.set_input_files("#camera", photo)
    verdict = page.locator("#result .verdict h1")
    expect(verdict).to_be_visible()
    expect(page.locator("#result")).to_have_attribute("aria-busy", "false")
    page.screenshot(path=_folder(tmp_path) / f"{language}.png")
    assert verdict.bounding_box()["y"] < page.viewport_size["height"] - 100  # type: ignore[index]
    if page.locator(".facts").count():
        expect(page.get_by_text(season, exact=True)).to_be_visible()
    code = page.locator("#kept code").inner_text()
    assert contributions.is_kept(Output.at(output), code)
    page.get_by_role("button", name=erase).click()
    expect(page.locator("#kept [role=status]")).to_be_visible()
    assert not contributions.is_kept(Output.at(output), code)
    page.locator("#privacy").click()
    expect(page.get_by_role("heading", name=privacy)).to_be_visible()


def test_the_language_changes_at_a_touch_and_nothing_is_wider_than_the_phone(
    page: Page, photo: Path, output: Path
) -> None:
    given: list[str] = []
    page.on("request", lambda r: given.extend([r.url] * ("/api/contributions" in r.url)))
    page.get_by_role("switch").check()
    page.set_input_files("#file", photo)
    code = page.locator("#kept code").inner_text()
    before = page.evaluate("document.documentElement.lang")
    page.locator("#language").click()
    after = "fr" if before == "en" else "en"
    expect(page.locator("html")).to_have_attribute("lang", after)
    expect(page.locator("#result .verdict")).to_be_visible()
    expect(page.locator("#result")).to_have_attribute("aria-busy", "false")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert len(given) == 1, "the same photo is asked about again, and not given again"
    contributions.erase(Output.at(output), code)


def test_the_server_answers_where_the_browser_cannot_and_only_if_it_is_asked_to(
    page: Page, photo: Path
) -> None:
    sent: list[str] = []
    page.on("request", lambda r: sent.extend([r.url] * (r.method == "POST")))
    buffer = io.BytesIO()
    Image.open(photo).convert("RGB").save(buffer, "TIFF")
    file = {"name": "photo.tif", "mimeType": "image/tiff", "buffer": buffer.getvalue()}
    page.set_input_files("#file", file)
    button = page.locator("#result .verdict button").last
    expect(button).to_be_visible()
    assert sent == []
    button.click()
    expect(page.locator("#result .verdict h1")).to_be_visible()
    expect(page.locator(".nearest img").first).to_be_visible()
    assert len(sent) == 1


def test_the_page_answers_without_its_server(page: Page, photo: Path) -> None:
    ready(page)
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.wait_for_function("navigator.serviceWorker.controller !== null")
    page.context.set_offline(True)
    expect(page.locator("#offline")).to_be_visible()
    opened = page.reload()
    assert opened is not None
    assert opened.from_service_worker
    expect(page.locator("#welcome h1")).to_be_visible()
    page.set_input_files("#file", photo)
    expect(page.locator("#result .verdict h1")).to_be_visible()
    page.context.set_offline(False)


def test_the_answer_is_drawn_whole_and_told_in_a_sentence(page: Page, photo: Path) -> None:
    language = page.evaluate("document.documentElement.lang")
    page.set_input_files("#camera", photo)
    expect(page.locator("#result")).to_have_attribute("aria-busy", "false")
    bars = page.locator(".verdict > .guesses .bar")
    for number in range(bars.count()):
        whole = bars.nth(number).bounding_box()
        filled = bars.nth(number).locator("span").bounding_box()
        assert whole is not None
        assert filled is not None
        share = float(bars.nth(number).get_attribute("aria-valuenow") or "nan") / 100
        assert filled["height"] == whole["height"], "a bar is filled in its whole height"
        assert abs(filled["width"] - max(share * whole["width"], 4)) < 1.5
    assert page.locator("#result[aria-live], #result [aria-live]").count() == 0
    said = page.locator("#said").inner_text()
    assert page.locator("#said").get_attribute("role") == "status"
    assert 3 < len(said) < 80, "the answer, not the whole card"
    told = page.locator("#result").inner_text()
    assert not re.search(r"\b\d{5}\b", told), "no raw entry of a table"
    if language == "fr":
        assert not re.search(r"\b(raw|with skin|pulp|Nuts)\b", told)


def test_the_page_fits_a_screen_of_320_pixels(page: Page) -> None:
    page.set_viewport_size({"width": 320, "height": 600})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = page.locator("header").bounding_box()
    assert box is not None
    assert box["height"] < 70, "the header is one line"
    middles = [
        one["y"] + one["height"] / 2
        for one in (item.bounding_box() for item in page.locator("header a, header button").all())
        if one is not None
    ]
    assert max(middles) - min(middles) < 4
    assert page.evaluate(
        "[...document.querySelectorAll('nav a, nav button')].every((one) => one.clientHeight < 50)"
    )


def test_nothing_keeps_people_with_a_screen_reader_or_a_keyboard_out(
    page: Page, photo: Path
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    for address in (None, "/privacy"):
        if address is None:
            page.set_input_files("#file", photo)
            expect(page.locator("#result")).to_have_attribute("aria-busy", "false")
        else:
            page.goto(page.url.split("/?")[0].rstrip("/") + address)
        found = axe.Axe().run(page).response["violations"]
        assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found] == []


def test_with_a_mouse_one_button_opens_the_files(page: Page, address: str) -> None:
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    desktop = context.new_page()
    desktop.goto(address)
    desktop.wait_for_selector("html[data-ready]")
    assert desktop.locator("#dock label:visible").count() == 1
    expect(desktop.locator("#choose")).to_be_visible()
    context.close()
    assert page.locator("#dock label:visible").count() == 2


def _own(url: str, address: str) -> bool:
    return url.startswith((address, "blob:"))


def _folder(default: Path) -> Path:
    """Where to leave the screenshots: SCREENSHOTS, to be looked at."""
    return Path(os.environ.get("SCREENSHOTS", default))
