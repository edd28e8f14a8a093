"""A species' card in one language, as JSON data: facts with their sources."""

from __future__ import annotations

from functools import cache
from typing import Any

from orchard.knowledge import Card, Fact, Season, all_sources, all_species
from orchard.knowledge import card as card_of


@cache
def card(species_id: str, language: str) -> dict[str, Any] | None:
    """None where the taxonomy has no such species: the classifier's labels may be anything."""
    if species_id not in all_species():
        return None
    found = card_of(species_id)
    return {
        "id": species_id,
        "name": found.species.name.in_language(language),
        "binomial": found.species.binomial,
        "family": found.species.family,
        "group": found.species.group,
        "origin": _fact(found.origin, language),
        "season": {
            "france": _season(found.season.france),
            "eu": _season(found.season.eu),
            "sources": list(found.season.sources),
        },
        "ripeness": _fact(found.ripeness, language),
        "keeping": _fact(found.keeping, language) | {"days": list(found.keeping.days)},
        "nutrition": _nutrition(found, language),
        "biodiversity": _fact(found.biodiversity, language),
        "sources": [_source(source_id, language) for source_id in found.source_ids()],
    }


def _fact(fact: Fact, language: str) -> dict[str, Any]:
    return {"text": fact.text.in_language(language), "sources": list(fact.sources)}


def _season(season: Season) -> dict[str, Any]:
    return {"months": list(season.months), "grown": season.grown}


def _nutrition(found: Card, language: str) -> dict[str, Any]:
    nutrition = found.nutrition
    return {
        "energy_kcal": nutrition.energy_kcal,
        "food": nutrition.food.in_language(language),
        "near": nutrition.near,
        "computed": nutrition.computed,
        "nutrients": [
            {
                "name": nutrient.name,
                "label": nutrient.label.in_language(language),
                "amount": nutrient.amount,
                "unit": nutrient.unit,
            }
            for nutrient in nutrition.nutrients
        ],
        "sources": [nutrition.source],
    }


def _source(source_id: str, language: str) -> dict[str, Any]:
    source = all_sources()[source_id]
    return {
        "id": source_id,
        "name": source.name,
        "what": source.what.in_language(language),
        "url": source.url,
    }
