"""When to answer, and when to say "not sure".

A wrong answer costs c, "not sure" costs 1 where the class was one that is known, and nothing where
it was not. The threshold on the best species' probability is the one of least expected cost, with
one picture in ten of something that was never trained on: estimated by leaving whole species out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEARLY = 1.02
UNSEEN_SHARE = 0.1  # of what is shown: an assumption, stated in the model card


@dataclass(frozen=True, slots=True)
class Choice:
    """What a threshold does, on held-out images. cost: expected, by picture.

    answered: share of known images that get an answer; right: share of those that are right;
    unseen_answered: share of images of unseen species that get one, which is then wrong.
    """

    threshold: float
    cost: float
    answered: float
    right: float
    unseen_answered: float


@dataclass(frozen=True, slots=True)
class Two:
    """What naming the two best species does, where the best alone is not sure.

    named: share of held-out images that get such an answer; right: share of these that are of one
    of the two.
    """

    named: float
    right: float

    @classmethod
    def of(cls, p: NDArray[np.floating], actual: NDArray[np.intp], threshold: float) -> Two:
        """p: (n, s) probabilities of species; actual: (n,) the images' species by number."""
        order = np.argsort(-p, axis=1, kind="stable")[:, :2]
        two = np.take_along_axis(p, order, axis=1)
        told = (two[:, 0] < threshold) & (two.sum(axis=1) >= threshold)
        right = (order[told] == actual[told, None]).any(axis=1)
        return cls(
            named=float(told.mean()) if len(told) else 0.0,
            right=float(right.mean()) if told.any() else 1.0,
        )


def weigh(
    known: NDArray[np.floating],
    right: NDArray[np.bool_],
    unseen: NDArray[np.floating],
    threshold: float,
    mistake_cost: float,
) -> Choice:
    """known: (n,) top probabilities of held-out images of known species; right: whether they were
    so; unseen: (m,) those of images of species left out."""
    told, told_unseen = known >= threshold, unseen >= threshold
    of_known = float(np.where(told, mistake_cost * ~right, 1.0).mean()) if len(known) else 0.0
    of_unseen = float(mistake_cost * told_unseen.mean()) if len(unseen) else 0.0
    share = UNSEEN_SHARE if len(unseen) else 0.0
    return Choice(
        threshold=threshold,
        cost=(1 - share) * of_known + share * of_unseen,
        answered=float(told.mean()) if len(known) else 0.0,
        right=float(right[told].mean()) if told.any() else 1.0,
        unseen_answered=float(told_unseen.mean()) if len(unseen) else 0.0,
    )


def cost_curve(
    known: NDArray[np.floating],
    right: NDArray[np.bool_],
    unseen: NDArray[np.floating],
    mistake_cost: float,
) -> list[Choice]:
    """The choices at thresholds 0, 0.01 … 1."""
    steps = np.linspace(0, 1, 101)
    return [weigh(known, right, unseen, float(step), mistake_cost) for step in steps]


def least_cost(curve: list[Choice]) -> Choice:
    """The lowest threshold whose cost is least, or so near that a few images tell them apart."""
    bar = NEARLY * min(choice.cost for choice in curve)
    return next(choice for choice in curve if choice.cost <= bar)
