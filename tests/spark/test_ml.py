"""The pieces for pyspark.ml: the numbers of a run, bad images as rows, pipelines that last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml.classification import LogisticRegression
from pyspark.ml.feature import PCA, StandardScaler, StringIndexer
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructField, StructType

import orchard
from orchard.embedding.fingerprint import EmbeddingIdentity
from orchard.errors import ConfigError, OrchardError, ReductionError
from orchard.images.decode import Pixels, decode
from orchard.model import Embedder, load_model
from orchard.records import vectors_of
from orchard.spark import ImageEmbedder, StandardizedPCA, StandardizedPCAModel, image_embedder

NETWORK = {"weights": "fruit", "size": 32}
LABEL = r"/([^/]+)/[^/]+$"


@pytest.fixture(scope="module")
def result(spark: Any, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> orchard.Result:
    """What `orchard run` makes of the same photos."""
    output = tmp_path_factory.mktemp("ml") / "result"
    config = orchard.RunConfig(
        sources=(str(photos),), output=str(output), components=0.9, report=False, **NETWORK
    )
    return orchard.run(config)


@pytest.fixture(scope="module")
def images(spark: Any, photos: Path) -> Any:
    files = spark.read.format("binaryFile").option("recursiveFileLookup", "true")
    return files.load(str(photos)).withColumn("label", F.regexp_extract("path", LABEL, 1))


@pytest.fixture(scope="module")
def with_a_bad_one(spark: Any, images: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Three photos, a file that is none, a path where nothing is, and a null."""
    folder = tmp_path_factory.mktemp("bad")
    (folder / "text.jpg").write_text("not a picture")
    paths = [row.path for row in images.select("path").limit(3).collect()]
    paths += [str(folder / "text.jpg"), str(folder / "gone.jpg"), None]
    return spark.createDataFrame([(path,) for path in paths], "path string")


@pytest.fixture(scope="module")
def features(images: Any) -> dict[str, NDArray[np.float64]]:
    """What the embedder makes of the images' bytes, by path."""
    return by_path(ImageEmbedder(**NETWORK).transform(images), "features")


def by_path(frame: Any, column: str) -> dict[str, NDArray[np.float64]]:
    rows = frame.select("path", column).collect()
    return {row.path.removeprefix("file:"): row[column].toArray() for row in rows}


@pytest.fixture(scope="module")
def vectors(spark: Any, features: dict[str, NDArray[np.float64]]) -> Any:
    """The features as a DataFrame in three partitions, one row a null."""
    return _frame(spark, features)


@pytest.fixture(scope="module")
def short(spark: Any, features: dict[str, NDArray[np.float64]]) -> Any:
    """As `vectors`, of the 64 entries that vary most: quicker to fit."""
    varies = np.argsort(np.var(list(features.values()), axis=0))[-64:]
    return _frame(spark, {path: vector[varies] for path, vector in features.items()})


def _frame(spark: Any, features: dict[str, NDArray[np.float64]]) -> Any:
    rows = [(path, Vectors.dense(vector)) for path, vector in features.items()]
    path, vector = StructField("path", StringType()), StructField("features", VectorUDT())
    frame = spark.createDataFrame([*rows, ("none", None)], StructType([path, vector]))
    return frame.repartition(3).cache()


def test_features_are_those_of_a_run_to_the_last_bit(
    result: orchard.Result, features: dict[str, Any]
) -> None:
    table = result.features()
    expected = dict(zip(table["path"].to_pylist(), vectors_of(table["features"]), strict=True))
    assert expected.keys() == features.keys()
    for path, vector in expected.items():
        np.testing.assert_array_equal(features[path], vector)


def test_the_fingerprint_is_that_of_a_run(result: orchard.Result) -> None:
    assert ImageEmbedder(**NETWORK).fingerprint == result.record["fingerprint"]


def test_a_column_of_paths_gives_the_same_as_the_bytes(
    images: Any, features: dict[str, NDArray[np.float64]]
) -> None:
    embedded = ImageEmbedder(inputCol="path", broadcast=False, **NETWORK).transform(images)
    assert "content" not in embedded.select("features")._jdf.queryExecution().toString().split()
    found = by_path(embedded, "features")
    assert found.keys() == features.keys()
    assert all(np.array_equal(found[path], vector) for path, vector in features.items())


def test_several_views_are_averaged_as_in_a_run(images: Any) -> None:
    views = ("plain", "zoom")
    embedder = ImageEmbedder(inputCol="path", broadcast=False, view=list(views), **NETWORK)
    model = load_model("fruit", 32, views=views)
    assert embedder.fingerprint == EmbeddingIdentity.of(model).fingerprint
    for path, vector in by_path(embedder.transform(images.limit(2)), "features").items():
        pixels = decode(Path(path).read_bytes(), 32, views=views)
        assert isinstance(pixels, Pixels)
        np.testing.assert_array_equal(vector, Embedder(model).mean(pixels.views[None])[0])


