"""What is known of the fruit, nuts and vegetables that Orchard meets: a taxonomy, and a card each.

    from orchard.knowledge import card, species_of

    card(species_of("Apple Golden 1")).binomial    # 'Malus domestica'

Data in JSON beside the code, read on first use; imports nothing but the standard library.
"""

from __future__ import annotations

from orchard.knowledge.cards import (
    NUTRIENTS,
    Card,
    Fact,
    Keeping,
    Nutrient,
    Nutrition,
    Season,
    Seasons,
    Source,
    all_cards,
    all_sources,
    card,
)
from orchard.knowledge.taxonomy import (
    LANGUAGES,
    LabelClass,
    Species,
    Text,
    all_classes,
    all_species,
    label_name,
    species_of,
)

__all__ = [
    "LANGUAGES",
    "NUTRIENTS",
    "Card",
    "Fact",
    "Keeping",
    "LabelClass",
    "Nutrient",
    "Nutrition",
    "Season",
    "Seasons",
    "Source",
    "Species",
    "Text",
    "all_cards",
    "all_classes",
    "all_sources",
    "all_species",
    "card",
    "label_name",
    "species_of",
]
