"""The page's own files: complete in both languages, nothing inline, nothing from elsewhere."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

from orchard.records import Reason
from orchard.web.language import preferred
from orchard.web.pages import Pages
from orchard.web.settings import ServeConfig

STATIC = files("orchard.web").joinpath("static")
TEXTS = {
    entry.name: entry.read_text("utf-8") for entry in STATIC.iterdir() if "png" not in entry.name
}
SCRIPTS = "".join(text for name, text in TEXTS.items() if name.endswith(".js"))


def test_both_languages_have_the_same_words_and_the_same_blanks() -> None:
    english, french = json.loads(TEXTS["en.json"]), json.loads(TEXTS["fr.json"])
    assert english.keys() == french.keys()
    for key in english:
        assert french[key].strip()
        assert re.findall(r"{\w+}", english[key]) == re.findall(r"{\w+}", french[key]), key


def test_every_word_asked_for_is_there_and_every_one_there_is_asked_for() -> None:
    there = set(json.loads(TEXTS["en.json"]))
    asked = set(re.findall(r'data-i18n="(\w+)"', TEXTS["index.html"]))
    asked |= set(re.findall(r'\bt\(\s*"(\w+)"', SCRIPTS))
    asked |= set(re.findall(r'near \? "(\w+)" : "(\w+)"', SCRIPTS)[0])
    asked |= set(re.findall(r'fact\("(\w+)"\)', SCRIPTS))
    asked |= {f"season_{place}" for place in re.findall(r'season\("(\w+)"\)', SCRIPTS)}
    asked |= {"sure", "not_sure", "not_a_fruit", "not_sure_more", "not_a_fruit_more", "error_other"}
    codes = {"busy", "too_many_requests", "network"} | {reason.value for reason in Reason}
    asked |= {f"error_{code}" for code in codes} & there
    assert asked == there


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    for name, text in TEXTS.items():
        if name.endswith((".html", ".js", ".css")):
            assert not re.search(r"https?://|//cdn|@import|innerHTML|\beval\(", text), name
        if name.endswith(".html"):
            assert not re.search(r"\bstyle=|\son\w+=|<style|<script>", text), name


def test_the_shell_that_is_kept_for_offline_is_all_that_the_page_loads() -> None:
    kept = set(
        re.findall(r'"(/[\w.-]*)",', re.search(r"FILES = \[(.*?)\]", TEXTS["sw.js"], re.S)[1])
    )
    loaded = set(re.findall(r'(?:href|src)="(/[\w.-]*)"', TEXTS["index.html"]))
    loaded |= {f"/{name}" for name in re.findall(r'from "\./([\w.]+)"', SCRIPTS)}
    assert loaded <= kept
    there = {f"/{name}" for name in Pages(ServeConfig(output="-")).files} | {"/", "/privacy"}
    assert kept <= there
    manifest = json.loads(TEXTS["manifest.webmanifest"])
    assert {icon["src"] for icon in manifest["icons"]} <= there


def test_the_privacy_page_says_how_long_and_whether_images_are_kept() -> None:
    kept = Pages(ServeConfig(output="-", keep_days=17)).privacy
    assert "for 17 days at most" in kept["en"]
    assert "17 jours au plus" in kept["fr"]
    none = Pages(ServeConfig(output="-", contributions=False)).privacy
    assert "keeps no photos" in none["en"]
    assert "ne garde aucune photo" in none["fr"]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("de, fr;q=0.2, en;q=0.9", "en"),
        ("fr-CH, en;q=0.9", "fr"),
        ("en;q=0, fr;q=0.1", "fr"),
        ("fr;q=nonsense", "en"),
        ("," * 5000, "en"),
    ],
)
def test_the_language_is_the_one_preferred(header: str, language: str) -> None:
    assert preferred(header) == language
