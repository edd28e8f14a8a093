"""The page's files, read once: what is not among them cannot be asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from orchard.knowledge import LANGUAGES
from orchard.web.privacy_texts import PRIVACY, Keeps
from orchard.web.settings import ServeConfig
from orchard.web.site import INDEX
from orchard.web.static_files import media_type


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    media_type: str


class Pages:
    """index: the page. privacy: a page for each language. files: all of them, by name."""

    def __init__(self, found: Mapping[str, bytes]) -> None:
        self.files = {name: File(content, media_type(name)) for name, content in found.items()}
        self.index = found[INDEX].decode()
        self.privacy = {
            language: found[PRIVACY.format(language=language)].decode() for language in LANGUAGES
        }


def keeps(config: ServeConfig) -> Keeps:
    return Keeps(config.contributions, config.keep_days)
