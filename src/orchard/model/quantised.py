"""A float32 graph and the ranges of its activations → the same network in int8.

The graph is QDQ (QuantizeLinear, DequantizeLinear around float operators), which ONNX Runtime and
OpenVINO turn into integer kernels: activations uint8 a tensor, weights int8 a channel, biases and
sums int32. Convolutions are quantised, with a ReLU or a clip at 0 behind them, and sums of their
outputs; whatever else a graph computes stays in float32.

**No sum saturates.** Without VNNI, x86 adds two products of uint8 and int8 in 16 bits
(`pmaddubsw`), where 2 · 255 · 127 does not fit. Weights of dense convolutions therefore take 7
bits, ±64: 2 · 255 · 64 = 32,640 < 2¹⁵. The integers are then the same on every CPU. Kernels for
depthwise convolutions, of one channel in and out a group, widen before they add: these take 8.

**Bias correction** (Nagel et al. 2019, "Data-Free Quantization through Weight Equalization and Bias
Correction", section 4.2): Σ (w − w̃) E[x] is added to each channel's bias, with E[x] measured.

Every number is computed in float64 by operations that IEEE 754 rounds, in an order that no CPU
changes: the same bytes on every machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from orchard.model.layers import Layer, constants_of, layers, pixels_of
from orchard.model.ranges import Ranges

Doubles = NDArray[np.float64]

DENSE, DEPTHWISE = 64, 127  # the largest weight
NARROWER = np.linspace(1.0, 0.6, 17)  # of the largest weight, tried as the end of a channel's range


def quantise(model: onnx.ModelProto, ranges: Ranges) -> onnx.ModelProto:
    """The network in int8. Raises ConfigError where it has nothing to quantise."""
    found = layers(model)
    return _Writer(model, ranges, found).written()


def weights_of(kernel: Doubles, largest: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """(values, channels) → integers in ±largest, and the scale of each channel: of `NARROWER` ones
    that with the least squared error."""
    end = np.abs(kernel).max(axis=0)
    end[end == 0] = 1.0
    scale, least = end / largest, np.full(end.shape, np.inf)
    for share in NARROWER:
        tried = end * share / largest
        left = np.clip(np.rint(kernel / tried), -largest, largest) * tried - kernel
        error = np.square(left).sum(axis=0)  # row by row
        scale = np.where(error < least, tried, scale)
        least = np.minimum(error, least)
    stored = scale.astype(np.float32)
    integers = np.clip(np.rint(kernel / stored.astype(np.float64)), -largest, largest)
    return integers.astype(np.int8), stored


class _Writer:
    def __init__(self, model: onnx.ModelProto, ranges: Ranges, found: list[Layer]) -> None:
        self.model = onnx.ModelProto()
        self.model.CopyFrom(model)
        self.ranges = ranges
        self.constants = constants_of(model.graph)
        self.layers = {one.node.output[0]: one for one in found}
        self.dropped = {one.activation.output[0] for one in found if one.activation}
        self.integer = {one.output for one in found} | {one.source for one in found if one.source}
        self.pixels = {one.source: p for one in found if (p := pixels_of(model.graph, one.source))}
        self.nodes: list[onnx.NodeProto] = []
        self.added: dict[str, onnx.TensorProto] = {}

    def written(self) -> onnx.ModelProto:
        graph = self.model.graph
        for entry in graph.input:
            if entry.name in self.integer and entry.type.tensor_type.elem_type == TensorProto.FLOAT:
                self._round(entry.name, entry.name, f"{entry.name}.rounded")
        for node in graph.node:
            layer = self.layers.get(node.output[0])
            if layer is not None:
                self._layer(node, layer)
            elif node.output[0] not in self.dropped:
                self._other(node)
        used = {name for node in self.nodes for name in node.input}
        kept = [tensor for tensor in graph.initializer if tensor.name in used]
        del graph.node[:], graph.value_info[:], graph.initializer[:]
        graph.node.extend(_needed(self.nodes, {output.name for output in graph.output}))
        graph.initializer.extend([*kept, *self.added.values()])
        return self.model

    def _layer(self, node: onnx.NodeProto, layer: Layer) -> None:
        inputs = self._convolved(node, layer) if layer.source else list(node.input)
        made = onnx.NodeProto()
        made.CopyFrom(node)
        del made.input[:], made.output[:]
        made.input.extend(inputs)
        made.output.append(f"{layer.output}.float")
        self.nodes.append(made)
        self._round(f"{layer.output}.float", layer.output, layer.output, layer)

    def _other(self, node: onnx.NodeProto) -> None:
        """As it is; where a convolution reads what it computes, that is rounded."""
        made = onnx.NodeProto()
        made.CopyFrom(node)
        rounded = [name for name in node.output if name in self.integer - set(self.pixels)]
        for i, name in enumerate(node.output):
            if name in rounded:
                made.output[i] = f"{name}.float"
        self.nodes.append(made)
        for name in rounded:
            self._round(f"{name}.float", name, name)

    def _round(self, source: str, name: str, result: str, layer: Layer | None = None) -> None:
        """QuantizeLinear and DequantizeLinear of the tensor `name`."""
        scale, zero = self._uint8(name, layer)
        inputs = [self._constant(f"{name}.scale", scale), self._constant(f"{name}.zero", zero)]
        self._node("QuantizeLinear", [source, *inputs], f"{name}.uint8")
        self._node("DequantizeLinear", [f"{name}.uint8", *inputs], result)

    def _uint8(self, name: str, layer: Layer | None) -> tuple[np.float32, np.uint8]:
        low, high = self.ranges.tensors[name]
        if layer and layer.activation:
            low, high = 0.0, min(high, layer.high)
        scale = np.float32((high - low) / 255 or 1.0)
        return scale, np.uint8(np.clip(np.rint(-low / float(scale)), 0, 255))

    def _convolved(self, node: onnx.NodeProto, layer: Layer) -> list[str]:
        """The inputs of a convolution in integers: what it reads, weights, bias."""
        assert layer.source is not None
        kernel = self.constants[node.input[1]].astype(np.float64)
        group = _attribute(node, "group", 1)
        flat = kernel.reshape(len(kernel), -1).T
        depthwise = kernel.shape[1] == 1 and group == len(kernel) > 1
        integers, scales = weights_of(flat, DEPTHWISE if depthwise else DENSE)
        lost = flat - integers.astype(np.float64) * scales.astype(np.float64)
        means = self.ranges.mean(layer.source)
        bias = self._bias(node, layer, flat) + _correction(lost, means, group, kernel.shape)
        x, scale = self._source(layer.source)
        name = node.output[0]
        w = self._integers(f"{name}.weight", integers.T.reshape(kernel.shape), scales)
        unit = (np.float64(scale) * scales.astype(np.float64)).astype(np.float32)
        whole = np.rint(bias / unit.astype(np.float64)).clip(-(2**31), 2**31 - 1).astype(np.int32)
        return [x, w, self._integers(f"{name}.bias", whole, unit)]

    def _bias(self, node: onnx.NodeProto, layer: Layer, flat: Doubles) -> Doubles:
        has_bias = len(node.input) > 2 and node.input[2]
        bias = (
            self.constants[node.input[2]].astype(np.float64)
            if has_bias
            else np.zeros(flat.shape[1])
        )
        pixels = self.pixels.get(layer.source or "")
        return bias + pixels.rest * flat.sum(axis=0) if pixels else bias

    def _source(self, name: str) -> tuple[str, np.float32]:
        """The tensor that a convolution reads, and its scale."""
        if pixels := self.pixels.get(name):
            scale = np.float32(1 / pixels.divisor)
            inputs = [
                self._constant(f"{name}.scale", scale),
                self._constant(f"{name}.zero", np.uint8(pixels.zero_point)),
            ]
            self._node("DequantizeLinear", [pixels.name, *inputs], f"{name}.pixels")
            return f"{name}.pixels", scale
        producer = next((one for one in self.layers.values() if one.output == name), None)
        is_input = any(entry.name == name for entry in self.model.graph.input)
        return (f"{name}.rounded" if is_input else name), self._uint8(name, producer)[0]

    def _integers(self, name: str, values: NDArray[np.integer], scales: NDArray[np.float32]) -> str:
        zeros = np.zeros(len(scales), values.dtype)
        inputs = [
            self._constant(f"{name}.int", values),
            self._constant(f"{name}.scale", scales),
            self._constant(f"{name}.zero", zeros),
        ]
        self._node("DequantizeLinear", inputs, name, axis=0)
        return name

    def _constant(self, name: str, value: NDArray[np.generic] | np.generic) -> str:
        self.added[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def _node(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        self.nodes.append(
            helper.make_node(op, inputs, [output], name=f"{output}.{op}", **attributes)
        )


def _correction(lost: Doubles, means: Doubles, group: int, shape: tuple[int, ...]) -> Doubles:
    """Σ (w − w̃) E[x] of each channel; lost: (values, channels)."""
    outputs, inputs = shape[:2]
    by_input = lost.reshape(inputs, -1, outputs).sum(axis=1)
    of_group = means.reshape(group, inputs).T
    return (by_input * np.repeat(of_group, outputs // group, axis=1)).sum(axis=0)


def _needed(nodes: list[onnx.NodeProto], outputs: set[str]) -> list[onnx.NodeProto]:
    """Those that the outputs depend on, in their order."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted & set(node.output):
            wanted |= set(node.input) | _read_within(node)
            kept.append(node)
    return kept[::-1]


def _read_within(node: onnx.NodeProto) -> set[str]:
    """What graphs within the node may read."""
    graphs: list[onnx.GraphProto] = []
    for attribute in node.attribute:
        graphs += [attribute.g] if attribute.type == attribute.GRAPH else attribute.graphs
    inside = [one for graph in graphs for one in graph.node]
    return {name for one in inside for name in {*one.input, *_read_within(one)}}


def _attribute(node: onnx.NodeProto, name: str, default: int) -> int:
    return next((int(a.i) for a in node.attribute if a.name == name), default)
