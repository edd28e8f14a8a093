"""What a training leaves: the classifier's folder and the page on its mistakes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from orchard.classify.files import Card, digest, pack, save_classifier
from orchard.classify.gallery import Gallery
from orchard.classify.heads import Head
from orchard.classify.landmarks import Landmarks
from orchard.classify.verdict import CONFIDENCE
from orchard.images.confines import Confines
from orchard.model import Embedder
from orchard.records import vectors_of
from orchard.store import contents, recorded_sources
from orchard.store.output import Output
from orchard.store.runs import RunLog
from orchard.store.tables import Tables
from orchard.training import familiarity, local
from orchard.training.familiarity import Familiarity, Fruit
from orchard.training.mistakes import worst_pairs
from orchard.training.model_card import model_card
from orchard.training.nonfruit import made_pictures
from orchard.training.outcome import Outcome
from orchard.training.page import classifier_page
from orchard.training.reading import Data
from orchard.training.samples import Samples, named, subset
from orchard.training.search import Trial
from orchard.training.settings import TrainConfig

PAGE = "report/classifier.html"
FAMILIAR_ROWS = 4000  # that the likeness of fruit is estimated on
MADE_PICTURES = 60


@dataclass(frozen=True, slots=True)
class Trained:
    """A stored classifier, and what was measured (as in its metrics.json)."""

    classifier_id: str
    card: Card
    metrics: dict[str, Any]


def publish(
    output: Output, config: TrainConfig, data: Data, head: Head, best: Trial, trials: list[Trial],
    outcome: Outcome, log: RunLog,
) -> Trained:  # fmt: skip
    """Write everything; the classifier becomes the one that answers."""
    with log.timed("familiarity"):
        fruit = _fruit(output, config, data)
        landmarks = familiarity.landmarks_of(fruit.features)
        familiar = _familiar(config, data, fruit, landmarks, head, best, outcome)
    packed = pack(head, data.space, landmarks)
    card = _card(config, data, best, outcome, familiar, packed)
    metrics = _metrics(outcome, familiar, trials, log)
    extra = {
        "metrics.json": _json(metrics),
        "confusion.parquet": _parquet(outcome.confusion),
        "README.md": model_card(card, metrics).encode(),
    }
    gallery = _gallery(config, data)
    classifier_id = save_classifier(output, card, packed, data.network.onnx, gallery, extra)
    confines = recorded_sources.confines(output, config.sources)
    page = _page(output, confines, data.samples, card, metrics, outcome, gallery)
    output.put(PAGE, page.encode())
    return Trained(classifier_id, card, metrics)


def _fruit(output: Output, config: TrainConfig, data: Data) -> Fruit:
    """FAMILIAR_ROWS of the images with their features."""
    samples = data.samples
    chosen = subset(samples.y, FAMILIAR_ROWS, config.seed)
    order = np.argsort(samples.paths[chosen])
    wanted = pa.array(samples.paths[chosen][order].tolist(), pa.string())
    parts = []
    for file in Tables(output)["features"].files:
        rows = contents.read_file(output, file.path, ["path", "features"])
        parts.append(rows.filter(pc.is_in(rows["path"], value_set=wanted)))
    rows = pa.concat_tables(parts)
    position = np.searchsorted(samples.paths[chosen][order], rows["path"].to_pylist())
    return Fruit(
        vectors_of(rows["features"]),
        samples.y[chosen][order][position],
        np.unique(np.array(samples.species), return_inverse=True)[1],
    )


def _familiar(
    config: TrainConfig, data: Data, fruit: Fruit, landmarks: Landmarks, head: Head, best: Trial,
    outcome: Outcome,
) -> Familiarity:  # fmt: skip
    pictures = made_pictures(MADE_PICTURES, data.network.size, config.seed)
    n_classes = len(data.samples.classes)
    return familiarity.choose(
        fruit,
        Embedder(data.network)(pictures),
        data.space,
        landmarks,
        head,
        lambda x, y: local.fit(best.kind, best.setting, x, y, n_classes, config.seed),
        temperature=outcome.temperature,
        standardize=data.pca.standardize,
        seed=config.seed,
    )


def _gallery(config: TrainConfig, data: Data) -> Gallery:
    shown = np.flatnonzero(subset(data.samples.y, config.gallery, config.seed))
    labels = named(data.samples.classes, data.samples.y[shown])
    return Gallery.of(data.samples.paths[shown], labels, data.trainer.inputs(shown))


def _card(
    config: TrainConfig, data: Data, best: Trial, outcome: Outcome, familiar: Familiarity,
    packed: bytes,
) -> Card:  # fmt: skip
    return Card(
        kind=best.kind,
        label=config.label,
        classes=data.samples.classes,
        species=data.samples.species,
        temperature=outcome.temperature,
        sure=outcome.choice.threshold,
        familiar=familiar.least,
        fruit=familiar.fruit,
        confidence=CONFIDENCE,
        fingerprint=data.pca.fingerprint,
        scaled=data.reading.scaled,
        colour=data.reading.colour,
        pca_id=data.pca.pca_id,
        n_components=data.pca.n_components,
        n_samples=len(data.samples.y),
        notice=data.network.notice,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        training={
            "engine": data.trainer.name,
            "setting": best.setting,
            "seed": config.seed,
            "folds": config.folds,
            "group": config.group,
            "mistake_cost": config.mistake_cost,
        },
        files={
            "classifier.safetensors": digest(packed),
            "network.onnx": digest(data.network.onnx),
        },
    )


def _metrics(
    outcome: Outcome, familiar: Familiarity, trials: list[Trial], log: RunLog
) -> dict[str, Any]:
    return {
        "decisive": outcome.decisive,
        "honest": asdict(outcome.honest),
        "naive": asdict(outcome.naive),
        "temperature": outcome.temperature,
        "familiarity": asdict(familiar) | {"n_made": MADE_PICTURES},
        "choice": asdict(outcome.choice),
        "two": asdict(outcome.two),
        "curve": [asdict(choice) for choice in outcome.curve],
        "search": [asdict(trial) for trial in trials],
        "seconds": log.close()["seconds"],
    }


def _page(
    output: Output, confines: Confines, samples: Samples, card: Card, metrics: dict[str, Any],
    outcome: Outcome, gallery: Gallery,
) -> str:  # fmt: skip
    first = dict(zip(reversed(gallery.labels), reversed(gallery.paths), strict=True))
    typical = [first.get(name, "") for name in samples.classes]
    y = samples.y[outcome.rows]
    pairs = worst_pairs(y, outcome.p, samples.paths[outcome.rows], samples.classes, typical)
    return classifier_page(card, metrics, y, outcome.p, pairs, output.storage, confines)


def _parquet(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    return bytes(sink.getvalue())


def _json(content: Any) -> bytes:
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
