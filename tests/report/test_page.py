"""What stands in report/index.html; how a browser shows it is tested in test_browser.py."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import orchard
from orchard.cloud.estimate import Workload, estimate
from orchard.cloud.prices import Prices
from orchard.cloud.settings import BACKENDS, ClusterConfig
from orchard.records import THUMBNAILS
from orchard.report import page as page_module
from orchard.report import wording
from orchard.report.build import build
from orchard.report.findings import find
from orchard.report.page import script_json
from orchard.store import staging
from orchard.store.erase import erase
from orchard.store.output import Output
from orchard.store.runs import new_run_id
from orchard.store.tables import Tables
from tests.report.conftest import FOLDERS, HOSTILE

N_IMAGES = len(FOLDERS) * 11 + 1


class Elements(HTMLParser):
    """Every element and attribute of a page, and the text of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem == "script":
            attributes, before = self.scripts[-1]
            self.scripts[-1] = attributes, before + data


@pytest.fixture(scope="module")
def elements(page: str) -> Elements:
    return Elements(page)


def script(elements: Elements, name: str) -> Any:
    return json.loads(next(text for attrs, text in elements.scripts if attrs.get("id") == name))


def shown_text(page: str, language: str) -> str:
    """The page's words in one language, without tags."""
    other = {"en": "fr", "fr": "en"}[language]
    body = page[page.index("<main>") : page.index("</main>")]
    body = re.sub(rf'<span lang="{other}">.*?</span>', "", body)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", body))


def test_every_run_ends_with_a_report(reported: orchard.Result, page: str) -> None:
    assert reported.record["report"]["path"] == "report/index.html"
    assert reported.record["report"]["n_bytes"] == len(page.encode())
    assert reported.record["report"]["n_points"] == N_IMAGES
    assert reported.record["report"]["n_thumbnails"] == N_IMAGES
    assert reported.record["seconds"]["report"] > 0


def test_nothing_of_the_page_comes_from_elsewhere(elements: Elements) -> None:
    for tag, attrs in elements.found:
        for name in ("src", "href", "srcset", "data", "poster"):
            value = attrs.get(name) or ""
            assert value.startswith(("data:image/jpeg;base64,", "#")) or not value, (tag, value)
        assert not [name for name in attrs if name.startswith("on")], (tag, attrs)
    assert not [tag for tag, _ in elements.found if tag in ("link", "iframe", "object", "embed")]


def test_only_scripts_whose_hash_the_policy_names_can_run(elements: Elements) -> None:
    policy = next(
        attrs["content"] or ""
        for tag, attrs in elements.found
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    running = [text for attrs, text in elements.scripts if "type" not in attrs]
    hashes = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in running}
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == hashes
    assert len(running) == 2
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy.split("script-src")[1].split(";")[0]


def test_names_of_folders_and_files_are_text_and_nothing_else(
    elements: Elements, page: str, colours: Path
) -> None:
    data = script(elements, "data")
    assert set(data["labels"]) == {name if name != "x<" else "script>" for name in FOLDERS}
    paths = {data["start"] + path for path in data["paths"]}
    assert f"{colours}/x</script>/0.png" in paths
    assert f"{colours}/{HOSTILE}/0.png" in paths
    assert HOSTILE not in page
    assert "\u2028" not in "".join(t for a, t in elements.scripts)
    assert "{{ 7 * 7 }} &#39;quoted&#39; &#34;twice&#34;" in page
    assert [tag for tag, attrs in elements.found if attrs.get("src") == "x"] == []
    assert "line\nbreak.png" in page


@pytest.mark.parametrize("text", ["</script>", "<!--<script>", "\u2028\u2029", "a&b", '"\\'])
def test_json_in_a_script_element_stays_in_it(text: str) -> None:
    written = script_json({text: [text]})
    assert not set(written) & set("<>&\u2028\u2029")
    assert json.loads(written) == {text: [text]}


def test_the_counts_close_and_every_error_has_its_reason(page: str) -> None:
    words = shown_text(page, "en")
    assert (
        f"Embedded in this run {N_IMAGES} Already there 0 Errors 3 Listed {N_IMAGES + 3}" in words
    )
    assert "✓ The counts add up" in words
    for reason in ("Truncated truncated 1", "Not an image not_an_image 1", "Empty file empty 1"):
        assert reason in words


