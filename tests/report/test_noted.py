"""What the report's workbench is given: labels that neighbours contradict, groups, filters."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pyarrow as pa

from orchard.report import neighbours
from orchard.report.bench import STEPS, UNKNOWN, _filters
from orchard.report.noted import EXACT, WRONG, Noted, noted, of_table
from orchard.report.points import Images
from orchard.report.summarise import exact_duplicates
from orchard.report.wrong_labels import wrong_labels
from tests.report.test_findings import written

GROUP = np.repeat(np.arange(3), 20)
NAMES = np.array(["apple", "lemon", "plum"])


def three_groups(folder: Path, labels: list[str | None]) -> tuple[Images, neighbours.Neighbours]:
    rng = np.random.default_rng(5)
    vectors = (10 * np.eye(12)[GROUP] + rng.normal(size=(60, 12))).astype(np.float32)
    return Images.read(written(folder, labels, vectors)), neighbours.nearest(vectors, 15)


def test_a_label_that_all_neighbours_contradict_is_named_with_theirs(tmp_path: Path) -> None:
    labels: list[str | None] = list(NAMES[GROUP])
    labels[7], labels[33] = "plum", "apple"
    images, near = three_groups(tmp_path, labels)
    found = wrong_labels(images, np.arange(60), near)
    assert {(one.path[-6:-4], one.label, one.suggested_label) for one in found} == {
        ("07", "plum", "apple"),
        ("33", "apple", "lemon"),
    }
    assert all(0.6 <= one.score <= 1 for one in found)


def test_images_without_a_label_are_neither_suspected_nor_asked(tmp_path: Path) -> None:
    labels: list[str | None] = list(NAMES[GROUP])
    labels[3] = None
    labels[20:40] = [None] * 20
    labels[25] = "plum"  # all its neighbours are silent
    images, near = three_groups(tmp_path, labels)
    assert wrong_labels(images, np.arange(60), near) == []


def test_of_a_set_of_duplicates_one_is_to_be_kept(tmp_path: Path) -> None:
    images, near = three_groups(tmp_path, list(NAMES[GROUP]))
    none = neighbours.NearDuplicates(np.zeros((0, 2), np.int64), np.zeros(0, np.float32), 0, 0)
    found = noted(images, np.arange(60), near, none, exact_duplicates(images), ())
    sets: dict[int | None, list[bool | None]] = {}
    for one in found:
        assert one.kind == EXACT
        sets.setdefault(one.group, []).append(one.keep)
    assert [sorted(map(bool, kept)) for kept in sets.values()] == [[False, True]] * 2


def test_rows_of_a_table_of_findings_take_their_place(tmp_path: Path) -> None:
    images, _ = three_groups(tmp_path, list(NAMES[GROUP]))
    here = images.rows["path"][4].as_py()
    wrong = Noted(here, WRONG, 0.9, label="apple", suggested_label="plum")
    table = pa.table(
        {
            "path": pa.array([here, "/gone.png", None]),
            "kind": [WRONG, WRONG, "overlap"],
            "score": [0.9, 0.8, 0.7],
            "group": pa.nulls(3, pa.int64()),
            "keep": pa.nulls(3, pa.bool_()),
            "label": ["apple"] * 3,
            "suggested_label": ["plum"] * 3,
        }
    )
    assert of_table(table, images) == (wrong,)


def test_a_filter_has_steps_from_the_lowest_value_to_the_highest() -> None:
    rows = pa.table(
        {
            "brightness": pa.array([0.2, None, 0.6, 0.4], pa.float32()),
            "size": pa.array([1023, 1023, 4095, 2047]),
            "modified": pa.array([5, 5, 5, 5], pa.timestamp("us", tz="UTC")),
        }
    )
    found = {one["name"]: one for one in _filters(rows)}
    assert list(found) == ["brightness", "size"], "all dates are one: there is nothing to choose"
    levels = {
        name: list(base64.b64decode(str(one["levels"]).encode())) for name, one in found.items()
    }
    assert levels["brightness"] == [0, UNKNOWN, STEPS, STEPS // 2]
    assert levels["size"] == [0, 0, STEPS, STEPS // 2]
    assert (found["size"]["low"], found["size"]["high"]) == (10, 12)
