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
