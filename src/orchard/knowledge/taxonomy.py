"""Which species a class of photographs shows: `taxonomy.json`, read once.

    label ─normalise─▶ classes ─▶ species ─▶ binomial, family, group

A species here is what a shop would put under one sign: peach and nectarine are two, every apple is
one. Binomials follow Plants of the World Online (Kew), the cultivar groups of citrus and leek those
of GRIN (USDA), and the mushroom Index Fungorum; `synonyms` are names that are as often met.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal

Lang = Literal["en", "fr"]
LANGUAGES: tuple[Lang, ...] = ("en", "fr")

_NUMBER = re.compile(r"( \d+)+$")
_STATE = re.compile(
    r" (red|green|yellow|white|orange|pink|blue|ripe|unripe|not ripened|peeled|washed|rotten|hit|"
    r"worm|core|long|flat|mini)$"
)


@dataclass(frozen=True, slots=True)
class Text:
    """The same words in both languages."""

    en: str
    fr: str

    def in_language(self, lang: str) -> str:
        """`en` or `fr`. Raises ValueError for another language."""
        if lang not in LANGUAGES:
            raise ValueError(f"language {lang!r}: expected one of {', '.join(LANGUAGES)}")
        return self.en if lang == "en" else self.fr


@dataclass(frozen=True, slots=True)
class Species:
    """group: fruit, nut or vegetable, as a kitchen sorts them (a tomato is a vegetable).
    sources: of binomial and family. name_sources: of the names. Both as ids of `all_sources()`."""

    id: str
    name: Text
    binomial: str
    family: str
    group: str
    synonyms: tuple[str, ...] = ()
    sources: tuple[str, ...] = ("powo",)
    name_sources: tuple[str, ...] = ("eppo",)


@dataclass(frozen=True, slots=True)
class LabelClass:
    """A class of a data set, its number left off: `Apple Golden` for `Apple Golden 1`."""

    label: str
    species: str
    name: Text


def species_of(label: str) -> str | None:
    """The species of a class: `apple` for `Apple Golden 1`, `Golden-Delicious` or `apple_6`.

    Case, hyphens and underscores do not matter, nor does a number at the end. What is left is
    looked up; if it is not there, it is tried again without a word of colour or state (`Quince not
    ripened`). Anything else is None rather than a guess.
    """
    found = _find(label)
    return found.species if found else None


def label_name(label: str, lang: str) -> str:
    """A readable name of a class: `Poire Conférence` for `Conference` in French (`fr`).

    Numbered classes of one variety share a name. A label that is not in the taxonomy comes back as
    it is. Raises ValueError for a language other than `en` and `fr`.
    """
    found = _find(label)
    name = found.name if found else Text(label, label)
    return name.in_language(lang)


def all_species() -> Mapping[str, Species]:
    """Every species by its id, in order of id; read-only."""
    return _taxonomy()[0]


def all_classes() -> tuple[LabelClass, ...]:
    """Every class that the taxonomy names, as the file orders them."""
    return tuple(_taxonomy()[1].values())


def _find(label: str) -> LabelClass | None:
    classes, key = _taxonomy()[1], _normalise(label)
    while key not in classes:
        shorter = _STATE.sub("", key)
        if shorter == key:
            return None
        key = shorter
    return classes[key]


def _normalise(label: str) -> str:
    words = " ".join(re.split(r"[\s_-]+", label)).strip().casefold()
    return _NUMBER.sub("", words)


@cache
def _taxonomy() -> tuple[Mapping[str, Species], Mapping[str, LabelClass]]:
    data = json.loads(files(__package__).joinpath("taxonomy.json").read_text("utf-8"))
    species = {key: _species(key, row) for key, row in data["species"].items()}
    classes = {
        _normalise(label): LabelClass(
            label,
            row["species"],
            Text(row["en"], row["fr"]) if "en" in row else species[row["species"]].name,
        )
        for label, row in data["classes"].items()
    }
    # A species' own id and names are labels too: `sweet-potato`, `Patate douce`.
    for key, one in species.items():
        for label in (key, one.name.en, one.name.fr):
            classes.setdefault(_normalise(label), LabelClass(label, key, one.name))
    return MappingProxyType(species), MappingProxyType(classes)


def _species(key: str, row: dict[str, Any]) -> Species:
    return Species(
        id=key,
        name=Text(row["en"], row["fr"]),
        binomial=row["binomial"],
        family=row["family"],
        group=row["group"],
        synonyms=tuple(row.get("synonyms", ())),
        sources=tuple(row.get("sources", ("powo",))),
    )
