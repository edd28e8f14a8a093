"""When the answer is "not sure"."""

from __future__ import annotations

import numpy as np
import pytest

from orchard.training.threshold import UNSEEN_SHARE, Two, cost_curve, least_cost, weigh

KNOWN = np.linspace(0.005, 0.995, 100)
RIGHT = np.arange(100) >= 40  # below 0.4 always wrong, above always right
NONE = np.zeros(0)


def test_the_threshold_lies_where_answers_become_right() -> None:
    choice = least_cost(cost_curve(KNOWN, RIGHT, NONE, 5.0))
    assert choice.threshold == pytest.approx(0.4, abs=0.011)
    assert choice.right > 0.97


def test_images_of_unseen_species_push_it_up() -> None:
    unseen = np.full(50, 0.6)
    choice = least_cost(cost_curve(KNOWN, RIGHT, unseen, 20.0))
    assert choice.threshold > 0.6
    assert choice.unseen_answered == 0


def test_a_dearer_mistake_makes_fewer_answers() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(2000)
    right = rng.random(2000) < p
    answered = [least_cost(cost_curve(p, right, NONE, cost)).answered for cost in (2, 5, 20)]
    assert answered == sorted(answered, reverse=True)
    assert answered[0] > answered[2] + 0.2


def test_a_calibrated_head_answers_where_it_is_worth_it() -> None:
    """Of n answers at probability p, cost c (1 − p) against 1: worth it from p = 1 − 1 / c on."""
    rng = np.random.default_rng(0)
    p = rng.random(20000)
    curve = cost_curve(p, rng.random(20000) < p, NONE, 5.0)
    assert least_cost(curve).threshold == pytest.approx(0.8, abs=0.12)  # the curve is flat there


def test_the_cost_is_what_it_says() -> None:
    known, right, unseen = np.array([0.9, 0.9, 0.1]), np.array([True, False, True]), np.array([0.9])
    found = weigh(known, right, unseen, 0.5, 5.0)
    expected = (1 - UNSEEN_SHARE) * (0 + 5 + 1) / 3 + UNSEEN_SHARE * 5
    assert found.cost == pytest.approx(expected)
    assert (found.answered, found.right, found.unseen_answered) == (pytest.approx(2 / 3), 0.5, 1.0)


def test_a_threshold_nobody_reaches_answers_nothing() -> None:
    found = weigh(KNOWN, RIGHT, NONE, 1.1, 5.0)
    assert (found.answered, found.right, found.cost) == (0, 1, 1)


def test_two_species_are_named_where_they_are_sure_together() -> None:
    p = np.array([[0.5, 0.4, 0.1], [0.5, 0.4, 0.1], [0.9, 0.1, 0.0], [0.4, 0.3, 0.3]])
    assert Two.of(p, np.array([1, 2, 0, 0]), 0.8) == Two(named=0.5, right=0.5)
    assert Two.of(p, np.array([1, 2, 0, 0]), 0.95) == Two(named=0.25, right=1.0)
    assert Two.of(p, np.array([1, 2, 0, 0]), 2.0) == Two(named=0.0, right=1.0)
    assert Two.of(np.zeros((0, 3)), np.zeros(0, np.intp), 0.5) == Two(named=0.0, right=1.0)
