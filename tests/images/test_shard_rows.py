"""Whole columns give the rows that a look at each member gives, or none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchard.images.containers import listing, names, shard_index, shard_rows
from orchard.images.containers.files import Container, of_path
from orchard.images.source import Selection
from orchard.packing import shards
from orchard.packing.shards import Entry
from orchard.storage import DEFAULT

PLAIN = ("apple/1.jpg", "Apple Golden/r_0_100.JPG", "2.png", "a/b/c-d (1).webp", "a/x.y/1.jpeg")
OTHERS = (
    ".hidden/1.jpg", "a/.1.jpg", "__MACOSX/1.jpg", "a/@eaDir/1.jpg", "a/../1.jpg", "./1.jpg",
    "a//1.jpg", "/1.jpg", "C:1.jpg", "a\\1.jpg", "a.tar!/1.jpg", "1.seg.jpg", "1.cls", "a/1.zip",
    "Thumbs.db", "pêche/1.jpg", "a/1\n.jpg", "1.tiff", "1",
)  # fmt: skip


def packed(folder: Path, given: list[str]) -> Container:
    shards.write(str(folder), 0, [Entry(name, name.encode()) for name in given], DEFAULT)
    return of_path(str(folder / "shard-000000.tar"), names.TAR, DEFAULT)


def both(container: Container, label: str = "parent") -> list[listing.Held]:
    """By columns where that will do, and member by member."""
    rule = Selection(label=label).rule()
    rules = (replace(rule, is_plain=is_plain) for is_plain in (True, False))
    return [listing.held(container, "s.tar", rule, DEFAULT) for rule in rules]


def index_of(container: Container) -> dict[str, Any]:
    with Path(container.path).open("rb") as file:
        index = shard_index.content(file, container.size)
    assert index is not None
    return index


def is_quick(container: Container, **change: object) -> bool:
    index = index_of(container) | change
    return shard_rows.rows(index, container, Selection().label_of) is not None


@pytest.mark.parametrize("label", ["parent", "none"])
def test_columns_say_what_each_member_says(tmp_path: Path, label: str) -> None:
    container = packed(tmp_path, list(PLAIN))
    quick, slow = both(container, label)
    assert is_quick(container)
    assert quick == slow
    assert quick.images.num_rows == len(PLAIN)


@pytest.mark.parametrize("name", OTHERS)
def test_a_name_that_needs_a_closer_look_gets_it(tmp_path: Path, name: str) -> None:
    container = packed(tmp_path, ["apple/1.jpg", name])
    quick, slow = both(container)
    assert not is_quick(container)
    assert quick == slow


def test_equal_names_and_labels_beside_images_are_looked_at(tmp_path: Path) -> None:
    assert not is_quick(packed(tmp_path, ["1.jpg", "1.jpg"]))
    entries = [Entry("a/1.jpg", b"1"), Entry("a/1.cls", b"pear", is_label=True)]
    shards.write(str(tmp_path), 0, entries, DEFAULT)
    container = of_path(str(tmp_path / "shard-000000.tar"), names.TAR, DEFAULT)
    assert not is_quick(container)
    assert both(container)[0].images["label"].to_pylist() == ["pear"]


@given(st.lists(st.text("aA1. /!\\-_é\x00", min_size=1, max_size=9), min_size=1, max_size=4))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_members_are_called(tmp_path: Path, stems: list[str]) -> None:
    quick, slow = both(packed(tmp_path, [f"{stem}.jpg" for stem in stems]))
    assert quick == slow


@pytest.mark.parametrize(
    "change",
    [
        {"sizes": [-1]}, {"sizes": ["1"]}, {"offsets": [10**9]}, {"offsets": [-512]},
        {"checksums": [None]}, {"checksums": []}, {"names": [1]}, {"sizes": [2**70]},
    ],
)  # fmt: skip
def test_an_index_that_makes_no_sense_is_looked_at(
    tmp_path: Path, change: dict[str, list[object]]
) -> None:
    container = packed(tmp_path, ["a/1.jpg"])
    assert is_quick(container)
    assert not is_quick(container, **change)


def test_globs_are_asked_of_each_member() -> None:
    assert Selection().rule().is_plain
    assert not Selection(include=("*.jpg",)).rule().is_plain
    assert not Selection(exclude=("*.png",)).rule().is_plain
    assert not Selection(label="column:kind").rule().is_plain
