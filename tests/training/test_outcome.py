"""What training measures: near copies flatter a random split, and only it."""

from __future__ import annotations

import numpy as np

from orchard.classify.calibration import fit_temperature, log_loss, softmax
from orchard.training.evaluate import by_species, confusion, score
from orchard.training.local import GRID
from orchard.training.outcome import Plans, measure
from orchard.training.progress import Steps
from orchard.training.samples import LocalTrainer, Samples, held_out, subset
from orchard.training.search import FIRST, cost, search


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
    steps = Steps(cost(("logistic", "forest"), 3))
    found = search(LocalTrainer(x), samples, plans.deciding, ("logistic", "forest"), 0, steps)
    trials = found.trials
    assert {trial.kind for trial in trials} == {"logistic", "forest"}
    assert trials[0].top1 >= max(trial.top1 for trial in trials if not trial.stopped) - 0.005
    assert steps.done == steps.total
    again = held_out(LocalTrainer(x), samples, plans.honest, trials[0].kind, trials[0].setting, 0)
    right = again.logits.argmax(axis=1) == samples.y[again.rows]
    assert trials[0].top1 == right.mean()
    assert found.held is not None
    np.testing.assert_array_equal(found.held.logits, again.logits)


def test_a_family_that_is_far_behind_is_not_tried_further(clouds, monkeypatch) -> None:
    samples, x = clouds
    plans, steps = Plans.of(samples, 3, 0), Steps(100)
    monkeypatch.setitem(GRID, "svm", (1e-9, 1e-8, 1e-7))  # held back so much that it knows nothing
    monkeypatch.setitem(FIRST, "svm", 1e-8)
    found = search(LocalTrainer(x), samples, plans.naive, ("logistic", "svm"), 0, steps)
    assert found.trials[0].kind == "logistic"
    (svm,) = (trial for trial in found.trials if trial.kind == "svm")
    assert svm.stopped


def test_a_family_climbs_to_the_end_of_its_grid_while_that_helps(clouds) -> None:
    samples, x = clouds
    plans = Plans.of(samples, 3, 0)
    found = search(LocalTrainer(x), samples, plans.naive, ("logistic",), 0, Steps(100))
    tried = sorted(trial.setting for trial in found.trials)
    best = found.trials[0].setting
    assert best in tried
    whole = [
        (loss(LocalTrainer(x), samples, plans.naive, setting), setting)
        for setting in GRID["logistic"]
    ]
    assert best == min(whole)[1]


def loss(trainer: LocalTrainer, samples: Samples, folds: np.ndarray, setting: float) -> float:
    held = held_out(trainer, samples, folds, "logistic", setting, 0)
    y = samples.y[held.rows]
    return log_loss(held.logits, y, fit_temperature(held.logits, y))


def test_where_scaling_makes_calibration_worse_probabilities_stay_as_they_are(clouds) -> None:
    samples, x = clouds
    for kind, setting in (("logistic", 1.0), ("logistic", 0.01), ("svm", 0.01)):
        plans = Plans.of(samples, 3, 0)
        found = measure(LocalTrainer(x), samples, plans, kind, setting, 0, 5.0)
        for split in (found.honest, found.naive):
            assert split.fine.ece <= split.ece_before
        held = held_out(LocalTrainer(x), samples, plans.honest, kind, setting, 0)
        if not found.honest.scaled:
            assert found.temperature == 1.0
            np.testing.assert_array_equal(found.p, softmax(held.logits))


def test_what_the_search_knows_is_not_computed_again(clouds) -> None:
    samples, x = clouds
    plans, calls = Plans.of(samples, 3, 0), []
    known = held_out(LocalTrainer(x), samples, plans.honest, "logistic", 1.0, 0)
    plain = measure(LocalTrainer(x), samples, plans, "logistic", 1.0, 0, 5.0)
    again = measure(
        LocalTrainer(x), samples, plans, "logistic", 1.0, 0, 5.0,
        known=known, after=lambda: calls.append(1),
    )  # fmt: skip
    assert len(calls) == 3  # the folds of the random split; three species are too few to leave out
    assert again.honest == plain.honest
    assert again.temperature == plain.temperature


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
