"""Spark: the session, the passes of a run, and the pieces for `pyspark.ml`.

    from orchard.spark import ImageEmbedder, StandardizedPCA

Names are imported on first use, so that importing this package does not load pyspark.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchard.spark.image_embedder import ImageEmbedder
    from orchard.spark.pca_model import StandardizedPCAModel
    from orchard.spark.session import start_spark
    from orchard.spark.standardized_pca import StandardizedPCA

__all__ = ["ImageEmbedder", "StandardizedPCA", "StandardizedPCAModel", "start_spark"]

_HOMES = {
    "ImageEmbedder": "image_embedder",
    "StandardizedPCA": "standardized_pca",
    "StandardizedPCAModel": "pca_model",
    "start_spark": "session",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from orchard.errors import needs

    with needs("ml", f"orchard.spark.{name}"):
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