def test_an_image_that_was_cut_is_shown_as_far_as_it_goes(page: str) -> None:
    block = page[page.index("<code>truncated</code>") :]
    found = re.search(r'<img src="data:image/jpeg;base64,([^"]+)"', block[: block.index("</ul>")])
    assert found is not None
    pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("L"), float)
    assert pixels[:40].std() > 10 > pixels[-30:].std()


def test_equal_files_are_found_and_alike_ones_are_told_from_them(page: str) -> None:
    words = shown_text(page, "en")
    assert "2 images have the same bytes (SHA-256) as another image. Sets: 1;" in words
    exact = page[page.index('id="exact-pairs"') :]
    exact = exact[: exact.index("<h3>")]
    assert "lemon/0.png" in exact
    assert "lemon/twin.png" in exact


def test_the_command_that_made_the_result_is_told_in_full(page: str, colours: Path) -> None:
    command = re.search(r'<code id="command">(.*?)</code>', page)
    assert command is not None
    assert command[1] == (
        f"orchard run {colours} {colours.parent}/result --weights fruit --size 32 --components 12"
    )


def test_each_point_of_the_map_has_the_thumbnail_of_its_own_image(elements: Elements) -> None:
    data = script(elements, "data")
    sheets = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB"), int)
        for attrs, text in elements.scripts
        if attrs.get("class") == "sheet"
    ]
    place = np.frombuffer(base64.b64decode(data["place"]), "<i4")
    per_side, tile = data["perSide"], data["tile"]
    for point, path in enumerate(data["paths"]):
        sheet, at = divmod(int(place[point]), per_side**2)
        row, column = divmod(at, per_side)
        pixels = sheets[sheet][row * tile : (row + 1) * tile, column * tile : (column + 1) * tile]
        with Image.open(data["start"] + path) as image:
            expected = np.asarray(image.convert("RGB"), int).mean(axis=(0, 1))
        assert np.abs(pixels.mean(axis=(0, 1)) - expected).max() < 6, path


def test_every_sentence_is_there_in_english_and_in_french() -> None:
    for key, texts in wording.strings().items():
        assert set(texts) == set(wording.LANGUAGES), key
        assert all(text.strip() == text and text for text in texts.values()), key
        fields = [sorted(re.findall(r"\{(\w+)\}", text)) for text in texts.values()]
        assert fields[0] == fields[1], key


def test_every_sentence_is_used_and_every_one_used_is_there() -> None:
    folder = Path(page_module.__file__).parent / "templates"
    template = "".join(p.read_text(encoding="utf-8") for p in folder.glob("*.j2"))
    scripts = "".join(p.read_text(encoding="utf-8") for p in (folder / "js").glob("*.js"))
    used = set(re.findall(r"""(?:\bt|plain)\(["'](\w+)["']""", template + scripts))
    used |= set(re.findall(r'data-t-\w+="(\w+)"', template))
    known = set(wording.strings())
    assert used - known - {key for key in used if key.endswith("_")} == set()
    made = ("count_", "reason_", "step_", "missed_", "worker_", "map_", "model_", "cost_")
    made += ("js_kind_", "js_why_", "js_filter_", "js_next_", "js_how_")
    unused = {key for key in known - used if not key.startswith(made)}
    assert unused <= set(re.findall(r'"(\w+)"', template + scripts)), unused


def test_every_reason_has_words() -> None:
    from orchard.records import Reason

    for reason in Reason:
        assert f"reason_{reason.value}" in wording.strings()


def test_labels_that_look_the_same_are_told_with_what_tells_them_apart(
    reported: orchard.Result, page: str
) -> None:
    assert "only in how they are written" not in page.partition('<script type="application')[0]
    tables = Tables(Output.at(reported.output))
    found = find(tables, reported.record, False, lambda _: None)
    labels = ("caf\u00e9", "cafe\u0301", " apple", "apple", *found.images.labels[4:])
    images = replace(found.images, labels=labels)
    drawn = page_module.render(replace(found, images=images)).decode()
    text = shown_text(drawn, "en")
    assert "only in how they are written" in text
    assert "groups: 2" in text
    for spelled in ("&#39;caf\\xe9&#39;", "&#39;cafe\\u0301&#39;", "&#39; apple&#39;"):
        assert f"<code>{spelled}</code>" in drawn


