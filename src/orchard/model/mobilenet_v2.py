"""MobileNetV2, width 1.0, without its classifier: Keras's weights → an ONNX graph.

Architecture: Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
table 2, with the layer names, the paddings and the batch normalisation of Keras'
`keras.applications.MobileNetV2(include_top=False, pooling="avg")`.

    pixels uint8 [N, size, size, 3] ─▶ x / 127.5 − 1 ─▶ Conv1 ─▶ 17 blocks ─▶ Conv_1 ─▶ mean over
    height and width ─▶ features float32 [N, 1280]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Weights = Mapping[str, NDArray[np.float32]]

DIM = 1280
NORMALISATION = "x / 127.5 - 1"
BN_EPSILON = 1e-3  # Keras's MobileNetV2, not the 1e-5 of the paper's authors
OPSET, IR_VERSION = 13, 7  # of ONNX 1.8, end of 2020: new graphs gain nothing from later ones

# Rows of table 2: expansion, output channels, repeats, stride of the first.
TABLE_2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


@dataclass(frozen=True, slots=True)
class ConvBN:
    """A convolution without bias, its batch normalisation, and ReLU6 unless linear.

    kernel: (height, width, channels in, channels out), as Keras stores it; (3, 3, channels, 1)
    where depthwise.
    """

    name: str
    norm: str
    kernel: tuple[int, int, int, int]
    stride: int = 1
    depthwise: bool = False
    linear: bool = False

    @property
    def channels(self) -> int:
        return self.kernel[2] if self.depthwise else self.kernel[3]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name → shape of its five weights, in Keras's order."""
        norms = ("gamma", "beta", "moving_mean", "moving_variance")
        return {f"{self.name}/kernel": self.kernel} | {
            f"{self.norm}/{norm}": (self.channels,) for norm in norms
        }


@dataclass(frozen=True, slots=True)
class Block:
    convs: tuple[ConvBN, ...]
    residual: bool = False


def architecture() -> tuple[Block, ...]:
    """The stem, the 17 inverted residual blocks, the head."""
    stem = ConvBN("Conv1", "bn_Conv1", (3, 3, 3, 32), stride=2)
    head = ConvBN("Conv_1", "Conv_1_bn", (1, 1, 320, DIM))
    return (Block((stem,)), *_inverted_residuals(), Block((head,)))


def weight_shapes() -> dict[str, tuple[int, ...]]:
    """Name → shape of every weight, in Keras's topological order."""
    shapes: dict[str, tuple[int, ...]] = {}
    for block in architecture():
        for conv in block.convs:
            shapes |= conv.shapes
    return shapes


def build(weights: Weights, size: int) -> onnx.ModelProto:
    """The network from Keras's weights, which `weight_shapes` names; see `assemble`."""
    folded: dict[str, NDArray[np.float32]] = {}
    for block in architecture():
        for conv in block.convs:
            folded[f"{conv.name}.w"], folded[f"{conv.name}.b"] = fold(weights, conv)
    return assemble(folded, size)


def assemble(folded: Weights, size: int) -> onnx.ModelProto:
    """The network over images of size × size pixels, its batch dimension free, in float32.

    folded: of each convolution `name.w` and `name.b`, batch normalisation within; see `fold`.
    """
    graph = _Graph()
    x, side = graph.normalised("pixels"), size
    for block in architecture():
        block_input = x
        for conv in block.convs:
            x = graph.conv_bn(x, conv, folded, padding(conv, side))
            side = -(-side // conv.stride)
        if block.residual:
            x = graph.node("Add", [block_input, x])
    pooled = graph.node("GlobalAveragePool", [x])
    graph.node("Flatten", [pooled], output="features", axis=1)
    pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", size, size, 3])
    features = helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", DIM])
    return helper.make_model(
        helper.make_graph(graph.nodes, "MobileNetV2", [pixels], [features], graph.initializers),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="orchard",
    )


def padding(conv: ConvBN, side: int) -> tuple[int, int]:
    """Zeros (before, after) each row and column of an input of `side` pixels.

    Stride 2: TensorFlow's "same" on Conv1 and Keras' `correct_pad` before the depthwise
    convolutions come to the same: an even side is padded at its end alone. PyTorch's models pad
    (1, 1) there, which shifts every feature map by half a pixel.
    """
    if conv.kernel[0] == 1:
        return (0, 0)
    return (0, 1) if conv.stride == 2 and side % 2 == 0 else (1, 1)


def fold(weights: Weights, conv: ConvBN) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Kernel (out, in / groups, height, width) and bias (out,) of convolution and norm in one.

    In float64, rounded at the end:

    γ (w ∗ x − μ) / √(σ² + ε) + β  =  (w γ / √(σ² + ε)) ∗ x  +  β − μ γ / √(σ² + ε)
    """
    kernel, gamma, beta, mean, variance = (weights[name].astype(np.float64) for name in conv.shapes)
    gain = gamma / np.sqrt(variance + BN_EPSILON)
    order = (2, 3, 0, 1) if conv.depthwise else (3, 2, 0, 1)
    scaled = kernel.transpose(order) * gain[:, None, None, None]
    return scaled.astype(np.float32), (beta - mean * gain).astype(np.float32)


def _inverted_residuals() -> Iterator[Block]:
    channels, index = 32, 0
    for expansion, out, repeats, first_stride in TABLE_2:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            prefix = f"block_{index}_" if index else "expanded_conv_"
            yield _inverted_residual(prefix, channels, expansion, out, stride)
            channels, index = out, index + 1


def _inverted_residual(prefix: str, channels: int, expansion: int, out: int, stride: int) -> Block:
    def conv(part: str, kernel: tuple[int, int, int, int], **kind: Any) -> ConvBN:
        return ConvBN(f"{prefix}{part}", f"{prefix}{part}_BN", kernel, **kind)

    wide = channels * expansion
    convs = [
        conv("expand", (1, 1, channels, wide)),
        conv("depthwise", (3, 3, wide, 1), stride=stride, depthwise=True),
        conv("project", (1, 1, wide, out), linear=True),
    ]
    residual = stride == 1 and channels == out
    return Block(tuple(convs[1:] if expansion == 1 else convs), residual)


class _Graph:
    """Nodes and initializers under construction; every method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[np.float32]) -> str:
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def node(self, op: str, inputs: list[str], *, output: str = "", **attributes: Any) -> str:
        name = output or f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def normalised(self, pixels: str) -> str:
        """uint8 NHWC → float32 NCHW in [−1, 1]."""
        halfway = self.constant("halfway", np.full((), 127.5, np.float32))
        one = self.constant("one", np.ones((), np.float32))
        self.constant("zero", np.zeros((), np.float32))
        self.constant("six", np.full((), 6, np.float32))
        planes = self.node("Transpose", [pixels], perm=[0, 3, 1, 2])
        real = self.node("Cast", [planes], to=TensorProto.FLOAT)
        return self.node("Sub", [self.node("Div", [real, halfway]), one])

    def conv_bn(self, x: str, conv: ConvBN, folded: Weights, pad: tuple[int, int]) -> str:
        names = (f"{conv.name}.w", f"{conv.name}.b")
        inputs = [x, *(self.constant(name, folded[name]) for name in names)]
        y = self.node(
            "Conv",
            inputs,
            output=conv.name,
            group=conv.channels if conv.depthwise else 1,
            kernel_shape=list(conv.kernel[:2]),
            pads=[pad[0], pad[0], pad[1], pad[1]],
            strides=[conv.stride, conv.stride],
        )
        return y if conv.linear else self.node("Clip", [y, "zero", "six"])