def test_int8_is_what_a_run_in_int8_computes(images: Any, tmp_path: Path) -> None:
    embedder = ImageEmbedder(inputCol="path", precision="int8", **NETWORK)
    embedder.save(str(tmp_path / "stage"))
    model = load_model("fruit", 32, "int8")
    loaded = ImageEmbedder.load(str(tmp_path / "stage"))
    assert embedder.fingerprint == loaded.fingerprint == EmbeddingIdentity.of(model).fingerprint
    for path, vector in by_path(loaded.transform(images.limit(2)), "features").items():
        pixels = decode(Path(path).read_bytes(), 32)
        assert isinstance(pixels, Pixels)
        np.testing.assert_array_equal(vector, Embedder(model)(pixels.array[None])[0])


def test_components_are_those_of_a_run(result: orchard.Result, vectors: Any) -> None:
    table = result.components()
    model = StandardizedPCA(variance=0.9).fit(vectors)
    found = by_path(model.transform(vectors).where("path != 'none'"), "components")
    expected = vectors_of(table["components"])
    ours = np.stack([found[path] for path in table["path"].to_pylist()])
    # float32 in the table, and sums in another order here
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_a_bad_image_is_a_null_vector_and_a_reason(with_a_bad_one: Any) -> None:
    rows = ImageEmbedder(inputCol="path", **NETWORK).transform(with_a_bad_one).collect()
    assert [row.features is None for row in rows] == [False] * 3 + [True] * 3
    assert [row.error and row.error.reason for row in rows] == [
        *[None] * 3,
        "not_an_image",
        "vanished",
        "vanished",
    ]
    assert rows[5].error.detail == "the path is null"


def test_a_partition_of_nulls_alone_is_told_too(spark: Any) -> None:
    frame = spark.createDataFrame([(None,)], "path string")
    (row,) = ImageEmbedder(inputCol="path", **NETWORK).transform(frame).collect()
    assert row.error.detail == "the path is null"


def test_bytes_that_are_no_image_are_told_too(spark: Any) -> None:
    frame = spark.createDataFrame([(bytearray(b"no"),), (None,), (bytearray(),)], "content binary")
    rows = ImageEmbedder(errorCol="why", **NETWORK).transform(frame).collect()
    assert [row.why.reason for row in rows] == ["not_an_image", "empty", "empty"]
    assert [row.features for row in rows] == [None] * 3


def test_bad_images_are_left_out_on_demand(with_a_bad_one: Any) -> None:
    embedder = ImageEmbedder(inputCol="path", handleInvalid="skip", **NETWORK)
    assert embedder.transform(with_a_bad_one).count() == 3


def test_bad_images_stop_the_job_on_demand(with_a_bad_one: Any) -> None:
    embedder = ImageEmbedder(inputCol="path", handleInvalid="error", **NETWORK)
    with pytest.raises(Exception, match=r"text\.jpg: not_an_image: .*handleInvalid='keep' gives"):
        embedder.transform(with_a_bad_one).collect()


def test_a_filter_on_the_result_does_not_run_the_network_twice(images: Any) -> None:
    embedded = ImageEmbedder(**NETWORK).transform(images).where("error is null and length > 0")
    plan = embedded.select("features")._jdf.queryExecution().executedPlan().toString()
    assert plan.count("ArrowEvalPython") == 1


def test_the_weights_are_broadcast_once_for_all_dataframes(spark: Any) -> None:
    embedder = ImageEmbedder(**NETWORK)
    first, second = (embedder._source(spark) for _ in range(2))
    assert first.sent is not None
    assert first.sent is second.sent
    embedder.set(embedder.size, 64)
    assert embedder._source(spark).sent is not first.sent


