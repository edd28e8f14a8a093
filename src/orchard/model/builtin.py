"""The network inside the package: `fruit.onnx`, kernels as float16, and its card `fruit.json`.

Made by `backbone/`, described by `fruit.md`. The file runs as it is, at its native size; here its
weights are taken out of it, for a graph of any size.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from orchard.errors import WeightsError
from orchard.model.mobilenet_v2 import Weights

NAME = "fruit"


@cache
def card() -> dict[str, Any]:
    """What is known of it: licence, data, training, figures, limits."""
    found: dict[str, Any] = json.loads(_read("json"))
    return found


def card_text() -> str:
    """The same to be read, as Markdown."""
    return _read("md").decode()


def builtin_weights() -> tuple[Weights, str]:
    """Folded, as `mobilenet_v2.assemble` takes them, in float32; and the file's sha256.

    Raises WeightsError where the file is not the one that the card describes.
    """
    content = _read("onnx")
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != card()["file"]["sha256"]:
        raise WeightsError(
            f"--weights {NAME}: {NAME}.onnx of the installation has sha256 {sha256}, expected "
            f"{card()['file']['sha256']}; reinstall Orchard"
        )
    graph = onnx.load_from_string(content).graph
    return {
        tensor.name.removesuffix(".half"): numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in graph.initializer
    }, sha256


def _read(suffix: str) -> bytes:
    return (resources.files("orchard.model") / f"{NAME}.{suffix}").read_bytes()
