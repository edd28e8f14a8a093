"""On the page of a server: what a person says of an answer, several photos of one fruit, a part of
a photo; and the page on which somebody looks at what was given."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.conftest import PATIENCE, PHONE, ready
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from orchard.classify.files import Classifier
from orchard.classify.predictor import Predictor
from orchard.images.decode import Pixels, decode
from orchard.images.views import VIEWS
from orchard.store import accepted, contributions, reviews
from orchard.store.output import Output

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)
MAIN = "from orchard.cli import main; main()"

SQUARES = """async ({photo, network, part}) => {
    const {squares} = await import("./decode.js");
    const bytes = Uint8Array.from(atob(photo), (c) => c.charCodeAt(0));
    const text = (square) => Array.from(square, (byte) => String.fromCharCode(byte)).join("");
    const found = await squares(new Blob([bytes], {type: "image/png"}), network, part);
    return found.map((square) => btoa(text(square)));
}"""
BOX = """async ({part, width, height}) => (await import("./crop.js")).box(part, width, height)"""
TOGETHER = """async ({photos, part}) => {
    const {about, identify} = await import("./device.js");
    const {Classifier, together} = await import("./classifier.js");
    const found = [];
    for (const photo of photos) {
        const bytes = Uint8Array.from(atob(photo), (c) => c.charCodeAt(0));
        found.push(await identify(new Blob([bytes], {type: "image/png"}), part));
    }
    const {probabilities, likeness} = together(found);
    return {...new Classifier({}, about).verdict(probabilities, likeness), probabilities: null};
}"""


@pytest.fixture(scope="module")
def place(output: Path, tmp_path_factory: pytest.TempPathFactory) -> Output:
    """A result with a classifier, of this module alone."""
    copy = tmp_path_factory.mktemp("help") / "out"
    shutil.copytree(output, copy)
    return Output.at(copy)


@pytest.fixture(scope="module")
def start() -> Iterator[Any]:
    """Start a command that prints its address; all are ended with the module."""
    running: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> str:
        command = [sys.executable, "-c", MAIN, *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        running.append(process)
        assert process.stdout is not None
        return process.stdout.readline().split()[2]

    yield start
    for process in running:
        process.terminate()
        process.communicate()


@pytest.fixture(scope="module")
def address(place: Output, start: Any) -> str:
    options = ["--port", "0", "--quiet", "--answer-seconds", str(PATIENCE / 1000)]
    address: str = start("serve", place.root, *options)
    return address


def opened(
    browser: Browser, address: str, refused: str | None = None, **settings: Any
) -> Iterator[Page]:
    """A page of a phone; whatever it complains of or asks of others is a failure, but for answers
    that are refused on purpose."""
    context = browser.new_context(**{**PHONE, "locale": "en", **settings})
    context.set_default_timeout(PATIENCE)
    page, complaints = context.new_page(), []
    page.on("console", lambda m: m.type in ("error", "warning") and complaints.append(m.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    own = (address, "blob:")
    page.on("request", lambda r: complaints.extend([r.url] * (not r.url.startswith(own))))
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    yield page
    context.close()
    assert [one for one in complaints if refused is None or refused not in one] == []


@pytest.fixture(scope="module")
def phone(browser: Browser, address: str) -> Iterator[Page]:
    for page in opened(browser, address):
        yield ready(page)


@pytest.fixture
def page(phone: Page, place: Output) -> Page:
    """The phone as on a first visit, and no photo kept."""
    place.delete(place.paths("contributions"))
    phone.evaluate("localStorage.clear()")
    phone.reload()
    return ready(phone)


@pytest.fixture(scope="session")
def photos(rendered: Path) -> list[Path]:
    """Three pictures, of which two show another fruit."""
    if "ORCHARD_PHOTOS" in os.environ:
        rendered = Path(os.environ["ORCHARD_PHOTOS"])
    found = sorted(path for path in rendered.rglob("*.*") if path.is_file())
    return [found[0], found[len(found) // 2], found[-1]]


def sends(page: Page) -> list[str]:
    found: list[str] = []
    page.on("request", lambda r: r.method != "GET" and found.append(f"{r.method} {r.url}"))
    return found


def answered(page: Page, field: str, photos: Path | list[Path]) -> Locator:
    """The answer to these photos: the verdict that takes the place of the one before."""
    page.evaluate("document.querySelector('#result .verdict')?.setAttribute('data-before', '')")
    page.set_input_files(field, photos)
    page.wait_for_selector("#result[aria-busy=false] .verdict:not([data-before])")
    return page.locator("#result .verdict")


def png(photo: Path, size: tuple[int, int] = (150, 110)) -> bytes:
    out = io.BytesIO()
    Image.open(photo).convert("RGB").resize(size).save(out, "PNG")
    return out.getvalue()


def test_a_correction_is_sent_with_the_photo_once_the_person_says_so_and_not_before(
    page: Page, place: Output, photos: list[Path], tmp_path: Path
) -> None:
    sent = sends(page)
    answered(page, "#file", photos[0])
    panel = page.locator("#result .right")
    expect(panel.get_by_role("heading")).to_have_text("Was I right?")
    panel.get_by_role("combobox").select_option("other")
    expect(panel.get_by_text("Your answer helps only with the photo")).to_be_visible()
    assert sent == []
    assert contributions.kept(place) == []
    page.screenshot(path=folder(tmp_path) / "right.png", full_page=True)
    panel.get_by_role("button", name="Send the photo").click()
    expect(panel.get_by_role("status")).to_contain_text("Thank you")
    (given,) = reviews.listed(place)
    assert (given.said_to_be, given.decision) == ("other", None)
    assert given.taken_for
    assert given.giver
    assert accepted.giver_of(accepted.place("x", given.giver, given.name)) != accepted.NOBODY
    assert place.paths(accepted.FOLDER) == [], "it waits for somebody to look at it"
    panel.get_by_role("button", name="Yes").click()
    expect(panel.get_by_role("status")).to_contain_text("Thank you")
    assert len(sent) == 2, "it is corrected, not given again"
    (given,) = reviews.listed(place)
    assert given.said_to_be == given.taken_for
    page.get_by_role("button", name="Erase it").click()
    expect(page.locator("#kept [role=status]")).to_be_visible()
    assert contributions.kept(place) == []


def test_with_help_switched_on_the_correction_follows_the_photo_and_photos_share_a_giver(
    page: Page, place: Output, photos: list[Path]
) -> None:
    page.get_by_role("switch").check()
    for photo in photos[:2]:
        answered(page, "#file", photo)
        panel = page.locator("#result .right")
        panel.get_by_role("button", name="Yes").click()
        expect(panel.get_by_role("status")).to_contain_text("Thank you")
    given = reviews.listed(place)
    assert len(given) == 2
    assert all(one.said_to_be == (one.taken_for or "other") for one in given)
    assert len({one.giver for one in given}) == 1


def test_several_photos_of_one_fruit_get_one_answer(page: Page, photos: list[Path]) -> None:
    verdict = answered(page, "#file", photos[0])
    expect(verdict).not_to_contain_text("together")
    verdict = answered(page, "#again", photos[1])
    expect(verdict).to_contain_text("From 2 photos together.")
    verdict = answered(page, "#again", photos[2])
    expect(verdict).to_contain_text("From 3 photos together.")
    verdict = answered(page, "#file", photos[:2])
    expect(verdict).to_contain_text("From 2 photos together.")
    expect(answered(page, "#file", photos[0])).not_to_contain_text("together")


def test_device_and_server_answer_several_photos_and_a_part_as_python_does(
    page: Page, address: str, photos: list[Path], classifier: Classifier
) -> None:
    data, predictor = [png(photo) for photo in photos], Predictor(classifier)
    files = [("image", ("photo.png", one, "image/png")) for one in data]
    part = {"x": 0.3, "y": 0.6}
    box = page.evaluate(BOX, {"part": part, "width": 150, "height": 110})
    form = httpx.post(f"{address}api/identify", files=files, timeout=300).json()
    crop = httpx.post(
        f"{address}api/identify", params={"crop": ",".join(map(str, box))}, content=data[0],
        headers={"content-type": "image/png"}, timeout=300,
    ).json()  # fmt: skip
    assert form["photos"] == {"sent": 3, "read": 3}
    for several, there, asked, crop_box in (
        (data, form, None, None),
        (data[:1], crop, part, tuple(box)),
    ):
        expected, _ = predictor.predict_together(several, crop=crop_box)
        encoded = [base64.b64encode(one).decode() for one in several]
        here = page.evaluate(TOGETHER, {"photos": encoded, "part": asked})
        best = expected.species[0]
        assert (here["answer"], here["species"][0]["label"]) == (expected.answer, best.label)
        assert (there["answer"], there["species"][0]["id"]) == (expected.answer, best.label)
        assert abs(here["species"][0]["probability"] - best.probability) < 0.02
        assert abs(there["species"][0]["probability"] - best.probability) < 1e-5


def test_a_part_is_the_same_pixels_on_the_device_as_on_the_server(
    page: Page, photos: list[Path]
) -> None:
    views = list(VIEWS)
    network = {"views": views, "size": 96, "max_pixels": 10**8, "ignores_profiles": True}
    places = [{"x": 0.5, "y": 0.5}, {"x": 0, "y": 1}, {"x": 0.31, "y": 0.77}, None]
    for size in ((640, 300), (301, 601), (97, 45)):
        data = png(photos[0], size)
        for part in places:
            given = {"photo": base64.b64encode(data).decode(), "network": network, "part": part}
            box = part and page.evaluate(BOX, {"part": part, "width": size[0], "height": size[1]})
            found = decode(data, 96, views=tuple(views), crop=box and tuple(box))
            assert isinstance(found, Pixels)
            squares = page.evaluate(SQUARES, given)
            for square, view in zip(squares, found.views, strict=True):
                assert base64.b64decode(square) == np.ascontiguousarray(view).tobytes(), (box, size)


def test_a_tap_looks_at_the_fruit_alone_and_so_does_a_choice_without_a_finger(
    page: Page, photos: list[Path], tmp_path: Path
) -> None:
    answered(page, "#file", photos[0])
    part = page.get_by_label("Look at")
    expect(part).to_have_value("whole")
    box = page.locator("#preview").bounding_box()
    assert box is not None
    page.locator("#preview").click(position={"x": box["width"] / 2 + 20, "y": box["height"] / 2})
    expect(page.locator("#closer")).to_be_visible()
    expect(part).to_have_value("touched")
    framed = page.locator("#frame").bounding_box()
    assert framed is not None
    assert abs(framed["height"] - box["height"] / 2) < 2, "half the shorter side of a square photo"
    assert abs(framed["x"] + framed["width"] / 2 - box["x"] - box["width"] / 2 - 20) < 2
    page.screenshot(path=folder(tmp_path) / "part.png")
    part.focus()
    part.select_option("top_left")
    expect(page.locator("#closer")).to_be_visible()
    expect(part).to_have_value("top_left")
    expect(part).to_be_focused()
    page.get_by_label("Look at").select_option("whole")
    expect(page.locator("#frame")).to_be_hidden()
    expect(page.locator("#closer")).to_be_visible()


@pytest.mark.parametrize("language", ["en", "fr"])
def test_what_is_asked_keeps_nobody_out(page: Page, photos: list[Path], language: str) -> None:
    answered(page, "#file", photos[:2])
    if language == "fr":
        page.locator("#language").click()
        expect(page.locator("#result .right h2")).to_have_text("Ai-je raison ?")
        expect(page.get_by_label("Regarder")).to_be_visible()
    page.locator(".right select").select_option("other")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = Axe().run(page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found] == []


# The page of `orchard review`.


@pytest.fixture(scope="module")
def looking(browser: Browser, place: Output, start: Any) -> Iterator[Page]:
    address: str = start("review", place.root, "--port", "0")
    desktop = {"viewport": {"width": 900, "height": 800}, "is_mobile": False}
    yield from opened(browser, address, "Failed to load resource", **desktop)


@pytest.fixture
def desk(looking: Page, place: Output, photos: list[Path]) -> Page:
    """The page with three photos that wait, the last of them no image."""
    place.delete([*place.paths("contributions"), *place.paths(accepted.FOLDER)])
    species = predictable(place)
    for number, photo in enumerate(photos):
        image = io.BytesIO()
        Image.open(photo).convert("RGB").save(image, "JPEG", comment=b"<script>planted</script>")
        jpeg = image.getvalue() if number < 2 else b"<svg onload=alert(1)>"
        contributions.add(
            place, jpeg, keep_days=9, taken_for=species, said_to_be=species if number else None,
            giver=contributions.giver_of(f"{number:032x}"),
        )  # fmt: skip
    looking.goto(looking.url.split("?")[0])
    looking.wait_for_selector("html[data-ready]")
    return looking


def predictable(place: Output) -> str:
    """A species that the result has one label of."""
    from orchard.web.review import labels_of

    return next(
        species for label in labels_of(place) if (species := _only(label, labels_of(place)))
    )


def _only(label: str, labels: list[str]) -> str | None:
    from orchard.knowledge import species_of

    species = species_of(label)
    return species if [species_of(one) for one in labels].count(species) == 1 else None


def test_photos_are_accepted_relabelled_and_dropped_by_keys(
    desk: Page, place: Output, tmp_path: Path
) -> None:
    expect(desk.locator("#count")).to_have_text("3 waiting, 0 accepted, 0 dropped.")
    shown = {one.name: one for one in reviews.listed(place)}
    desk.evaluate("document.getElementById('photo').decode().catch(() => null)")
    desk.screenshot(path=folder(tmp_path) / "review.png")
    broken = next(n for n, one in shown.items() if b"<svg" in bytes(reviews.photo(place, n) or b""))
    for step in range(3):
        name = desk.locator("#photo").get_attribute("src").removeprefix("photos/")  # type: ignore[union-attr]
        if name == broken:
            expect(desk.locator("#unreadable")).to_be_visible()
            desk.keyboard.press("d")
        elif step == 2 or "a" in desk_keys(desk):
            desk.keyboard.press("a")
        expect(desk.locator("#count")).to_contain_text(f"{2 - step} waiting" if step < 2 else "No")
    decided = {one.name: one.decision for one in reviews.listed(place)}
    assert decided.pop(broken) == "drop"
    assert set(decided.values()) == {"accept"}
    files = place.paths(accepted.FOLDER)
    assert len(files) == 2
    desk.keyboard.press("ArrowLeft")
    desk.keyboard.press("ArrowRight")
    desk.keyboard.press("r")
    expect(desk.locator("#label")).to_be_focused()
    desk.keyboard.type("A d 9")
    desk.keyboard.press("Enter")
    expect(desk.locator("#decided")).to_have_text("Relabelled as A d 9.")
    assert [one.label for one in reviews.listed(place)].count("A d 9") == 1
    desk.locator("#label").fill("../up")
    desk.locator("#label").press("Enter")
    expect(desk.locator("#problem")).to_contain_text("expected at most 80 letters")


def desk_keys(desk: Page) -> list[str]:
    return ["a"] if desk.locator("#accept button").count() == 1 else []


def test_what_waits_is_shown_re_encoded_and_only_to_who_has_the_key(
    desk: Page, place: Output
) -> None:
    base = desk.url
    for one in reviews.listed(place):
        stored = bytes(reviews.photo(place, one.name) or b"")
        found = httpx.get(f"{base}photos/{one.name}")
        if b"<svg" in stored:
            assert found.status_code == 415
            continue
        assert b"planted" in stored
        assert b"planted" not in found.content
        assert Image.open(io.BytesIO(found.content)).format == "JPEG"
        assert found.headers["x-content-type-options"] == "nosniff"
        root = base.split("/")[2]
        assert httpx.get(f"http://{root}/photos/{one.name}").status_code == 404
        foreign = {"origin": "http://example.org"}
        answer = httpx.post(f"{base}photos/{one.name}?decision=drop", headers=foreign)
        assert answer.status_code == 403
    assert httpx.get(base, headers={"host": "example.org"}).status_code == 421


def test_the_review_page_speaks_french_and_keeps_nobody_out(desk: Page) -> None:
    for title in ("Photos that people gave", "Photos données par des personnes"):
        expect(desk.locator("h1")).to_have_text(title)
        found = Axe().run(desk).response["violations"]
        assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found] == []
        desk.locator("#language").click()


def test_a_photo_that_its_giver_erases_meanwhile_is_told_to_be_gone(
    desk: Page, place: Output
) -> None:
    names = {one.name for one in reviews.listed(place)}
    contributions.withdraw(place, names)
    desk.keyboard.press("d")
    expect(desk.locator("#problem")).to_contain_text("gone")
    assert json.loads(httpx.get(f"{desk.url}photos").text)["photos"] == []


def folder(default: Path) -> Path:
    """Where to leave the screenshots: SCREENSHOTS, to be looked at."""
    return Path(os.environ.get("SCREENSHOTS", default))
