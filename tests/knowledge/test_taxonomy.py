"""The taxonomy knows every class of the data sets, and guesses at nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from itertools import chain
from pathlib import Path

import pytest

from orchard.knowledge import all_classes, all_species, label_name, species_of
from orchard.samples.rendered.species import TABLE

LISTS = Path(__file__).parent / "labels"
SIZES = {"fruits360-2020": 131, "fruits360-2024": 141, "fruits360-2025": 128, "grocery": 50}
BINOMIAL = re.compile(r"^[A-Z][a-z]+ (× )?[a-z-]+( .*)?$")


def labels(name: str) -> list[str]:
    return (LISTS / f"{name}.txt").read_text().splitlines()


@pytest.mark.parametrize("name", sorted(SIZES))
def test_every_class_of_the_data_sets_has_a_species_and_names(name: str) -> None:
    assert len(set(labels(name))) == len(labels(name)) == SIZES[name]
    assert [label for label in labels(name) if species_of(label) not in all_species()] == []
    assert all(label_name(label, lang) for label in labels(name) for lang in ("en", "fr"))


@pytest.mark.parametrize("folder", ["fruits-360-test", "grocery"])
def test_every_folder_of_the_real_photos_has_a_species(shared: Path, folder: str) -> None:
    folders = sorted(path.name for path in (shared / "data" / folder).iterdir())
    assert [name for name in folders if species_of(name) is None] == []
    assert folders == labels({"fruits-360-test": "fruits360-2024", "grocery": "grocery"}[folder])


def test_every_rendered_species_is_known() -> None:
    assert len(TABLE) == 13
    assert [one.name for one in TABLE if species_of(one.name) is None] == []


@pytest.mark.parametrize(
    ("label", "species"),
    [
        ("Apple Golden 1", "apple"),
        ("apple_red_yellow_2", "apple"),  # as the edition of original sizes writes them
        ("Golden-Delicious", "apple"),
        ("Tomato Cherry Red 1", "tomato"),
        ("Cherry Sour 1", "sour-cherry"),
        ("Potato Sweet 1", "sweet-potato"),
        ("Potato Red Washed 1", "potato"),
        ("Pineapple Mini 1", "pineapple"),
        ("Cocos 1", "coconut"),
        ("Nut Forest 1", "hazelnut"),
        ("Quince not ripened 3", "quince"),
        ("Patate douce", "sweet-potato"),
        ("sweet-potato", "sweet-potato"),
        ("Kaki", "persimmon"),
        ("Kaiser", "pear"),
    ],
)
def test_a_label_is_resolved_by_name_number_and_state(label: str, species: str) -> None:
    assert species_of(label) == species


@pytest.mark.parametrize(
    "label", ["Nut 1", "Pepper black", "Cherry tomatoes on toast", "dog", "", "7", "Custard Apple"]
)
def test_what_is_not_in_the_taxonomy_is_none_and_keeps_its_label(label: str) -> None:
    assert species_of(label) is None
    assert label_name(label, "fr") == label


def test_varieties_read_well_in_both_languages() -> None:
    assert label_name("Conference", "fr") == "Poire Conférence"
    assert label_name("Zucchini dark 1", "en") == "Dark courgette (zucchini)"
    assert (
        label_name("Apple Golden 3", "fr") == label_name("Apple Golden 1", "fr") == "Pomme Golden"
    )
    with pytest.raises(ValueError, match="language 'de': expected one of en, fr"):
        label_name("Conference", "de")


def test_binomials_and_families_are_written_as_botany_writes_them() -> None:
    for one in all_species().values():
        assert BINOMIAL.match(one.binomial), one
        assert all(BINOMIAL.match(name) for name in one.synonyms), one
        assert re.fullmatch(r"[A-Z][a-z]+aceae", one.family), one
        assert one.group in ("fruit", "nut", "vegetable"), one
    families: dict[str, set[str]] = {}
    for one in all_species().values():
        families.setdefault(one.binomial.split()[0], set()).add(one.family)
    assert {genus for genus, found in families.items() if len(found) > 1} == set()


def test_no_name_means_two_species() -> None:
    species = all_species().values()
    for names in (
        [one.binomial for one in species] + list(chain(*(one.synonyms for one in species))),
        [one.name.en.casefold() for one in species],
        [one.name.fr.casefold() for one in species],
    ):
        assert sorted(names) == sorted(set(names))
    for lang in ("en", "fr"):
        meanings: dict[str, set[str]] = {}
        for one in all_classes():
            meanings.setdefault(one.name.in_language(lang), set()).add(one.species)
        assert {name for name, found in meanings.items() if len(found) > 1} == set()


def test_every_class_belongs_to_a_species_and_every_species_is_met() -> None:
    assert {one.species for one in all_classes()} == set(all_species())
    named = set(chain(*(labels(name) for name in SIZES)))
    assert set(all_species()) == {species_of(label) for label in named}
    assert list(all_species()) == sorted(all_species())


def test_the_knowledge_needs_nothing_but_the_standard_library() -> None:
    code = (
        "import sys, orchard; before = set(sys.modules)\n"
        "import orchard.knowledge as k; k.species_of('Fig 1')\n"
        "new = {m.split('.')[0] for m in set(sys.modules) - before}\n"
        "print(*(new - {'orchard'} - set(sys.stdlib_module_names)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr
