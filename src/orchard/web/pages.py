"""The page's files, read once: what is not among them cannot be asked for."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from string import Template

from orchard.knowledge.taxonomy import LANGUAGES
from orchard.web.settings import ServeConfig

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "png": "image/png",
    "svg": "image/svg+xml",
    "webmanifest": "application/manifest+json",
}


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    media_type: str


class Pages:
    """index: the page. privacy: a page for each language. files: all others, by name."""

    def __init__(self, config: ServeConfig) -> None:
        folder = files(__package__).joinpath("static")
        there = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}
        settings = {
            "keep_days": str(config.keep_days),
            "contributions": "on" if config.contributions else "off",
            "max_bytes": str(config.max_bytes),
        }
        html = {
            name: Template(content.decode()).substitute(settings)
            for name, content in there.items()
            if name.endswith(".html")
        }
        self.index = html["index.html"]
        self.privacy = {lang: html[f"privacy.{lang}.html"] for lang in LANGUAGES}
        self.files = {
            name: File(content, _TYPES[name.rpartition(".")[2]])
            for name, content in there.items()
            if name.rpartition(".")[2] in _TYPES
        }
