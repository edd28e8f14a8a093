"""What a chosen kind comes to: scores under both splits, the temperature, the thresholds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchard.classify.calibration import fit_temperature, softmax
from orchard.training import threshold
from orchard.training.evaluate import Scores, by_species, confusion, score
from orchard.training.samples import HeldOut, Samples, Trainer, held_out
from orchard.training.splits import ALWAYS, Folds, honest_folds, random_folds, unseen_folds
from orchard.training.threshold import Choice, Two

UNSEEN_FOLDS = 3
ENOUGH = 0.5


@dataclass(frozen=True, slots=True)
class Split:
    """One way of holding out. fine, species: scores; None where nothing can be held out so.

    ece_before: the expected calibration error without temperature scaling. scaled: whether scaling
    makes it smaller; if not, the scores are those without. n_unheld: classes that no fold holds
    out.
    """

    fine: Scores | None
    species: Scores | None
    ece_before: float
    scaled: bool
    n_unheld: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that was measured before the last training on all images."""

    honest: Split
    naive: Split
    decisive: str  # the split that temperature, threshold and confusion come from
    temperature: float
    curve: list[Choice]
    choice: Choice
    two: Two
    confusion: pa.Table
    p: NDArray[np.float64]
    rows: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Plans:
    """The folds of a training."""

    honest: Folds
    naive: Folds
    unseen: Folds
    measured: float  # share of the classes that the honest folds hold out

    @classmethod
    def of(cls, samples: Samples, n_folds: int, seed: int) -> Plans:
        honest = honest_folds(samples.y, samples.objects, n_folds, seed)
        return cls(
            honest,
            random_folds(samples.y, n_folds, seed),
            unseen_folds(samples.species_numbers, UNSEEN_FOLDS, seed),
            len(np.unique(samples.y[honest != ALWAYS])) / len(samples.classes),
        )

    @property
    def decisive(self) -> str:
        """ "honest" where it measures half of the classes at least, else "naive"."""
        return "honest" if self.measured >= ENOUGH else "naive"

    @property
    def deciding(self) -> Folds:
        """The folds of that split."""
        return self.honest if self.decisive == "honest" else self.naive


def measure(
    trainer: Trainer, samples: Samples, plans: Plans, kind: str, setting: float, seed: int,
    mistake_cost: float, *, known: HeldOut | None = None, after: Callable[[], None] = lambda: None,
) -> Outcome:  # fmt: skip
    """known: what the deciding folds gave, where that was computed before. after: called when a
    fold is done."""

    def ask(folds: Folds) -> HeldOut:
        if known is not None and folds is plans.deciding:
            return known
        return held_out(trainer, samples, folds, kind, setting, seed, after)

    found = {"honest": ask(plans.honest), "naive": ask(plans.naive)}
    splits = {name: _split(held, samples) for name, held in found.items()}
    decisive = found[plans.decisive]
    y = samples.y[decisive.rows]
    helps = splits[plans.decisive].scaled
    temperature = fit_temperature(decisive.logits, y) if helps else 1.0
    p = softmax(decisive.logits, temperature)
    of_species, _, number = by_species(p, samples.species)
    unseen = np.zeros(0)
    if len(np.unique(samples.species_numbers)) > UNSEEN_FOLDS:
        left_out = ask(plans.unseen)
        unseen = by_species(softmax(left_out.logits, temperature), samples.species)[0].max(axis=1)
    right = of_species.argmax(axis=1) == number[y]
    top = of_species.max(axis=1) if len(y) else np.zeros(0)
    curve = threshold.cost_curve(top, right, unseen, mistake_cost)
    choice = threshold.least_cost(curve)
    return Outcome(
        honest=splits["honest"],
        naive=splits["naive"],
        decisive=plans.decisive,
        temperature=temperature,
        curve=curve,
        choice=choice,
        two=Two.of(of_species, number[y], choice.threshold),
        confusion=confusion(y, p.argmax(axis=1), samples.classes),
        p=p,
        rows=decisive.rows,
    )


def _split(found: HeldOut, samples: Samples) -> Split:
    """Scores with each fold's temperature fitted on the other folds; without one where that
    makes the calibration error no smaller."""
    y = samples.y[found.rows]
    p = np.empty_like(found.logits)
    for fold in np.unique(found.fold):
        inside = found.fold == fold
        rest = ~inside if (~inside).any() else inside
        p[inside] = softmax(found.logits[inside], fit_temperature(found.logits[rest], y[rest]))
    plain = score(softmax(found.logits), y, samples.classes)
    fine = score(p, y, samples.classes)
    scaled = plain is None or fine is None or fine.ece < plain.ece
    if not scaled:
        p, fine = softmax(found.logits), plain
    summed, names, number = by_species(p, samples.species)
    return Split(
        fine=fine,
        species=score(summed, number[y], names),
        ece_before=plain.ece if plain else 0.0,
        scaled=scaled,
        n_unheld=len(np.setdiff1d(np.unique(samples.y), y)),
    )
