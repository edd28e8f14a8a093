"""Networks as files."""

from __future__ import annotations

import json
from pathlib import Path

import onnx


def save(folder: Path, graph: onnx.ModelProto, card: object = None) -> str:
    path = folder / "net.onnx"
    path.write_bytes(graph.SerializeToString())
    if card is not None:
        Path(f"{path}.json").write_text(json.dumps(card))
    return str(path)
