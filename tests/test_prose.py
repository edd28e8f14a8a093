"""The house style, as far as a list of phrases can hold it; `docs/glossary.md` has the words.

Checked is what people read: the documentation, the texts of the pages, help, messages, docstrings.
A match is rewritten, not excused; a pattern that forbids good English goes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

BANNED = {
    r"\b(made|written|computed|fetched|fitted|loaded|drawn) anew\b": "recreated, recomputed, again",
    r"(?<=[.;] )Who (has|have|may|reads|wants|knows|finds|asks|loses)\b": "Anyone with …; If you …",
    r"\b(is|are|be) told (by|from|apart)\b": "is detected from, is identified by",
    r"\b(AWS|Keras|class)' (?=[a-z])": "AWS's, Keras's, class's",
    r"\bnever in neither\b": "in neither",
    r"\b(images|rows|pictures|photos|requests) a second\b": "per second",
    r"\b(a|one) (row|line|process|task slot|GET) an? (image|core|run|task|worker)\b": "one … per …",
    r"\b(command|run|training|fetch) goes on\b": "continues",
    r"\bwherever the image still lies\b": "even if the image still exists there",
    r"\bwhat a file is is\b": "the format is detected from the content",
}
FENCE = re.compile(r"^```.*?^```|`[^`\n]*`", re.M | re.S)


def _strings(path: Path) -> Iterator[str]:
    """Docstrings, messages and help of a module: its string literals, without its comments."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def _texts() -> Iterator[tuple[str, str]]:
    pages = [p for p in ROOT.glob("docs/**/*.md") if p.name != "reference.md"]  # made from the CLI
    pages += [ROOT / "backbone/README.md", *ROOT.glob("*.md")]
    pages += [
        p for p in ROOT.glob("src/orchard/*/static/*") if p.name.startswith(("en", "privacy"))
    ]
    pages += ROOT.glob("src/orchard/report/templates/strings.json")
    for page in pages:
        yield str(page.relative_to(ROOT)), FENCE.sub(" ", page.read_text(encoding="utf-8"))
    for module in (ROOT / "src/orchard").rglob("*.py"):
        yield str(module.relative_to(ROOT)), "\n".join(_strings(module))


def faults(text: str) -> list[str]:
    flat = re.sub(r"\s+", " ", text)
    return [
        f"“{match[0]}”: write {instead}"
        for pattern, instead in BANNED.items()
        for match in re.finditer(pattern, flat)
    ]


TEXTS = dict(_texts())


@pytest.mark.parametrize("name", TEXTS)
def test_no_phrase_that_a_native_reader_stumbles_over(name: str) -> None:
    assert faults(TEXTS[name]) == []


@pytest.mark.parametrize(
    "sentence",
    [
        "The export is deleted, being made anew from the tables.",
        "It is stored. Who has the code may erase it.",
        "What lies there is told by its bytes.",
        "This is AWS' own bill.",
        "It reads 200 images a second.",
        "It prints one line an image.",
        "Interrupted, the command goes on.",
    ],
)
def test_the_style_recognises_what_it_forbids(sentence: str) -> None:
    assert faults(sentence)
