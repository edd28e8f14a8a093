"""English and French, both in the page: the reader switches, and no sentence is put together twice.

templates/strings.json holds every sentence under one key in both languages, with {names} for what
is filled in. Whatever is filled in is escaped: labels and paths are other people's text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from markupsafe import Markup, escape

LANGUAGES = ("en", "fr")
_GROUP = {"en": ",", "fr": "\u202f"}
_POINT = {"en": ".", "fr": ","}
_BEFORE_PERCENT = {"en": "", "fr": "\u202f"}
_UNIT = {"fr": {"MB": "Mo"}}


@dataclass(frozen=True, slots=True)
class Number:
    """A number as either language writes it: 1,234.5 and 1 234,5."""

    value: float
    digits: int = 0
    unit: str = ""

    def shown(self, language: str) -> str:
        text = f"{self.value:,.{self.digits}f}"
        text = text.replace(",", "\0").replace(".", _POINT[language])
        text = text.replace("\0", _GROUP[language])
        if not self.unit:
            return text
        gap = _BEFORE_PERCENT[language] if self.unit == "%" else "\u00a0"
        return text + gap + _UNIT.get(language, {}).get(self.unit, self.unit)


def percent(share: float, digits: int = 1) -> Number:
    return Number(100 * share, digits, "%")


def seconds(value: float) -> Number:
    return Number(value, 1, "s")


def megabytes(n_bytes: float) -> Number:
    return Number(n_bytes / 1e6, 1 if n_bytes < 1e8 else 0, "MB")


@lru_cache(maxsize=1)
def strings() -> dict[str, dict[str, str]]:
    folder, found = files("orchard.report").joinpath("templates"), {}
    for name in ("strings.json", "strings_bench.json"):
        found.update(json.loads(folder.joinpath(name).read_text(encoding="utf-8")))
    return found


def say(key: str, **filled: Any) -> Markup:
    """A sentence in both languages, of which the page's style shows one."""
    return _both({language: _filled(key, language, filled) for language in LANGUAGES})


def number(value: float, digits: int = 0, unit: str = "") -> Markup:
    return shown(Number(value, digits, unit))


def shown(value: Number) -> Markup:
    return _both({language: escape(value.shown(language)) for language in LANGUAGES})


def plain(key: str, language: str, **filled: Any) -> str:
    """One language, unescaped: for attributes, which the template escapes."""
    values = {name: _text(value, language) for name, value in filled.items()}
    return strings()[key][language].format(**values)


def _filled(key: str, language: str, filled: dict[str, Any]) -> Markup:
    values = {name: escape(_text(value, language)) for name, value in filled.items()}
    return Markup(strings()[key][language]).format(**values)


def _text(value: Any, language: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, Number)):
        return str(value)
    return (Number(value) if isinstance(value, int) else value).shown(language)


def _both(texts: dict[str, Markup]) -> Markup:
    if len(set(texts.values())) == 1:
        return texts[LANGUAGES[0]]
    spans = (Markup('<span lang="{}">{}</span>').format(*item) for item in texts.items())
    return Markup("").join(spans)
