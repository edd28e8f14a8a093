"""Training on Spark MLlib, for components that are more than a driver should hold.

A fit reads the components files in the workers, which turn them into the head's inputs; the driver
holds paths, labels and folds. What MLlib has trained comes back as plain arrays.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from orchard.classify.forests import Tree, balanced, flatten
from orchard.classify.heads import Head, LinearHead
from orchard.classify.space import Space
from orchard.config import RunConfig
from orchard.errors import ClassifierError, ConfigError
from orchard.records import vectors_of
from orchard.spark.jobs import is_connect, run_action
from orchard.spark.session import spark_session
from orchard.store import contents, staging
from orchard.store.output import Output
from orchard.store.staging import STAGING

if TYPE_CHECKING:
    from pyspark import Broadcast
    from pyspark.sql import DataFrame, SparkSession

ROWS_AT_ONCE = 2048
SCALE_ROWS = 2000  # that the inputs' size is estimated on
MAX_DEPTH = 20  # of MLlib's trees, which are grown level by level: 30 at most


@contextmanager
def spark_trainer(
    master: str, output: Output, files: Sequence[str], labelled: NDArray[np.bool_], space: Space
) -> Iterator[SparkTrainer]:
    """A trainer on the running session, or on one of its own."""
    with spark_session(RunConfig(sources=("-",), output=output.root, master=master)) as session:
        if is_connect(session):
            raise ConfigError(
                f"--engine spark with --master {master}: Spark Connect has no RDD, through which "
                "MLlib is fed here; use --engine local, or another master"
            )
        yield SparkTrainer(session, output, tuple(files), labelled, space)


@dataclass(slots=True)
class SparkTrainer:
    """files: of the components table. labelled: (rows in the order of the files,) of which the
    training knows the labelled ones, numbered without the others."""

    session: SparkSession
    output: Output
    files: tuple[str, ...]
    labelled: NDArray[np.bool_]
    space: Space
    name: str = field(default="Spark MLlib", init=False)

    def fit(self, kind: str, setting: float, rows: NDArray[np.bool_], y: NDArray[np.intp],
            n_classes: int, seed: int) -> Head:  # fmt: skip
        present = np.unique(y[rows])
        if len(present) < 2:
            raise ClassifierError(
                f"{len(present)} class to train on: expected at least two labels with images"
            )
        asked = np.random.default_rng(seed).permutation(np.flatnonzero(rows))[:SCALE_ROWS]
        scale = float(np.sqrt(np.mean(np.square(self.inputs(np.sort(asked)))))) or 1.0
        frame = self._frame(rows, np.searchsorted(present, y), balanced(y[rows]), scale)
        strength = 1.0 / (setting * int(rows.sum()))  # MLlib's loss is a mean, scikit-learn's a sum
        train = {"logistic": _logistic, "svm": _svm, "forest": self._forest}[kind]
        return run_action(
            self.session,
            lambda: train(frame, setting, strength, scale, present, n_classes, seed),
        )

    def inputs(self, rows: NDArray[np.intp]) -> NDArray[np.float32]:
        """The head's inputs of some labelled rows, on the driver: (len(rows), k), ascending."""
        wanted = np.flatnonzero(self.labelled)[rows]
        parts = [np.empty((0, self.space.n_components), np.float32)]
        start = 0
        for path in self.files:
            for batch in contents.iter_batches(self.output, path, ["components"], ROWS_AT_ONCE):
                inside = wanted[(wanted >= start) & (wanted < start + batch.num_rows)] - start
                if len(inside):
                    components = vectors_of(batch["components"])[inside]
                    parts.append(self.space.from_components(components))
                start += batch.num_rows
        return np.concatenate(parts)

    def _frame(
        self, rows: NDArray[np.bool_], y: NDArray[np.intp], weights: NDArray[np.float64],
        scale: float,
    ) -> DataFrame:  # fmt: skip
        """label, weight, features of the rows that train."""
        from pyspark.ml.linalg import VectorUDT
        from pyspark.sql.types import DoubleType, StructField, StructType

        context = self.session.sparkContext
        labels = np.full(len(self.labelled), -1, np.int32)
        spread = np.zeros(len(self.labelled), np.float32)
        taking = np.flatnonzero(self.labelled)[rows]
        labels[taking], spread[taking] = y[rows], weights
        lengths = [staging.describe(self.output, path).n_rows for path in self.files]
        starts = np.cumsum([0, *lengths[:-1]]).tolist()
        work = partial(
            _rows,
            output=self.output,
            space=context.broadcast(self.space),
            labels=context.broadcast(labels),
            weights=context.broadcast(spread),
            scale=scale,
        )
        tasks = list(zip(self.files, starts, strict=True))
        rdd = context.parallelize(tasks, len(tasks)).flatMap(work)
        schema = StructType(
            [
                StructField("label", DoubleType()),
                StructField("weight", DoubleType()),
                StructField("features", VectorUDT()),
            ]
        )
        n_tasks = max(len(tasks), context.defaultParallelism)
        return self.session.createDataFrame(rdd.repartition(n_tasks), schema)

    def _forest(self, frame: DataFrame, setting: float, strength: float, scale: float,
                present: NDArray[np.intp], n_classes: int, seed: int) -> Head:  # fmt: skip
        """MLlib tells a tree's arrays only by saving it, so they are read from what it saved."""
        from pyspark.ml.classification import RandomForestClassifier

        if not self.output.is_local:
            raise ClassifierError(
                f"{self.output.root}: a forest trained by Spark is saved to a disk that workers "
                "and driver share; choose --kind logistic or svm, or --engine local"
            )
        model = RandomForestClassifier(
            numTrees=int(setting), maxDepth=MAX_DEPTH, seed=seed, weightCol="weight"
        ).fit(frame)
        folder = f"{self.output.root}/{STAGING}/forest"
        try:
            model.write().overwrite().save(f"file://{folder}")
            rows = pq.read_table(f"{folder}/data", columns=["treeID", "nodeData"]).to_pylist()
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        trees = [
            _tree([row["nodeData"] for row in rows if row["treeID"] == tree], scale)
            for tree in range(int(setting))
        ]
        return flatten(trees, present, n_classes, self.space.n_components)


