"""The trained network as an ONNX file: float16 in the file, float32 in the arithmetic.

Kernels are stored as float16, each with one Cast to float32, which ONNX Runtime folds away when it
opens the file; biases stay float32. 2.2 million values come to 4.5 MB.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from backbone.network import Backbone
from orchard.model import Embedder, mobilenet_v2
from orchard.model.foreign import load_onnx
from orchard.model.preprocessing import PREFIX

MAX_BYTES = 5_000_000
MIN_COSINE = 0.9999  # float16 kernels: 11 bits; seen 0.999999 on random weights


def export(backbone: Backbone, path: Path, *, size: int, name: str, notice: str | None) -> dict:
    """Write the ONNX file; returns its size, sha256 and how far it is from PyTorch.

    Raises ValueError where it is too large or its features are not those of PyTorch.
    """
    graph = in_half(mobilenet_v2.build(backbone.keras_weights(), size))
    stated = {f"{PREFIX}name": json.dumps(name)}
    if notice:
        stated[f"{PREFIX}notice"] = json.dumps(notice)
    helper.set_model_props(graph, stated)
    content = graph.SerializeToString()
    if len(content) > MAX_BYTES:
        raise ValueError(f"{path}: {len(content):,} bytes, expected at most {MAX_BYTES:,}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    agreement = compare(backbone, path, size)
    if agreement["cosine_min"] < MIN_COSINE:
        raise ValueError(f"{path}: its features differ from PyTorch's: {agreement}")
    sha256 = hashlib.sha256(content).hexdigest()
    return {"bytes": len(content), "sha256": sha256, "size": size, "against_pytorch": agreement}


def in_half(graph: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph, its kernels stored as float16."""
    kept, casts = [], []
    for tensor in graph.graph.initializer:
        if len(tensor.dims) != 4:
            kept.append(tensor)
            continue
        half = numpy_helper.to_array(tensor).astype(np.float16)
        kept.append(numpy_helper.from_array(half, f"{tensor.name}.half"))
        cast = helper.make_node(
            "Cast", [f"{tensor.name}.half"], [tensor.name], to=TensorProto.FLOAT
        )
        casts.append(cast)
    nodes = [*casts, *graph.graph.node]
    del graph.graph.initializer[:], graph.graph.node[:]
    graph.graph.initializer.extend(kept)
    graph.graph.node.extend(nodes)
    onnx.checker.check_model(graph)
    return graph


@torch.inference_mode()
def compare(backbone: Backbone, path: Path, size: int, n: int = 8) -> dict:
    """The file, run as the package runs it, against PyTorch in float32, on n images of noise."""
    noise = np.random.default_rng(0).integers(0, 256, (n, size // 8, size // 8, 3), np.uint8)
    pixels = noise.repeat(8, axis=1).repeat(8, axis=2)
    ours = Embedder(load_onnx(path))(pixels).astype(np.float64)
    backbone = backbone.eval().cpu().float()
    planes = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
    theirs = backbone(planes).numpy().astype(np.float64)
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return {
        "images": n,
        "max_abs": float(np.abs(ours - theirs).max()),
        "feature_max": float(np.abs(theirs).max()),
        "cosine_min": float(((ours * theirs).sum(axis=1) / np.maximum(norms, 1e-12)).min()),
    }
