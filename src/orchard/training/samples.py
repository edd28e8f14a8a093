"""What a head is trained on, and who trains it: rows of components, their classes and objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from orchard.classify.heads import Head
from orchard.training import local
from orchard.training.splits import ALWAYS, Folds

MEASURED_ROWS = 50_000  # held-out images, in all folds, that a score is computed from


class Trainer(Protocol):
    """Trains a head on the rows of a mask; where the rows lie is its own affair."""

    name: str

    def fit(self, kind: str, setting: float, rows: NDArray[np.bool_], y: NDArray[np.intp],
            n_classes: int, seed: int) -> Head:  # fmt: skip
        ...

    def inputs(self, rows: NDArray[np.intp]) -> NDArray[np.float32]: ...


@dataclass(slots=True)
class LocalTrainer:
    """All rows in this process. x: (n, k) float32."""

    x: NDArray[np.float32]
    name: str = field(default="local", init=False)

    def fit(self, kind: str, setting: float, rows: NDArray[np.bool_], y: NDArray[np.intp],
            n_classes: int, seed: int) -> Head:  # fmt: skip
        return local.fit(kind, setting, self.x[rows], y[rows], n_classes, seed)

    def inputs(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        return self.x[rows]


@dataclass(frozen=True, slots=True)
class Samples:
    """n labelled images. paths: (n,). y: (n,) class numbers. classes: their names, sorted.

    species: of each class; the class's own name where the taxonomy does not know it. objects: (n,),
    equal for images of one object.
    """

    paths: NDArray[np.str_]
    y: NDArray[np.intp]
    classes: tuple[str, ...]
    species: tuple[str, ...]
    objects: NDArray[np.intp]

    @property
    def species_numbers(self) -> NDArray[np.intp]:
        """(n,) the number of each image's species among the sorted species."""
        return np.unique(np.array(self.species), return_inverse=True)[1][self.y]

    @classmethod
    def of(
        cls,
        paths: NDArray[np.str_],
        labels: NDArray[np.str_],
        species_of: Callable[[str], str],
        objects: NDArray[np.intp],
    ) -> Samples:
        classes, y = np.unique(labels, return_inverse=True)
        names = tuple(classes.tolist())
        return cls(paths, y, names, tuple(species_of(name) for name in names), objects)

    def take(self, rows: NDArray[np.bool_]) -> Samples:
        return Samples(
            self.paths[rows], self.y[rows], self.classes, self.species, self.objects[rows]
        )


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Logits for images by heads that did not train on them. rows: (m,); logits: (m, c); fold:
    (m,)."""

    rows: NDArray[np.intp]
    logits: NDArray[np.float64]
    fold: NDArray[np.intp]

    @classmethod
    def nothing(cls, n_classes: int) -> HeldOut:
        return cls(np.zeros(0, np.intp), np.zeros((0, n_classes)), np.zeros(0, np.intp))


def held_out(
    trainer: Trainer,
    samples: Samples,
    folds: Folds,
    kind: str,
    setting: float,
    seed: int,
    after: Callable[[], None] = lambda: None,
) -> HeldOut:
    """Train once a fold on all rows outside it, and ask for those in it.

    Of more than MEASURED_ROWS a random part is asked for. after: called when a fold is done.
    """
    found = HeldOut.nothing(len(samples.classes))
    for so_far in fold_by_fold(trainer, samples, folds, kind, setting, seed):
        found = so_far
        after()
    return found


def fold_by_fold(
    trainer: Trainer, samples: Samples, folds: Folds, kind: str, setting: float, seed: int
) -> Iterator[HeldOut]:
    """What `held_out` returns, after each fold: of the folds so far. Nothing without a fold."""
    asked = np.flatnonzero(folds != ALWAYS)
    if len(asked) > MEASURED_ROWS:
        chosen = np.random.default_rng(seed).choice(len(asked), MEASURED_ROWS, replace=False)
        asked = asked[np.sort(chosen)]
    done = np.zeros(len(asked), bool)
    logits = np.empty((len(asked), len(samples.classes)))
    for fold in np.unique(folds[asked]):
        head = trainer.fit(kind, setting, folds != fold, samples.y, len(samples.classes), seed)
        inside = folds[asked] == fold
        logits[inside] = head.logits(trainer.inputs(asked[inside]))
        done |= inside
        yield HeldOut(asked[done], logits[done], folds[asked[done]])


def subset(y: NDArray[np.intp], at_most: int, seed: int) -> NDArray[np.bool_]:
    """A mask of at most so many rows, as many of each class as of the others where there are."""
    order = np.random.default_rng(seed).permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    _, first, counts = np.unique(y[order], return_index=True, return_counts=True)
    rank = np.arange(len(order)) - np.repeat(first, counts)
    mask = np.zeros(len(y), bool)
    mask[order[np.argsort(rank, kind="stable")[:at_most]]] = True
    return mask


def named(classes: Sequence[str], numbers: NDArray[np.intp]) -> NDArray[np.str_]:
    return np.array(classes, np.str_)[numbers]