def test_numbers_are_written_as_each_language_writes_them() -> None:
    number = wording.Number(1234567.891, 2)
    assert number.shown("en") == "1,234,567.89"
    assert number.shown("fr") == "1\u202f234\u202f567,89"
    assert wording.percent(0.5, 1).shown("fr") == "50,0\u202f%"
    assert wording.megabytes(1_500_000).shown("en") == "1.5\u00a0MB"
    assert wording.megabytes(1_500_000).shown("fr") == "1,5\u00a0Mo"


def test_the_cost_is_said_to_be_an_estimate_with_its_basis(
    reported: orchard.Result, page: str
) -> None:
    busy = sum(reported.record["embedding"]["worker_seconds"].values())
    rate = reported.record["embedding"]["images"] / busy
    words = shown_text(page, "en")
    shown = re.search(r"Estimated cost on AWS (.*?) orchard cluster estimate", words)
    assert shown is not None
    assert f"these {N_IMAGES} images (0.0 MB) would cost to embed in eu-west-3" in shown[1]
    assert f"From the {rate:,.0f} images/s that one slot of the run’s machine reached" in shown[1]
    assert "this has not been measured" in shown[1]
    assert f"Prices of {Prices.of('eu-west-3').date}" in shown[1]
    n_bytes = sum(reported.features()["size"].to_pylist())
    work = Workload(N_IMAGES, n_bytes, rate, uploads=N_IMAGES)
    for backend in BACKENDS:
        low, high = estimate(ClusterConfig(region="eu-west-3", backend=backend), work).total_eur
        assert f" {low:.2f}–{high:.2f} " in shown[1]
    assert "une estimation, non une facture" in shown_text(page, "fr")


def test_a_cost_that_cannot_be_estimated_is_left_out(
    reported: orchard.Result, tmp_path: Path
) -> None:
    output = copy(reported, tmp_path)
    build(Tables(output), reported.record | {"embedding": None}, with_thumbnails=False)
    page = bytes(output.get("report/index.html")).decode()
    assert "Where the time went" in page
    assert "Estimated cost" not in page
    assert "EMR" not in page


def copy(reported: orchard.Result, folder: Path) -> Output:
    shutil.copytree(reported.output, folder / "result")
    return Output.at(folder / "result")


def test_a_report_made_from_the_tables_alone_is_the_same(
    reported: orchard.Result, page: str, tmp_path: Path
) -> None:
    output = copy(reported, tmp_path)
    build(Tables(output))
    rebuilt = bytes(output.get("report/index.html")).decode()
    assert rebuilt == page


def test_a_run_on_single_files_is_not_called_by_all_their_names(
    reported: orchard.Result, tmp_path: Path
) -> None:
    output = copy(reported, tmp_path)
    sources = [f"/photos/{number}.png" for number in range(40)]
    config = reported.record["config"] | {"sources": sources}
    build(Tables(output), reported.record | {"config": config}, with_thumbnails=False)
    page = bytes(output.get("report/index.html")).decode()
    assert "<title>0.png, 1.png, 2.png … – Orchard</title>" in page
    listed = page[page.index('<dl class="facts">') : page.index("</main>")]
    assert "/photos/11.png" in listed
    assert "/photos/12.png" not in listed
    assert "and 28 more" in shown_text(page, "en")
    assert f"orchard run {' '.join(sources)} " in page, "the command names them all"


def test_the_report_is_the_same_where_the_images_are_gone_or_changed(
    reported: orchard.Result, page: str, tmp_path: Path
) -> None:
    output = copy(reported, tmp_path)
    source = Path(reported.record["config"]["sources"][0])
    away = source.rename(source.with_name("moved away"))
    try:
        assert build(Tables(output)).n_thumbnails == N_IMAGES
    finally:
        away.rename(source)
    assert bytes(output.get("report/index.html")).decode() == page


