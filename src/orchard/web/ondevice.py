"""What a browser needs to answer by itself: a classifier as plain files.

    classifier.json   names, limits, how pixels become the network's input
    network           the ONNX graph, its weights as float16
    classifier        projection and head, see `orchard.classify.portable`
    runtime           ONNX Runtime Web's WebAssembly
    cards.en, .fr     what is known of the species it can name

All but the first are parts: packed with gzip, which the browser unpacks whatever server they lie
on, and named by their own hash, so that a part never changes and is fetched once.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import Any

from orchard.classify.files import Card, Classifier
from orchard.classify.portable import portable
from orchard.images.decode import DEFAULT_MAX_PIXELS
from orchard.knowledge import LANGUAGES, all_species, label_name
from orchard.model.halves import halved
from orchard.model.onnx_model import Branch, Model
from orchard.web.cards import card as card_of

VENDOR = files(__package__).joinpath("vendor")


@dataclass(frozen=True, slots=True)
class Part:
    """content: packed. file: its name. sha256: of the content."""

    content: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    def file(self, name: str) -> str:
        """Not .gz: some servers would then announce an encoding, and browsers unpack twice."""
        return f"{name}.{self.sha256[:16]}.bin"


def about(classifier: Classifier) -> bytes:
    """`classifier.json`."""
    card, network = classifier.card, classifier.network
    fields = {
        "id": card.classifier_id,
        "notice": card.notice,
        "label": card.label,
        "temperature": card.temperature,
        "sure": card.sure,
        "familiar": card.familiar,
        "fruit": card.fruit,
        "confidence": card.confidence,
        "classes": [_class(card, number) for number in range(len(card.classes))],
        "species": {name: _species(name) for name in sorted(set(card.species))},
        "network": _network(network, card),
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def parts(classifier: Classifier) -> dict[str, Part]:
    """By name, in the order in which they are fetched."""
    species = sorted(set(classifier.card.species))
    found = {
        "classifier": _packed(portable(classifier.head, classifier.space, classifier.landmarks)),
        "network": _packed(halved(classifier.network.onnx)),
        "runtime": Part(VENDOR.joinpath("runtime.wasm.gz").read_bytes()),
    }
    for language in LANGUAGES:
        cards = {name: card_of(name, language) for name in species}
        found[f"cards.{language}"] = _packed(json.dumps(cards, ensure_ascii=False).encode())
    return found


def _packed(content: bytes) -> Part:
    return Part(gzip.compress(content, 6, mtime=0))


def _class(card: Card, number: int) -> dict[str, Any]:
    label = card.classes[number]
    names = {language: label_name(label, language) for language in LANGUAGES}
    return {"label": label, "species": card.species[number], "name": names}


def _species(name: str) -> dict[str, Any]:
    known = all_species().get(name)
    return {
        "name": {lang: known.name.in_language(lang) if known else name for lang in LANGUAGES},
        "binomial": known.binomial if known else None,
        "family": known.family if known else None,
    }


def _network(network: Model, card: Card) -> dict[str, Any]:
    return {
        "size": network.size,
        "views": list(network.shown),
        "branches": [_branch(network, branch) for branch in network.branches],
        "ignores_profiles": card.colour == "ignore",
        "max_pixels": DEFAULT_MAX_PIXELS,
    }


def _branch(network: Model, branch: Branch) -> dict[str, Any]:
    """One of the networks in the graph. shown: which of the views it takes, one at a time."""
    spec = asdict(branch.input)
    del spec["normalisation"]
    shown = [network.shown.index(name) for name in network.shown_to(branch)]
    return {"tensor": branch.tensor, "size": branch.size, "shown": shown, "input": spec}
