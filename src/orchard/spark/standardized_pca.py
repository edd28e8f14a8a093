"""`StandardizedPCA`: standardisation and exact PCA as a stage of a `pyspark.ml` pipeline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark import keyword_only
from pyspark.ml import Estimator
from pyspark.ml.util import DefaultParamsReadable, DefaultParamsWritable

from orchard.errors import ConfigError, ReductionError
from orchard.reduction import Moments, fit, merge
from orchard.spark import batches
from orchard.spark.connect import ConnectHands
from orchard.spark.hands import hands_of
from orchard.spark.jobs import run_action
from orchard.spark.pca_model import PCAParams, StandardizedPCAModel, arrays_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

DEFAULT_VARIANCE = 0.95
TASKS_PER_SLOT = 4  # a task returns a d × d matrix: 13 MB at 1280 features


class StandardizedPCA(
    Estimator["StandardizedPCAModel"],
    PCAParams,
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
        self._set(**self._input_kwargs)

    def _fit(self, dataset: DataFrame) -> StandardizedPCAModel:
        wanted = self._n_components()
        moments = _moments(dataset.select(arrays_of(dataset, self.getInputCol())))
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


def _moments(vectors: DataFrame) -> Moments | None:
    """Coalesced after the vectors are made: each partition keeps its own batches until then."""
    session = vectors.sparkSession
    hands = hands_of(session)
    packed = vectors.mapInArrow(batches.pack, "n long, vectors binary")
    most = TASKS_PER_SLOT * hands.slots
    if isinstance(hands, ConnectHands):
        return hands.reduce_rows(packed.coalesce(most), batches.moments_of, merge, most)

    def reduced() -> Moments | None:
        rdd = packed.rdd  # may run jobs
        parts = rdd.coalesce(max(min(rdd.getNumPartitions(), most), 1))
        return parts.mapPartitions(batches.moments_of).treeAggregate(None, _merged, _merged)

    return run_action(session, reduced)


def _merged(a: Moments | None, b: Moments | None) -> Moments | None:
    return merge(a, b) if a is not None and b is not None else a or b
