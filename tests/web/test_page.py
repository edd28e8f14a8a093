"""The page's own files: complete in both languages, nothing inline, nothing from elsewhere."""

from __future__ import annotations

import json
import re
from importlib.resources import files

import pytest

from orchard.records import Reason
from orchard.web.language import preferred
from orchard.web.privacy_texts import Keeps
from orchard.web.site import pages

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
    asked |= set(re.findall(r'ready \? "(\w+)" : "(\w+)"', SCRIPTS)[0])
    asked |= set(re.findall(r'fact\("(\w+)"\)', SCRIPTS))
    asked |= {f"season_{place}" for place in re.findall(r'season\("(\w+)"\)', SCRIPTS)}
    asked |= {"unlike", "unlike_more", "unlike_title", "unlike_title_vowel"}
    asked |= {"either", "either_more"}
    asked |= {"sure", "not_sure", "not_a_fruit", "not_sure_more", "not_a_fruit_more", "error_other"}
    places = re.findall(r"^  (\w+): \{ x:", TEXTS["crop.js"], re.M)
    asked |= {f"part_{place}" for place in ["whole", "touched", *places]}
    asked |= set(re.findall(r'\? "(right_\w+)" : "(right_\w+)"', SCRIPTS)[0])
    codes = {"busy", "too_many_requests", "network", "unreadable", "device"}
    codes |= {reason.value for reason in Reason}
    asked |= {f"error_{code}" for code in codes} & there
    assert asked == there


def test_nothing_is_inline_and_nothing_comes_from_elsewhere() -> None:
    for name, text in TEXTS.items():
        if name.endswith((".html", ".js", ".css")):
            assert not re.search(r"https?://|//cdn|@import|innerHTML|\beval\(", text), name
        if name.endswith(".html"):
            assert not re.search(r"\bstyle=|\son\w+=|<style|<script>", text), name


def test_all_that_the_page_loads_is_there_and_asked_for_beside_it() -> None:
    """Beside it, not from the root: a site may lie in a folder of another."""
    there = set(pages(None)) | {"runtime.js", "classifier.json", "files.json", "./"}
    loaded = set(re.findall(r'(?:href|src)="([\w./-]*)"', TEXTS["index.html"]))
    loaded |= set(re.findall(r'from "\./([\w.]+)"', SCRIPTS))
    loaded |= set(re.findall(r'(?:Worker|register)\("([\w.]+)"', SCRIPTS))
    assert loaded <= there
    manifest = json.loads(TEXTS["manifest.webmanifest"])
    assert {icon["src"] for icon in manifest["icons"]} <= there
    assert (manifest["start_url"], manifest["scope"]) == ("./", "./")


def test_the_privacy_page_says_how_long_and_whether_images_are_kept() -> None:
    kept = pages(Keeps(contributions=True, days=17))
    assert "for 17 days at most" in kept["privacy.en.html"].decode()
    assert "17 jours au plus" in kept["privacy.fr.html"].decode()
    none = pages(Keeps(contributions=False, days=17))
    assert "keeps no photos" in none["privacy.en.html"].decode()
    assert "ne garde aucune photo" in none["privacy.fr.html"].decode()


def test_a_page_without_a_server_says_that_it_can_send_nothing() -> None:
    alone = pages(None)
    assert "no way to send a photo" in alone["privacy.en.html"].decode()
    assert "aucun moyen d'envoyer une photo" in alone["privacy.fr.html"].decode()
    assert 'data-server="off"' in alone["index.html"].decode()
    assert 'data-contributions="off"' in alone["index.html"].decode()
    served = pages(Keeps(contributions=True, days=1))
    assert "sent to this server in three cases alone" in served["privacy.en.html"].decode()


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