def test_a_result_without_thumbnails_says_how_to_get_them(
    reported: orchard.Result, tmp_path: Path
) -> None:
    output = copy(reported, tmp_path)
    shutil.rmtree(Path(output.root, "thumbnails"))  # as those of 0.1.0 have none
    versions = output.get_json("_versions.json")
    output.put_json("_versions.json", {k: v for k, v in versions.items() if k != "thumbnails"})
    assert build(Tables(output)).n_thumbnails == 0
    page = bytes(output.get("report/index.html")).decode()
    words = shown_text(page, "en")
    assert f"Thumbnails of 0 of the {N_IMAGES} images" in words
    assert "orchard run … --replace makes them" in words
    assert not re.search(r"data:image/jpeg;base64,\w", page)


def test_a_thumbnail_of_other_bytes_or_of_none_is_not_shown(
    reported: orchard.Result, tmp_path: Path
) -> None:
    output = copy(reported, tmp_path)
    tables = Tables(output)
    rows = tables.read("thumbnails").to_pylist()
    of_errors = [row for row in rows if row["sha256"] is None]
    good = [row for row in rows if row["sha256"] is not None]
    good[0]["sha256"] = "0" * 64
    good[1]["jpeg"] = b"\xff\xd8 no picture"
    good[2]["jpeg"] = good[2]["jpeg"][:200]
    changed = pa.Table.from_pylist([*good, *of_errors], schema=THUMBNAILS)
    run_id = new_run_id()
    staged = staging.stage(output, run_id, "thumbnails", "0", changed)
    tables, _ = tables.commit(run_id, "thumbnails", [staged], overwrite=True)
    assert build(tables).n_thumbnails == N_IMAGES - 3
    words = shown_text(bytes(output.get("report/index.html")).decode(), "en")
    assert "with --no-thumbnails: 1 ; Damaged: 2 ." in words


def test_thumbnails_can_be_left_out(reported: orchard.Result, tmp_path: Path) -> None:
    output = copy(reported, tmp_path)
    assert build(Tables(output), with_thumbnails=False).n_thumbnails == 0
    page = bytes(output.get("report/index.html")).decode()
    assert not re.search(r"data:image/jpeg;base64,\w", page)
    assert 'class="sheet"' not in page
    assert "Made without thumbnails, as requested." in shown_text(page, "en")


def test_erasing_an_image_takes_the_report_with_its_thumbnails_away(
    reported: orchard.Result, colours: Path, tmp_path: Path
) -> None:
    output = copy(reported, tmp_path)
    erased = f"{colours}/plum/3.png"
    erase(output, [erased])
    assert "report/index.html" not in output.paths("report")
    built = build(Tables(output))
    assert built.n_points == N_IMAGES - 1
    assert "plum/3.png" not in bytes(output.get("report/index.html")).decode()


def test_a_report_that_fails_is_a_warning_and_the_run_is_whole(
    run: Any, colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rich.console import Console

    from orchard.progress import Reporter

    def fail(*_: Any, **__: Any) -> None:
        raise OSError("no room left for pictures")

    monkeypatch.setattr("orchard.report.build.build", fail)
    heard = io.StringIO()
    reporter = Reporter(Console(file=heard, width=400), quiet=True)
    result = run(colours / "plum", tmp_path / "out", report=True, reporter=reporter)
    assert "no report: OSError: no room left for pictures; the tables are whole" in heard.getvalue()
    assert result.components().num_rows == 11
    assert "report" not in result.record


def test_a_run_may_leave_the_report_out(run: Any, colours: Path, tmp_path: Path) -> None:
    run(colours / "plum", tmp_path / "out", report=False)
    assert not (tmp_path / "out" / "report" / "index.html").exists()


def test_above_its_limit_the_map_is_a_sample_and_says_so(
    reported: orchard.Result, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("findings.MAX_POINTS", "findings.MAX_ON_MAP", "page.MAX_ON_MAP"):
        monkeypatch.setattr(f"orchard.report.{name}", 60)
    output = copy(reported, tmp_path)
    assert build(Tables(output)).n_points == 60
    page = bytes(output.get("report/index.html")).decode()
    data = script(Elements(page), "data")
    assert len(data["paths"]) == data["n"] == 60
    assert len(data["labels"]) == len(FOLDERS)
    words = shown_text(page, "en")
    assert f"The map shows 60 of {N_IMAGES} images" in words
    assert "above 60, it is a sample" in words
    assert "2 images have the same bytes" in words  # counted over all images, not the sample
    assert (
        words.count("Searched for among the 60 images that t-SNE placed, which are a sample.") == 2
    )
