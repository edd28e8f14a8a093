"""What somebody does in a notebook on Spark Connect; says what came of it, as JSON.

python notebook.py URL PHOTOS FOLDER
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import orchard
from orchard.errors import OrchardError, WeightsError
from orchard.progress import Reporter
from orchard.spark import ImageEmbedder, StandardizedPCA
from orchard.spark.hands import hands_of

SETTINGS: dict[str, Any] = {"weights": "fruit", "size": 96, "components": 5, "report": False}


def main(url: str, photos: Path, folder: Path) -> dict[str, Any]:
    spark = orchard.start_spark(url)
    spark.addTag("mine")
    users = UsersJob(spark, folder)
    found = {
        "same": orchard.start_spark("local[2]") is spark,
        "another thread": in_a_thread(lambda: run(photos, folder / "out")),
        "too many": refused(lambda: run(broken(folder), folder / "bad", max_errors=10)),
        "tags": sorted(spark.getTags()),
        "ours": refused(lambda: hands_of(spark).job(fail_as_orchard, [0]).run()),
        "theirs": refused(lambda: hands_of(spark).job(fail, [0]).run()),
        "lacking": refused(lambda: hands_of(spark).job(lack, [0]).run()),
        "order": hands_of(spark).job(str, range(7)).run() == list("0123456"),
        "alone": hands_of(spark).job(len, [b"one"]).run(),
        "partitions": hands_of(spark).job(partition, range(7)).run(),
        "none": hands_of(spark).job(len, []).run(),
        "sum": hands_of(spark).reduce(abs, [-1, -2, -4, -8, -16], add),
        **stages(spark, photos, folder),
        "users job": users.result(),
    }
    spark.stop()
    return found


def run(source: Path, output: Path, **settings: Any) -> dict[str, Any]:
    config = orchard.RunConfig(sources=(str(source),), output=str(output), **(SETTINGS | settings))
    record = orchard.run(config, Reporter(quiet=True)).record
    return {"counts": record["counts"], "loads": record["embedding"]["model_loads"]}


def in_a_thread(work: Callable[[], Any]) -> Any:
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    return found[0]


def refused(work: Callable[[], Any]) -> list[str]:
    try:
        return ["nothing", str(work())]
    except OrchardError as error:
        return [type(error).__name__, str(error)]


def broken(folder: Path) -> Path:
    (folder / "broken").mkdir()
    for number in range(20):
        (folder / "broken" / f"{number}.jpg").write_bytes(b"no picture")
    return folder / "broken"


def fail_as_orchard(_: int) -> None:
    raise WeightsError("weights.h5: a 'sentence' – as it was")


def fail(_: int) -> None:
    raise ZeroDivisionError("by zero")


def lack(_: int) -> None:
    import a_library_that_nobody_has  # type: ignore[import-not-found]  # noqa: F401


def partition(_: int) -> int:
    from pyspark import TaskContext

    context = TaskContext.get()
    return -1 if context is None else context.partitionId()


def add(a: int, b: int) -> int:
    return a + b


class UsersJob:
    """A job of the user's on one of two slots, until it is let go."""

    def __init__(self, spark: Any, folder: Path) -> None:
        started, go = str(folder / "started"), str(folder / "go")
        for fifo in (started, go):
            os.mkfifo(fifo)
        self._handle = os.open(go, os.O_RDWR)
        self._found: list[Any] = []

        def wait(batches: Any) -> Any:
            Path(started).write_text("yes")
            with Path(go).open("rb", buffering=0) as file:
                file.read(4)
            yield from batches

        def work() -> None:
            rows = spark.range(0, 1, 1, 1).mapInArrow(wait, "id long").collect()
            self._found.extend(row["id"] for row in rows)

        self._thread = threading.Thread(target=work)
        self._thread.start()
        Path(started).read_text()

    def result(self) -> list[Any]:
        os.write(self._handle, b"done")
        self._thread.join()
        os.close(self._handle)
        return self._found


def stages(spark: Any, photos: Path, folder: Path) -> dict[str, Any]:
    """The pieces for `pyspark.ml`, against the tables of a run."""
    tables = orchard.open(str(folder / "out"))
    features = tables.features().to_pandas().set_index("path")["features"]
    paths = [[path] for path in features.index] + [[str(photos / "nothing.png")]]
    embedder = ImageEmbedder(inputCol="path", weights="fruit", size=96)
    rows = embedder.transform(spark.createDataFrame(paths, "path string")).collect()
    embedded = {row["path"]: row["features"] for row in rows}
    known = {path: vector for path, vector in embedded.items() if vector is not None}
    apart = max(np.abs(known[path].toArray() - features[path]).max() for path in features.index)

    vectors = spark.createDataFrame([(v.tolist(),) for v in features], "features array<double>")
    model = StandardizedPCA(k=5).fit(vectors)
    ratios = model.explainedVariance.toArray().tolist()
    projected = model.transform(vectors).collect()
    embedder.save(str(folder / "embedder"))
    model.save(str(folder / "pca"))
    again = type(model).load(str(folder / "pca")).transform(vectors).collect()
    loaded = ImageEmbedder.load(str(folder / "embedder"))
    return {
        "failed": [r["error"]["reason"] for r in rows if r["features"] is None],
        "embedded": [len(known), float(apart)],
        "ratios": ratios,
        "expected ratios": tables.record["pca"]["variance_kept"],
        "projected": len(projected),
        "loaded": [projected == again, loaded.fingerprint == embedder.fingerprint],
    }


if __name__ == "__main__":
    json.dump(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])), sys.stdout)
