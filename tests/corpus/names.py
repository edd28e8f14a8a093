"""One picture under names that break listings, URLs, shells and tables."""

from __future__ import annotations

from corpus.expected import Expected, File
from corpus.good import JPEG_TOLERANCE, jpeg

NAMES = (
    "two words.jpg",
    " leading and trailing .jpg",
    "line\nbreak.jpg",
    "tab\tand'quotes\".jpg",
    "back\\slash.jpg",
    "-leading-dash.jpg",
    "100%.jpg",
    "percent%20encoded.jpg",
    "%2e%2e%2fescape.jpg",
    "hash#question?.jpg",
    "star*[bracket]{brace}.jpg",
    "plus+and=equals&.jpg",
    "colon:semi;comma,.jpg",
    "$HOME `id`.jpg",
    "composed/caf\u00e9.jpg",  # NFC and NFD apart: some file systems hold them for one name
    "decomposed/cafe\u0301.jpg",
    "\u679c\u7269 \U0001f34e.jpg",
    "\u200f\u05e4\u05e8\u05d9.jpg",
    "x" * 251 + ".jpg",
    "deep/" + "/".join("abcdefghij") + "/leaf.jpg",
    "label=partition/plain.jpg",
    "two dots..jpg",
)


def named_files() -> dict[str, File]:
    return {name: (jpeg(), Expected(tolerance=JPEG_TOLERANCE)) for name in NAMES}
