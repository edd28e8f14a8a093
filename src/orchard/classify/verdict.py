"""What is said of an image, from two signs: how sure the classifier is, and how familiar the image.

How familiar an image is tells alone too little of a pineapple that the classifier knows at 98 %,
photographed as no pineapple before; sureness alone lets five of six pictures of other things pass.
So what refuses is their sum, likeness + CONFIDENCE · p, p the probability of the best species and
likeness that of `landmarks.familiarity`. The weight was
chosen on photos of held-out scenes, against pictures without fruit: benchmarks/refusal.py. The
page's own `heard` in web/static/classifier.js is this function.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Answer = Literal["sure", "unlike", "either", "not_sure", "not_a_fruit"]
CONFIDENCE = 0.1  # what a sure answer adds to the likeness


@dataclass(frozen=True, slots=True)
class Limits:
    """sure: the least probability that is an answer. familiar: the likeness below which an image is
    unlike those that are known. fruit: the least likeness + confidence · p of a fruit."""

    sure: float
    familiar: float
    fruit: float
    confidence: float = CONFIDENCE


def verdict(probability: float, likeness: float, limits: Limits, *, second: float = 0.0) -> Answer:
    """probability: of the best species, 0 to 1; second: of the next. likeness: at most 2.

    "either": neither of the two is sure, but it is sure that it is one of them.
    """
    if likeness + limits.confidence * probability < limits.fruit:
        return "not_a_fruit"
    is_familiar = likeness >= limits.familiar
    if probability >= limits.sure:
        return "sure" if is_familiar else "unlike"
    return "either" if is_familiar and probability + second >= limits.sure else "not_sure"
