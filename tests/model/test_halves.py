"""Half the bytes, the same network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from orchard.model import Embedder
from orchard.model.halves import halved
from orchard.model.onnx_model import Model
from orchard.model.registry import load_model


def test_a_halved_network_has_the_same_features_to_four_digits() -> None:
    model = load_model("fruit", 32)
    content = halved(model.onnx)
    assert len(content) < 0.54 * len(model.onnx)
    pictures = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
    whole, half = (Embedder(one)(pictures) for one in (model, replace(model, onnx=content)))
    assert np.abs(whole - half).max() < 1e-3 * np.abs(whole).max()
    assert Model.from_onnx(content) == replace(model, onnx=content), "its description stays"


def test_what_float16_cannot_hold_stays_as_it_is() -> None:
    tensors = {
        "ordinary": np.full(16384, 0.1, np.float32),
        "large": np.full(16384, 1e6, np.float32),
        "tiny": np.full(16384, 1e-7, np.float32),
        "short": np.full(8, 0.1, np.float32),
    }
    graph = helper.make_graph(
        [], "weights", [], [], [numpy_helper.from_array(a, name) for name, a in tensors.items()]
    )
    found = onnx.load_from_string(halved(helper.make_model(graph).SerializeToString())).graph
    kinds = {tensor.name: tensor.data_type for tensor in found.initializer}
    assert kinds.pop("ordinary.half") == TensorProto.FLOAT16
    assert kinds == dict.fromkeys(("large", "tiny", "short"), TensorProto.FLOAT)
    assert [(node.op_type, *node.output) for node in found.node] == [("Cast", "ordinary")]
