"""The three passes that Spark distributes: embed, moments, project. No arithmetic lives here.

Each hands out tasks as an RDD with one element a partition, so that Spark runs exactly the tasks
that were planned, without a shuffle, and no pixel or feature goes through the JVM: workers read and
write OUTPUT themselves and return a few numbers.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, TypeVar
from zipimport import zipimporter

import numpy as np
import pyarrow as pa
import pyarrow.ipc
from pyspark import AccumulatorParam

from orchard.embedding.extraction import extract
from orchard.images.source import fetch
from orchard.machine import own_peak_memory
from orchard.model import Model, Precision, embedder_for, load_model
from orchard.records import COMPONENTS, list_column, vectors_of
from orchard.reduction import PCA, Moments, merge, update
from orchard.spark.jobs import new_tag, run_action
from orchard.store import contents, staging
from orchard.store.output import Output
from orchard.store.snapshot import TableFile

if TYPE_CHECKING:
    from pyspark import Accumulator, Broadcast, SparkContext

ROWS_AT_ONCE = 2048  # of float64 work: 1280 features make 21 MB

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process after a task. peak_memory: bytes resident at most since it started."""

    host: str
    pid: int
    peak_memory: int

    @classmethod
    def here(cls) -> Worker:
        return cls(socket.gethostname(), os.getpid(), own_peak_memory())


@dataclass(frozen=True, slots=True)
class EmbedReport:
    """What a task wrote and spent. load_seconds: building the session, 0.0 where it was there."""

    features: TableFile | None
    errors: TableFile | None
    n_images: int
    reasons: Counter[str]
    seconds: dict[str, float]
    load_seconds: float
    worker: Worker


@dataclass(frozen=True, slots=True)
class Projection:
    """Staged components. energy: Σ‖z‖² of the (standardised) centred rows; kept: of their
    projections. Their ratio is the share of the rows' variance about the PCA's mean it explains."""

    file: TableFile
    energy: float
    kept: float


@dataclass(frozen=True, slots=True)
class ModelSource:
    """How a worker gets the model: from the broadcast, or by loading `weights` itself."""

    key: str
    broadcast: Broadcast[bytes] | None
    weights: str
    size: int
    precision: Precision = "float32"
    views: tuple[str, ...] = ("plain",)

    def load(self) -> Model:
        if self.broadcast is not None:
            return Model.from_onnx(self.broadcast.value)
        return load_model(self.weights, self.size, self.precision, self.views)


class _Tally(AccumulatorParam["Counter[str]"]):
    def zero(self, value: Counter[str]) -> Counter[str]:
        return Counter()

    def addInPlace(self, value1: Counter[str], value2: Counter[str]) -> Counter[str]:
        return value1 + value2


class EmbedJob:
    """Embed tasks on Spark; what is done can be watched from another thread."""

    def __init__(self, context: SparkContext, source: ModelSource, output: Output) -> None:
        self._context = context
        self._source = source
        self._output = output
        self._done = context.accumulator(Counter(), _Tally())
        self._tag = new_tag()

    @property
    def reasons(self) -> Counter[str]:
        """Failed images by reason, so far."""
        tally = Counter(self._done.value)
        tally.pop("images", None)
        return tally

    @property
    def done(self) -> tuple[int, int]:
        """Images finished so far, and errors among them."""
        return self._done.value["images"], self.reasons.total()

    def cancel(self) -> None:
        self._context.cancelJobsWithTag(self._tag)

    def run(
        self, tasks: Sequence[pa.Table], *, fingerprint: str, run_id: str, scaled: bool = False
    ) -> list[EmbedReport]:
        work = partial(
            _embed,
            source=self._source,
            output=self._output,
            done=self._done,
            fingerprint=fingerprint,
            run_id=run_id,
            scaled=scaled,
        )
        reports = distribute(self._context, work, list(enumerate(map(pack, tasks))), self._tag)
        if self._source.broadcast is not None:
            self._source.broadcast.destroy()  # the caller's Spark goes on, and would keep it
        return reports


