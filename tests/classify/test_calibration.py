"""Probabilities mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchard.classify.calibration import (
    calibration_error,
    fit_temperature,
    log_loss,
    reliability,
    softmax,
)


def drawn(temperature: float, n: int = 4000, c: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and classes drawn with the probabilities that they mean at a temperature."""
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(n, c)) * 2 * temperature
    p = softmax(logits, temperature)
    return logits, (rng.random((n, 1)) > p.cumsum(axis=1)).sum(axis=1)


def ece(p: np.ndarray, y: np.ndarray) -> float:
    return calibration_error(reliability(p.max(axis=1), p.argmax(axis=1) == y))


@pytest.mark.parametrize("temperature", [0.05, 1.0, 30.0])
def test_the_temperature_of_the_logits_is_found(temperature: float) -> None:
    logits, y = drawn(temperature)
    assert fit_temperature(logits, y) == pytest.approx(temperature, rel=0.1)


def test_scaling_makes_an_overconfident_head_honest() -> None:
    logits, y = drawn(4.0)
    half = len(y) // 2
    temperature = fit_temperature(logits[:half], y[:half])
    before, after = (ece(softmax(logits[half:], t), y[half:]) for t in (1.0, temperature))
    assert before > 0.1
    assert after < 0.03


def test_no_other_temperature_loses_less() -> None:
    logits, y = drawn(2.0)
    best = fit_temperature(logits, y)
    assert all(log_loss(logits, y, best * f) > log_loss(logits, y, best) for f in (0.8, 1.25))


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_the_curve_counts_every_image_once(rows) -> None:
    top, right = (np.array(column) for column in zip(*rows, strict=True))
    bins = reliability(top, right)
    assert sum(b.n for b in bins) == len(rows)
    assert sum(b.n * b.accuracy for b in bins) == pytest.approx(right.sum())
    assert 0 <= calibration_error(bins) <= 1


def test_a_head_that_is_right_as_often_as_it_says_has_no_error() -> None:
    top, right = np.full(10, 0.7), np.arange(10) < 7
    assert calibration_error(reliability(top, right)) == pytest.approx(0)
    assert calibration_error(reliability(top, ~right)) == pytest.approx(0.4)


def test_nothing_held_out_leaves_the_temperature_alone() -> None:
    assert fit_temperature(np.empty((0, 3)), np.empty(0, np.intp)) == 1.0
