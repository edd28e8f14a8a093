"""The map's buttons after its gestures, a finger on a phone, and pictures that open their card."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import orchard
from orchard.report.build import build
from orchard.store.output import Output
from orchard.store.tables import Tables
from tests.report.test_browser import Visit, launch, visit

__all__ = ["launch", "visit"]  # fixtures

pytestmark = pytest.mark.browser

STAGE = "document.querySelector('#stage').getBoundingClientRect()"
# By class, from the pixels of the dots: how many, their middle, their ends, and one that lies well
# within a dot.
DOTS = """(colours) => {
    const dots = [...document.querySelectorAll("#stage canvas")]
        .find((canvas) => canvas.id !== "overlay" && !canvas.closest("#card"));
    const {width, height, clientWidth, clientHeight} = dots, unit = clientWidth / width;
    const copy = document.createElement("canvas");
    Object.assign(copy, {width, height});
    const context = copy.getContext("2d");
    context.drawImage(dots, 0, 0);
    const {data} = context.getImageData(0, 0, width, height);
    const is = (at, [r, g, b]) => data[4 * at + 3] > 150 &&
        Math.abs(data[4 * at] - r) + Math.abs(data[4 * at + 1] - g) +
        Math.abs(data[4 * at + 2] - b) < 45;
    return colours.map((colour) => {
        const found = {n: 0, middle: [0, 0], low: [1e9, 1e9], high: [0, 0], depth: 0, within: null};
        for (let at = 0; at < width * height; at++) {
            if (!data[4 * at + 3] || !is(at, colour)) continue;
            const x = (at % width) * unit, y = Math.floor(at / width) * unit;
            [x, y].forEach((value, axis) => {
                found.middle[axis] += value;
                found.low[axis] = Math.min(found.low[axis], value);
                found.high[axis] = Math.max(found.high[axis], value);
            });
            found.n++;
            const inside = x > 70 && y > 70 && x < clientWidth - 70 && y < clientHeight - 70;
            const depth = [3, 1].find((far) =>
                [1, -1, width, -width].every((way) => is(at + far * way, colour))) ?? 0;
            if (inside && depth > found.depth) Object.assign(found, {depth, within: [x, y]});
        }
        found.middle = found.middle.map((sum) => sum / found.n);
        return found;
    });
}"""


class Map:
    """What deck.gl has drawn, read from its pixels: the page's own idea of it plays no part."""

    def __init__(self, seen: Visit) -> None:
        self.seen, self.page = seen, seen.page
        self.colours = [
            [int(pair[0][at : at + 2], 16) for at in (1, 3, 5)] for pair in seen.data["colours"]
        ]
        self.page.locator("#stage").scroll_into_view_if_needed()

    def classes(self) -> dict[int, dict[str, Any]]:
        found = self.page.evaluate(DOTS, self.colours)
        return {code: one for code, one in enumerate(found) if one["n"] > 30}

    def whole(self) -> dict[int, np.ndarray]:
        """The middles of the classes of which no dot is cut off."""
        box = self.page.locator("#stage").bounding_box()
        ends = [box["width"], box["height"]]
        return {
            code: np.array(one["middle"])
            for code, one in self.classes().items()
            if min(one["low"]) > 3 and (np.array(one["high"]) < np.array(ends) - 3).all()
        }

    def until_scaled(self, before: dict[int, np.ndarray], expected: float) -> None:
        """Until what was apart is `expected` times as far apart."""

        def scale() -> float:
            now = self.whole()
            pairs = [
                np.linalg.norm(now[a] - now[b]) / np.linalg.norm(before[a] - before[b])
                for a, b in combinations(sorted(set(before) & set(now)), 2)
            ]
            return float(np.median(pairs)) if pairs else float("nan")

        self.until(lambda: abs(scale() / expected - 1) < 0.15, lambda: f"scaled by {scale():.2f}")

    def until_at(self, expected: dict[int, np.ndarray]) -> None:
        """Until the classes are where they were."""

        def off() -> float:
            now = self.whole()
            lost = expected.keys() - now.keys()
            far = [
                float(np.abs(now[code] - expected[code]).max()) for code in expected.keys() & now
            ]
            return float("inf") if lost else max(far)

        self.until(lambda: off() < 2.5, lambda: f"{off():.1f} pixels off")

    def until(self, holds: Callable[[], bool], found: Callable[[], str]) -> None:
        begun = time.monotonic()
        while not holds():
            assert time.monotonic() - begun < 60, found()

    def is_pointed_at(self) -> None:
        """What lies under the pointer is named by its own class."""
        code, found = max(self.classes().items(), key=lambda item: (item[1]["depth"], item[1]["n"]))
        box = self.page.evaluate(f"{STAGE}.toJSON()")
        assert found["within"], "no dot is in view"
        x, y = found["within"]
        self.page.mouse.move(box["x"] + 5, box["y"] + box["height"] - 5)
        self.page.mouse.move(box["x"] + x, box["y"] + y)
        name = self.seen.data["labels"][code]
        shown = self.page.locator("#card b")
        self.until(lambda: shown.text_content() == name, lambda: f"{shown.text_content()}: {name}")


