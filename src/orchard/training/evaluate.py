"""How good answers on held-out images are. Symbols: n images, c classes; p (n, c) probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from orchard.classify.calibration import Bin, calibration_error, reliability

CONFUSION = pa.schema(
    [
        pa.field("actual", pa.string(), nullable=False),
        pa.field("predicted", pa.string(), nullable=False),
        pa.field("n", pa.int64(), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One class. n: images of it; recall: of them answered so; precision: of the answers."""

    label: str
    n: int
    recall: float
    precision: float
    f1: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Of n held-out images of n_classes classes. macro_f1: the mean over those classes.

    ece: expected calibration error of the top probability. bins: the reliability curve.
    """

    n: int
    n_classes: int
    top1: float
    top5: float
    macro_f1: float
    ece: float
    bins: list[Bin]
    by_class: list[ClassScore]


def score(p: NDArray[np.floating], y: NDArray[np.intp], names: Sequence[str]) -> Scores | None:
    """None where nothing was held out. names: of the c classes."""
    if not len(y):
        return None
    predicted = p.argmax(axis=1)
    right = predicted == y
    rank = (p > p[np.arange(len(y)), y][:, None]).sum(axis=1)
    by_class = _by_class(y, predicted, names)
    bins = reliability(p.max(axis=1), right)
    return Scores(
        n=len(y),
        n_classes=len(by_class),
        top1=float(right.mean()),
        top5=float((rank < 5).mean()),
        macro_f1=float(np.mean([entry.f1 for entry in by_class])),
        ece=calibration_error(bins),
        bins=bins,
        by_class=by_class,
    )


def confusion(y: NDArray[np.intp], predicted: NDArray[np.intp], names: Sequence[str]) -> pa.Table:
    """One row for each pair that occurs, by actual class, the commonest answer first."""
    pairs, counts = np.unique(np.stack([y, predicted]), axis=1, return_counts=True)
    rows = sorted(
        ((names[a], names[b], int(n)) for (a, b), n in zip(pairs.T, counts, strict=True)),
        key=lambda row: (row[0], -row[2], row[1]),
    )
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return pa.table([list(column) for column in columns], schema=CONFUSION)


def by_species(
    p: NDArray[np.floating], species: Sequence[str]
) -> tuple[NDArray[np.float64], list[str], NDArray[np.intp]]:
    """(n, s) probabilities of species, their names, and the species number of each class."""
    names, number = np.unique(np.array(species, np.str_), return_inverse=True)
    summed = np.zeros((len(p), len(names)))
    np.add.at(summed.T, number, p.T)
    return summed, names.tolist(), number


def _by_class(
    y: NDArray[np.intp], predicted: NDArray[np.intp], names: Sequence[str]
) -> list[ClassScore]:
    c = len(names)
    hits = np.bincount(y[y == predicted], minlength=c)
    actual, answers = np.bincount(y, minlength=c), np.bincount(predicted, minlength=c)
    return [
        ClassScore(
            label=names[i],
            n=int(actual[i]),
            recall=float(hits[i] / actual[i]),
            precision=float(hits[i] / max(answers[i], 1)),
            f1=float(2 * hits[i] / (actual[i] + answers[i])),
        )
        for i in np.flatnonzero(actual).tolist()
    ]
