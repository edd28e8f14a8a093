"""What of a float32 graph becomes integer, and where its ranges are to be taken."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from orchard.errors import ConfigError

OPSET = 13  # the first with a scale for each channel
_ONNX = ("", "ai.onnx")
Constants = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Layer:
    """What becomes integer: a convolution or a sum. source: the convolution's input. output: the
    tensor after `activation`, the ReLU or clip that the range of uint8 replaces; high: where that
    ends."""

    node: onnx.NodeProto
    output: str
    source: str | None = None
    activation: onnx.NodeProto | None = None
    high: float = np.inf


@dataclass(frozen=True, slots=True)
class Pixels:
    """A graph's own normalisation x = p / divisor − shift of pixels p, the uint8 tensor `name`."""

    name: str
    divisor: float
    shift: float

    @property
    def zero_point(self) -> int:
        return int(np.rint(self.divisor * self.shift))

    @property
    def rest(self) -> float:
        """x − (p − zero_point) / divisor: what the whole zero point leaves."""
        return self.zero_point / self.divisor - self.shift


def layers(model: onnx.ModelProto) -> list[Layer]:
    """What `quantise` turns into integers. Raises ConfigError where that is nothing."""
    graph = model.graph
    opset = next(
        (entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0
    )
    constants = constants_of(graph)
    found: list[Layer] = []
    integer: set[str] = set()
    readers = _readers(graph)
    for node in graph.node:
        if _is_convolution(node, constants):
            source: str | None = node.input[0]
        elif node.op_type == "Add" and set(node.input) <= integer:
            source = None
        else:
            continue
        activation, high = _activation(node, readers, constants)
        output = activation.output[0] if activation else node.output[0]
        found.append(Layer(node, output, source, activation, high))
        integer.add(output)
    if not found or opset < OPSET:
        raise ConfigError(
            f"--precision int8: this network has {len(found)} convolutions with constant float32 "
            f"weights and opset {opset}; expected at least one, and opset {OPSET} or later: export "
            "it again, or use --precision float32"
        )
    return found


def observed(model: onnx.ModelProto) -> tuple[list[str], list[str]]:
    """The tensors whose ranges `quantise` needs; and of which it needs the channels' means."""
    found = layers(model)
    sources = list(dict.fromkeys(one.source for one in found if one.source))
    return list(dict.fromkeys([*sources, *(one.output for one in found)])), sources


def _is_convolution(node: onnx.NodeProto, constants: Constants) -> bool:
    values = [constants.get(name) for name in node.input[1:] if name]
    return (
        node.op_type == "Conv"
        and node.domain in _ONNX
        and all(value is not None and value.dtype == np.float32 for value in values)
    )


def _activation(
    node: onnx.NodeProto,
    readers: dict[str, list[onnx.NodeProto]],
    constants: Constants,
) -> tuple[onnx.NodeProto | None, float]:
    """The ReLU, or clip at 0, that alone reads what the node computes; and where it ends."""
    reading = readers.get(node.output[0], [])
    if len(reading) != 1:
        return None, np.inf
    (one,) = reading
    if one.op_type == "Relu":
        return one, np.inf
    ends = [constants.get(name) for name in one.input[1:]]
    if one.op_type == "Clip" and ends and all(end is not None for end in ends) and ends[0] == 0:
        return one, float(ends[1]) if len(ends) > 1 and ends[1] is not None else np.inf
    return None, np.inf


def _readers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """Tensor → the nodes that read it; an output of the graph is read by one more."""
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    for output in graph.output:
        readers.setdefault(output.name, []).extend([onnx.NodeProto()] * 2)
    attributes = (attribute for node in graph.node for attribute in node.attribute)
    if any(attribute.type in (attribute.GRAPH, attribute.GRAPHS) for attribute in attributes):
        return {}  # graphs within this one may read any of its tensors
    return readers


def constants_of(graph: onnx.GraphProto) -> Constants:
    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            found[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return found


def pixels_of(graph: onnx.GraphProto, name: str | None) -> Pixels | None:
    """The normalisation that Orchard writes in front of a network, where `name` is its result."""
    producers = {output: node for node in graph.node for output in node.output}
    constants = constants_of(graph)
    chain, at = [], name
    for op in ("Sub", "Div", "Cast"):
        node = producers.get(at or "")
        if node is None or node.op_type != op:
            return None
        chain.append(node)
        at = node.input[0]
    shift, divisor = (constants.get(node.input[1]) for node in chain[:2])
    planes = producers.get(at or "")
    source = planes.input[0] if planes is not None and planes.op_type == "Transpose" else at
    is_uint8 = any(
        entry.name == source and entry.type.tensor_type.elem_type == TensorProto.UINT8
        for entry in graph.input
    )
    if not is_uint8 or shift is None or divisor is None or shift.size * divisor.size != 1:
        return None
    return Pixels(str(at), float(divisor.item()), float(shift.item()))