def drag(seen: Visit) -> None:
    box = seen.page.locator("#stage").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    seen.page.mouse.move(x, y)
    seen.page.mouse.down()
    for step in range(1, 6):
        seen.page.mouse.move(x + 8 * step, y + 5 * step)
    time.sleep(0.4)  # held still: no swing follows
    seen.page.mouse.up()


def wheel(seen: Visit) -> None:
    box = seen.page.locator("#stage").bounding_box()
    seen.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    seen.page.mouse.wheel(0, 100)
    seen.page.mouse.wheel(0, 100)


def slide(seen: Visit, start: list[tuple[float, float]], end: list[tuple[float, float]]) -> None:
    """With a finger at each start to each end."""
    touch = seen.context.new_cdp_session(seen.page)

    def at(share: float) -> list[dict[str, float]]:
        return [
            {"x": a[0] + share * (b[0] - a[0]), "y": a[1] + share * (b[1] - a[1]), "id": number}
            for number, (a, b) in enumerate(zip(start, end, strict=True))
        ]

    touch.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": at(0)})
    for step in range(1, 11):
        touch.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": at(step / 10)})
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def press_plus(seen: Visit) -> None:
    seen.page.click("#zoom-out")
    seen.page.click("#zoom-in")


def to_3d_and_back(seen: Visit) -> None:
    seen.page.click("#view-3d")
    seen.settle()
    drag(seen)
    seen.page.click("#view-map")


GESTURES = {"drag": drag, "wheel": wheel, "plus": press_plus, "3-D": to_3d_and_back}


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
@pytest.mark.parametrize("gesture", GESTURES)
def test_after_every_gesture_every_button_does_its_work(
    visit: Callable[..., Visit], gesture: str, motion: str
) -> None:
    seen = visit(reduced_motion=motion)
    seen.settle()
    drawn, act = Map(seen), GESTURES[gesture]
    all_in_view = drawn.whole()
    assert len(all_in_view) > 4

    def key(name: str) -> None:
        seen.page.locator("#stage").focus()
        seen.page.keyboard.press(name)

    for smaller, larger in (
        (lambda: seen.page.click("#zoom-out"), lambda: seen.page.click("#zoom-in")),
        (lambda: key("-"), lambda: key("+")),
    ):
        seen.page.click("#zoom-all")
        drawn.until_at(all_in_view)
        act(seen)
        seen.settle()
        before = drawn.whole()
        smaller()
        drawn.until_scaled(before, 0.5)
        drawn.is_pointed_at()
        before = drawn.whole()
        larger()
        drawn.until_scaled(before, 2)
        drawn.is_pointed_at()
    for show_all in (lambda: seen.page.click("#zoom-all"), lambda: key("0")):
        act(seen)
        seen.settle()
        show_all()
        drawn.until_at(all_in_view)
        drawn.is_pointed_at()
    act(seen)
    seen.settle()
    seen.page.fill("#search", "plum")
    seen.page.click("#results .class")
    code = seen.data["labels"].index("plum")
    box = seen.page.locator("#stage").bounding_box()
    middle = np.array([box["width"], box["height"]]) / 2

    def extent() -> np.ndarray:
        if (found := drawn.classes().get(code)) is None:  # on the way there
            return np.full(3, np.inf)
        low, high = np.array(found["low"]), np.array(found["high"])
        return np.array([*np.abs((low + high) / 2 - middle), max((high - low) / middle / 2)])

    drawn.until(
        lambda: bool((extent() < [40, 40, 1]).all() and extent()[2] > 0.4),
        lambda: f"plums are {extent()} off the middle and large",
    )


