"""Labels that were spoiled on purpose are found; those that were not are left alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchard.findings import labels
from orchard.findings.look import Seen
from orchard.findings.table import found
from orchard.report.neighbours import nearest
from orchard.store.output import Output
from orchard.store.tables import Tables


def clouds(n_classes: int, each: int, apart: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    codes = np.repeat(np.arange(n_classes), each)
    centres = rng.normal(size=(n_classes, 16)) * apart
    return (centres[codes] + rng.normal(size=(len(codes), 16))).astype(np.float32), codes


def judged(vectors: np.ndarray, codes: np.ndarray) -> labels.Judged:
    every = np.arange(len(codes))
    fold = labels.folds(codes, every)
    return labels.judge(vectors, codes, fold, nearest(vectors, 15), every)


def test_wrong_labels_of_rendered_fruit_are_found_with_the_right_one(rendered_result: Path) -> None:
    seen = Seen.of(Tables(Output.at(rendered_result)))
    names = seen.rows["label"].to_pylist()
    n_before = pc.sum(pc.equal(found(seen)["kind"], "wrong_label")).as_py()
    rng = np.random.default_rng(2)
    wrong = sorted(rng.choice(len(names), 8, replace=False).tolist())
    others = sorted(set(names))
    spoiled = list(names)
    for row in wrong:
        spoiled[row] = others[(others.index(names[row]) + 5) % len(others)]
    rows = seen.rows.set_column(1, "label", pa.array(spoiled, pa.string()))
    table = found(replace(seen, images=replace(seen.images, rows=rows)))
    suspects = table.filter(pc.equal(table["kind"], "wrong_label")).to_pylist()
    paths = seen.rows["path"].to_pylist()
    hits = {row["path"]: row for row in suspects}
    right = [row for row in wrong if paths[row] in hits]
    assert len(right) >= 6, "of eight"
    assert len(suspects) - len(right) <= n_before + 2
    for row in right:
        assert hits[paths[row]]["suggested_label"] == names[row]
        assert hits[paths[row]]["label"] == spoiled[row]
        assert 0 < hits[paths[row]]["score"] <= 1


def test_clean_labels_are_left_alone() -> None:
    vectors, codes = clouds(6, 40, apart=4)
    assert not judged(vectors, codes).is_suspect.any()


def test_an_image_has_no_say_about_itself() -> None:
    """Labels drawn at random: nothing can be learnt, so hardly one is right by more than chance."""
    vectors, codes = clouds(1, 400, apart=0)
    codes = np.random.default_rng(0).integers(0, 4, 400)
    assert (judged(vectors, codes).likeliest == codes).mean() < 0.35


def test_classes_that_are_mistaken_for_each_other_overlap() -> None:
    vectors, codes = clouds(4, 60, apart=6)
    vectors[codes == 3] += vectors[codes == 1].mean(axis=0) - vectors[codes == 3].mean(axis=0)
    (pair,) = labels.overlaps(codes, judged(vectors, codes).likeliest)
    assert {pair.code, pair.other} == {1, 3}
    assert 0.3 < pair.share <= 1


def test_nothing_is_said_of_labels_that_are_missing_or_rare() -> None:
    vectors, codes = clouds(3, 30, apart=4)
    codes[:5] = -1
    found = judged(vectors, codes)
    assert (found.likeliest[:5] == -1).all()
    assert not found.is_suspect[:5].any()
    one = judged(vectors, np.zeros(90, np.int64))
    assert not one.is_suspect.any()


def test_equal_images_lie_in_one_fold_and_folds_are_even_in_each_class() -> None:
    codes = np.repeat(np.arange(3), 20)
    same = np.arange(60)
    same[7] = 3
    fold = labels.folds(codes, same)
    assert fold[7] == fold[3]
    for code in range(3):
        sizes = np.bincount(fold[codes == code], minlength=labels.FOLDS)
        assert abs(sizes - 4).max() <= 1
