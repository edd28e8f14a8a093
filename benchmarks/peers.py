"""Embed PHOTOS with a peer: the same ONNX file, the same decoding, features into Parquet.

    python benchmarks/peers.py ray|daft|multiprocessing PHOTOS OUTPUT MODEL.onnx

One process a core, one thread each. MODEL.onnx is a network as Orchard writes it. The caller times
the whole process, start included, as a user would.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from orchard.images.decode import Pixels, decode
from orchard.model import Embedder, Model

SLOTS = len(os.sched_getaffinity(0))
BATCH = 32  # rows handed to a worker at once; the network takes them two by two, as in Orchard


class Embed:
    def __init__(self, model: str) -> None:
        self.embedder = Embedder(Model.from_onnx(Path(model).read_bytes()))

    def __call__(self, contents: list[bytes]) -> NDArray[np.float32]:
        size = self.embedder.model.size
        decoded = [decode(content, size) for content in contents]
        return self.embedder(np.stack([p.array for p in decoded if isinstance(p, Pixels)]))


def with_ray(photos: str, output: str, model: str) -> None:
    import ray

    class Actor(Embed):
        def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:  # type: ignore[override]
            return {"path": batch["path"], "features": super().__call__(list(batch["bytes"]))}

    # One more than the actors take: without it the reading tasks wait for the actors for ever.
    ray.init(num_cpus=SLOTS + 1, include_dashboard=False, logging_level="error")
    ray.data.DataContext.get_current().enable_progress_bars = False
    files = ray.data.read_binary_files(photos, include_paths=True)
    actors = ray.data.ActorPoolStrategy(size=SLOTS)
    files.map_batches(
        Actor, fn_constructor_args=(model,), batch_size=BATCH, num_cpus=1, compute=actors
    ).write_parquet(output)


def with_daft(photos: str, output: str, model: str) -> None:
    import daft
    from daft.functions import download

    @daft.cls(max_concurrency=SLOTS, use_process=True)
    class Udf(Embed):
        def __init__(self) -> None:
            super().__init__(model)

        @daft.method.batch(
            return_dtype=daft.DataType.list(daft.DataType.float32()), batch_size=BATCH
        )
        def features(self, contents: daft.Series) -> list[Any]:
            return list(self(contents.to_pylist()))

    files = daft.from_glob_path(f"{photos}/**/*.jpg").select("path")
    read = files.with_column("content", download(daft.col("path")))
    vectors = read.select("path", Udf().features(daft.col("content")).alias("features"))
    vectors.write_parquet(output)


_of_process: list[Embed] = []


def _start(model: str) -> None:
    _of_process.append(Embed(model))


def _embed(paths: list[str]) -> NDArray[np.float32]:
    return _of_process[0]([Path(path).read_bytes() for path in paths])


def with_multiprocessing(photos: str, output: str, model: str) -> None:
    paths = sorted(str(path) for path in Path(photos).rglob("*.jpg"))
    batches = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
    with get_context("spawn").Pool(SLOTS, _start, (model,)) as pool:
        features = np.concatenate(list(pool.imap(_embed, batches)))
    Path(output).mkdir(parents=True)
    pq.write_table(pa.table({"path": paths, "features": list(features)}), f"{output}/all.parquet")


def count(output: str) -> Iterator[int]:
    for path in Path(output).rglob("*.parquet"):
        yield pq.read_metadata(path).num_rows


def main() -> None:
    peer, photos, output, model = sys.argv[1:5]
    {"ray": with_ray, "daft": with_daft, "multiprocessing": with_multiprocessing}[peer](
        photos, output, model
    )
    print(f"{sum(count(output))} rows")


if __name__ == "__main__":
    main()
