"""What training measures: near copies flatter a random split, and only it."""

from __future__ import annotations

import numpy as np

from orchard.training.evaluate import by_species, confusion, score
from orchard.training.outcome import Plans, measure
from orchard.training.samples import LocalTrainer, Samples, held_out, subset
from orchard.training.search import search


def test_a_random_split_flatters_where_objects_have_many_images(clouds) -> None:
    samples, x = clouds
    found = measure(LocalTrainer(x), samples, Plans.of(samples, 3, 0), "logistic", 1.0, 0, 5.0)
    assert found.decisive == "honest"
    assert found.naive.fine.top1 > 0.99
    assert found.honest.fine.top1 < found.naive.fine.top1 - 0.1
    assert found.honest.species.top1 >= found.honest.fine.top1
    assert found.honest.fine.n == len(samples.y) * 2 // 3  # of three objects one always trains


def test_calibration_reduces_the_error(clouds) -> None:
    samples, x = clouds
    found = measure(LocalTrainer(x), samples, Plans.of(samples, 3, 0), "svm", 0.01, 0, 5.0)
    assert found.naive.fine.ece < found.naive.ece_before / 2


def test_one_object_a_class_leaves_only_the_random_split(clouds) -> None:
    samples, x = clouds
    one = Samples(samples.paths, samples.y, samples.classes, samples.species, samples.y)
    found = measure(LocalTrainer(x), one, Plans.of(one, 3, 0), "logistic", 1.0, 0, 5.0)
    assert found.decisive == "naive"
    assert found.honest.fine is None
    assert found.honest.n_unheld == 6


def test_the_grid_is_ranked_on_held_out_images(clouds) -> None:
    samples, x = clouds
    plans = Plans.of(samples, 3, 0)
    trials = search(LocalTrainer(x), samples, plans.deciding, ("logistic", "forest"), 0)
    assert len(trials) == 5
    assert trials[0].top1 >= max(trial.top1 for trial in trials) - 0.005
    again = held_out(LocalTrainer(x), samples, plans.honest, trials[0].kind, trials[0].setting, 0)
    right = again.logits.argmax(axis=1) == samples.y[again.rows]
    assert trials[0].top1 == right.mean()


def test_a_subset_takes_as_many_of_each_class() -> None:
    y = np.repeat([0, 1, 2], [100, 10, 3])
    assert np.bincount(y[subset(y, 23, 0)]).tolist() == [10, 10, 3]
    assert subset(y, 1000, 0).all()


def test_scores_are_counted_by_hand() -> None:
    p = np.array([[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.5, 0.4, 0.1], [0.7, 0.2, 0.1]])
    y = np.array([0, 1, 1, 0])
    found = score(p, y, ("a", "b", "c"))
    assert found is not None
    assert (found.top1, found.top5, found.n_classes) == (0.75, 1.0, 2)
    assert [(c.label, c.n, c.recall, c.precision) for c in found.by_class] == [
        ("a", 2, 1.0, 2 / 3),
        ("b", 2, 0.5, 1.0),
    ]
    rows = confusion(y, p.argmax(axis=1), ("a", "b", "c")).to_pylist()
    assert [tuple(row.values()) for row in rows] == [("a", "a", 2), ("b", "a", 1), ("b", "b", 1)]


def test_a_species_is_as_probable_as_its_varieties_together() -> None:
    p = np.array([[0.3, 0.45, 0.25]])
    summed, names, number = by_species(p, ("pear", "apple", "pear"))
    assert names == ["apple", "pear"]
    assert number.tolist() == [1, 0, 1]
    np.testing.assert_allclose(summed, [[0.45, 0.55]])
