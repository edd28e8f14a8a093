"""The space a head works in is the components', in the features' own metric."""

from __future__ import annotations

import numpy as np
import pytest

from orchard.classify.space import Space
from orchard.reduction import Moments, fit
from orchard.training.familiarity import choose


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


def test_one_in_a_hundred_held_out_images_is_called_no_fruit() -> None:
    x = features(800)
    space = Space.of(fit(Moments.of(x), 5))
    noise = np.random.default_rng(1).uniform(0, 6, (30, 20)).astype(np.float32)
    found = choose(x, np.arange(800) % 9, noise, space, standardize=True, seed=0)
    assert found.known == pytest.approx(0.01, abs=0.002)
    assert found.made == 1.0
    assert (space.likeness(features(800, seed=5)) < found.least).mean() < 0.03


def test_too_few_images_call_nothing_unfamiliar() -> None:
    x = features(3)
    space = Space.of(fit(Moments.of(x), 2))
    found = choose(x, np.arange(3), x, space, standardize=True, seed=0)
    assert found.least == 0.0
