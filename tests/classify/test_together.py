"""Several photos of one fruit: one answer, in which each has its say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchard.classify.together import Seen, as_one, together


def seen(p: list[float], likeness: float) -> Seen:
    direction = np.array([p[0], likeness], np.float32)
    return Seen(np.array(p), likeness, direction, {"network": 0.5})


def test_photos_that_doubt_alone_agree_together() -> None:
    apple_or_pear, apple_or_plum = [0.5, 0.5, 0.0], [0.5, 0.0, 0.5]
    p, likeness = together(np.array([apple_or_pear, apple_or_plum]), np.array([0.9, 0.7]))
    assert p.tolist() == [0.5, 0.25, 0.25]
    assert likeness == pytest.approx(0.8)


def test_one_photo_that_missed_the_fruit_does_not_outvote_two() -> None:
    p, _ = together(np.array([[0.9, 0.1], [0.9, 0.1], [1e-9, 1.0]]), np.ones(3))
    assert p.argmax() == 0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.randoms())
def test_the_order_of_photos_does_not_matter_and_probabilities_sum_to_one(
    shares: list[float], random
) -> None:
    photos = [(share, 1 - share) for share in shares]
    shuffled = random.sample(photos, len(photos))
    p, _ = together(np.array(photos), np.ones(len(photos)))
    again, _ = together(np.array(shuffled), np.ones(len(photos)))
    np.testing.assert_allclose(p, again, atol=1e-12)
    assert p.sum() == pytest.approx(1)


def test_the_seconds_of_several_photos_are_those_of_all() -> None:
    whole = as_one([seen([1.0, 0.0], 0.8), seen([0.0, 1.0], 0.6)])
    assert whole.p.tolist() == [0.5, 0.5]
    assert whole.likeness == pytest.approx(0.7)
    assert whole.seconds == {"network": 1.0}


def test_no_photo_has_no_answer() -> None:
    with pytest.raises(ValueError, match="no photo"):
        together(np.zeros((0, 3)), np.zeros(0))