def test_two_quick_presses_of_plus_count_twice(visit: Callable[..., Visit]) -> None:
    seen = visit(reduced_motion="no-preference")
    seen.settle()
    drawn = Map(seen)
    before = drawn.whole()
    seen.page.evaluate("for (const _ of [1, 2]) document.querySelector('#zoom-out').click()")
    drawn.until_scaled(before, 0.25)


def test_a_notch_of_the_wheel_is_a_small_step_and_seven_do_not_lose_the_images(
    visit: Callable[..., Visit],
) -> None:
    seen = visit()
    seen.settle()
    drawn = Map(seen)
    before = drawn.whole()
    box = seen.page.locator("#stage").bounding_box()
    dot = max(drawn.classes().values(), key=lambda one: one["n"])["within"]
    seen.page.mouse.move(box["x"] + dot[0], box["y"] + dot[1])
    seen.page.mouse.wheel(0, 100)
    drawn.until_scaled(before, 1 / 1.245)
    for _ in range(8):
        seen.page.mouse.wheel(0, -100)
    seen.settle()
    assert seen.page.locator("#nowhere").is_hidden()
    seen.page.keyboard.press("Tab")
    seen.page.locator("#stage").focus()
    for _ in range(40):
        seen.page.keyboard.press("ArrowLeft")
    seen.page.locator("#nowhere").wait_for()
    seen.page.keyboard.press("0")
    seen.page.locator("#nowhere").wait_for(state="hidden")


def test_plus_never_leads_to_where_no_image_is(visit: Callable[..., Visit]) -> None:
    seen = visit()
    seen.settle()
    for _ in range(8):
        seen.page.click("#zoom-in")
    seen.settle()
    assert seen.page.locator("#nowhere").is_hidden()


def test_on_a_phone_one_finger_scrolls_the_page_and_two_zoom_the_map(
    visit: Callable[..., Visit],
) -> None:
    seen = visit("phone")
    seen.settle()
    drawn = Map(seen)
    before = drawn.whole()
    seen.page.evaluate("document.querySelector('#stage').scrollIntoView({behavior: 'instant'})")
    top = seen.page.evaluate("scrollY")
    box = seen.page.evaluate(f"{STAGE}.toJSON()")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    slide(seen, [(x, y)], [(x, y - 200)])
    drawn.until(
        lambda: seen.page.evaluate("scrollY") > top + 120,
        lambda: f"scrolled from {top} to {seen.page.evaluate('scrollY')}",
    )
    seen.page.evaluate("document.querySelector('#stage').scrollIntoView({behavior: 'instant'})")
    drawn.until_at(before)
    slide(seen, [(x - 120, y), (x + 120, y)], [(x - 60, y), (x + 60, y)])
    drawn.until_scaled(before, 0.5)
    seen.settle()
    assert seen.page.evaluate("visualViewport.scale") == 1


def test_the_legend_is_one_stop_of_the_tab_key_and_arrows_lead_through_it(
    visit: Callable[..., Visit],
) -> None:
    seen = visit()
    focused = "document.activeElement.closest('[data-code]')?.dataset.code"
    seen.page.locator("#none").focus()
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate(focused) == "0"
    seen.page.keyboard.press("ArrowDown")
    seen.page.keyboard.press("ArrowDown")
    assert seen.page.evaluate(focused) == "2"
    seen.page.keyboard.press("ArrowRight")
    assert seen.page.evaluate("document.activeElement.tagName") == "BUTTON"
    seen.page.keyboard.press("Enter")
    assert seen.page.locator("#legend input:checked").count() == 1
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate(focused) is None, "the next press leaves the legend"
    seen.page.keyboard.press("Shift+Tab")
    assert seen.page.evaluate(focused) == "2", "and comes back where it was left"
    seen.page.keyboard.press("End")
    assert seen.page.evaluate(focused) == str(len(seen.data["labels"]) - 1)


@pytest.mark.parametrize("place", ["#near-pairs", "#exact-pairs", ".shots", "#classes tbody"])
def test_a_picture_opens_its_card_with_its_nearest(visit: Callable[..., Visit], place: str) -> None:
    seen = visit()
    chosen = seen.page.locator(f"{place} button.open").last
    path = chosen.get_attribute("title")
    chosen.click()
    card = seen.page.locator("#image")
    assert card.locator(".chosen .path").text_content() == path
    near = card.locator(".neighbours button")
    assert near.count() == 8
    other = near.nth(1).get_attribute("title")
    near.nth(1).click()
    assert card.locator(".chosen .path").text_content() == other
    seen.page.keyboard.press("Escape")
    card.wait_for(state="hidden")
    assert seen.page.evaluate("document.activeElement.title") == path
    chosen.click()
    card.get_by_text("Show on the map").click()
    assert seen.page.locator("#picked .path").text_content() == path


