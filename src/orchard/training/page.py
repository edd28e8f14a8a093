"""`report/classifier.html`: what a classifier confuses, how sure it is, what a mistake costs."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchard.classify.files import Card
from orchard.images.confines import Confines
from orchard.storage import Storage
from orchard.training import figures
from orchard.training.mistakes import Pair, data_url, thumbnail


def classifier_page(
    card: Card,
    metrics: dict[str, Any],
    y: NDArray[np.intp],
    p: NDArray[np.floating],
    pairs: list[Pair],
    storage: Storage,
    confines: Confines,
) -> str:
    """One HTML page, nothing to fetch. y, p: held-out images of the decisive split."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    source = (files("orchard.training") / "classifier.html.j2").read_text("utf-8")
    pictures = {}
    if len(y):
        predicted = p.argmax(axis=1)
        pictures = {
            "confusion": data_url(
                figures.confusion_matrix(y, predicted, card.classes), "image/png"
            ),
            "reliability": data_url(
                figures.reliability_curve(metrics[metrics["decisive"]]["fine"]["bins"]), "image/png"
            ),
            "cost": data_url(figures.cost_curve(metrics["curve"], metrics["choice"]), "image/png"),
        }
    shown = [
        (pair, *(thumbnail(path, storage, confines) for path in (pair.mistaken, pair.typical)))
        for pair in pairs
    ]
    return environment.from_string(source).render(
        card=card, metrics=metrics, pictures=pictures, pairs=shown
    )
