"""The record of a run: what it was asked, what it did, where the time went. One JSON file each."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from orchard.store.damage import noticing
from orchard.store.output import Output

_FIELDS = {"run_id": str, "started": str, "config": dict, "seconds": dict}
_PARTS = {"counts", "model", "versions", "embedding", "pca", "driver", "report"}


def new_run_id() -> str:
    """Sorts by time, unique: 20261120T141500.123456Z-1a2b3c."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}-{uuid.uuid4().hex[:6]}"


def last(output: Output) -> dict[str, Any]:
    """The record of the last run that wrote one; empty where there is none."""
    found = [path for path in output.paths("runs") if path.endswith(".json")]
    return read(output, found[-1]) if found else {}


def read(output: Output, path: str) -> dict[str, Any]:
    """A run's record. Raises TableError, and DamagedError where it is none."""
    record: dict[str, Any] = output.get_json(path)
    with noticing(output.root, path):
        for name, kind in _FIELDS.items():
            if not isinstance(record[name], kind):
                raise ValueError(f"its {name} is a {type(record[name]).__name__}")
        for name in record.keys() & _PARTS:
            if not isinstance(record[name], dict):
                raise ValueError(f"its {name} is a {type(record[name]).__name__}")
        for name in ("weights", "output"):
            str.encode(record["config"][name])
        for source in record["config"]["sources"]:
            str.encode(source)
    return record


class RunLog:
    """Collects the record of a run; `record` is plain JSON data."""

    def __init__(self, config: dict[str, Any]) -> None:
        self.run_id = new_run_id()
        self.record: dict[str, Any] = {
            "run_id": self.run_id,
            "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "config": json.loads(json.dumps(config)),
            "seconds": {},
        }
        self._started = time.perf_counter()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the block's wall time to `seconds` under `name`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = self.record["seconds"].get(name, 0.0) + time.perf_counter() - started
            self.record["seconds"][name] = round(spent, 3)

    def close(self) -> dict[str, Any]:
        self.record["seconds"]["total"] = round(time.perf_counter() - self._started, 3)
        return self.record

    def write(self, output: Output) -> dict[str, Any]:
        """Close the record and store it under `runs/`."""
        output.put_json(f"runs/{self.run_id}.json", self.close())
        return self.record
