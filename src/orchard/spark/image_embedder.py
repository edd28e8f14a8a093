"""`ImageEmbedder`: the network as a stage of a `pyspark.ml` pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
from pyspark import keyword_only
from pyspark.ml import Transformer
from pyspark.ml.functions import array_to_vector
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import (
    DefaultParamsReader,
    DefaultParamsWriter,
    MLReadable,
    MLReader,
    MLWritable,
    MLWriter,
)
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import BinaryType, StringType

from orchard.config import PRECISIONS, VIEW_NAMES
from orchard.embedding.fingerprint import EmbeddingIdentity
from orchard.errors import ConfigError
from orchard.model import Model, Precision, embedder_for, load_model
from orchard.spark import batches
from orchard.spark.hands import Sent, hands_of
from orchard.spark.jobs import of_metadata
from orchard.spark.passes import ModelSource

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_FOUND = "features array<float>, reason string, detail string"
_INVALID = ("keep", "skip", "error")
_Wanted = tuple[str, int | None, Precision, tuple[str, ...]]  # weights, size, precision, views


class ImageEmbedder(
    Transformer, HasInputCol, HasOutputCol, MLWritable, MLReadable["ImageEmbedder"]
):
    """Images to the features that `orchard run` computes, as vectors.

    - inputCol: a column of the images' bytes (`content` of a `binaryFile` DataFrame), or of their
      paths, as strings. Paths are the faster way: the workers read the images themselves, so that
      no pixel goes through the JVM. Paths as `binaryFile` writes them are understood.
    - outputCol: a vector of the network's width (1280 of MobileNetV2), null where the image could
      not be read.
    - errorCol: `struct<reason, detail>`, null where the image was read; reasons as in the table
      `errors/` of a run (`orchard.records.Reason`).
    - handleInvalid: what becomes of an image that cannot be read. "keep" (default): null vector and
      error; "skip": its row is left out, for stages after this one that take no null, as MLlib's
      classifiers; "error": the job fails and names it.
    - weights, size, view: as of `orchard run`: a name or a path to `.h5` or `.onnx`, pixels per
      side, and what the network is shown of an image. Decoding is its default.
    - precision: as of `orchard run`; in int8 only networks by name, whose ranges are known.
    - broadcast: send the network to the workers by broadcast, once for all DataFrames (by Spark
      Connect as a file of the session); else every worker process loads `weights` itself.

    A worker process builds one ONNX Runtime session of one thread and keeps it. Like every
    DataFrame, the result is lazy: each action runs the network again unless the result was
    persisted or written before. Saved, the stage holds the network, so that it loads where the
    weights are not.

    Raises ConfigError, and WeightsError when the network is first needed. An action fails where the
    storage does, for 32 objects in a row.
    """

    __module__ = "orchard.spark"  # the name that saved pipelines know the class by

    errorCol = Param(Params._dummy(), "errorCol", "error column", TypeConverters.toString)
    handleInvalid = Param(
        Params._dummy(),
        "handleInvalid",
        "images that cannot be read: keep (null vector), skip (no row) or error",
        TypeConverters.toString,
    )
    weights = Param(Params._dummy(), "weights", "name or path", TypeConverters.toString)
    size = Param(Params._dummy(), "size", "pixels per side", TypeConverters.toInt)
    precision = Param(Params._dummy(), "precision", ", ".join(PRECISIONS), TypeConverters.toString)
    view = Param(Params._dummy(), "view", ", ".join(VIEW_NAMES), TypeConverters.toListString)
    broadcast = Param(Params._dummy(), "broadcast", "send by broadcast", TypeConverters.toBoolean)

    _input_kwargs: dict[str, Any]  # what keyword_only leaves
    _loaded: tuple[_Wanted, Model, str] | None = None
    _sent: tuple[SparkSession, str, Sent] | None = None

    @keyword_only
    def __init__(
        self,
        *,
        inputCol: str = "content",
        outputCol: str = "features",
        errorCol: str = "error",
        handleInvalid: str = "keep",
        weights: str = "imagenet",
        size: int | None = None,
        precision: Precision = "float32",
        view: Sequence[str] = ("plain",),
        broadcast: bool = True,
    ) -> None:
        super().__init__()
        self._setDefault(
            inputCol="content",
            outputCol="features",
            errorCol="error",
            handleInvalid="keep",
            weights="imagenet",
            precision="float32",
            view=["plain"],
            broadcast=True,
        )
        self._set(**self._input_kwargs)

    @property
    def fingerprint(self) -> str:
        """What `orchard run` with the same weights and size stores with every row."""
        return self._model()[1]

    def write(self) -> MLWriter:
        return _Writer(self)

    @classmethod
    def read(cls) -> MLReader[ImageEmbedder]:
        return _Reader()

    def _transform(self, dataset: DataFrame) -> DataFrame:
        self._check(dataset)
        found, output, error = f"{self.uid}__found", self.getOutputCol(), self._value("errorCol")
        rows = dataset.withColumn(found, self._embedded(dataset))
        if self._value("handleInvalid") == "skip":
            rows = rows.where(F.col(f"{found}.reason").isNull())
        features, reason = F.col(f"{found}.features"), F.col(f"{found}.reason")
        why = F.struct(reason.alias("reason"), F.col(f"{found}.detail").alias("detail"))
        return (
            rows.withColumn(output, F.when(reason.isNull(), array_to_vector(features)))
            .withColumn(error, F.when(reason.isNotNull(), why))
            .drop(found)
        )

    def _check(self, dataset: DataFrame) -> None:
        if self._value("handleInvalid") not in _INVALID:
            raise ConfigError(
                f"handleInvalid={self._value('handleInvalid')!r}: expected {', '.join(_INVALID)}"
            )
        if (precision := self._value("precision")) not in PRECISIONS:
            raise ConfigError(f"precision={precision!r}: expected {', '.join(PRECISIONS)}")
        view = self._value("view")
        if not view or len(set(view)) < len(view) or set(view) - set(VIEW_NAMES):
            raise ConfigError(f"view={view}: expected each of {', '.join(VIEW_NAMES)} once at most")
        name = self.getInputCol()
        if name not in dataset.columns:
            raise ConfigError(f"inputCol={name!r}: expected one of {', '.join(dataset.columns)}")
        kind = dataset.schema[name].dataType
        if not isinstance(kind, (BinaryType, StringType)):
            raise ConfigError(
                f"inputCol={name!r} is of type {kind.simpleString()}; expected binary (the images' "
                "bytes) or string (their paths)"
            )

    def _embedded(self, dataset: DataFrame) -> Column:
        source = self._source(dataset.sparkSession)
        is_path = isinstance(dataset.schema[self.getInputCol()].dataType, StringType)
        refuse = self._value("handleInvalid") == "error"

        def embed(series: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
            embedder, _ = embedder_for(source.key, source.load)
            for batch in series:
                found = batches.embed(batch, embedder, source.key, is_path=is_path)
                if refuse:
                    batches.refuse_failures(batch, found)
                yield found

        # Spark evaluates a deterministic function anew for a filter on its result.
        udf = pandas_udf(embed, _FOUND).asNondeterministic()  # type: ignore[call-overload]
        return cast("Column", udf(F.col(f"`{self.getInputCol()}`")))

    def _source(self, session: SparkSession) -> ModelSource:
        model, fingerprint = self._model()
        hands, sent = hands_of(session), None
        if self._value("broadcast"):
            if self._sent is None or self._sent[:2] != (session, fingerprint):
                self._sent = session, fingerprint, hands.send(model.onnx)
            sent = self._sent[2]
        return ModelSource.of(fingerprint, sent, self._value("weights"), model)

    def _model(self) -> tuple[Model, str]:
        wanted = self._wanted()
        if self._loaded is None or self._loaded[0] != wanted:
            self._keep(load_model(*wanted))
        assert self._loaded is not None
        return self._loaded[1:]

    def _keep(self, model: Model) -> None:
        self._loaded = self._wanted(), model, EmbeddingIdentity.of(model).fingerprint

    def _wanted(self) -> _Wanted:
        size = self._value("size") if self.isDefined("size") else None
        return self._value("weights"), size, self._value("precision"), tuple(self._value("view"))

    def _value(self, name: str) -> Any:
        return self.getOrDefault(name)


class _Writer(MLWriter):
    """metadata/ as all of MLlib writes it; model/, Parquet of one row: the network as ONNX."""

    def __init__(self, stage: ImageEmbedder) -> None:
        super().__init__()
        self._stage = stage

    def saveImpl(self, path: str) -> None:
        model, fingerprint = self._stage._model()
        DefaultParamsWriter.saveMetadata(self._stage, path, of_metadata(self.sparkSession))
        row = (fingerprint, bytearray(model.onnx))
        frame = self.sparkSession.createDataFrame([row], "fingerprint string, onnx binary")
        frame.coalesce(1).write.parquet(f"{path}/model")


class _Reader(MLReader[ImageEmbedder]):
    def load(self, path: str) -> ImageEmbedder:
        metadata = DefaultParamsReader.loadMetadata(path, of_metadata(self.sparkSession))
        stage = ImageEmbedder()
        stage._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(stage, metadata)
        row = self.sparkSession.read.parquet(f"{path}/model").collect()[0]
        stage._keep(Model.from_onnx(bytes(row["onnx"])))
        return stage
