"""What is said of an image: both signs have their say."""

from __future__ import annotations

import pytest

from orchard.classify.verdict import Limits, verdict

LIMITS = Limits(sure=0.6, familiar=0.8, fruit=0.83, confidence=0.1)


@pytest.mark.parametrize(
    ("probability", "likeness", "expected"),
    [
        (0.98, 0.90, "sure"),
        (0.98, 0.75, "unlike"),  # a pineapple, photographed as none before
        (0.30, 0.75, "not_a_fruit"),  # as unlike, and no idea what it is
        (0.98, 0.70, "not_a_fruit"),  # too unlike, however sure
        (0.50, 0.79, "not_sure"),
        (0.50, 0.90, "not_sure"),
        (0.60, 0.80, "sure"),  # limits count as kept
    ],
)
def test_sureness_and_likeness_decide_together(
    probability: float, likeness: float, expected: str
) -> None:
    assert verdict(probability, likeness, LIMITS) == expected


@pytest.mark.parametrize(
    ("probability", "second", "likeness", "expected"),
    [
        (0.5, 0.3, 0.9, "either"),
        (0.5, 0.05, 0.9, "not_sure"),
        (0.5, 0.3, 0.79, "not_sure"),  # neither of the two looks like this
        (0.7, 0.3, 0.9, "sure"),
        (0.3, 0.3, 0.75, "not_a_fruit"),
    ],
)
def test_two_that_are_sure_together_are_both_named(
    probability: float, second: float, likeness: float, expected: str
) -> None:
    assert verdict(probability, likeness, LIMITS, second=second) == expected


def test_more_of_either_sign_never_turns_fruit_into_none() -> None:
    grid = [step / 20 for step in range(21)]
    for likeness in grid:
        refused = [verdict(p, likeness, LIMITS) == "not_a_fruit" for p in grid]
        assert refused == sorted(refused, reverse=True)
    for p in grid:
        refused = [verdict(p, likeness, LIMITS) == "not_a_fruit" for likeness in grid]
        assert refused == sorted(refused, reverse=True)
