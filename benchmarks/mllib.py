"""Standardise, reduce, project and write from one features table: Orchard, MLlib, scikit-learn.

    python benchmarks/mllib.py OUTPUT [--components 200] [--rounds 3] [--json]

OUTPUT is a result of `orchard run`. MLlib reads its Parquet, fits StandardScaler and PCA,
transforms and writes, its input cached, in the same Spark session as Orchard's stages. scikit-learn
holds all in memory: StandardScaler and PCA (covariance_eigh, its fastest exact solver here), and
IncrementalPCA in batches of 2048; reading and writing Parquet are counted for all.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pyspark.ml.feature import PCA as MLlibPCA
from pyspark.ml.feature import StandardScaler as MLlibScaler
from pyspark.ml.functions import array_to_vector
from pyspark.sql import SparkSession
from pyspark.sql.functions import col
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.preprocessing import StandardScaler

from orchard import start_spark
from orchard.pipeline.fitting import group
from orchard.records import vectors_of
from orchard.reduction import fit
from orchard.spark import passes
from orchard.store.output import Output
from orchard.store.tables import Tables


def orchard_stages(spark: SparkSession, output: Output, k: int, folder: Path) -> None:
    context = spark.sparkContext
    groups = group(Tables(output)["features"].files, context.defaultParallelism)
    pca = fit(passes.moments(context, output, groups), k)
    # Staged below OUTPUT, as a run does it before its commit; taken away again here.
    for projection in passes.project(context, output, pca, groups, pca_id="bench", run_id="bench"):
        output.delete([projection.file.path])


def mllib(spark: SparkSession, output: Output, k: int, folder: Path) -> None:
    files = [output.uri(file.path) for file in Tables(output)["features"].files]
    rows = spark.read.parquet(*files).select(
        "path", "label", array_to_vector(col("features")).alias("vector")
    )
    rows = rows.cache()
    scaler = MLlibScaler(withMean=True, withStd=True, inputCol="vector", outputCol="scaled")
    scaled = scaler.fit(rows).transform(rows)
    model = MLlibPCA(k=k, inputCol="scaled", outputCol="components").fit(scaled)
    reduced = model.transform(scaled).select("path", "label", "components")
    reduced.write.parquet(str(folder / "components"))
    rows.unpersist()


def _read(output: Output) -> NDArray[np.float32]:
    return vectors_of(Tables(output).read("features", ["features"])["features"])


def _write(components: NDArray[np.floating], folder: Path) -> None:
    flat = pa.array(components.astype(np.float32).ravel())
    rows = pa.FixedSizeListArray.from_arrays(flat, components.shape[1])
    pq.write_table(pa.table({"components": rows}), folder / "components.parquet")


def scikit_learn(spark: SparkSession, output: Output, k: int, folder: Path) -> None:
    scaled = StandardScaler().fit_transform(_read(output))
    _write(PCA(k, svd_solver="covariance_eigh").fit_transform(scaled), folder)


def incremental(spark: SparkSession, output: Output, k: int, folder: Path) -> None:
    scaled = StandardScaler().fit_transform(_read(output))
    _write(IncrementalPCA(k, batch_size=2048).fit_transform(scaled), folder)


RUNS: dict[str, Callable[[SparkSession, Output, int, Path], None]] = {
    "Orchard": orchard_stages,
    "MLlib": mllib,
    "scikit-learn PCA": scikit_learn,
    "scikit-learn IncrementalPCA": incremental,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output")
    parser.add_argument("--components", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    output, spark = Output.at(args.output), start_spark()
    times: dict[str, list[float]] = {name: [] for name in RUNS}
    for round_ in range(args.rounds + 1):
        for name, run in RUNS.items():
            with tempfile.TemporaryDirectory() as folder:
                started = time.perf_counter()
                run(spark, output, args.components, Path(folder))
                if round_:  # the first warms the JVM and the workers
                    times[name].append(time.perf_counter() - started)
    spark.stop()
    if args.json:
        print(json.dumps(times))
        return
    ours = statistics.median(times["Orchard"])
    for name, values in times.items():
        median = statistics.median(values)
        spread = f"from {min(values):.2f} to {max(values):.2f}"
        print(f"{name:28} {median:7.2f} s ({spread}), {median / ours:5.1f} times Orchard's")


if __name__ == "__main__":
    main()
