"""A classifier on storage, whole in its folder: it stays valid whatever is fitted later.

    models/classifier/<id>/classifier.safetensors   the head, its projection and the landmarks
    models/classifier/<id>/network.onnx             the network
    models/classifier/<id>/card.json                classes, thresholds, hashes of the two
    models/classifier/<id>/gallery.parquet          known images (erasure rewrites it)
    models/classifier/<id>/metrics.json, confusion.parquet, README.md
    models/classifier/current.json                  which one answers by default

The id is the hash of the card, which names the hashes of the other files: what was changed or cut
off after training is refused. That is a check against damage, not a signature.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from orchard.classify.gallery import Gallery
from orchard.classify.heads import Head, head_from
from orchard.classify.landmarks import Landmarks
from orchard.classify.space import Space
from orchard.classify.verdict import Limits
from orchard.errors import ClassifierError, DamagedError, TableError
from orchard.model.onnx_model import Model
from orchard.store import galleries
from orchard.store.damage import noticing
from orchard.store.galleries import CLASSIFIERS as FOLDER
from orchard.store.output import Output

FORMAT = 3
_ID = re.compile(r"[0-9a-f]{16}")
_CURRENT = f"{FOLDER}/current.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a classifier is, without its arrays.

    label: what its classes are, "fine" or "species". classes: by the head's order. species: of each
    class. temperature: see `calibration`. sure: the least probability of a species that is an
    answer. familiar, fruit, confidence: see `verdict.Limits`.
    scaled: large JPEGs are decoded at a fraction of their size, as they were in training. colour:
    what is done about colour profiles, as in training. files: sha256.
    """

    kind: str
    label: str
    classes: tuple[str, ...]
    species: tuple[str, ...]
    temperature: float
    sure: float
    familiar: float
    fruit: float
    confidence: float
    fingerprint: str
    scaled: bool
    colour: Literal["srgb", "ignore"]
    pca_id: str
    n_components: int
    n_samples: int
    notice: str | None
    created: str
    training: dict[str, Any]
    files: dict[str, str]
    format: int = FORMAT

    @property
    def limits(self) -> Limits:
        return Limits(self.sure, self.familiar, self.fruit, self.confidence)

    @property
    def classifier_id(self) -> str:
        """16 hexadecimal digits over all fields."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Classifier:
    """Everything that an answer needs."""

    card: Card
    head: Head
    space: Space
    network: Model
    landmarks: Landmarks
    gallery: Gallery


def pack(head: Head, space: Space, landmarks: Landmarks) -> bytes:
    """The arrays of a head, of the space it works in and of what lies there, as safetensors."""
    arrays = head.arrays() | space.arrays() | landmarks.arrays()
    return bytes(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}))


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def save_classifier(
    output: Output,
    card: Card,
    packed: bytes,
    network: bytes,
    gallery: Gallery,
    extra: dict[str, bytes],
) -> str:
    """Write a folder, its card last, and make it the current one; its id."""
    folder = f"{FOLDER}/{card.classifier_id}"
    output.put(f"{folder}/classifier.safetensors", packed)
    output.put(f"{folder}/network.onnx", network)
    for name, data in extra.items():
        output.put(f"{folder}/{name}", data)
    galleries.put(output, folder, gallery.to_table())
    output.put_json(f"{folder}/card.json", asdict(card))
    output.put_json(_CURRENT, {"classifier_id": card.classifier_id})
    return card.classifier_id


def load_classifier(output: Output, classifier_id: str | None = None) -> Classifier:
    """The classifier of that id, or the current one.

    Raises ClassifierError where there is none, or a file is not as it was stored.
    """
    chosen = classifier_id or current_id(output)
    folder = f"{FOLDER}/{chosen}"
    card = _load_card(output, folder, chosen)
    head, space, landmarks = _unpacked(_verified(output, folder, "classifier.safetensors", card))
    network = Model.from_onnx(_verified(output, folder, "network.onnx", card))
    if (head.n_classes, head.n_components) != (len(card.classes), space.n_components):
        raise ClassifierError(f"{output.uri(folder)}: the head does not fit its card")
    return Classifier(card, head, space, network, landmarks, _load_gallery(output, folder, card))


def version_of(output: Output, classifier_id: str | None = None) -> tuple[str, str]:
    """Another wherever `load_classifier` would load something else. Raises as it does."""
    chosen = classifier_id or current_id(output)
    try:
        return chosen, galleries.digest(output, f"{FOLDER}/{chosen}")
    except DamagedError as error:
        raise ClassifierError(str(error)) from None


def current_id(output: Output) -> str:
    """Raises ClassifierError where nothing was trained."""
    if _CURRENT not in output.paths(FOLDER):
        raise ClassifierError(
            f"{output.root} holds no classifier; train one: orchard train {output.root}"
        )
    try:
        stored = output.get_json(_CURRENT)
        with noticing(output.root, _CURRENT):
            found = str(stored["classifier_id"])
            if not _ID.fullmatch(found):
                raise ValueError(f"{found!r} is no classifier's id")
            return found
    except DamagedError as error:
        raise ClassifierError(str(error)) from None


def classifier_ids(output: Output) -> list[str]:
    """The ids of all classifiers that are there."""
    return sorted(
        path.split("/")[2] for path in output.paths(FOLDER) if path.endswith("/card.json")
    )


def _load_card(output: Output, folder: str, classifier_id: str) -> Card:
    if f"{folder}/card.json" not in output.paths(folder):
        there = ", ".join(classifier_ids(output)) or "none"
        raise ClassifierError(
            f"{output.root} holds no classifier {classifier_id}; there is: {there}"
        )
    try:
        fields = output.get_json(f"{folder}/card.json")
    except TableError as error:
        raise ClassifierError(str(error)) from None
    try:
        known = fields.get("format", FORMAT)
        if known != FORMAT:
            raise ClassifierError(
                f"{output.uri(folder)}: format {known}, this Orchard reads {FORMAT}; train again"
            )
        fields |= {name: tuple(fields[name]) for name in ("classes", "species")}
        card = Card(**fields)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ClassifierError(f"{output.uri(folder)}/card.json is no card: {error}") from None
    if card.classifier_id != classifier_id:
        raise _damaged(output, folder, "card.json")
    return card


def _verified(output: Output, folder: str, name: str, card: Card) -> bytes:
    try:
        data = bytes(output.get(f"{folder}/{name}"))
    except TableError as error:
        raise ClassifierError(str(error)) from None
    if digest(data) != card.files.get(name):
        raise _damaged(output, folder, name)
    return data


def _unpacked(data: bytes) -> tuple[Head, Space, Landmarks]:
    try:
        arrays = dict(load(data))
        return head_from(arrays), Space.from_arrays(arrays), Landmarks.from_arrays(arrays)
    except (SafetensorError, KeyError) as error:
        raise ClassifierError(f"not a classifier's arrays: {error}") from None


def _load_gallery(output: Output, folder: str, card: Card) -> Gallery:
    try:
        rows = galleries.get(output, folder)
        with noticing(output.root, f"{folder}/gallery.parquet"):
            return Gallery.from_table(rows, card.n_components)
    except TableError as error:
        raise ClassifierError(str(error)) from None


def _damaged(output: Output, folder: str, name: str) -> ClassifierError:
    return ClassifierError(
        f"{output.uri(folder)}/{name} is not as it was stored (sha256 differs); train again, or "
        "bring the file back"
    )
