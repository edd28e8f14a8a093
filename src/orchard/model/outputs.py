"""Which tensor of a network that others made is its features."""

from __future__ import annotations

import hashlib

import onnx
from onnx import helper

from orchard.errors import WeightsError

_LISTED = 5


def take_output(graph: onnx.ModelProto, name: str) -> None:
    """Make the tensor `name` the graph's one output: one of several, or one inside it.

    ONNX Runtime drops what is then computed for nothing. Raises WeightsError where the graph
    computes no tensor of that name.
    """
    outputs = {output.name: output for output in graph.graph.output}
    computed = {tensor for node in graph.graph.node for tensor in node.output if tensor}
    if name not in computed:
        listed = ", ".join(list(outputs)[:_LISTED])
        raise WeightsError(
            f"output = {name!r}: expected the name of a tensor that the graph computes, such as "
            f"{listed}"
        )
    taken = outputs.get(name) or helper.make_empty_tensor_value_info(name)
    del graph.graph.output[:]
    graph.graph.output.append(taken)


def sha256_of_output(file_sha256: str, name: str) -> str:
    """Two outputs of one file are two networks, whose features must not be mixed."""
    return hashlib.sha256(f"{file_sha256} {name}".encode()).hexdigest()