def pack(images: pa.Table) -> bytes:
    """A task's listing as it travels: the JVM holds all of them, so compressed."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, images.schema, options=options) as writer:
        writer.write_table(images)
    return bytes(sink.getvalue())


def unpack(task: bytes) -> pa.Table:
    return pa.ipc.open_stream(task).read_all()


def moments(context: SparkContext, output: Output, groups: Sequence[Sequence[str]]) -> Moments:
    """Moments of all features in the given groups of files, merged as a tree."""
    rdd = context.parallelize(groups, len(groups)).map(partial(_moments, output))
    return run_action(context, lambda: rdd.treeReduce(merge))


def project(
    context: SparkContext,
    output: Output,
    pca: PCA,
    groups: Sequence[Sequence[str]],
    *,
    pca_id: str,
    run_id: str,
) -> list[Projection]:
    """Stage the components of every group of feature files, a file a group."""
    broadcast = context.broadcast(pca)
    work = partial(_project, output=output, pca=broadcast, pca_id=pca_id, run_id=run_id)
    projections = distribute(context, work, list(enumerate(groups)))
    broadcast.destroy()
    return projections


def distribute(
    context: SparkContext, work: Callable[[T], R], tasks: Sequence[T], tag: str | None = None
) -> list[R]:
    """What `work` makes of each task, in their order; each is handed to a worker by itself.

    tag: of the jobs, to cancel them by.
    """
    if not tasks:
        return []
    rdd = context.parallelize(tasks, len(tasks)).map(partial(_without_housekeeping, work))
    return run_action(context, rdd.collect, tag)


def _without_housekeeping(work: Callable[[T], R], task: T) -> R:
    """Do a task's work, and spare the next one some 100 ms of PySpark's housekeeping.

    Before each task it invalidates Python's import caches, after which every zip file in them is
    read again, even Spark's own jar: their entries are removed, being only a cache of a
    cache. After each it collects garbage, walking all that the libraries hold: that is frozen once.
    """
    try:
        return work(task)
    finally:
        for path, finder in list(sys.path_importer_cache.items()):
            if isinstance(finder, zipimporter):
                del sys.path_importer_cache[path]
        _freeze(os.getpid())


@lru_cache(maxsize=1)
def _freeze(process: int) -> None:
    gc.freeze()


def _embed(
    task: tuple[int, bytes],
    *,
    source: ModelSource,
    output: Output,
    done: Accumulator[Counter[str]],
    fingerprint: str,
    run_id: str,
    scaled: bool,
) -> EmbedReport:
    number, images = task[0], unpack(task[1])
    embedder, load_seconds = embedder_for(source.key, source.load)
    result = extract(
        images,
        embedder,
        fingerprint=fingerprint,
        run_id=run_id,
        fetch=partial(fetch, storage=output.storage),
        scaled=scaled,
    )
    started = time.perf_counter()
    staged = [
        staging.stage(output, run_id, table, f"{number:06d}", rows) if rows.num_rows else None
        for table, rows in (("features", result.features), ("errors", result.errors))
    ]
    seconds = {**result.seconds, "write": time.perf_counter() - started}
    reasons = Counter(result.errors["reason"].to_pylist())
    done.add(Counter(images=images.num_rows) + reasons)
    return EmbedReport(
        features=staged[0],
        errors=staged[1],
        n_images=images.num_rows,
        reasons=reasons,
        seconds=seconds,
        load_seconds=load_seconds,
        worker=Worker.here(),
    )


def _moments(output: Output, paths: Sequence[str]) -> Moments:
    total: Moments | None = None
    for path in paths:
        for batch in contents.iter_batches(output, path, ["features"], ROWS_AT_ONCE):
            features = vectors_of(batch["features"])
            total = Moments.of(features) if total is None else update(total, features)
    assert total is not None, "a group of feature files holds rows"
    return total


def _project(
    task: tuple[int, Sequence[str]],
    *,
    output: Output,
    pca: Broadcast[PCA],
    pca_id: str,
    run_id: str,
) -> Projection:
    number, paths = task
    parts = []
    energy = kept = 0.0
    for path in paths:
        for batch in contents.iter_batches(
            output, path, ["path", "label", "features"], ROWS_AT_ONCE
        ):
            features = vectors_of(batch["features"])
            projected = pca.value.transform(features)
            energy += pca.value.energy(features)
            kept += float(np.square(projected).sum())
            components = list_column(
                projected.astype(np.float32), COMPONENTS.field("components").type
            )
            ids = pa.repeat(pa.scalar(pca_id), batch.num_rows)
            parts.append(
                pa.record_batch([batch["path"], batch["label"], components, ids], schema=COMPONENTS)
            )
    rows = pa.Table.from_batches(parts)
    file = staging.stage(output, run_id, "components", f"{number:06d}", rows)
    return Projection(file, energy, kept)
