"""The network: from weights to an ONNX graph, and from pixels to features.

Attributes are imported on first use, so that importing this package loads neither ONNX Runtime nor
h5py.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchard.model.embedder import Embedder, embedder_for
    from orchard.model.onnx_model import InputSpec, Model, Precision
    from orchard.model.ranges import Ranges
    from orchard.model.registry import CARDS, Card, load_model
    from orchard.model.weights import cache_dir

__all__ = [
    "CARDS",
    "Card",
    "Embedder",
    "InputSpec",
    "Model",
    "Precision",
    "Ranges",
    "cache_dir",
    "embedder_for",
    "load_model",
]

_HOMES = {
    "CARDS": "registry",
    "Card": "registry",
    "Embedder": "embedder",
    "InputSpec": "onnx_model",
    "Model": "onnx_model",
    "Precision": "onnx_model",
    "Ranges": "ranges",
    "cache_dir": "weights",
    "embedder_for": "embedder",
    "load_model": "registry",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
