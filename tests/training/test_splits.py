"""Who is held out: no object is on both sides, whatever the data."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchard.store.accepted import place
from orchard.store.contributions import giver_of
from orchard.training.splits import (
    ALWAYS,
    honest_folds,
    object_of,
    objects_of,
    random_folds,
    unseen_folds,
)

data_sets = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12)), min_size=1, max_size=80)
seeds = st.integers(0, 5)


def arrays(rows: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    y, objects = (np.array(column, np.intp) for column in zip(*rows, strict=True))
    return y, objects


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/f/Apple 6/12_100.jpg", "/f/Apple 6/"),
        ("/f/Apple 6/r_12_100.jpg", "/f/Apple 6/r"),
        ("/f/Apple 6/r2_301_100.jpg", "/f/Apple 6/r2"),
        ("/f/Kiwi/train-Kiwi_001.jpg", "/f/Kiwi/train-Kiwi"),
        ("s3://b/IMG_20240101_0412.JPG", "s3://b/IMG_20240101"),
        ("/f/photo (12).png", "/f/photo"),
        ("/f/banana.png", "/f/banana"),
    ],
)
def test_the_object_is_told_from_the_name(path: str, expected: str) -> None:
    assert object_of(path) == expected


def test_all_that_one_person_gave_is_one_object_whatever_it_shows_and_whatever_the_pattern() -> (
    None
):
    def given(label: str, giver: str | None, number: int) -> str:
        return f"/r/{place(label, giver, f'{number:032x}')}"

    one, other = (giver_of(secret) for secret in ("one", "other"))
    paths = [given("Kiwi", one, 1), given("Lime", one, 2), given("Kiwi", other, 3)]
    unknown = [given("Kiwi", None, 4), given("Lime", None, 5)]
    for pattern in (None, re.compile(r"/([^/]+)/[^/]+$")):
        objects = objects_of([*paths, *unknown, "/f/Kiwi/7.jpg"], pattern)
        assert objects[0] == objects[1]
        assert objects[3] == objects[4], "who gave these is unknown: one person, to be safe"
        assert len(set(objects.tolist())) == 4


def test_a_folder_of_turntable_frames_can_be_one_object() -> None:
    paths = ["/f/a/1_100.jpg", "/f/a/r_1_100.jpg", "/f/b/1_100.jpg", "/f/b/x.jpg"]
    assert objects_of(paths, whole_folder=True).tolist() == [0, 0, 1, 2]


def test_a_pattern_tells_the_object_by_its_group_or_its_match() -> None:
    assert object_of("/f/tree7/a.jpg", re.compile(r"/(tree\d+)/")) == "tree7"
    assert object_of("/f/tree7/a.jpg", re.compile(r"tree\d")) == "tree7"
    assert object_of("/f/bush/a.jpg", re.compile(r"tree\d")) == "/f/bush/a.jpg"


@given(data_sets, st.integers(2, 6), seeds)
def test_no_object_is_on_both_sides_of_an_honest_split(rows, n_folds, seed) -> None:
    y, objects = arrays(rows)
    folds = honest_folds(y, objects, n_folds, seed)
    for fold in range(n_folds):
        assert not set(objects[folds == fold]) & set(objects[folds != fold])


@given(data_sets, st.integers(2, 6), seeds)
def test_every_class_asked_for_was_trained_on(rows, n_folds, seed) -> None:
    y, objects = arrays(rows)
    for folds in (honest_folds(y, objects, n_folds, seed), random_folds(y, n_folds, seed)):
        for fold in range(n_folds):
            assert set(y[folds == fold]) <= set(y[folds != fold])


@given(data_sets, seeds)
def test_every_object_that_may_be_held_out_is(rows, seed) -> None:
    y, objects = arrays(rows)
    folds = honest_folds(y, objects, 3, seed)
    for held in np.unique(objects[folds == ALWAYS]):
        largest = [
            held == np.bincount(objects[y == label]).argmax()
            for label in np.unique(y[objects == held])
        ]
        assert any(largest)


@given(data_sets, st.integers(2, 6), seeds)
def test_a_random_split_deals_each_class_evenly(rows, n_folds, seed) -> None:
    y, _ = arrays(rows)
    folds = random_folds(y, n_folds, seed)
    for label in np.unique(y):
        dealt = folds[y == label]
        if len(dealt) == 1:
            assert dealt.tolist() == [ALWAYS]
        else:
            counts = np.bincount(dealt, minlength=n_folds)
            assert counts.max() - counts.min() <= 1


@given(data_sets, seeds)
def test_an_unseen_species_is_held_out_whole(rows, seed) -> None:
    y, _ = arrays(rows)
    folds = unseen_folds(y, 3, seed)
    assert (folds != ALWAYS).all()
    assert all(len(set(folds[y == label])) == 1 for label in np.unique(y))


def test_the_seed_decides() -> None:
    y, objects = np.repeat(np.arange(4), 30), np.arange(120) // 5
    first, again, other = (honest_folds(y, objects, 5, seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