def test_pictures_are_walked_by_arrows_and_stop_the_tab_key_once(
    visit: Callable[..., Visit],
) -> None:
    seen = visit()
    rows = seen.page.locator("#classes tbody tr")
    assert seen.page.locator("#classes tbody button[tabindex='0']").count() == 1
    rows.nth(0).locator("button.open").nth(1).focus()
    seen.page.keyboard.press("ArrowDown")
    name = "document.activeElement.closest('tr').cells[0].textContent"
    assert seen.page.evaluate(name) == rows.nth(1).locator("th").text_content()
    seen.page.keyboard.press("Enter")
    seen.page.locator("#image[open]").wait_for()


@pytest.fixture
def rebuilt(
    launch: Callable[..., Any],
    reported: orchard.Result,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., Visit]]:
    """The page built again with another limit, and opened."""
    visits: list[Visit] = []

    def rebuilt(limits: tuple[str, ...], value: int) -> Visit:
        for limit in limits:
            monkeypatch.setattr(f"orchard.report.{limit}", value)
        shutil.copytree(reported.output, tmp_path / "result")
        build(Tables(Output.at(tmp_path / "result")))
        visits.append(Visit(launch(), tmp_path / "result" / "report" / "index.html", "desktop"))
        return visits[-1]

    yield rebuilt
    for one in visits:
        one.context.close()
        assert one.errors == []


def test_an_image_that_the_sample_leaves_out_has_a_card_that_says_so(
    rebuilt: Callable[..., Visit],
) -> None:
    seen = rebuilt(("findings.MAX_POINTS", "findings.MAX_ON_MAP", "page.MAX_ON_MAP"), 60)
    chosen = seen.page.locator("#classes button.open[data-point='']").first
    path = chosen.get_attribute("title")
    chosen.click()
    card = seen.page.locator("#image")
    assert card.locator(".chosen .path").text_content() == path
    assert "The map is a sample" in card.inner_text()
    assert card.locator(".neighbours").count() == 0


def test_every_set_of_duplicates_can_be_reached(rebuilt: Callable[..., Visit]) -> None:
    seen = rebuilt(("findings.GROUPS_SHOWN", "page.GROUPS_SHOWN"), 0)
    for kind in ("near", "exact"):
        more = seen.page.locator(f"button.more-groups[data-kind={kind}]")
        while more.is_visible():
            more.click()
    said = seen.page.locator("#images-section p[lang], #images-section p").all_inner_texts()
    groups = next(
        int(text.split("Groups: ")[1].split(";")[0]) for text in said if "Groups:" in text
    )
    assert seen.page.locator("#near-pairs .pair").count() == groups > 0
    assert seen.page.locator("#exact-pairs .pair").count() == 1
    assert seen.page.locator("#exact-pairs li").all_inner_texts() == [
        "lemon/0.png",
        "lemon/twin.png",
    ]
    seen.page.locator("#near-pairs button.open").last.click()
    assert seen.page.locator("#image .neighbours button").count() == 8


def test_on_a_phone_the_table_of_classes_keeps_its_pictures(visit: Callable[..., Visit]) -> None:
    seen = visit("phone")
    row = seen.page.locator("#classes tbody tr").first
    row.scroll_into_view_if_needed()
    boxes = [picture.bounding_box() for picture in row.locator("img").all()]
    assert len(boxes) == 8
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 360 for box in boxes)
    assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert seen.page.get_by_role("row").count() > 8, "it is a table to a screen reader still"


def test_the_first_printed_page_holds_the_figures_and_the_map(
    visit: Callable[..., Visit],
) -> None:
    seen = visit()
    seen.page.emulate_media(media="print")
    seen.page.set_viewport_size({"width": 703, "height": 1031})  # A4 less 12 mm at each side
    bottom = "document.querySelector('#explorer').getBoundingClientRect().bottom + scrollY"
    assert 600 < seen.page.evaluate(bottom) <= 1031
