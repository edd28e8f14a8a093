"""Working in the report: choosing images, filtering them, deciding on them, passing a view on."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import orchard
from orchard.findings import renew
from orchard.records import LABELS
from orchard.report.build import build
from orchard.store.output import Output
from orchard.store.tables import Tables
from tests.report.test_browser import SIZES, Visit, launch

__all__ = ["launch"]  # a fixture

pytestmark = pytest.mark.browser

WRONG = "apple red/3.png"  # that is labelled "plum" here
COPYING = "navigator.clipboard.writeText = async (text) => { window.copied = text; }"


@pytest.fixture(scope="module")
def spoiled(reported: orchard.Result, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result with one wrong label."""
    folder = tmp_path_factory.mktemp("workbench") / "result"
    shutil.copytree(reported.output, folder)
    tables = Tables(Output.at(folder))
    path = next(p for p in tables.read("features")["path"].to_pylist() if p.endswith(WRONG))
    labels = pa.table([[path], ["plum"]], schema=LABELS)
    for name in ("features", "components"):
        tables = tables.commit("spoiling", name, [], labels=labels).tables
    renew(tables)
    build(tables)
    return folder


@pytest.fixture(scope="module")
def opened(launch: Callable[..., Any], spoiled: Path) -> Iterator[Visit]:
    seen = Visit(launch(), spoiled / "report" / "index.html", "desktop")
    yield seen
    seen.context.close()
    assert seen.errors == []


@pytest.fixture
def seen(opened: Visit, spoiled: Path) -> Visit:
    """The one page of this module, as if it were opened for the first time."""
    opened.page.evaluate("localStorage.clear()")
    opened.page.goto("about:blank")
    opened.page.goto((spoiled / "report" / "index.html").as_uri())
    opened.page.evaluate(COPYING)
    return opened


def drag(seen: Visit, corners: list[tuple[float, float]], *held: str) -> None:
    """On the stage, with keys held."""
    box = seen.page.locator("#stage").bounding_box()
    for key in held:
        seen.page.keyboard.down(key)
    for step, (x, y) in enumerate(corners):
        seen.page.mouse.move(box["x"] + x, box["y"] + y, steps=4)
        if not step:
            seen.page.mouse.down()
    seen.page.mouse.up()
    for key in held:
        seen.page.keyboard.up(key)


def left_half(seen: Visit) -> tuple[list[tuple[float, float]], set[str]]:
    """Corners about the left half of the map, off every point, and what lies there."""
    at = seen.screen()
    width, height = (seen.page.locator("#stage").bounding_box()[k] for k in ("width", "height"))
    x = np.sort(at[:, 0])
    gap = int(np.diff(x[10:-10]).argmax()) + 10
    middle = float(x[gap : gap + 2].mean())
    assert 0 < middle < width
    there = {
        seen.start + p for p, (px, _) in zip(seen.data["paths"], at, strict=True) if px < middle
    }
    return [(2, height - 20), (middle, height - 20), (middle, 2), (2, 2)], there


def selected(seen: Visit) -> list[str]:
    return [row["path"] for row in saved_json(seen)] if is_selected(seen) else []


def is_selected(seen: Visit) -> bool:
    return bool(seen.page.locator("#selection").is_visible())


def saved(seen: Visit, button: str) -> tuple[str, str]:
    with seen.page.expect_download() as waited:
        seen.page.get_by_role("button", name=button, exact=True).click()
    name = waited.value.suggested_filename
    return name, Path(waited.value.path()).read_text(encoding="utf-8")


def saved_json(seen: Visit) -> list[dict[str, str]]:
    return list(json.loads(saved(seen, "Save as JSON")[1]))


def decided(seen: Visit) -> dict[str, tuple[str, str]]:
    """By the end of the path, from the file that the page saves."""
    name, text = saved(seen, "Save the decisions")
    assert name == "decisions.csv"
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[0] == ["path", "decision", "label"]
    return {path.removeprefix(seen.start): (what, label) for path, what, label in rows[1:]}


def test_a_rectangle_selects_what_lies_in_it(seen: Visit) -> None:
    corners, there = left_half(seen)
    seen.page.click("#rectangle")
    drag(seen, [corners[0], (corners[1][0], 2)])
    assert set(selected(seen)) == there
    assert seen.page.locator("#selection h3").inner_text() == f"Selection: {len(there)} images"
    shown = seen.page.locator("#selection .tiles button.open").count()
    assert shown == min(60, len(there))
    counts = seen.page.locator("#selection .chips b").all_inner_texts()
    assert sum(map(int, counts)) == len(there)


def test_a_lasso_adds_with_shift_and_takes_away_with_alt(seen: Visit) -> None:
    corners, there = left_half(seen)
    point = seen.lonely()
    x, y = seen.screen()[point]
    around = [(x - 4, y - 4), (x + 4, y - 4), (x + 4, y + 4), (x - 4, y + 4)]
    path = seen.start + seen.data["paths"][point]
    seen.page.locator("#stage").focus()
    seen.page.keyboard.press("l")
    assert seen.page.get_attribute("#lasso", "aria-pressed") == "true"
    drag(seen, corners)
    assert set(selected(seen)) == there
    seen.page.click("#lasso")
    how = "Alt" if path in there else "Shift"
    drag(seen, around, how)
    assert set(selected(seen)) == (there - {path} if path in there else there | {path})
    drag(seen, around, "Shift" if how == "Alt" else "Alt")
    assert set(selected(seen)) == (there | {path} if path in there else there - {path})


