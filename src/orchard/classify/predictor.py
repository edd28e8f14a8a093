"""From the bytes of an image to an answer, by the batch's own functions; no Spark is in it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from orchard.classify.calibration import softmax
from orchard.classify.files import Classifier, load_classifier
from orchard.classify.gallery import Neighbour, unit
from orchard.classify.landmarks import familiarity
from orchard.classify.together import Seen, as_one
from orchard.classify.verdict import Answer, verdict
from orchard.images.apart import SECONDS, decoder_of_thread
from orchard.images.crop import Box
from orchard.images.decode import DEFAULT_MAX_PIXELS, Pixels
from orchard.model import Embedder
from orchard.records import Failure
from orchard.storage import Storage
from orchard.store.output import Output

BATCH_SIZE = 8  # images in memory at once, resized


@dataclass(frozen=True, slots=True)
class Guess:
    """label: a species' or variety's name. probability: calibrated, 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is known of one image.

    answer: "sure" if the best species is the answer, "unlike" if it is, though the image is unlike
    the training images, "either" if it is one of the two best, "not_sure" if the best is only a
    guess, "not_a_fruit" if the image resembles nothing in the training images. species, varieties:
    the most probable, best first; the answer is about the species. varieties is empty if the
    classifier knows only species. nearest: known images, nearest first. seconds: "decode",
    "network" and "answer", wall time. failure: why the image could not be read; all else is then
    empty and the answer "not_sure".
    """

    answer: Answer
    species: tuple[Guess, ...] = ()
    varieties: tuple[Guess, ...] = ()
    nearest: tuple[Neighbour, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)
    failure: Failure | None = None


class Predictor:
    """A loaded classifier. Threads may call `predict` together."""

    def __init__(
        self,
        classifier: Classifier,
        *,
        threads: int = 1,
        scaled: bool | None = None,
        decode_seconds: float = SECONDS,
    ) -> None:
        """scaled: decode large JPEGs at a fraction of their size; None: as in training.
        decode_seconds: of CPU time that an image may take to decode."""
        self._decode_seconds = decode_seconds
        self.card = classifier.card
        self._scaled = classifier.card.scaled if scaled is None else scaled
        self._head = classifier.head
        self._space = classifier.space
        self._landmarks = classifier.landmarks
        self._gallery = classifier.gallery
        self._embedder = Embedder(classifier.network, threads=threads)
        self.species, self._species_of = np.unique(
            np.array(self.card.species, np.str_), return_inverse=True
        )

    @classmethod
    def load(
        cls,
        output: str | Path,
        classifier_id: str | None = None,
        *,
        storage: Storage | None = None,
        threads: int = 1,
    ) -> Predictor:
        """The classifier of an OUTPUT; by default the one trained last. threads: of the network.

        Raises ClassifierError where there is none, or it is not as it was stored.
        """
        return cls(load_classifier(Output.at(output, storage), classifier_id), threads=threads)

    def predict(
        self,
        images: Sequence[bytes],
        top: int = 5,
        *,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ) -> list[Prediction]:
        """Answer for each image, in order; an image that cannot be read has a `failure`.

        top: guesses and neighbours of each. max_pixels: of an image, before it is decoded.
        """
        found: list[Prediction] = []
        for start in range(0, len(images), BATCH_SIZE):
            found += self._predict(images[start : start + BATCH_SIZE], top, max_pixels)
        return found

    def predict_together(
        self,
        images: Iterable[bytes],
        top: int = 5,
        *,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        crop: Box | None = None,
    ) -> tuple[Prediction, list[Failure | None]]:
        """One answer for several photos of one fruit; what is wrong with each that is not read.

        Those that cannot be read have no say; where none can, the first one's failure is the
        prediction's. crop: the part of each that is looked at, default all of it. Raises ValueError
        where there is no image.
        """
        seen: list[Seen | Prediction] = []
        remaining = iter(images)
        while batch := list(islice(remaining, BATCH_SIZE)):
            seen += self._see(batch, max_pixels, crop)
        failures = [one.failure if isinstance(one, Prediction) else None for one in seen]
        read = [one for one in seen if isinstance(one, Seen)]
        if not read and seen:
            return Prediction("not_sure", failure=failures[0]), failures
        return self._told(as_one(read), top), failures

    def _predict(self, images: Sequence[bytes], top: int, max_pixels: int) -> list[Prediction]:
        seen = self._see(images, max_pixels)
        return [self._told(one, top) if isinstance(one, Seen) else one for one in seen]

    def _see(
        self, images: Sequence[bytes], max_pixels: int, crop: Box | None = None
    ) -> list[Seen | Prediction]:
        """What each image shows; the prediction of one that cannot be read."""
        network = self._embedder.model
        started = time.perf_counter()
        decoded = decoder_of_thread().decode(
            images, network.size, max_pixels=max_pixels, scaled=self._scaled,
            views=network.shown, colour=self.card.colour, crop=crop,
            seconds=self._decode_seconds,
        )  # fmt: skip
        decode = {"decode": (time.perf_counter() - started) / len(images)}
        good = [pixels.views for pixels in decoded if isinstance(pixels, Pixels)]
        seen = iter(self._seen(np.stack(good), decode) if good else ())
        return [
            Prediction("not_sure", seconds=dict(decode), failure=pixels)
            if isinstance(pixels, Failure)
            else next(seen)
            for pixels in decoded
        ]

    def _seen(self, pictures: NDArray[np.uint8], decode: dict[str, float]) -> list[Seen]:
        started = time.perf_counter()
        vectors = self._embedder.mean(pictures)
        embedded = time.perf_counter()
        inputs = self._space.from_features(vectors)
        p = softmax(self._head.logits(inputs), self.card.temperature)
        likeness = familiarity(vectors, self._space, self._landmarks).tolist()
        share = len(pictures)
        seconds = decode | {
            "network": (embedded - started) / share,
            "answer": (time.perf_counter() - embedded) / share,
        }
        rows = zip(p, likeness, unit(inputs), strict=True)
        return [Seen(*row, dict(seconds)) for row in rows]

    def _told(self, seen: Seen, top: int) -> Prediction:
        started = time.perf_counter()
        of_species = np.zeros(len(self.species))
        np.add.at(of_species, self._species_of, seen.p)
        (nearest,) = self._gallery.nearest(seen.direction[None], top)
        seen.seconds["answer"] += time.perf_counter() - started
        species = _best(of_species, self.species.tolist(), max(top, 2))
        return Prediction(
            self._verdict(species, seen.likeness),
            species[:top],
            _best(seen.p, self.card.classes, top) if self.card.label == "fine" else (),
            nearest,
            seen.seconds,
        )

    def _verdict(self, species: Sequence[Guess], likeness: float) -> Answer:
        best, second = (*(guess.probability for guess in species), 0.0)[:2]
        return verdict(best, likeness, self.card.limits, second=second)


def _best(p: NDArray[np.float64], names: Sequence[str], top: int) -> tuple[Guess, ...]:
    order = np.argsort(-p, kind="stable")[:top]
    return tuple(Guess(str(names[i]), float(p[i])) for i in order)
