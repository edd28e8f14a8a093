"""The spine of a training: components become a classifier that stands on its own.

components ─split─▶ folds ─search─▶ kind, setting ─measure─▶ scores, thresholds ─fit─▶ files, page
"""

from __future__ import annotations

from dataclasses import asdict

import numpy as np

from orchard.progress import Reporter
from orchard.storage import Storage
from orchard.store import ownership
from orchard.store.output import Output
from orchard.store.runs import RunLog
from orchard.training.outcome import UNSEEN_FOLDS, Plans, measure
from orchard.training.progress import steps
from orchard.training.publish import Trained, publish
from orchard.training.reading import Data, read
from orchard.training.search import COST, cost, search
from orchard.training.settings import TrainConfig

_LAST = 40.0  # what comes after the fits, in such folds

__all__ = ["TrainConfig", "Trained", "train"]


def train(config: TrainConfig, reporter: Reporter | None = None) -> Trained:
    """Do what `orchard train` does.

    Raises an OrchardError that says what to do; the classifiers that are there stay as they are.
    """
    reporter = reporter or Reporter()
    output = Output.at(config.output, Storage(config.endpoint_url, config.region))
    log = RunLog(asdict(config))
    ownership.require(output)
    with output.lock(), read(output, config, log) as data:
        samples, seed = data.samples, config.seed
        reporter.say(data.described)
        plans = Plans.of(samples, config.folds, seed)
        _warn(data, plans, reporter)
        with steps(reporter, _cost(config), "training") as progress:
            with log.timed("search"):
                found = search(data.trainer, samples, plans.deciding, config.kinds, seed, progress)
            best = found.trials[0]
            reporter.say(f"best of {len(found.trials)} settings: {best.kind}, {best.setting:g}")
            unit = COST[best.kind]
            with log.timed("measure"):
                outcome = measure(
                    data.trainer, samples, plans, best.kind, best.setting, seed,
                    config.mistake_cost, known=found.held,
                    after=lambda: progress.advance(unit, "measuring"),
                )  # fmt: skip
            with log.timed("fit"):
                everything = np.ones(len(samples.y), bool)
                n_classes = len(samples.classes)
                head = data.trainer.fit(
                    best.kind, best.setting, everything, samples.y, n_classes, seed
                )
            progress.skip_to(_cost(config) - _LAST, "what is no fruit, known images, the page")
            trained = publish(output, config, data, head, best, found.trials, outcome, log)
            progress.skip_to(progress.total)
        return trained


def _cost(config: TrainConfig) -> float:
    """In folds of logistic regression, as if everything had to be tried."""
    most = max(COST[kind] for kind in config.kinds[:1])
    fits = 2 * config.folds + UNSEEN_FOLDS + 1
    return cost(config.kinds, config.folds) + fits * most + _LAST


def _warn(data: Data, plans: Plans, reporter: Reporter) -> None:
    if data.network.notice:
        reporter.warn(data.network.notice)
    if plans.decisive == "naive":
        reporter.warn(
            f"{plans.measured:.0%} of the classes have images of more than one object, as far as "
            "the names tell: the random split decides, and its scores are too good; --group says "
            "which images are of one object"
        )
