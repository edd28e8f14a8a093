"""Which kind of head, and how strongly held back: the grid, on held-out images.

Settings are tried in the order in which they usually pay. A family climbs: from the middle of its
grid to its neighbours, and on only while that helps. What loses is stopped: a setting whose
held-out images so far leave it no chance, and a family whose first setting is far behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from orchard.classify.calibration import fit_temperature, log_loss, losses
from orchard.training.local import GRID
from orchard.training.progress import Steps
from orchard.training.samples import HeldOut, LocalTrainer, Samples, Trainer, fold_by_fold, subset
from orchard.training.splits import ALWAYS, Folds

ROWS = 6000  # that the grid is tried on: enough to rank, and a minute at most
CLEARLY = 0.005  # of top-1: between settings nearer to the best than this, log loss decides
FAR = 0.03  # of top-1 behind the best, with more log loss: a family whose first setting is, ends
SURELY = 2.0  # standard errors
FIRST = {"logistic": 0.1, "svm": 0.001, "forest": 64.0}  # of each family: what is usually its best
COST = {"logistic": 1.0, "svm": 5.0, "forest": 20.0}  # of a fold, as seen; for the time left


@dataclass(frozen=True, slots=True)
class Trial:
    """A point of the grid. log_loss: after temperature scaling. seconds: of its folds together.
    stopped: it was left after some of the folds, on which the figures are."""

    kind: str
    setting: float
    top1: float
    log_loss: float
    seconds: float
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """trials: best first. held: what the best one said of held-out images; None where `trainer`
    would say something else: it is another engine, or has more images."""

    trials: list[Trial]
    held: HeldOut | None


@dataclass(slots=True)
class _Race:
    trainer: Trainer
    samples: Samples
    folds: Folds
    seed: int
    steps: Steps
    tried: list[tuple[Trial, HeldOut]] = field(default_factory=list)

    @property
    def best(self) -> tuple[Trial, HeldOut]:
        return min(self.tried, key=rank([trial for trial, _ in self.tried]))

    def family(self, kind: str) -> None:
        grid = sorted(GRID[kind])
        start = grid.index(FIRST[kind])
        is_first = not self.tried
        self.enter(kind, grid[start])
        if not is_first and self._is_far_behind(self.tried[-1][0]):
            return
        for side in (grid[start + 1 :], grid[:start][::-1]):
            for setting in side:
                self.enter(kind, setting)
                own = [entry for entry in self.tried if entry[0].kind == kind]
                if min(own, key=rank([trial for trial, _ in own])) is not self.tried[-1]:
                    break

    def enter(self, kind: str, setting: float) -> None:
        started = time.perf_counter()
        rival = self.best if self.tried else None
        held, stopped = HeldOut.nothing(len(self.samples.classes)), False
        parts = fold_by_fold(self.trainer, self.samples, self.folds, kind, setting, self.seed)
        n_folds = len(np.unique(self.folds[self.folds != ALWAYS]))
        for number, held in enumerate(parts, 1):
            self.steps.advance(COST[kind], f"{kind} {setting:g}")
            stopped = rival is not None and number < n_folds and self._has_lost(held, rival[1])
            if stopped:
                break
        self.tried.append((self._trial(kind, setting, held, started, stopped), held))

    def _trial(
        self, kind: str, setting: float, held: HeldOut, started: float, stopped: bool
    ) -> Trial:
        y = self.samples.y[held.rows]
        loss = log_loss(held.logits, y, fit_temperature(held.logits, y)) if len(y) else 0.0
        top1 = float((held.logits.argmax(axis=1) == y).mean()) if len(y) else 0.0
        return Trial(kind, setting, top1, loss, round(time.perf_counter() - started, 3), stopped)

    def _has_lost(self, held: HeldOut, best: HeldOut) -> bool:
        """Whether on the same images it is surely less probable, and not more often right."""
        common = np.isin(best.rows, held.rows)
        rival = HeldOut(best.rows[common], best.logits[common], best.fold[common])
        y = self.samples.y[held.rows]
        rights = [(one.logits.argmax(axis=1) == y).astype(float) for one in (held, rival)]
        lost = [losses(one.logits, y, fit_temperature(one.logits, y)) for one in (held, rival)]
        worse, error = _mean(lost[0] - lost[1])
        gain, of_gain = _mean(rights[0] - rights[1])
        return worse > SURELY * error and gain + SURELY * of_gain < CLEARLY

    def _is_far_behind(self, trial: Trial) -> bool:
        best = self.best[0]
        return trial.stopped or (trial.top1 < best.top1 - FAR and trial.log_loss > best.log_loss)


def rank(
    trials: Sequence[Trial],
) -> Callable[[tuple[Trial, HeldOut]], tuple[bool, bool, float, float]]:
    """The order of trials: those near the best top-1 by log loss, then the others; those that were
    stopped last."""
    best = max(trial.top1 for trial in trials if not trial.stopped)

    def key(entry: tuple[Trial, HeldOut]) -> tuple[bool, bool, float, float]:
        t = entry[0]
        return t.stopped, t.top1 < best - CLEARLY, t.log_loss, -t.top1

    return key


def cost(kinds: Sequence[str], n_folds: int) -> float:
    """Of the whole grid, in a logistic regression's folds."""
    return sum(COST[kind] * len(GRID[kind]) * n_folds for kind in kinds)


def search(
    trainer: Trainer, samples: Samples, folds: Folds, kinds: Sequence[str], seed: int, steps: Steps
) -> Found:
    """Try the kinds on the same folds.

    At most ROWS images take part, in this process, whatever engine trains on all of them in the
    end. folds: honest where there are such.
    """
    among = subset(samples.y, ROWS, seed)
    few = LocalTrainer(trainer.inputs(np.flatnonzero(among)))
    race = _Race(few, samples.take(among), folds[among], seed, steps)
    planned = steps.done
    for kind in kinds:
        race.family(kind)
        planned += cost((kind,), len(np.unique(folds[folds != ALWAYS])))
        steps.skip_to(planned)
    order = sorted(race.tried, key=rank([trial for trial, _ in race.tried]))
    is_all = isinstance(trainer, LocalTrainer) and bool(among.all())
    return Found([trial for trial, _ in order], order[0][1] if is_all else None)


def _mean(values: NDArray[np.floating]) -> tuple[float, float]:
    """The mean and its standard error."""
    return float(values.mean()), float(values.std() / np.sqrt(len(values)))
