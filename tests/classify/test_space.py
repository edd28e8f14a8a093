"""The space a head works in is the components', in the features' own metric."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from orchard.classify.landmarks import Landmarks, familiarity
from orchard.classify.space import Space
from orchard.reduction import Moments, fit
from orchard.training import local
from orchard.training.familiarity import REFUSED, Familiarity, Fruit, choose, landmarks_of, scenes
from orchard.training.splits import ALWAYS


def chosen(x: np.ndarray, y: np.ndarray, made: np.ndarray, space: Space) -> Familiarity:
    n_classes = int(y.max()) + 1
    fit_head = partial(local.fit, "logistic", 0.1, n_classes=n_classes, seed=0)
    head = fit_head(space.from_features(x), y)
    fruit = Fruit(x, y, np.arange(n_classes))
    return choose(
        fruit, made, space, landmarks_of(x), head, fit_head,
        temperature=1.0, standardize=True, seed=0,
    )  # fmt: skip


def features(n: int = 300, d: int = 20, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    directions = np.random.default_rng(9).normal(size=(5, d)) * np.linspace(0.1, 4, d)
    return (rng.normal(size=(n, 5)) @ directions + 0.01 * rng.normal(size=(n, d)) + 3).astype("f4")


@pytest.mark.parametrize("standardize", [True, False])
def test_components_and_features_lead_to_the_same_inputs(standardize: bool) -> None:
    x = features()
    pca = fit(Moments.of(x), 4, standardize=standardize)
    space = Space.of(pca)
    stored = pca.transform(x).astype(np.float32)
    np.testing.assert_allclose(space.from_components(stored), space.from_features(x), atol=1e-3)


def test_angles_and_lengths_are_those_of_the_features() -> None:
    x = features()
    pca = fit(Moments.of(x), 4)
    space = Space.of(pca)
    u, rebuilt = space.from_features(x), pca.inverse_transform(pca.transform(x)) - pca.mean
    np.testing.assert_allclose(u @ u.T, rebuilt @ rebuilt.T, atol=1e-2 * np.abs(u).max() ** 2)
    np.testing.assert_allclose(u @ space.basis, rebuilt, atol=1e-3)


def test_without_standardisation_they_are_the_components() -> None:
    x = features()
    pca = fit(Moments.of(x), 4, standardize=False)
    u, z = Space.of(pca).from_features(x), pca.transform(x)
    np.testing.assert_allclose(u @ u.T, z @ z.T, atol=1e-2)


@pytest.mark.parametrize("standardize", [True, False])
def test_each_of_two_networks_has_as_much_say(standardize: bool) -> None:
    loud, quiet = features(d=20), features(d=10, seed=4) / 50
    x = np.hstack([loud, quiet])
    pca = fit(Moments.of(x), 0.99, standardize=standardize)
    space = Space.of(pca, (20, 10))
    u = space.from_features(x)
    stored = pca.transform(x).astype(np.float32)
    np.testing.assert_allclose(space.from_components(stored), u, atol=1e-3 * np.abs(u).max())
    rebuilt = pca.inverse_transform(pca.transform(x)) - pca.mean
    np.testing.assert_allclose(u @ space.basis, rebuilt, atol=1e-3)
    variances = [rebuilt[:, own].var(axis=0).sum() for own in (slice(20), slice(20, 30))]
    balanced = rebuilt * np.repeat(np.sqrt(max(variances) / np.array(variances)), (20, 10))
    np.testing.assert_allclose(
        u @ u.T, balanced @ balanced.T, atol=1e-2 * np.square(u).sum(1).max()
    )


def test_what_was_trained_on_is_familiar_and_noise_is_not() -> None:
    x = features()
    space = Space.of(fit(Moments.of(x), 5))
    noise = np.random.default_rng(1).uniform(0, 6, x.shape).astype(np.float32)
    assert space.likeness(features(seed=1)).min() > 0.99
    assert space.likeness(noise).max() < 0.99


def test_few_images_of_held_out_scenes_are_called_no_fruit() -> None:
    x = features(800)
    space = Space.of(fit(Moments.of(x), 5))
    noise = np.random.default_rng(1).uniform(0, 6, (30, 20)).astype(np.float32)
    found = chosen(x, np.arange(800) % 9, noise, space)
    assert found.known == pytest.approx(REFUSED, abs=0.003)
    assert found.made == 1.0
    assert (familiarity(features(800, seed=5), space, landmarks_of(x)) < found.least).mean() < 0.10


def test_too_few_images_call_nothing_unfamiliar() -> None:
    x = features(3)
    space = Space.of(fit(Moments.of(x), 2))
    found = chosen(x, np.arange(3), x, space)
    assert found.least == found.fruit == 0.0


def test_what_lies_where_fruit_does_is_near_and_the_length_does_not_count() -> None:
    known = Landmarks.at(np.array([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]]))
    near = known.nearness(np.array([[2.0, 0.0, 4.0], [0.0, 0.1, 0.0], [-1.0, 0.0, 0.0]]))
    np.testing.assert_allclose(near[:2], 1, atol=1e-4)
    assert near[2] < 0.01


def test_equal_images_make_fewer_landmarks_and_no_warning() -> None:
    assert len(landmarks_of(np.ones((40, 6), np.float32)).directions) <= 8


def test_no_landmark_tells_of_a_single_image() -> None:
    x = np.eye(40, dtype=np.float32)
    x[:12] = x[0]
    (directions,) = landmarks_of(np.concatenate([x[:12], x[20:23]])).directions[:1]
    known = Landmarks(directions[None])
    assert known.nearness(x[:1]) > 0.9
    alone = landmarks_of(x[20:24])  # four images, none like another
    assert alone.nearness(x[20:21]) == pytest.approx(0.5, abs=0.01)


def test_a_scene_is_a_cluster_of_look_alikes_and_the_largest_always_trains() -> None:
    rng = np.random.default_rng(2)
    spots = np.eye(5, 20) * 9
    sizes = [9, 6, 5, 4, 3]
    x = (np.repeat(spots, sizes, axis=0) + 0.01 * rng.normal(size=(27, 20))).astype("f4")
    folds = scenes(np.concatenate([x, x[:1] + 9]), np.repeat([0, 1], [27, 1]))
    assert folds[-1] == ALWAYS
    ends = np.cumsum(sizes).tolist()
    found = [set(folds[end - size : end].tolist()) for size, end in zip(sizes, ends, strict=True)]
    assert found[0] == {ALWAYS}
    assert all(len(numbers) == 1 for numbers in found)
    assert len(set.union(*found)) == 5
