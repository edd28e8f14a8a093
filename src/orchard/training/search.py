"""Which kind of head, and how strongly held back: the grid, on held-out images."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchard.classify.calibration import fit_temperature, log_loss
from orchard.training.local import GRID
from orchard.training.samples import LocalTrainer, Samples, Trainer, held_out, subset
from orchard.training.splits import Folds

ROWS = 6000  # that the grid is tried on: enough to rank, and a minute at most
CLEARLY = 0.005  # of top-1: between settings nearer to the best than this, log loss decides


@dataclass(frozen=True, slots=True)
class Trial:
    """A point of the grid. log_loss: after temperature scaling. seconds: of its folds together."""

    kind: str
    setting: float
    top1: float
    log_loss: float
    seconds: float


def search(
    trainer: Trainer, samples: Samples, folds: Folds, kinds: Sequence[str], seed: int
) -> list[Trial]:
    """Try the grid of every kind on the same folds, best first.

    At most ROWS images take part, in this process, whatever engine trains on all of them in the
    end. folds: honest where there are such.
    """
    among = subset(samples.y, ROWS, seed)
    few = LocalTrainer(trainer.inputs(np.flatnonzero(among)))
    trials = [
        _try(few, samples.take(among), folds[among], kind, setting, seed)
        for kind in kinds
        for setting in GRID[kind]
    ]
    best = max(trial.top1 for trial in trials)
    return sorted(trials, key=lambda t: (t.top1 < best - CLEARLY, t.log_loss, -t.top1))


def _try(
    trainer: Trainer, samples: Samples, folds: Folds, kind: str, setting: float, seed: int
) -> Trial:
    started = time.perf_counter()
    found = held_out(trainer, samples, folds, kind, setting, seed)
    y = samples.y[found.rows]
    loss = log_loss(found.logits, y, fit_temperature(found.logits, y)) if len(y) else 0.0
    top1 = float((found.logits.argmax(axis=1) == y).mean()) if len(y) else 0.0
    return Trial(kind, setting, top1, loss, round(time.perf_counter() - started, 3))
