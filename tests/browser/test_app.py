"""The page that identifies photos by itself: the batch's numbers, offline, updates, the camera."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.conftest import PATIENCE, Launch, Visit, hosting, ready
from PIL import Image, ImageOps
from playwright.sync_api import Browser, Page, expect

from orchard.classify.calibration import softmax
from orchard.classify.files import Classifier
from orchard.classify.heads import ForestHead
from orchard.classify.landmarks import familiarity
from orchard.classify.portable import portable
from orchard.classify.predictor import Predictor
from orchard.classify.together import together
from orchard.classify.verdict import Limits, verdict
from orchard.images.views import VIEWS
from orchard.model import load_model
from orchard.web.folder import write
from orchard.web.ondevice import about
from orchard.web.site import site

pytestmark = pytest.mark.browser
expect.set_options(timeout=PATIENCE)

RESIZE = """async ({views, width, height, size, rgba}) => {
    const {Views} = await import("./pixels.js");
    const bytes = Uint8Array.from(atob(rgba), (c) => c.charCodeAt(0));
    const seen = new Views(views, width, height, size);
    for (let top = 0; top < height; top += 7) {
        const n = Math.min(7, height - top);
        seen.take(bytes.subarray(4 * width * top, 4 * width * (top + n)), top, n);
    }
    const text = (square) => Array.from(square, (byte) => String.fromCharCode(byte)).join("");
    return seen.squares().map((square) => btoa(text(square)));
}"""
ANSWER = """async ({arrays, about, features}) => {
    const {tensors} = await import("./tensors.js");
    const {Classifier} = await import("./classifier.js");
    const bytes = Uint8Array.from(atob(arrays), (c) => c.charCodeAt(0));
    const classifier = new Classifier(tensors(bytes), about);
    return features.map((row) => {
        const found = classifier.answer(row);
        return {...found, probabilities: [...found.probabilities]};
    });
}"""
DECIDE = """async ({about, vectors}) => {
    const {heard} = await import("./classifier.js");
    return vectors.map(([p, likeness, second]) => heard(p, likeness, about, second));
}"""
TOGETHER = """async (photos) => {
    const {together} = await import("./classifier.js");
    const found = together(photos.map(([p, likeness]) => ({
        probabilities: Float64Array.from(p), likeness,
    })));
    return [[...found.probabilities], found.likeness];
}"""
EITHER = """async () => {
    const {summary, verdict} = await import("./show.js");
    const {wasRight} = await import("./right.js");
    const one = (id, name, probability) => ({id, name, probability, binomial: id, family: id});
    const species = [one("lemon", "Lemon", 0.5), one("lime", "Lime", 0.3), one("fig", "Fig", 0.1)];
    const answer = {answer: "either", species, varieties: [], card: null};
    const panel = verdict(answer);
    const given = [{given: Promise.resolve("a code")}];
    const told = [];
    const asked = wasRight(answer, given, async (id) => told.push(id));
    const buttons = [...asked.querySelectorAll(".says button")];
    for (const button of buttons) button.click();
    return {
        title: panel.querySelector("h1").textContent,
        latin: panel.querySelectorAll("i").length,
        badge: panel.querySelector(".badge").textContent,
        said: summary(answer),
        buttons: buttons.map((button) => button.textContent),
        told,
    };
}"""
IDENTIFY = """async (photos) => {
    const {identify} = await import("./device.js");
    const found = [];
    for (const [type, photo] of photos) {
        const bytes = Uint8Array.from(atob(photo), (c) => c.charCodeAt(0));
        const answer = await identify(new Blob([bytes], {type}));
        found.push({...answer, probabilities: undefined});
    }
    return found;
}"""
KEPT = """async () => {
    const caches_ = await Promise.all((await caches.keys()).map((name) => caches.open(name)));
    const requests = await Promise.all(caches_.map((cache) => cache.keys()));
    return requests.flat().map((request) => request.url);
}"""
STEADY = """async (frames) => {
    const {Steady} = await import("./steady.js");
    const verdict = (p, likeness) => ({
        answer: likeness < 0.5 ? "not_a_fruit" : "sure",
        species: [{label: p[0] > p[1] ? "apple" : "lemon"}],
    });
    const steady = new Steady(verdict);
    return frames.map(([p, likeness]) => {
        const {answer, species} = steady.next({probabilities: [p, 1 - p], likeness});
        return answer === "sure" ? species[0].label : answer;
    });
}"""


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def jpeg(image: Image.Image, orientation: int = 1, **settings: Any) -> bytes:
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(out, "JPEG", **{"quality": 92, "exif": exif, **settings})
    return out.getvalue()


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def pictures(rendered: Path) -> list[tuple[str, bytes]]:
    """The rendered fruit as cameras and programs write them: types, sides, sizes, subsampling."""
    found: list[tuple[str, bytes]] = []
    for number, path in enumerate(sorted(rendered.rglob("*.*"))):
        image = Image.open(path).convert("RGB")
        big = image.resize((160 + 7 * (number % 11), 120 + 5 * (number % 13)))
        orientation = 1 + number % 8
        found += [
            ("image/png", png(image)),
            ("image/jpeg", jpeg(big, orientation, subsampling=(0, 2)[number % 2])),
        ]
    return found


def test_the_resize_is_pillows_to_the_bit(visit: Visit, browser: Browser) -> None:
    page = visit(browser)
    rng = np.random.default_rng(5)
    shapes = [(300, 200), (48, 48), (96, 96), (96, 50), (50, 96), (1, 7), (200, 96), (96, 200)]
    tall = [(100, 300), (33, 401), (97, 99), (97, 98), (150, 205), (150, 204)]
    for number, (width, height) in enumerate(shapes + tall):
        array = rng.integers(0, 256, (height, width, 3), np.uint8)
        if number % 2:  # edges, where the kernel overshoots
            array = np.where(array > 127, 255, 0).astype(np.uint8)
        image = Image.fromarray(array)
        rgba = np.asarray(image.convert("RGBA"))
        given = {"views": list(VIEWS), "width": width, "height": height, "size": 96}
        found = page.evaluate(RESIZE, given | {"rgba": encoded(rgba.tobytes())})
        for view, square in zip(VIEWS, found, strict=True):
            expected = np.asarray(VIEWS[view](image, 96))
            assert base64.b64decode(square) == expected.tobytes(), (width, height, view)


def forest(k: int, c: int) -> ForestHead:
    """Two trees of two levels each."""
    rng = np.random.default_rng(6)
    one = np.array
    return ForestHead(
        roots=one([0, 3], np.int32), feature=one([1, -1, -1, 0, 2, -1, -1, -1], np.int32),
        threshold=one([0.1, 0, 0, -0.2, 0.3, 0, 0, 0], np.float32),
        left=one([1, 0, 0, 4, 5, 0, 0, 0], np.int32), right=one([2, 0, 0, 7, 6, 0, 0, 0], np.int32),
        leaf=one([0, 0, 1, 0, 0, 2, 3, 4], np.int32),
        shares=rng.dirichlet(np.ones(c), 5).astype(np.float16), width=k,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["its own", "forest"])
def test_features_become_the_same_answer_as_in_python(
    visit: Visit, browser: Browser, classifier: Classifier, kind: str
) -> None:
    space, card = classifier.space, classifier.card
    head = classifier.head if kind == "its own" else forest(space.n_components, len(card.classes))
    features = np.abs(np.random.default_rng(7).normal(0, 1, (20, len(space.mean))))
    features = (space.mean + 0.3 * features).astype(np.float32)
    given = {
        "arrays": encoded(portable(head, space, classifier.landmarks)),
        "about": json.loads(about(classifier)),
        "features": features.tolist(),
    }  # fmt: skip
    found = visit(browser).evaluate(ANSWER, given)
    expected = softmax(head.logits(space.from_features(features)), card.temperature)
    probabilities = np.array([row["probabilities"] for row in found])
    assert np.abs(probabilities - expected).max() < 2e-3  # of float16 projections
    likeness = np.array([row["likeness"] for row in found])
    expected = familiarity(features, space, classifier.landmarks)
    assert np.abs(likeness - expected).max() < 1e-3


def test_the_phone_decides_as_python_does(
    visit: Visit, browser: Browser, classifier: Classifier
) -> None:
    page = visit(browser)
    limits = Limits(sure=0.6, familiar=0.8, fruit=0.83, confidence=0.1)
    vectors = [
        (p / 20, likeness / 50, min(p, 20 - p, q) / 20)
        for p in range(21)
        for likeness in range(30, 101)
        for q in (0, 3, 20)
    ]
    for one in (limits, classifier.card.limits):
        found = page.evaluate(DECIDE, {"about": asdict(one), "vectors": vectors})
        assert found == [verdict(p, likeness, one, second=q) for p, likeness, q in vectors]
    known = json.loads(about(classifier))
    assert {name: known[name] for name in asdict(limits)} == asdict(classifier.card.limits)


def test_two_that_are_sure_together_are_both_named_and_both_can_be_confirmed(
    visit: Visit, browser: Browser
) -> None:
    assert visit(browser).evaluate(EITHER) == {
        "title": "Lemon or lime",
        "latin": 0,
        "badge": "One of two",
        "said": "Lemon or lime, 80%",
        "buttons": ["Lemon", "Lime"],
        "told": ["lemon", "lime"],
    }


def test_several_photos_are_one_on_the_phone_as_in_python(visit: Visit, browser: Browser) -> None:
    rng = np.random.default_rng(8)
    p, likeness = rng.dirichlet(np.ones(5), 3), rng.uniform(0, 1, 3)
    photos = [[row.tolist(), float(one)] for row, one in zip(p, likeness, strict=True)]
    of_all, familiar = visit(browser).evaluate(TOGETHER, photos)
    expected, expected_likeness = together(p, likeness)
    np.testing.assert_allclose(of_all, expected, atol=1e-12)
    assert familiar == pytest.approx(expected_likeness)


@pytest.mark.parametrize("precision", ["its own", "int8"])
def test_the_phone_answers_as_predict_does(
    visit: Visit, browser: Browser, folder: Path, classifier: Classifier, rendered: Path,
    precision: str,
) -> None:  # fmt: skip
    if precision == "int8":
        network = load_model("fruit", classifier.network.size, "int8", classifier.network.views)
        classifier = replace(classifier, network=network)
        write(site(classifier), folder)
    photos = pictures(rendered)
    expected = Predictor(classifier, scaled=False).predict([photo for _, photo in photos])
    page = ready(visit(browser))
    found = page.evaluate(IDENTIFY, [(kind, encoded(photo)) for kind, photo in photos])
    same, apart = [], []
    for here, there in zip(found, expected, strict=True):
        same.append(
            (here["answer"], here["species"][0]["label"]) == (there.answer, there.species[0].label)
        )
        apart.append(abs(here["species"][0]["probability"] - there.species[0].probability))
        assert len(here["varieties"]) == len(there.varieties)
    assert np.mean(same) >= 0.99
    assert np.median(apart) < 0.02


def test_transparent_pixels_are_seen_on_white_and_every_side_up(
    visit: Visit, browser: Browser, classifier: Classifier, rendered: Path
) -> None:
    image = Image.open(next(iter(sorted(rendered.rglob("*.*"))))).convert("RGB").resize((64, 48))
    clear = image.copy()
    clear.putalpha(Image.linear_gradient("L").resize(image.size))
    photos = [png(clear)] + [jpeg(image, side) for side in range(1, 9)]
    expected = Predictor(classifier).predict(photos)
    kinds = ["image/png"] + 8 * ["image/jpeg"]
    given = list(zip(kinds, map(encoded, photos), strict=True))
    for here, there in zip(ready(visit(browser)).evaluate(IDENTIFY, given), expected, strict=True):
        assert here["species"][0]["label"] == there.species[0].label
        assert abs(here["species"][0]["probability"] - there.species[0].probability) < 0.02


def answered(page: Page, photo: Path | dict[str, Any]) -> str:
    page.evaluate("document.querySelector('#result .verdict')?.setAttribute('data-before', '')")
    page.set_input_files("#file", photo)
    page.wait_for_selector("#result[aria-busy=false] .verdict:not([data-before]) h1")
    return page.inner_text("#result .verdict h1")


@pytest.fixture(scope="session")
def apple(rendered: Path) -> Path:
    return next(path for path in sorted(rendered.rglob("*.*")) if "apple" in str(path).lower())


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_photo_is_answered_without_being_sent_and_the_page_is_usable_by_all(
    visit: Visit, browser: Browser, apple: Path, language: str
) -> None:
    page = visit(browser, locale=language, color_scheme="dark" if language == "fr" else "light")
    sent: list[str] = []
    page.on("request", lambda request: sent.extend([request.url] * (request.method != "GET")))
    answered(page, apple)  # asked while the network is still coming
    assert page.locator("#preview").is_visible()
    assert page.locator(".right").count() == 0, "nothing is asked that nobody could be told"
    assert page.evaluate("document.documentElement.lang") == language
    before = page.inner_text("#result .verdict")
    page.locator("#language").click()
    expect(page.locator("html")).to_have_attribute("lang", "fr" if language == "en" else "en")
    expect(page.locator("#result .verdict")).not_to_have_text(before)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    kept = page.evaluate(KEPT)
    assert kept
    assert not [url for url in kept if url.startswith("blob:") or "/api" in url]
    assert sent == []
    found = Axe().run(page).response["violations"]
    serious = [rule for rule in found if rule["impact"] in ("serious", "critical")]
    assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in serious] == []
    page.locator("#privacy").click()
    expect(page.locator("article")).to_be_visible()


def test_a_photo_that_is_faster_than_the_description_of_the_network_waits_for_it(
    visit: Visit, browser: Browser, apple: Path
) -> None:
    page = visit(browser)
    page.evaluate("navigator.serviceWorker.ready.then((one) => one.unregister())")
    held: list[Any] = []
    page.route("**/classifier.json", lambda route: held.append(route))
    page.reload()
    page.wait_for_selector("html[data-ready]")
    page.set_input_files("#file", apple)
    expect(page.locator("#result")).to_have_attribute("aria-busy", "true")
    page.wait_for_timeout(200)
    assert page.locator("#result .verdict").count() == 0
    for route in held:
        route.continue_()
    expect(page.locator("#result .verdict h1")).to_be_visible()


def controlled(page: Page) -> Page:
    page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    page.wait_for_function("navigator.serviceWorker.controller !== null")
    return page


def test_after_the_first_visit_photos_are_answered_without_a_network(
    visit: Visit, browser: Browser, apple: Path
) -> None:
    page = controlled(ready(visit(browser)))
    page.context.set_offline(True)
    opened = page.reload()
    assert opened is not None
    assert opened.from_service_worker
    ready(page)
    expect(page.locator("#offline")).to_be_visible()
    assert answered(page, apple)
    page.goto(page.url + "privacy.en.html")
    expect(page.get_by_role("heading", name="Your privacy")).to_be_visible()


def test_a_new_version_comes_as_a_whole_or_not_at_all(
    visit: Visit, browser: Browser, folder: Path, classifier: Classifier
) -> None:
    page = controlled(ready(visit(browser)))
    card = replace(classifier.card, notice="The second one.", temperature=2.0)
    new = site(replace(classifier, card=card))
    half = new.files["show.js"]
    write(replace(new, files={**new.files, "show.js": half + b"// cut off"}), folder)
    failed = page.evaluate(
        "navigator.serviceWorker.getRegistration().then((r) => r.update()).then("
        "(r) => new Promise((resolve) => { const w = r.installing ?? r.waiting;"
        " w.addEventListener('statechange', () => resolve(w.state)); }))"
    )
    assert failed == "redundant"
    ready(page).reload()
    ready(page)
    assert page.inner_text("#about") == (classifier.card.notice or "")
    assert page.locator("#update").is_hidden()
    write(new, folder)
    page.evaluate("navigator.serviceWorker.getRegistration().then((r) => r.update())")
    page.locator("#renew").click()
    expect(page.locator("#about")).to_have_text("The second one.")
    ready(page)
    kept = page.evaluate("caches.keys()")
    assert sorted(kept) == ["orchard-parts", f"orchard-shell-{new.version}"]
    parts = page.evaluate(
        "caches.open('orchard-parts').then((c) => c.keys()).then((r) => r.map((one) => one.url))"
    )
    there = {url.rpartition("/")[2] for url in parts}
    assert there <= {name for name in new.files if name.endswith(".bin")}


def test_what_is_not_whole_does_not_answer_and_can_be_loaded_again(
    visit: Visit, browser: Browser, folder: Path, apple: Path
) -> None:
    part = next(folder.glob("network.*.bin"))
    content = part.read_bytes()
    part.write_bytes(content[:-1] + b"?")
    page = visit(browser)
    page.wait_for_selector("html[data-device=failed]")
    page.set_input_files("#file", apple)
    expect(page.locator("#result .verdict")).to_contain_text("cannot identify photos by itself")
    part.write_bytes(content)
    page.locator("#loading button").click()
    ready(page)
    assert answered(page, apple)


def test_what_the_browser_cannot_read_is_told_in_a_sentence(visit: Visit, browser: Browser) -> None:
    page = ready(visit(browser))
    file = {"name": "photo.heic", "mimeType": "image/heic", "buffer": b"\0\0\0\x18ftypheic" * 9}
    page.set_input_files("#file", file)
    expect(page.locator("#result .verdict")).to_contain_text("cannot read this photo")
    expect(page.locator("#preview")).to_be_hidden()


def test_a_name_does_not_flicker_and_follows_what_is_seen(visit: Visit, browser: Browser) -> None:
    page = visit(browser)
    apple, lemon, wall = (0.9, 0.9), (0.1, 0.9), (0.5, 0.1)
    flicker = page.evaluate(STEADY, [apple, lemon, apple, lemon, apple])
    assert flicker == 5 * ["apple"]
    change = page.evaluate(STEADY, [apple] * 3 + [lemon] * 6)
    assert change[-1] == "lemon"
    assert change.index("lemon") <= 3 + 4
    assert page.evaluate(STEADY, [apple] * 3 + [wall] * 8)[-1] == "not_a_fruit"


@pytest.fixture(scope="session")
def film(apple: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An apple that moves a little, as a camera of Chromium: JPEGs one after the other."""
    path = tmp_path_factory.mktemp("film") / "apple.mjpeg"
    image = Image.open(apple).convert("RGB").resize((480, 480))
    frames = []
    for number in range(30):
        frame = Image.new("RGB", (640, 480), image.getpixel((2, 2)))
        frame.paste(image, (60 + number, 0))
        frames.append(jpeg(ImageOps.exif_transpose(frame)))
    path.write_bytes(b"".join(frames))
    return path


def test_the_name_follows_the_camera_and_a_moment_can_be_kept(
    visit: Visit, launch: Launch, film: Path
) -> None:
    flags = (
        "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={film}",
    )  # fmt: skip
    page = ready(visit(launch(*flags), permissions=["camera"]))
    page.locator("#point").click()
    expect(page.locator("#film")).to_be_visible()
    expect(page.locator("#caption")).to_contain_text(re.compile(r"\d\s?%|No fruit"))
    expect(page.locator("#point")).to_be_hidden()
    page.locator("#moment").click()
    expect(page.locator("#result .verdict h1")).to_be_visible()
    expect(page.locator("#film")).to_be_hidden()
    tracks = "document.getElementById('film').srcObject"
    assert page.evaluate(tracks) is None, "the camera is off again"
    page.locator("#point").click()
    expect(page.locator("#film")).to_be_visible()
    page.locator("#stop").click()
    expect(page.locator("#film")).to_be_hidden()


def test_another_server_may_host_it_in_any_folder(folder: Path, browser: Browser) -> None:
    with hosting(folder) as address:
        context = browser.new_context()
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        ready(page)
        context.close()
