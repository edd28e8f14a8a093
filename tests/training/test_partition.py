"""Images to train, validate and test with: what belongs together lies on one side."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchard.errors import ConfigError
from orchard.findings import Seen
from orchard.store.output import Output
from orchard.store.tables import Tables
from orchard.training.partition import fractions_of, partition, share_out
from orchard.training.splits import object_of


def test_no_object_and_no_near_duplicate_lies_on_two_sides(rendered_result: Path) -> None:
    tables = Tables(Output.at(rendered_result))
    found = partition(tables, (0.5, 0.2, 0.3), seed=1)
    side = {row["path"]: row["split"] for row in found.rows.to_pylist()}
    assert found.by_names
    assert sum(found.sizes.values()) == len(side) > 140
    of_object = defaultdict(set)
    for path, name in side.items():
        of_object[object_of(path)].add(name)
    assert all(len(names) == 1 for names in of_object.values())
    seen = Seen.of(tables)
    _, _, pairs = seen.groups()
    paths = seen.rows["path"].to_pylist()
    assert len(pairs[0]), "there are some to be bound"
    for one, other in zip(*pairs, strict=True):
        assert side[paths[one]] == side[paths[other]]


def test_the_same_seed_gives_the_same_split_and_another_another(rendered_result: Path) -> None:
    tables = Tables(Output.at(rendered_result))
    one, again, other = (partition(tables, (0.5, 0.5), seed) for seed in (0, 0, 3))
    assert one.rows.equals(again.rows)
    assert not one.rows.equals(other.rows)


def test_where_names_would_leave_no_test_only_near_duplicates_are_bound(
    photo_result: object,
) -> None:
    """`0.png` to `9.png` in each of four folders: by their names each folder is one object."""
    tables = Tables(Output.at(photo_result.output))  # type: ignore[attr-defined]
    found = partition(tables, (0.8, 0.2), seed=0)
    assert not found.by_names
    assert found.lacking == {"test": 0}


def test_each_class_is_shared_out_by_the_fractions() -> None:
    codes = np.repeat(np.arange(5), 40)
    side = share_out(np.arange(200), codes, (0.8, 0.1, 0.1), seed=0)
    for code in range(5):
        assert np.bincount(side[codes == code], minlength=3) == pytest.approx([32, 4, 4], abs=1)


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), min_size=1, max_size=60),
    st.integers(0, 5),
)
def test_whatever_is_bound_lies_on_one_side(rows: list[tuple[int, int]], seed: int) -> None:
    given_bundles, codes = (np.array(column) for column in zip(*rows, strict=True))
    bundles = np.unique(given_bundles, return_inverse=True)[1]
    side = share_out(bundles, codes, (0.6, 0.4), seed)
    assert len(side) == len(rows)
    for bundle in np.unique(bundles):
        assert len(set(side[bundles == bundle].tolist())) == 1


@pytest.mark.parametrize("text", ["0.8", "0.8,0.3", "1,0", "a,b", "0.25,0.25,0.25,0.25", "-1,2"])
def test_fractions_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=f"--fractions {text}: expected two or three numbers"):
        fractions_of(text)
