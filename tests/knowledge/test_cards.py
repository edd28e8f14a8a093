"""Every species has a whole card in both languages, with sources, and figures that can be true."""

from __future__ import annotations

import dataclasses
import doctest
import json
import re
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlparse

import pytest

from orchard.knowledge import (
    NUTRIENTS,
    Card,
    Fact,
    all_cards,
    all_classes,
    all_sources,
    all_species,
    card,
)

CARDS = pytest.mark.parametrize("card", all_cards(), ids=lambda card: card.species.id)
FACTS = ("origin", "ripeness", "keeping", "biodiversity")
MACRONUTRIENTS = ("water", "protein", "carbohydrate", "fibre", "fat", "organic_acids")

# kcal/g, regulation (EU) 1169/2011, annex XIV.
FACTORS = {"protein": 4, "carbohydrate": 4, "fat": 9, "fibre": 2, "organic_acids": 3}


def texts(card: Card) -> list[Fact]:
    return [getattr(card, name) for name in FACTS]


def test_every_class_of_the_taxonomy_has_a_card_and_every_card_a_species() -> None:
    assert {card(one.species).species.id for one in all_classes()} == set(all_species())
    stored = {path.name for path in files("orchard.knowledge").joinpath("cards").iterdir()}
    assert stored == {f"{species}.json" for species in all_species()}
    assert [one.species.id for one in all_cards()] == sorted(all_species())


def test_a_card_that_is_not_there_is_an_error_that_says_what_to_ask() -> None:
    with pytest.raises(LookupError, match=r"species '\.\./sources': expected an id of the tax"):
        card("../sources")


@CARDS
def test_each_card_is_complete_in_both_languages(card: Card) -> None:
    assert card.species.name.en
    assert card.species.name.fr
    for fact in texts(card):
        for lang in ("en", "fr"):
            text = fact.text.in_language(lang)
            assert 10 <= len(text) <= 400
            assert text[0].isupper()
            assert text.endswith(".")
            assert text == " ".join(text.split())
        assert fact.text.en != fact.text.fr
        assert not re.search(r"\w[:;!?]", fact.text.fr), "French puts a space there"


@CARDS
def test_each_fact_names_sources_that_are_listed(card: Card) -> None:
    for fact in (*texts(card), card.season):
        assert fact.sources
        assert set(fact.sources) <= set(all_sources())
    assert card.species.sources
    assert card.nutrition.food.en != card.nutrition.food.fr
    assert not re.search(r"\d{3}", card.nutrition.food.en + card.nutrition.food.fr), "no raw entry"
    assert set(card.source_ids()) <= set(all_sources())
    claims_a_status = re.search("IUCN", card.biodiversity.text.en) is not None
    assert not claims_a_status or "iucn" in card.biodiversity.sources


def test_each_source_is_cited_and_says_where_it_is() -> None:
    cited = {source for card in all_cards() for source in card.source_ids()}
    assert cited == set(all_sources())
    for source in all_sources().values():
        assert source.name
        assert source.what.en != source.what.fr
        assert urlparse(source.url).scheme == "https"


@CARDS
def test_seasons_are_months_and_keeping_is_a_span_of_days(card: Card) -> None:
    for season in (card.season.france, card.season.eu):
        assert season.months
        assert list(season.months) == sorted(set(season.months))
        assert set(season.months) <= set(range(1, 13))
    # What France harvests, the Union does.
    assert card.season.eu.grown or not card.season.france.grown
    shortest, longest = card.keeping.days
    assert 1 <= shortest <= longest <= 366


@CARDS
def test_nutrients_are_in_range_and_fit_into_a_hundred_grams(card: Card) -> None:
    nutrition = card.nutrition
    assert 5 <= nutrition.energy_kcal <= 900
    assert [one.name for one in nutrition.nutrients] == [
        name for name in NUTRIENTS if nutrition.amount(name) is not None
    ]
    for one in nutrition.nutrients:
        assert 0 <= one.amount <= {"g": 100, "mg": 2000}[one.unit]
    assert sum(nutrition.amount(name) or 0 for name in MACRONUTRIENTS) <= 100
    assert (nutrition.amount("sugars") or 0) <= (nutrition.amount("carbohydrate") or 0) + 0.5
    if card.species.group != "nut" and card.species.id not in ("date", "garlic"):
        assert (nutrition.amount("water") or 80) > 60


@CARDS
def test_energy_agrees_with_the_macronutrients(card: Card) -> None:
    """Within 15 % or 9 kcal: the USDA has factors by food (3.6 for the carbohydrate of fruit, 2.4
    to 3.5 for protein), and Ciqual counts half of a fat below its detection limit (0.5 g, 2 kcal).
    """
    nutrition = card.nutrition
    expected = sum(
        (nutrition.amount(name) or 0) * kcal_per_gram for name, kcal_per_gram in FACTORS.items()
    )
    assert nutrition.energy_kcal == pytest.approx(expected, rel=0.15, abs=9)
    if nutrition.computed:
        assert nutrition.energy_kcal == pytest.approx(expected, abs=1)


def test_well_known_figures_are_what_the_tables_say() -> None:
    assert card("apple").nutrition.energy_kcal == 52
    assert card("banana").nutrition.amount("potassium") == 320
    assert card("kiwi").nutrition.amount("vitamin_c") == 81.9
    assert card("walnut").nutrition.amount("fat") == 65.21
    assert card("tomato").nutrition.amount("water") == 94.52
    assert card("salak").nutrition.amount("potassium") is None


def test_strawberries_are_of_spring_and_chestnuts_of_autumn() -> None:
    assert card("strawberry").season.france.months == (4, 5, 6, 7)
    assert set(card("chestnut").season.france.months) <= {9, 10, 11, 12}
    assert not card("mango").season.france.grown


def test_a_card_becomes_json_as_it_is() -> None:
    for one in all_cards():
        plain = json.loads(json.dumps(dataclasses.asdict(one)))
        assert plain["species"]["binomial"] == one.species.binomial
        assert hash(one) == hash(dataclasses.replace(one))


def test_the_page_about_the_knowledge_says_what_it_gives() -> None:
    page = Path(__file__).parents[2] / "docs" / "explanation" / "knowledge.md"
    done = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert done.attempted > 5
    assert done.failed == 0