@pytest.mark.long
def test_a_pipeline_fits_saves_loads_and_scores(
    spark: Any, images: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stages = [
        StringIndexer(inputCol="label", outputCol="y"),
        ImageEmbedder(inputCol="path", **NETWORK),
        StandardizedPCA(variance=0.95),
        LogisticRegression(featuresCol="components", labelCol="y", maxIter=40),
    ]
    model = Pipeline(stages=stages).fit(images)
    model.save(str(tmp_path / "model"))
    Pipeline(stages=stages).save(str(tmp_path / "pipeline"))
    assert Pipeline.load(str(tmp_path / "pipeline")).getStages()[2].getOrDefault("variance") == 0.95

    def gone(*_: Any) -> None:
        raise AssertionError("the saved pipeline holds the network")

    monkeypatch.setattr(image_embedder, "load_model", gone)
    loaded = PipelineModel.load(str(tmp_path / "model"))
    scored, again = (
        m.transform(images).select("path", "y", "prediction", "probability").orderBy("path")
        for m in (model, loaded)
    )
    rows = again.collect()
    assert rows == scored.collect()
    assert [row.prediction for row in rows] == [row.y for row in rows]  # fitted on these very ones


def test_what_is_saved_is_parquet_and_json(short: Any, tmp_path: Path) -> None:
    StandardizedPCA(k=3).fit(short).save(str(tmp_path / "pca"))
    ImageEmbedder(**NETWORK).save(str(tmp_path / "embedder"))
    kinds = {path.suffix for path in tmp_path.rglob("[!._]*") if path.is_file()}
    assert kinds <= {".parquet", ".txt", ""}
    texts = [p for p in tmp_path.rglob("metadata/part-*") if p.suffix != ".crc"]
    assert len(texts) == 2
    assert all(text.read_text().startswith('{"class":"orchard.spark.') for text in texts)


def test_a_saved_model_is_the_same_model(short: Any, tmp_path: Path) -> None:
    model = StandardizedPCA(k=4, standardize=False, outputCol="reduced").fit(short)
    model.save(str(tmp_path / "pca"))
    loaded = StandardizedPCAModel.load(str(tmp_path / "pca"))
    assert loaded.uid == model.uid
    assert loaded.getOutputCol() == "reduced"
    assert loaded.getOrDefault("k") == 4
    assert not loaded.getOrDefault("standardize")
    for name in ("mean", "scale", "components", "explained_variance", "n_samples"):
        np.testing.assert_array_equal(getattr(loaded.pca, name), getattr(model.pca, name))


def test_the_model_reads_as_mllibs_scaler_and_pca(short: Any) -> None:
    there = short.where("features is not null")
    scaler = StandardScaler(withMean=True, inputCol="features", outputCol="scaled").fit(there)
    theirs = PCA(k=5, inputCol="scaled", outputCol="out").fit(scaler.transform(there))
    ours = StandardizedPCA(k=5).fit(short)
    np.testing.assert_allclose(ours.mean.toArray(), scaler.mean.toArray(), atol=1e-12)
    varies = scaler.std.toArray() > 0
    np.testing.assert_allclose(ours.std.toArray()[varies], scaler.std.toArray()[varies], rtol=1e-10)
    np.testing.assert_allclose(
        ours.explainedVariance.toArray(), theirs.explainedVariance.toArray(), rtol=1e-9
    )
    left, right = ours.pc.toArray(), theirs.pc.toArray()
    assert left.shape == right.shape
    np.testing.assert_allclose(np.abs((left * right).sum(axis=0)), 1, atol=1e-9)


def test_a_features_table_can_be_fitted_on_directly(
    result: orchard.Result, spark: Any, vectors: Any
) -> None:
    table = spark.read.parquet(f"{result.output}/features")
    from_arrays, from_vectors = (StandardizedPCA(k=3).fit(frame) for frame in (table, vectors))
    np.testing.assert_allclose(from_arrays.pca.components, from_vectors.pca.components, atol=1e-9)


def test_null_vectors_stay_null_and_out_of_the_fit(short: Any) -> None:
    model = StandardizedPCA(k=2).fit(short)
    assert model.pca.n_samples == 40
    (row,) = model.transform(short).where("path = 'none'").collect()
    assert row.components is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k": 2, "variance": 0.5}, "k and variance are both set"),
        ({"variance": 95.0}, r"variance=95\.0: expected a share in \(0, 1\), or k=50"),
        ({"inputCol": "fruit"}, "inputCol='fruit': expected one of path, features"),
        ({"inputCol": "path"}, "inputCol='path' is of type string; expected vectors or arrays"),
        ({"k": 5000}, "^k 5000: expected at most 64"),
        ({"k": 41}, "^k 41: 40 images span only 39 directions"),
    ],
)
def test_a_wrong_setting_is_told(short: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises((ConfigError, ReductionError), match=message):
        StandardizedPCA(**settings).fit(short)


def test_no_vector_at_all_is_told(short: Any) -> None:
    with pytest.raises(ReductionError, match="inputCol='features': no row holds a vector"):
        StandardizedPCA(k=2).fit(short.where("path = 'none'"))


def test_vectors_of_two_lengths_are_told(spark: Any) -> None:
    frame = spark.createDataFrame([([1.0, 2.0],), ([1.0],)], "features array<double>")
    with pytest.raises(OrchardError, match="vectors have 1 and 2 entries; expected all alike"):
        StandardizedPCA(k=1).fit(frame.coalesce(1))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inputCol": "image"}, "inputCol='image': expected one of path, modificationTime"),
        ({"inputCol": "length"}, "inputCol='length' is of type bigint; expected binary"),
        ({"handleInvalid": "drop"}, "handleInvalid='drop': expected keep, skip, error"),
        ({"precision": "int4"}, "precision='int4': expected float32, int8, int8-openvino, bfl"),
        (
            {"view": ["plain", "back"]},
            "view=.*'back'.*: expected each of plain, mirror, zoom, near once",
        ),
    ],
)
def test_a_wrong_embedder_is_told(images: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ImageEmbedder(**NETWORK, **settings).transform(images)
