"""Several networks side by side, in one graph: their features are joined, one after another.

    pixels of 224 ─▶ imagenet ─▶ 1280 ┐
                                      ├─▶ 2560 features
    pixels of 96  ─▶ fruit ────▶ 1280 ┘

The graph has an input for each, so each sees the image at its own size and normalised its own way,
and computes what it computes alone. One file travels, has one fingerprint, and runs in a browser.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import onnx
from onnx import compose, helper, version_converter

from orchard.errors import WeightsError, one_line
from orchard.model.foreign import MAX_DIM
from orchard.model.named import named
from orchard.model.onnx_model import Branch, InputSpec, Model
from orchard.model.ranges import KNOWN, Ranges, known_ranges

_ONNX = ("", "ai.onnx")


def ranges_of(weights: str) -> Ranges | None:
    """The ranges that the package holds for all that `weights` names; None where it lacks some."""
    names = named(weights)
    if not set(names) <= set(KNOWN):
        return None
    if len(names) == 1:
        return known_ranges(names[0])
    found = [(_prefix(number), known_ranges(name)) for number, name in enumerate(names)]
    return Ranges(
        {prefix + tensor: ends for prefix, one in found for tensor, ends in one.tensors.items()},
        {prefix + tensor: mean for prefix, one in found for tensor, mean in one.means.items()},
        "; ".join(dict.fromkeys(one.taken for _, one in found)),
    )


def side_by_side(models: Sequence[Model]) -> Model:
    """The float32 networks as one. Raises WeightsError where their graphs do not go together."""
    batches = {model.input.batch for model in models if model.input.batch is not None}
    if len(batches) > 1:
        raise WeightsError(
            f"{_names(models)} take {' and '.join(map(str, sorted(batches)))} images a call: "
            "expected the same number; export them again with a free batch"
        )
    if (dim := sum(model.dim for model in models)) > MAX_DIM:
        raise WeightsError(
            f"{_names(models)} have {dim:,} features an image together, expected at most "
            f"{MAX_DIM:,}; leave one out"
        )
    graphs = _one_opset(models)
    branches = tuple(
        Branch(_input_of(graph), model.size, model.dim, model.input)
        for graph, model in zip(graphs, models, strict=True)
    )
    return Model.describe(
        _joined(graphs, dim),
        name="+".join(model.name for model in models),
        weights_sha256=", ".join(model.weights_sha256 for model in models),
        size=max(model.size for model in models),
        dim=dim,
        input=_common(models, next(iter(batches), None)),
        notice="; ".join(model.notice for model in models if model.notice) or None,
        several=branches,
    )


def _prefix(number: int) -> str:
    return f"{number}/"


def _names(models: Sequence[Model]) -> str:
    return " and ".join(model.name for model in models)


def _common(models: Sequence[Model], batch: int | None) -> InputSpec:
    words = "; ".join(model.normalisation for model in models)
    return replace(models[0].input, normalisation=words, batch=batch)


def _one_opset(models: Sequence[Model]) -> list[onnx.ModelProto]:
    """Their graphs, in the latest version of the operators that one of them uses; names prefixed,
    so that none comes twice."""
    graphs = [onnx.load_from_string(model.onnx) for model in models]
    latest = max(_opset(graph) for graph in graphs)
    found = []
    for number, graph in enumerate(graphs):
        if _opset(graph) < latest:
            try:
                graph = version_converter.convert_version(graph, latest)
            except Exception as error:  # the converter's errors have no common base
                raise WeightsError(
                    f"{_names(models)}: {models[number].name} is of opset {_opset(graph)} and "
                    f"does not become one of opset {latest} ({one_line(error)}); export it again "
                    f"with opset {latest}"
                ) from None
        found.append(compose.add_prefix(graph, _prefix(number)))
    return found


def _opset(model: onnx.ModelProto) -> int:
    return next(entry.version for entry in model.opset_import if entry.domain in _ONNX)


def _input_of(model: onnx.ModelProto) -> str:
    """Its image: the one input that the graph holds no values for."""
    held = {tensor.name for tensor in model.graph.initializer}
    return next(entry.name for entry in model.graph.input if entry.name not in held)


def _joined(models: Sequence[onnx.ModelProto], dim: int) -> onnx.ModelProto:
    graph = onnx.GraphProto(name="side by side")
    vectors = []
    for model in models:
        for field in ("node", "initializer", "sparse_initializer", "input"):
            getattr(graph, field).extend(getattr(model.graph, field))
        vectors.append(f"{model.graph.output[0].name}/vector")
        flat = helper.make_node("Flatten", [model.graph.output[0].name], vectors[-1:], axis=1)
        graph.node.append(flat)
    graph.node.append(helper.make_node("Concat", vectors, ["features"], axis=1))
    shape = helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["N", dim])
    graph.output.append(shape)
    domains = {entry.domain: entry for model in models for entry in model.opset_import}
    return helper.make_model(
        graph,
        opset_imports=list(domains.values()),
        functions=[one for model in models for one in model.functions],
        ir_version=max(model.ir_version for model in models),
        producer_name="orchard",
    )
