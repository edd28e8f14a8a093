"""A prediction in the words of the asked language, as JSON data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from orchard.classify.gallery import Neighbour
from orchard.classify.predictor import Guess, Prediction
from orchard.knowledge import all_species, label_name
from orchard.records import Failure
from orchard.web.cards import card
from orchard.web.thumbnails import Thumbnails


def answer(
    prediction: Prediction,
    language: str,
    thumbnails: Thumbnails,
    seconds: dict[str, float],
    failures: Sequence[Failure | None] = (None,),
) -> dict[str, Any]:
    """What `POST /api/identify` returns of images that were read; see openapi.json.

    The card is that of the best species, also where it is a guess only; null where the image shows
    none or one of two, and where the label is of no species that has one. seconds: what was spent
    besides the prediction's own. failures: of each photo that has no say in the answer.
    """
    names_one = prediction.answer not in ("not_a_fruit", "either")
    best = prediction.species[0].label if names_one else None
    spent = seconds | prediction.seconds
    return {
        "answer": prediction.answer,
        "language": language,
        "species": [_species(guess, language) for guess in prediction.species],
        "varieties": [_variety(guess, language) for guess in prediction.varieties],
        "card": card(best, language) if best else None,
        "nearest": [_neighbour(known, language, thumbnails) for known in prediction.nearest],
        "photos": {"sent": len(failures), "read": failures.count(None)},
        "seconds": {name: round(value, 6) for name, value in spent.items()},
    }


def _species(guess: Guess, language: str) -> dict[str, Any]:
    known = all_species().get(guess.label)
    return {
        "id": guess.label,
        "name": known.name.in_language(language) if known else guess.label,
        "binomial": known.binomial if known else None,
        "family": known.family if known else None,
        "probability": round(guess.probability, 6),
    }


def _variety(guess: Guess, language: str) -> dict[str, Any]:
    return {
        "label": guess.label,
        "name": label_name(guess.label, language),
        "probability": round(guess.probability, 6),
    }


def _neighbour(known: Neighbour, language: str, thumbnails: Thumbnails) -> dict[str, Any]:
    return {
        "label": known.label,
        "name": label_name(known.label, language),
        "distance": round(known.distance, 6),
        "thumbnail": f"/api/thumbnails/{thumbnails.name(known.path)}",
    }
