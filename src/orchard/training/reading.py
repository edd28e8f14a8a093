"""What a training reads: components with their labels, the PCA they are of, the network."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from orchard import knowledge
from orchard.classify.space import Space
from orchard.embedding.fingerprint import EmbeddingIdentity, network_of
from orchard.errors import ClassifierError, TableError
from orchard.images.reading import Reading
from orchard.model import Model
from orchard.records import vectors_of
from orchard.store import contents, models, runs
from orchard.store.models import PCACard
from orchard.store.output import Output
from orchard.store.runs import RunLog
from orchard.store.tables import Tables
from orchard.training.samples import LocalTrainer, Samples, Trainer
from orchard.training.settings import TrainConfig
from orchard.training.splits import objects_of

LOCAL_VALUES = 200_000_000  # components in all: 800 MB of float32, twice over while training


@dataclass(frozen=True, slots=True)
class Data:
    """Everything a training starts from. reading: how images were read."""

    pca: PCACard
    space: Space
    network: Model
    samples: Samples
    trainer: Trainer
    reading: Reading

    @property
    def described(self) -> str:
        counts = Counter(self.samples.y.tolist()).values()
        return (
            f"{len(self.samples.y):,} images of {len(self.samples.classes)} classes "
            f"({min(counts):,} to {max(counts):,} each), "
            f"{len(np.unique(self.samples.objects)):,} objects; training: {self.trainer.name}"
        )


@contextmanager
def read(output: Output, config: TrainConfig, log: RunLog) -> Iterator[Data]:
    """Raises TableError where OUTPUT holds no whole result, ClassifierError where it has no labels
    or the network is another than the features were made with."""
    tables = Tables(output)
    card = models.current_pca(tables)
    if card is None:
        raise TableError(f"{output.root} has no components; expected the OUTPUT of a run")
    pca, _ = models.load_pca(output, card.pca_id)
    with log.timed("load model"):
        network, reading = _network(output, config, card)
    space = Space.of(pca, [branch.dim for branch in network.branches])
    with ExitStack() as stack:
        with log.timed("read"):
            files = [file.path for file in tables["components"].files]
            rows, labelled = _labelled(output, files, card)
            samples = _samples(rows, config)
            n_values = labelled.size * space.n_components
            is_local = (
                n_values <= LOCAL_VALUES if config.engine == "auto" else config.engine == "local"
            )
            if is_local:
                trainer: Trainer = _local(output, files, labelled, space)
        if not is_local:
            from orchard.spark.mllib import spark_trainer

            with log.timed("start Spark"):
                trainer = stack.enter_context(
                    spark_trainer(config.master, output, files, labelled, space)
                )
        yield Data(card, space, network, samples, trainer, reading)


def species_of(label: str) -> str:
    """The species of a class; its own name where the taxonomy does not know it."""
    return knowledge.species_of(label) or label


def _network(output: Output, config: TrainConfig, card: PCACard) -> tuple[Model, Reading]:
    """The network that the features were made with; how images were read for it."""
    weights = config.weights or _recorded_weights(output, card.fingerprint)
    network, reading = network_of(models.load_embedding(output, card.fingerprint), weights)
    found = EmbeddingIdentity.of(network, reading)
    if found.fingerprint != card.fingerprint:
        raise ClassifierError(
            f"--weights {weights}: its fingerprint is {found.fingerprint}, and the features in "
            f"{output.root} were made under {card.fingerprint}; give the weights of that run"
        )
    return network, reading


def _recorded_weights(output: Output, fingerprint: str) -> str:
    """`--weights` of the latest run under that fingerprint."""
    for path in reversed(output.paths("runs")):
        record = runs.read(output, path)
        if record.get("fingerprint") == fingerprint:
            return str(record["config"]["weights"])
    raise ClassifierError(f"{output.root} has no run record: give --weights")


def _labelled(
    output: Output, files: list[str], card: PCACard
) -> tuple[pa.Table, NDArray[np.bool_]]:
    """path and label of the rows that have one, in the order of the files; and which rows those
    are."""
    parts = [contents.read_file(output, path, ["path", "label", "pca_id"]) for path in files]
    rows = pa.concat_tables(parts)
    if set(pc.unique(rows["pca_id"]).to_pylist()) != {card.pca_id}:
        raise TableError(
            f"{output.root}: the components come from several PCAs; run `orchard run` again with "
            "--pca refit"
        )
    labelled = pc.is_valid(rows["label"])
    mask: NDArray[np.bool_] = np.asarray(labelled)
    if not mask.any():
        raise ClassifierError(
            f"{output.root}: no image has a label; run `orchard run` again with --label"
        )
    return rows.filter(labelled), mask


def _samples(rows: pa.Table, config: TrainConfig) -> Samples:
    paths = np.array(rows["path"].to_pylist(), np.str_)
    labels = np.array(rows["label"].to_pylist(), np.str_)
    if config.label == "species":
        names, number = np.unique(labels, return_inverse=True)
        labels = np.array([species_of(name) for name in names.tolist()], np.str_)[number]
    whole = config.label == "species"
    objects = objects_of(paths.tolist(), config.group_pattern, whole_folder=whole)
    return Samples.of(paths, labels, species_of, objects)


def _local(
    output: Output, files: list[str], labelled: NDArray[np.bool_], space: Space
) -> LocalTrainer:
    parts = [
        space.from_components(
            vectors_of(contents.read_file(output, path, ["components"])["components"])
        )
        for path in files
    ]
    return LocalTrainer(np.concatenate(parts)[labelled])
