"""A card for each species: what a curious eater asks, in English and French, with sources.

One JSON file a species in `cards/`, read when it is first asked for; names, binomial and family
come from the taxonomy. Every text is our own; what a source is cited for is its facts. Nutrients
that are not known well are left out; nothing else may be.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from orchard.knowledge.taxonomy import Species, Text, all_species

NUTRIENTS: Mapping[str, tuple[str, Text]] = MappingProxyType(
    {
        "water": ("g", Text("Water", "Eau")),
        "protein": ("g", Text("Protein", "Protéines")),
        "carbohydrate": ("g", Text("Carbohydrate", "Glucides")),
        "sugars": ("g", Text("of which sugars", "dont sucres")),
        "fibre": ("g", Text("Fibre", "Fibres")),
        "fat": ("g", Text("Fat", "Lipides")),
        "organic_acids": ("g", Text("Organic acids", "Acides organiques")),
        "vitamin_c": ("mg", Text("Vitamin C", "Vitamine C")),
        "potassium": ("mg", Text("Potassium", "Potassium")),
    }
)


@dataclass(frozen=True, slots=True)
class Source:
    """what: for which facts it is cited."""

    id: str
    name: str
    what: Text
    url: str


@dataclass(frozen=True, slots=True)
class Fact:
    """sources: ids of `all_sources()`."""

    text: Text
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Keeping(Fact):
    """days: shortest and longest time in the conditions that the text gives."""

    days: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Season:
    """months: 1 to 12, of harvest and of sale from store. grown: there, on a scale that reaches
    shops; otherwise the months are those of imports."""

    months: tuple[int, ...]
    grown: bool


@dataclass(frozen=True, slots=True)
class Seasons:
    """france: metropolitan. eu: the other countries of the European Union."""

    france: Season
    eu: Season
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Nutrient:
    """name: one of `NUTRIENTS`, such as `vitamin_c`. unit: g or mg."""

    name: str
    label: Text
    amount: float
    unit: str


@dataclass(frozen=True, slots=True)
class Nutrition:
    """Of 100 g, the edible part, raw unless `food` says otherwise.

    energy_kcal: kilocalories (1 kcal = 4.184 kJ). nutrients: those known well, in the order of
    `NUTRIENTS`; carbohydrate leaves fibre out, as labels in the EU do. food: what the source's
    table calls it; entry: its number there, if it has one. near: that entry is of a close relative
    or a preparation, for want of the fruit itself. computed: the energy is ours, from the
    macronutrients by the factors of EU regulation 1169/2011.
    """

    energy_kcal: float
    nutrients: tuple[Nutrient, ...]
    food: Text
    entry: str | None
    source: str
    near: bool
    computed: bool

    def amount(self, name: str) -> float | None:
        """The amount of a nutrient in its unit; None where it is not known well."""
        return next((one.amount for one in self.nutrients if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Card:
    """Everything Orchard tells of one species."""

    species: Species
    origin: Fact
    season: Seasons
    ripeness: Fact
    keeping: Keeping
    nutrition: Nutrition
    biodiversity: Fact

    def source_ids(self) -> tuple[str, ...]:
        """Every source that the card cites, once, in order of id."""
        cited = {self.nutrition.source, *self.species.sources, *self.species.name_sources}
        for fact in (self.origin, self.season, self.ripeness, self.keeping, self.biodiversity):
            cited.update(fact.sources)
        return tuple(sorted(cited))


def all_cards() -> tuple[Card, ...]:
    """The card of every species, in order of id."""
    return tuple(card(species) for species in all_species())


@cache
def card(species_id: str) -> Card:
    """The card of a species, by the id that `species_of` gives.

    Raises LookupError where there is no such species.
    """
    if species_id not in all_species():
        raise LookupError(
            f"species {species_id!r}: expected an id of the taxonomy, such as 'apple'; for the id "
            "of a label, ask species_of(label)"
        )
    data = _read(f"cards/{species_id}.json")
    season = data["season"]
    return Card(
        species=all_species()[species_id],
        origin=_fact(data["origin"]),
        season=Seasons(_season(season["france"]), _season(season["eu"]), tuple(season["sources"])),
        ripeness=_fact(data["ripeness"]),
        keeping=_keeping(data["keeping"]),
        nutrition=_nutrition(data["nutrition"]),
        biodiversity=_fact(data["biodiversity"]),
    )


@cache
def all_sources() -> Mapping[str, Source]:
    """Every source by its id; read-only."""
    return MappingProxyType(
        {
            key: Source(key, row["name"], Text(row["en"], row["fr"]), row["url"])
            for key, row in _read("sources.json").items()
        }
    )


def _read(name: str) -> dict[str, Any]:
    text = files(__package__).joinpath(name).read_text("utf-8")
    return dict(json.loads(text))


def _fact(row: dict[str, Any]) -> Fact:
    return Fact(Text(row["en"], row["fr"]), tuple(row["sources"]))


def _keeping(row: dict[str, Any]) -> Keeping:
    shortest, longest = row["days"]
    return Keeping(Text(row["en"], row["fr"]), tuple(row["sources"]), (shortest, longest))


def _season(row: dict[str, Any]) -> Season:
    return Season(tuple(row["months"]), row["grown"])


def _nutrition(row: dict[str, Any]) -> Nutrition:
    return Nutrition(
        energy_kcal=row["energy_kcal"],
        nutrients=tuple(
            Nutrient(name, label, row["per_100_g"][f"{name}_{unit}"], unit)
            for name, (unit, label) in NUTRIENTS.items()
            if f"{name}_{unit}" in row["per_100_g"]
        ),
        food=Text(row["food"]["en"], row["food"]["fr"]),
        entry=row.get("entry"),
        source=row["source"],
        near=row.get("near", False),
        computed=row.get("computed", False),
    )
