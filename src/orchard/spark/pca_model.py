"""`StandardizedPCAModel`: a fitted standardisation and PCA; how it projects, how it is saved."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from pyspark.ml import Model
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.linalg import DenseMatrix, DenseVector, VectorUDT
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
from pyspark.sql.types import ArrayType

from orchard.errors import ConfigError
from orchard.reduction import PCA
from orchard.spark import batches
from orchard.spark.hands import Sent, hands_of
from orchard.spark.jobs import of_metadata

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

_DATA = (
    "n_samples long, mean array<double>, scale array<double>, "
    "components array<array<double>>, explained_variance array<double>"
)


class PCAParams(HasInputCol, HasOutputCol):
    """The settings that `StandardizedPCA` and its model share."""

    k = Param(Params._dummy(), "k", "number of components", TypeConverters.toInt)
    variance = Param(
        Params._dummy(), "variance", "share of the variance to keep", TypeConverters.toFloat
    )
    standardize = Param(
        Params._dummy(), "standardize", "divide by the standard deviation", TypeConverters.toBoolean
    )

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(standardize=True, inputCol="features", outputCol="components")


class StandardizedPCAModel(Model, PCAParams, MLWritable, MLReadable["StandardizedPCAModel"]):
    """A fitted `StandardizedPCA`: (x − mean) / std, projected on the columns of pc."""

    __module__ = "orchard.spark"

    _sent: tuple[SparkSession, Sent] | None = None

    def __init__(self, pca: PCA) -> None:
        super().__init__()
        self.pca = pca

    @property
    def pc(self) -> DenseMatrix:
        """(d, k): the components as orthonormal columns, as in MLlib's PCAModel."""
        pca = self.pca
        return DenseMatrix(pca.n_features, pca.n_components, pca.components.ravel())

    @property
    def explainedVariance(self) -> DenseVector:
        """(k,): the share of the total variance that each component explains, as in MLlib."""
        return DenseVector(self.pca.explained_variance_ratio[: self.pca.n_components])

    @property
    def mean(self) -> DenseVector:
        """(d,): what is subtracted."""
        return DenseVector(self.pca.mean)

    @property
    def std(self) -> DenseVector:
        """(d,): what is divided by: the sample standard deviation; 1 of a constant column, and of
        all where standardize is False."""
        return DenseVector(self.pca.scale)

    def write(self) -> MLWriter:
        return _Writer(self)

    @classmethod
    def read(cls) -> MLReader[StandardizedPCAModel]:
        return _Reader()

    def _transform(self, dataset: DataFrame) -> DataFrame:
        session = dataset.sparkSession
        if self._sent is None or self._sent[0] is not session:
            self._sent = session, hands_of(session).send(pickle.dumps(self.pca))
        sent = self._sent[1]

        def project(series: Iterator[pd.Series]) -> Iterator[pd.Series]:
            pca = pickle.loads(sent.value)
            for batch in series:
                yield batches.project(batch, pca)

        udf = pandas_udf(project, "array<double>")  # type: ignore[call-overload]
        projected = f"{self.uid}__projected"
        return (
            dataset.withColumn(projected, udf(arrays_of(dataset, self.getInputCol())))
            .withColumn(
                self.getOutputCol(),
                F.when(F.col(projected).isNotNull(), array_to_vector(F.col(projected))),
            )
            .drop(projected)
        )


def arrays_of(dataset: DataFrame, name: str) -> Column:
    """A column of vectors or numeric arrays as array<double>, null where it is null."""
    if name not in dataset.columns:
        raise ConfigError(f"inputCol={name!r}: expected one of {', '.join(dataset.columns)}")
    kind, column = dataset.schema[name].dataType, F.col(f"`{name}`")
    if isinstance(kind, ArrayType):
        return column.cast("array<double>")
    if not isinstance(kind, VectorUDT):
        raise ConfigError(
            f"inputCol={name!r} is of type {kind.simpleString()}; expected vectors or arrays"
        )
    return F.when(column.isNotNull(), vector_to_array(column))


class _Writer(MLWriter):
    """metadata/ as all of MLlib writes it; data/, Parquet of one row of plain arrays."""

    def __init__(self, model: StandardizedPCAModel) -> None:
        super().__init__()
        self._model = model

    def saveImpl(self, path: str) -> None:
        DefaultParamsWriter.saveMetadata(self._model, path, of_metadata(self.sparkSession))
        pca = self._model.pca
        arrays = (pca.mean, pca.scale, pca.components, pca.explained_variance)
        row = (pca.n_samples, *(array.tolist() for array in arrays))
        frame = self.sparkSession.createDataFrame([row], _DATA)
        frame.coalesce(1).write.parquet(f"{path}/data")


class _Reader(MLReader[StandardizedPCAModel]):
    def load(self, path: str) -> StandardizedPCAModel:
        metadata = DefaultParamsReader.loadMetadata(path, of_metadata(self.sparkSession))
        row = self.sparkSession.read.parquet(f"{path}/data").collect()[0].asDict()
        n_samples = row.pop("n_samples")
        arrays = {name: np.array(values, np.float64) for name, values in row.items()}
        model = StandardizedPCAModel(PCA(**arrays, n_samples=n_samples))
        model._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(model, metadata)
        return model