def test_the_selection_leaves_as_paths_and_as_csv(seen: Visit) -> None:
    seen.page.fill("#search", "onerror")
    seen.page.locator("#results .class").wait_for()
    seen.page.click("#select-shown")
    paths = selected(seen)
    assert len(paths) == 11
    seen.page.get_by_role("button", name="Copy the paths").click()
    assert seen.page.evaluate("window.copied").split("\n") == paths
    name, text = saved(seen, "Save as CSV")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert name == "selection.csv"
    assert rows[0] == ["path", "label"]
    assert [row[0] for row in rows[1:]] == paths
    assert {row[1] for row in rows[1:]} == {'<img src=x onerror="alert(1)">'}


def test_filters_show_what_was_found_and_what_lies_between(seen: Visit) -> None:
    seen.page.evaluate("document.querySelector('#filters details').open = true")
    seen.page.check("[data-kind=wrong_label]")
    assert seen.page.locator("#status").text_content() == "1 images shown"
    seen.page.click("#select-shown")
    assert selected(seen) == [seen.start + WRONG]
    seen.page.check("[data-kind=exact_duplicate]")
    assert seen.page.locator("#status").text_content() == "3 images shown"
    seen.page.get_by_role("button", name="Clear the filters").click()
    assert seen.page.locator("#status").text_content() == f"{seen.data['n']} images shown"
    seen.page.locator("[data-filter=brightness-from]").fill("254")
    assert seen.page.locator("#status").text_content() == "1 images shown"


def test_many_findings_travel_as_bits(
    launch: Callable[..., Any], spoiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(spoiled, tmp_path / "copy"))
    monkeypatch.setattr("orchard.report.bench.MANY", 1)
    build(Tables(Output.at(copy)))
    seen = Visit(launch(), copy / "report" / "index.html", "desktop")
    assert '"bits"' in seen.page.content()
    test_filters_show_what_was_found_and_what_lies_between(seen)
    test_a_card_says_why_and_takes_a_decision(seen)
    seen.context.close()
    assert seen.errors == []


def test_a_link_restores_view_filters_search_and_selection(seen: Visit) -> None:
    seen.page.fill("#search", "lemon")
    seen.page.locator("#results .class").click()
    seen.page.click("#select-shown")
    chosen = selected(seen)
    seen.page.locator("#legend input").nth(1).uncheck()
    seen.page.evaluate("document.querySelector('#filters details').open = true")
    seen.page.locator("[data-filter=brightness-to]").fill("250")
    seen.page.get_by_role("button", name="Copy a link").click()
    address = seen.page.evaluate("window.copied")
    seen.settle()
    before = seen.pixels()
    assert address.startswith(seen.page.url.partition("#")[0] + "#look&of=")
    other = seen.context.new_page()
    other.goto(address)
    try:
        assert other.locator("#search").input_value() == "lemon"
        assert other.locator("[data-filter=brightness-to]").input_value() == "250"
        assert other.locator("#legend input").nth(1).is_checked() is False
        page, seen.page = seen.page, other
        assert selected(seen) == chosen
        seen.settle()
        assert (np.abs(seen.pixels() - before).max(axis=2) > 40).mean() < 0.005
        seen.page = page
        other.goto(address.replace("of=", "of=x"))
        other.reload()
        assert "of other images" in other.locator("#link-note").inner_text()
        assert other.locator("#selection").is_hidden()
    finally:
        other.close()


def test_the_keys_decide_and_a_file_says_what(seen: Visit) -> None:
    page = seen.page
    page.locator("#cases .shot-button").first.focus()
    assert WRONG in page.locator("#cases .path").first.inner_text()
    page.keyboard.press("r")
    page.get_by_role("button", name="Exact duplicates").click()
    page.locator("#cases .shot-button").first.focus()
    page.keyboard.press("s")
    kept = {"lemon/0.png": ("keep", ""), "lemon/twin.png": ("drop", "")}
    wrong = {WRONG: ("relabel", "apple red")}
    assert decided(seen) == wrong | kept
    page.locator("#cases .shot-button").nth(1).focus()
    page.keyboard.press("o")
    assert decided(seen) == wrong | {"lemon/0.png": ("drop", ""), "lemon/twin.png": ("keep", "")}
    page.locator("#cases .shot-button").nth(1).focus()
    page.keyboard.press("u")
    assert decided(seen) == wrong | kept
    page.locator("#cases .shot-button").nth(1).focus()
    page.keyboard.press("Backspace")
    assert len(decided(seen)) == 2
    page.get_by_role("button", name="Near duplicates").click()
    page.locator("#cases .shot-button").first.focus()
    page.keyboard.press("d")
    page.keyboard.press("k")
    assert page.locator("#cases .badge").all_inner_texts()[:2] == ["drop", "keep"]


