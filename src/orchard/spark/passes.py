"""The three passes that Spark distributes: embed, moments, project. No arithmetic lives here.

How tasks reach the workers is the business of `orchard.spark.hands`; what they return is small.
"""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import pyarrow as pa
import pyarrow.ipc

from orchard.embedding.extraction import extract
from orchard.images.reading import Reading
from orchard.images.source import fetch
from orchard.machine import own_peak_memory, release_memory
from orchard.model import Model, Precision, Ranges, embedder_for, load_model
from orchard.records import COMPONENTS, list_column, vectors_of, with_kept
from orchard.reduction import PCA, Moments, merge, update
from orchard.spark.hands import Hands, Sent
from orchard.store import contents, models, staging
from orchard.store.output import Output
from orchard.store.snapshot import TableFile

ROWS_AT_ONCE = 1024  # of float64 work: 1280 features make 10 MB


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
    thumbnails: TableFile | None
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
    """How a worker gets the model: from what was sent, or by loading `weights` itself."""

    key: str
    sent: Sent | None
    weights: str
    size: int | None
    precision: Precision = "float32"
    views: tuple[str, ...] = ("plain",)
    ranges: str = ""

    @classmethod
    def of(cls, key: str, sent: Sent | None, weights: str, model: Model) -> ModelSource:
        """Of a model loaded here; its ranges travel where nothing is sent that holds them."""
        ranges = "" if sent is not None else model.ranges
        size = None if model.several else model.size
        return cls(key, sent, weights, size, model.precision, model.views, ranges)

    def load(self) -> Model:
        if self.sent is not None:
            return Model.from_onnx(self.sent.value)
        ranges = Ranges.parse(self.ranges) if self.ranges else None
        return load_model(self.weights, self.size, self.precision, self.views, ranges)


class EmbedJob:
    """Embed tasks on Spark; what is done can be watched from another thread."""

    def __init__(
        self,
        hands: Hands,
        source: ModelSource,
        output: Output,
        tasks: Sequence[pa.Table],
        *,
        fingerprint: str,
        run_id: str,
        reading: Reading | None = None,
        pictured: float | None = None,
    ) -> None:
        work = partial(
            _embed,
            source=source,
            output=output,
            fingerprint=fingerprint,
            run_id=run_id,
            reading=reading,
            pictured=pictured,
        )
        self._source = source
        self._job = hands.job(work, list(enumerate(map(pack, tasks))))

    @property
    def reasons(self) -> Counter[str]:
        """Failed images by reason, so far."""
        return sum((report.reasons for report in self._job.so_far()), Counter())

    @property
    def done(self) -> tuple[int, int]:
        """Images finished so far, and errors among them."""
        reports = self._job.so_far()
        return sum(one.n_images for one in reports), sum(one.reasons.total() for one in reports)

    def cancel(self) -> None:
        self._job.cancel()

    def run(self) -> list[EmbedReport]:
        reports = self._job.run()
        if self._source.sent is not None:
            self._source.sent.destroy()  # the caller's Spark goes on, and would keep it
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


def moments(hands: Hands, output: Output, groups: Sequence[Sequence[str]]) -> Moments:
    """Moments of all features in the given groups of files, merged as a tree."""
    return hands.reduce(partial(_moments, output), groups, merge)


def project(
    hands: Hands, output: Output, pca_id: str, groups: Sequence[Sequence[str]], *, run_id: str
) -> list[Projection]:
    """Stage the components of every group of feature files, a file a group, on a stored PCA."""
    work = partial(_project, output=output, pca_id=pca_id, run_id=run_id)
    return hands.job(work, list(enumerate(groups))).run()


def _embed(
    task: tuple[int, bytes],
    *,
    source: ModelSource,
    output: Output,
    fingerprint: str,
    run_id: str,
    reading: Reading | None,
    pictured: float | None,
) -> EmbedReport:
    number, images = task[0], unpack(task[1])
    embedder, load_seconds = embedder_for(source.key, source.load)
    result = extract(
        images,
        embedder,
        fingerprint=fingerprint,
        run_id=run_id,
        fetch=partial(fetch, storage=output.storage),
        reading=reading,
        pictured=pictured,
    )
    started = time.perf_counter()
    tables = {  # thumbnails first: features that an interrupted run staged have theirs beside them
        "thumbnails": result.thumbnails,
        "features": result.features,
        "errors": result.errors,
    }
    staged = {
        table: staging.stage(output, run_id, table, f"{number:06d}", rows)
        for table, rows in tables.items()
        if rows.num_rows
    }
    seconds = {**result.seconds, "write": time.perf_counter() - started}
    reasons = Counter(result.errors["reason"].to_pylist())
    return EmbedReport(
        features=staged.get("features"),
        errors=staged.get("errors"),
        thumbnails=staged.get("thumbnails"),
        n_images=images.num_rows,
        reasons=reasons,
        seconds=seconds,
        load_seconds=load_seconds,
        worker=Worker.here(),
    )


def _moments(output: Output, paths: Sequence[str]) -> Moments:
    release_memory()  # what embedding took
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
    pca_id: str,
    run_id: str,
) -> Projection:
    number, paths = task
    pca = _pca(output, pca_id)
    parts = []
    energy = kept = 0.0
    for path in paths:
        for batch in contents.iter_batches(
            output, path, ["path", "label", "features"], ROWS_AT_ONCE, and_kept=True
        ):
            features = vectors_of(batch["features"])
            projected = pca.transform(features)
            energy += pca.energy(features)
            kept += float(np.square(projected).sum())
            components = list_column(
                projected.astype(np.float32), COMPONENTS.field("components").type
            )
            ids = pa.repeat(pa.scalar(pca_id), batch.num_rows)
            given = {name: batch[name] for name in batch.schema.names[3:]}
            columns = {"path": batch["path"], "label": batch["label"], "components": components}
            schema = with_kept(COMPONENTS, given)
            parts.append(pa.table(columns | {"pca_id": ids} | given, schema=schema))
    rows = pa.concat_tables(parts, promote_options="default")  # manifests give other columns
    file = staging.stage(output, run_id, "components", f"{number:06d}", rows)
    return Projection(file, energy, kept)


@lru_cache(maxsize=1)
def _pca(output: Output, pca_id: str) -> PCA:
    """A stored PCA, read once a worker process."""
    return models.load_pca(output, pca_id)[0]