def _rows(
    task: tuple[str, int],
    *,
    output: Output,
    space: Broadcast[Space],
    labels: Broadcast[NDArray[np.int32]],
    weights: Broadcast[NDArray[np.float32]],
    scale: float,
) -> Iterator[tuple[float, float, Any]]:
    from pyspark.ml.linalg import DenseVector

    path, start = task
    for batch in contents.iter_batches(output, path, ["components"], ROWS_AT_ONCE):
        here = slice(start, start + batch.num_rows)
        start += batch.num_rows
        inputs = space.value.from_components(vectors_of(batch["components"])) / scale
        found = zip(labels.value[here].tolist(), weights.value[here].tolist(), inputs, strict=True)
        for label, weight, vector in found:
            if label >= 0:
                yield float(label), weight, DenseVector(vector.astype(np.float64))


def _logistic(frame: DataFrame, setting: float, strength: float, scale: float,
              present: NDArray[np.intp], n_classes: int, seed: int) -> Head:  # fmt: skip
    from pyspark.ml.classification import LogisticRegression

    model = LogisticRegression(
        family="multinomial", regParam=strength, standardization=False, weightCol="weight",
        maxIter=200, tol=1e-5,
    ).fit(frame)  # fmt: skip
    weights = model.coefficientMatrix.toArray()
    bias = model.interceptVector.toArray()
    return LinearHead.among(n_classes, present, weights / scale, bias)


def _svm(frame: DataFrame, setting: float, strength: float, scale: float,
         present: NDArray[np.intp], n_classes: int, seed: int) -> Head:  # fmt: skip
    from pyspark.ml.classification import LinearSVC, OneVsRest

    one = LinearSVC(regParam=strength, standardization=False, maxIter=100, weightCol="weight")
    model = OneVsRest(classifier=one, weightCol="weight").fit(frame)
    machines: list[Any] = model.models
    weights = np.stack([machine.coefficients.toArray() for machine in machines])
    bias = np.array([machine.intercept for machine in machines])
    return LinearHead.among(n_classes, present, weights / scale, bias)


def _tree(nodes: list[dict[str, Any]], scale: float) -> Tree:
    """nodeData rows of one tree → arrays; ids are dense, in the order of a walk."""
    nodes = sorted(nodes, key=lambda node: node["id"])
    thresholds = [node["split"]["leftCategoriesOrThreshold"] for node in nodes]
    return Tree(
        [max(node["split"]["featureIndex"], 0) for node in nodes],
        np.array([values[0] if values else 0.0 for values in thresholds]) * scale,
        [node["leftChild"] for node in nodes],
        [node["rightChild"] for node in nodes],
        np.array([node["impurityStats"] for node in nodes], np.float64),
    )