def test_decisions_are_there_when_the_page_is_opened_again(seen: Visit) -> None:
    seen.page.get_by_role("button", name="Take all suggestions").click()
    assert seen.page.locator("#decisions p").inner_text() == (
        "Decisions: 1 (keep 0, drop 0, relabel 1)."
    )
    seen.page.reload()
    assert decided(seen) == {WRONG: ("relabel", "apple red")}
    seen.page.get_by_role("button", name="Clear all").click()
    seen.page.reload()
    assert seen.page.locator("#decisions").is_hidden()


def test_a_selection_gets_a_label_of_its_own(seen: Visit) -> None:
    seen.page.fill("#search", "plum/1")
    seen.page.get_by_text("images: 2").wait_for()
    seen.page.click("#select-shown")
    seen.page.locator("#selection").get_by_role("button", name="Relabel …").click()
    seen.page.fill("#new-label", 'damson, "ripe"')
    seen.page.keyboard.press("Enter")
    assert set(decided(seen).values()) == {("relabel", 'damson, "ripe"')}
    assert set(decided(seen)) == {"plum/1.png", "plum/10.png"}


def test_a_card_says_why_and_takes_a_decision(seen: Visit) -> None:
    seen.page.locator("#cases .shot-button").first.click()
    said = seen.page.locator("#image .why li").all_inner_texts()
    assert said[0].startswith("Its label may be wrong: by the other images it is “apple red”")
    assert said[-1].startswith("Labels of its nearest images: apple red ")
    place = seen.page.locator("#image a").get_attribute("href")
    assert place == (Path(seen.start) / WRONG).as_uri()
    drop = seen.page.locator("#image").get_by_role("button", name="Drop")
    drop.click()
    assert drop.get_attribute("aria-pressed") == "true"
    seen.page.keyboard.press("Escape")
    assert decided(seen) == {WRONG: ("drop", "")}


@pytest.mark.parametrize("size", SIZES)
def test_the_map_is_seen_without_scrolling(seen: Visit, size: str) -> None:
    width, height = SIZES[size]
    seen.page.set_viewport_size({"width": width, "height": height})
    try:
        box = seen.page.locator("#stage").bounding_box()
        assert box["y"] + 0.8 * box["height"] < height
        assert seen.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    finally:
        seen.page.set_viewport_size(dict(zip(("width", "height"), SIZES["desktop"], strict=True)))


def test_what_is_chosen_and_decided_keeps_nobody_out(seen: Visit) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    seen.page.evaluate("document.querySelector('#filters details').open = true")
    seen.page.click("#select-shown")
    seen.page.get_by_role("button", name="Take all suggestions").click()
    for dark in (False, True):
        if dark:
            seen.page.click("#theme")
        found = axe.Axe().run(seen.page).response["violations"]
        assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found] == []
    seen.page.locator("#selection").get_by_role("button", name="Relabel …").click()
    found = axe.Axe().run(seen.page).response["violations"]
    assert [(rule["id"], rule["nodes"][0]["html"][:200]) for rule in found] == []


def test_it_works_in_french(seen: Visit) -> None:
    seen.page.click("#select-shown")
    seen.page.click("#language")
    assert seen.page.locator("#selection h3").inner_text() == f"Sélection : {seen.data['n']} images"
    assert seen.page.locator("#filters summary").inner_text() == "Filtres"
    assert seen.page.locator("#work-section h2").inner_text().startswith("Décider")
    assert "Étiquette peut-être fausse" in seen.page.locator("#cases-head").inner_text()
    seen.page.click("#language")


def test_without_webgl_images_are_selected_all_the_same(
    launch: Callable[..., Any], spoiled: Path
) -> None:
    seen = Visit(launch("--disable-3d-apis"), spoiled / "report" / "index.html", "desktop")
    corners, there = left_half(seen)
    seen.page.click("#lasso")
    drag(seen, corners)
    assert set(selected(seen)) == there
    seen.context.close()


def test_orchard_view_shows_the_pictures_of_the_source(
    launch: Callable[..., Any], spoiled: Path
) -> None:
    command = [sys.executable, "-c", "from orchard.cli import main; main()", "view", str(spoiled)]
    server = subprocess.Popen(
        [*command, "--no-browser", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=dict(os.environ),
    )
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith("The report is at http://127.0.0.1:")
        page = launch().new_page(locale="en-GB")
        errors: list[str] = []
        page.on("console", lambda m: m.type == "error" and errors.append(m.text))
        page.goto(line.split()[4])
        page.locator("#cases .shot-button").first.click()
        picture = page.locator("#image .chosen img")
        picture.evaluate("image => image.decode()")
        assert picture.evaluate("image => image.naturalWidth") == 64, "the thumbnail has 32"
        href = page.locator("#image a").get_attribute("href")
        assert href.startswith("/picture?path=")
        page.close()
        assert errors == []
    finally:
        server.terminate()
        server.communicate(timeout=60)
