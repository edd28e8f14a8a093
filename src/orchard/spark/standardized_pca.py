"""`StandardizedPCA`: standardisation and exact PCA as a stage of a `pyspark.ml` pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pyspark import keyword_only
from pyspark.ml import Estimator, Model
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.ml.linalg import DenseMatrix, DenseVector, VectorUDT
from pyspark.ml.param import Param, Params, TypeConverters
from pyspark.ml.param.shared import HasInputCol, HasOutputCol
from pyspark.ml.util import (
    DefaultParamsReadable,
    DefaultParamsReader,
    DefaultParamsWritable,
    DefaultParamsWriter,
    MLReadable,
    MLReader,
    MLWritable,
    MLWriter,
)
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf
from pyspark.sql.types import ArrayType

from orchard.errors import ConfigError, ReductionError
from orchard.reduction import PCA, Moments, fit, merge
from orchard.spark import columns
from orchard.spark.session import run_action

if TYPE_CHECKING:
    from pyspark import Broadcast, SparkContext
    from pyspark.sql import Column, DataFrame

DEFAULT_VARIANCE = 0.95
TASKS_PER_SLOT = 4  # a task returns a d × d matrix: 13 MB at 1280 features
_DATA = (
    "n_samples long, mean array<double>, scale array<double>, "
    "components array<array<double>>, explained_variance array<double>"
)


class StandardizedPCA(
    Estimator["StandardizedPCAModel"],
    HasInputCol,
    HasOutputCol,
    DefaultParamsReadable["StandardizedPCA"],
    DefaultParamsWritable,
):
    """The reduction of `orchard run`, fitted on a column of vectors in one pass.

    - inputCol: vectors, or arrays of numbers as in Orchard's Parquet tables. Nulls are left out.
    - outputCol: the projections, vectors of k entries.
    - k: the number of components; or variance: a share in (0, 1) of the variance, for the least k
      that explains it (default 0.95). Not both.
    - standardize: divide by the standard deviation (n − 1) before; columns are centred either way.

    Partitions are reduced to count, mean and scatter and merged as a tree; the driver decomposes
    one d × d matrix. Raises ConfigError on the settings, ReductionError where the data admit no
    such PCA.
    """

    __module__ = "orchard.spark"  # the name that saved pipelines know the class by

    k = Param(Params._dummy(), "k", "number of components", TypeConverters.toInt)
    variance = Param(Params._dummy(), "variance", "share of it to keep", TypeConverters.toFloat)
    standardize = Param(Params._dummy(), "standardize", "divide by std", TypeConverters.toBoolean)

    _input_kwargs: dict[str, Any]  # what keyword_only leaves

    @keyword_only
    def __init__(
        self,
        *,
        k: int | None = None,
        variance: float | None = None,
        standardize: bool = True,
        inputCol: str = "features",
        outputCol: str = "components",
    ) -> None:
        super().__init__()
        self._setDefault(standardize=True, inputCol="features", outputCol="components")
        self._set(**self._input_kwargs)

    def _fit(self, dataset: DataFrame) -> StandardizedPCAModel:
        wanted = self._n_components()
        context = dataset.sparkSession.sparkContext
        moments = _moments(context, dataset.select(_arrays(dataset, self.getInputCol())))
        if moments is None:
            raise ReductionError(f"inputCol={self.getInputCol()!r}: no row holds a vector")
        try:
            pca = fit(moments, wanted, standardize=self.getOrDefault(self.standardize))
        except ReductionError as error:
            name = "k" if self.isSet(self.k) else "variance"
            raise ReductionError(str(error).replace("--components", name)) from None
        return self._copyValues(StandardizedPCAModel(pca))

    def _n_components(self) -> int | float:
        if self.isSet(self.k) and self.isSet(self.variance):
            raise ConfigError("k and variance are both set; expected one of them")
        if self.isSet(self.k):
            return int(self.getOrDefault(self.k))
        share = self.getOrDefault(self.variance) if self.isSet(self.variance) else DEFAULT_VARIANCE
        if not 0 < share < 1:
            raise ConfigError(f"variance={share}: expected a share in (0, 1), or k=50")
        return float(share)


class StandardizedPCAModel(
    Model, HasInputCol, HasOutputCol, MLWritable, MLReadable["StandardizedPCAModel"]
):
    """A fitted `StandardizedPCA`: (x − mean) / std, projected on the columns of pc."""

    __module__ = "orchard.spark"

    k, variance, standardize = (
        StandardizedPCA.k,
        StandardizedPCA.variance,
        StandardizedPCA.standardize,
    )
    _sent: tuple[SparkContext, Broadcast[PCA]] | None = None

    def __init__(self, pca: PCA) -> None:
        super().__init__()
        self._setDefault(standardize=True, inputCol="features", outputCol="components")
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
        context = dataset.sparkSession.sparkContext
        if self._sent is None or self._sent[0] is not context:
            self._sent = context, context.broadcast(self.pca)
        sent = self._sent[1]

        def project(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
            for batch in batches:
                yield columns.project(batch, sent.value)

        udf = pandas_udf(project, "array<double>")  # type: ignore[call-overload]
        projected = f"{self.uid}__projected"
        return (
            dataset.withColumn(projected, udf(_arrays(dataset, self.getInputCol())))
            .withColumn(
                self.getOutputCol(),
                F.when(F.col(projected).isNotNull(), array_to_vector(F.col(projected))),
            )
            .drop(projected)
        )


def _arrays(dataset: DataFrame, name: str) -> Column:
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


def _moments(context: SparkContext, vectors: DataFrame) -> Moments | None:
    """Coalesced after the vectors are made: each partition keeps its own batches until then."""
    packed = vectors.mapInArrow(columns.pack, "n long, vectors binary").rdd
    tasks = min(packed.getNumPartitions(), TASKS_PER_SLOT * context.defaultParallelism)
    parts = packed.coalesce(max(tasks, 1)).mapPartitions(columns.moments_of)
    return run_action(context, lambda: parts.treeAggregate(None, _merged, _merged))


def _merged(a: Moments | None, b: Moments | None) -> Moments | None:
    return merge(a, b) if a is not None and b is not None else a or b


class _Writer(MLWriter):
    """metadata/ as all of MLlib writes it; data/, Parquet of one row of plain arrays."""

    def __init__(self, model: StandardizedPCAModel) -> None:
        super().__init__()
        self._model = model

    def saveImpl(self, path: str) -> None:
        DefaultParamsWriter.saveMetadata(self._model, path, self.sc)
        pca = self._model.pca
        arrays = (pca.mean, pca.scale, pca.components, pca.explained_variance)
        row = (pca.n_samples, *(array.tolist() for array in arrays))
        frame = self.sparkSession.createDataFrame([row], _DATA)
        frame.coalesce(1).write.parquet(f"{path}/data")


class _Reader(MLReader[StandardizedPCAModel]):
    def load(self, path: str) -> StandardizedPCAModel:
        metadata = DefaultParamsReader.loadMetadata(path, self.sc)
        row = self.sparkSession.read.parquet(f"{path}/data").collect()[0].asDict()
        n_samples = row.pop("n_samples")
        arrays = {name: np.array(values, np.float64) for name, values in row.items()}
        model = StandardizedPCAModel(PCA(**arrays, n_samples=n_samples))
        model._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(model, metadata)
        return model
