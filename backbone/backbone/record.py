"""What a training says of itself: RUN/run.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def finished(run: Path) -> dict[str, Any]:
    """Raises SystemExit where the training is not finished."""
    record: dict[str, Any] = json.loads((run / "run.json").read_text())
    if "result" not in record:
        raise SystemExit(f"{run}: this training is not finished; the same command goes on with it")
    return record


def summary(record: dict[str, Any]) -> dict[str, Any]:
    """Of a finished training: what it learnt from, how long, and the network that came of it."""
    settings, result = record["settings"], record["result"]
    return {
        "protocol": settings["protocol"],
        "seed": settings["seed"],
        "steps": result["steps"],
        "images": result["images"],
        "sha256": result["onnx"]["sha256"],
    }
