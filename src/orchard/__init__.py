"""Orchard turns a folder of images into reduced features, on Spark.

    import orchard

    result = orchard.run(orchard.RunConfig(sources=("photos",), output="result"))
    result = orchard.open("result")  # the same, later
    result.components().to_pandas()

Names are imported on first use: `import orchard` loads neither pyspark nor onnxruntime.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from orchard._version import __version__

if TYPE_CHECKING:
    from orchard.classify.predictor import Predictor
    from orchard.config import RunConfig
    from orchard.errors import OrchardError
    from orchard.packing import PackConfig, Packed, pack
    from orchard.pipeline import run
    from orchard.result import Result, open
    from orchard.result.pictures import show
    from orchard.spark.session import start_spark
    from orchard.training import TrainConfig, train

__all__ = [
    "OrchardError",
    "PackConfig",
    "Packed",
    "Predictor",
    "Result",
    "RunConfig",
    "TrainConfig",
    "__version__",
    "open",
    "pack",
    "run",
    "show",
    "start_spark",
    "train",
]

_HOMES = {
    "OrchardError": "errors",
    "Result": "result",
    "open": "result",
    "RunConfig": "config",
    "run": "pipeline",
    "pack": "packing",
    "PackConfig": "packing",
    "Packed": "packing",
    "show": "result.pictures",
    "start_spark": "spark.session",
    "train": "training",
    "TrainConfig": "training",
    "Predictor": "classify.predictor",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
