"""Fit, save, load and score a pipeline from image files to labels, with pyspark.ml.

python examples/train_pipeline.py PHOTOS PIPELINE [WEIGHTS]

PHOTOS: folders of images, a folder a label. PIPELINE: where to save it. WEIGHTS: as of
`orchard run`, default imagenet. A fifth of the images is kept out of the fit and scored. Needs
`pip install 'orchard-images[ml]'`.
"""

from __future__ import annotations

import sys

from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.evaluation import MulticlassClassificationEvaluator
from pyspark.ml.feature import StringIndexer
from pyspark.sql import functions as F

import orchard
from orchard.spark import ImageEmbedder, StandardizedPCA


def main(photos: str, saved: str, weights: str = "imagenet") -> None:
    spark = orchard.start_spark()
    images = (
        spark.read.format("binaryFile")
        .option("recursiveFileLookup", "true")
        .load(photos)
        .withColumn("name", F.regexp_extract("path", "/([^/]+)/[^/]+$", 1))
    )
    # Embedded once: what is fitted reads the features that were kept.
    embedder = ImageEmbedder(inputCol="path", handleInvalid="skip", weights=weights)
    features = embedder.transform(images).select("path", "name", "features").persist()
    is_test = F.pmod(F.xxhash64("path"), F.lit(5)) == 0
    fitted = Pipeline(
        stages=[
            StringIndexer(inputCol="name", outputCol="label"),
            StandardizedPCA(variance=0.95),
            LogisticRegression(featuresCol="components", regParam=0.01, maxIter=20),
        ]
    ).fit(features.where(~is_test))
    PipelineModel(stages=[embedder, *fitted.stages]).write().overwrite().save(saved)

    loaded = PipelineModel.load(saved)  # from image files to predictions, no weights needed
    scored = loaded.transform(images.where(is_test))
    accuracy = MulticlassClassificationEvaluator(metricName="accuracy").evaluate(scored)
    print(f"{features.count()} images, {loaded.stages[2].pc.numCols} components")
    print(f"accuracy on the images kept out: {accuracy:.3f}")
    scored.select("path", "name", "prediction").show(5)
    spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
