"""The spine of a training: components become a classifier that stands on its own.

components ─split─▶ folds ─search─▶ kind, setting ─measure─▶ scores, thresholds ─fit─▶ files
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchard import knowledge
from orchard.classify import familiarity, views
from orchard.classify.familiarity import Familiarity
from orchard.classify.files import Card, digest, pack, save_classifier
from orchard.classify.gallery import Gallery
from orchard.classify.nonfruit import made_pictures
from orchard.classify.outcome import Outcome, Plans, measure
from orchard.classify.samples import LocalTrainer, Samples, Trainer, named, subset
from orchard.classify.search import Trial, search
from orchard.classify.settings import TrainConfig
from orchard.classify.space import Space
from orchard.classify.splits import objects_of
from orchard.errors import ClassifierError, TableError
from orchard.extraction import vectors_of
from orchard.fingerprint import Embedding
from orchard.model import Embedder, Model, load_model
from orchard.progress import Reporter
from orchard.reduction import PCA
from orchard.storage import Storage
from orchard.store import models, tables
from orchard.store.models import PCACard
from orchard.store.output import Output
from orchard.store.runs import RunLog

LOCAL_VALUES = 200_000_000  # of components: 800 MB in float32, which a driver holds
FAMILIAR_ROWS = 4000  # that the likeness of fruit is estimated on
MADE_PICTURES = 60
VIEWS = ("plain",)


@dataclass(frozen=True, slots=True)
class Trained:
    """A classifier and the record of its training."""

    classifier_id: str
    card: Card
    metrics: dict[str, Any]


def train(config: TrainConfig, reporter: Reporter | None = None) -> Trained:
    """Do what `orchard train` does. Raises an OrchardError that says what to do."""
    reporter = reporter or Reporter()
    output = Output.at(config.output, Storage(config.endpoint_url, config.region))
    log = RunLog(asdict(config))
    with output.lock():
        pca, pca_card = _pca(output)
        space = Space.of(pca)
        with log.stage("load model"):
            network = _network(output, config, pca_card)
        with log.stage("read"):
            samples, trainer = _read(output, config, pca_card, space)
        reporter.say(_described(samples, trainer))
        plans = Plans.of(samples, config.folds, config.seed)
        with log.stage("search"):
            trials = _search(trainer, samples, plans, config, reporter)
        best = trials[0]
        with log.stage("measure"):
            outcome = measure(
                trainer, samples, plans, best.kind, best.setting, config.seed, config.mistake_cost
            )
        with log.stage("fit"):
            everything = np.ones(len(samples.y), bool)
            head = trainer.fit(
                best.kind, best.setting, everything, samples.y, len(samples.classes), config.seed
            )
        with log.stage("familiarity"):
            familiar = _familiar(output, space, pca_card, samples, network, config.seed)
        shown = np.flatnonzero(subset(samples.y, config.gallery, config.seed))
        gallery = Gallery.of(
            samples.paths[shown],
            named(samples.classes, samples.y[shown]),
            trainer.inputs(shown),
        )
        packed = pack(head, space)
        metrics = _metrics(outcome, familiar, trials, log)
        card = _card(config, samples, pca_card, network, outcome, familiar, best, packed)
        extra = {"confusion.parquet": _parquet(outcome.confusion), "metrics.json": _json(metrics)}
        classifier_id = save_classifier(output, card, packed, network.onnx, gallery, extra)
    return Trained(classifier_id, card, metrics)


def _pca(output: Output) -> tuple[PCA, PCACard]:
    card = models.current_pca(output)
    if card is None:
        raise TableError(
            f"{output.root} holds no components; expected the OUTPUT of a run that ended"
        )
    return models.load_pca(output, card.pca_id)


def _network(output: Output, config: TrainConfig, card: PCACard) -> Model:
    """The network that the features were made with, to travel with the classifier."""
    fields = models.load_embedding(output, card.fingerprint)["fields"]
    weights = config.weights or _recorded_weights(output, card.fingerprint)
    model = load_model(weights, int(fields["size"]))
    found = Embedding.of(model)
    if found.fingerprint != card.fingerprint:
        raise ClassifierError(
            f"--weights {weights}: its fingerprint is {found.fingerprint}, and the features in "
            f"{output.root} were made under {card.fingerprint}; give the weights of that run"
        )
    return model


def _recorded_weights(output: Output, fingerprint: str) -> str:
    """`--weights` of the latest run under that fingerprint."""
    for path in reversed(output.paths("runs")):
        record = output.get_json(path)
        if record.get("fingerprint") == fingerprint:
            return str(record["config"]["weights"])
    raise ClassifierError(f"{output.root} has no record of its run: give --weights")


def _read(
    output: Output, config: TrainConfig, card: PCACard, space: Space
) -> tuple[Samples, Trainer]:
    rows = tables.read(output, "components", ["path", "label", "components", "pca_id"])
    ids = set(pc.unique(rows["pca_id"]).to_pylist())
    if ids != {card.pca_id}:
        raise TableError(
            f"{output.root}: the components are of {len(ids)} PCAs; run orchard run again, with "
            "--pca refit"
        )
    rows = rows.filter(pc.is_valid(rows["label"]))
    if not rows.num_rows:
        raise ClassifierError(f"{output.root}: no image has a label; run orchard run with --label")
    paths = np.array(rows["path"].to_pylist(), np.str_)
    labels = np.array(rows["label"].to_pylist(), np.str_)
    by_species = config.label == "species"
    if by_species:
        labels = np.array([species_of(label) for label in labels.tolist()], np.str_)
    objects = objects_of(paths.tolist(), config.group_pattern, whole_folder=by_species)
    samples = Samples.of(paths, labels, species_of, objects)
    return samples, LocalTrainer(space.from_components(vectors_of(rows["components"])))


def species_of(label: str) -> str:
    """The species of a class; its own name where the taxonomy does not know it."""
    return knowledge.species_of(label) or label


def _search(
    trainer: Trainer, samples: Samples, plans: Plans, config: TrainConfig, reporter: Reporter
) -> list[Trial]:
    if plans.decisive == "naive":
        reporter.warn(
            "each class is one object, as far as the names tell: no honest split is possible, and "
            "the scores of the random one are too good; --group says which images are of one object"
        )
    folds = plans.honest if plans.decisive == "honest" else plans.naive
    return search(trainer, samples, folds, config.kinds, config.seed)


def _familiar(
    output: Output, space: Space, card: PCACard, samples: Samples, network: Model, seed: int
) -> Familiarity:
    chosen = subset(samples.y, FAMILIAR_ROWS, seed)
    rows = tables.read(output, "features", ["path", "features"])
    rows = rows.filter(pc.is_in(rows["path"], value_set=pa.array(samples.paths[chosen].tolist())))
    pictures = made_pictures(MADE_PICTURES, network.size, seed)
    return familiarity.choose(
        vectors_of(rows["features"]),
        samples.species_numbers[chosen],
        views.features(Embedder(network), pictures, VIEWS),
        space,
        standardize=card.standardize,
        seed=seed,
    )


def _card(
    config: TrainConfig, samples: Samples, pca: PCACard, network: Model, outcome: Outcome,
    familiar: Familiarity, best: Trial, packed: bytes,
) -> Card:  # fmt: skip
    return Card(
        kind=best.kind,
        label=config.label,
        classes=samples.classes,
        species=samples.species,
        temperature=outcome.temperature,
        sure=outcome.choice.threshold,
        familiar=familiar.least,
        views=VIEWS,
        fingerprint=pca.fingerprint,
        pca_id=pca.pca_id,
        n_components=pca.n_components,
        n_samples=len(samples.y),
        notice=network.notice,
        created=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        training={"setting": best.setting, "seed": config.seed, "folds": config.folds,
                  "group": config.group, "mistake_cost": config.mistake_cost},
        files={"classifier.safetensors": digest(packed), "network.onnx": digest(network.onnx)},
    )  # fmt: skip


def _metrics(
    outcome: Outcome, familiar: Familiarity, trials: list[Trial], log: RunLog
) -> dict[str, Any]:
    return {
        "decisive": outcome.decisive,
        "honest": asdict(outcome.honest),
        "naive": asdict(outcome.naive),
        "temperature": outcome.temperature,
        "familiarity": asdict(familiar),
        "choice": asdict(outcome.choice),
        "curve": [asdict(choice) for choice in outcome.curve],
        "search": [asdict(trial) for trial in trials],
        "seconds": log.close()["seconds"],
    }


def _described(samples: Samples, trainer: Trainer) -> str:
    counts = Counter(samples.y.tolist())
    return (
        f"{len(samples.y):,} images of {len(samples.classes)} classes "
        f"({min(counts.values())} to {max(counts.values())} each), "
        f"{len(np.unique(samples.objects)):,} objects, trained {trainer.name}ly"
    )


def _parquet(rows: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, compression="zstd")
    return bytes(sink.getvalue())


def _json(content: Any) -> bytes:
    import json

    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()
