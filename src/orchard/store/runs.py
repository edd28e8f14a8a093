"""The record of a run: what it was asked, what it did, where the time went. One JSON file each."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

from orchard.errors import TableError
from orchard.store import log
from orchard.store.damage import noticing
from orchard.store.output import Output
from orchard.store.snapshot import SCHEMAS

_FIELDS = {"run_id": str, "started": str, "config": dict, "seconds": dict}
_REQUESTS_AT_ONCE = 16
_PARTS = {"counts", "model", "versions", "embedding", "pca", "driver", "report"}


def new_run_id() -> str:
    """Sorts by time, unique: 20261120T141500.123456Z-1a2b3c."""
    return f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}-{uuid.uuid4().hex[:6]}"


def last(output: Output) -> dict[str, Any]:
    """The record of the last run that changed the tables; empty where there is none.

    The last by the commits of the components, to which every run adds one: names go by clocks,
    which may be set back or be another machine's.
    """
    known = {_id_of(path): path for path in output.paths("runs") if path.endswith(".json")}
    if not known:
        return {}
    committed = log.run_ids(output, "components")
    latest = next((run_id for run_id in committed if run_id in known), max(known))
    by_name = max(known)
    if by_name not in committed and _changed_others(output, by_name):
        latest = by_name
    return read(output, known[latest])


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


def ids_where(output: Output, field: str, value: str) -> set[str]:
    """The runs whose record has a field of that value; a damaged record has none."""
    paths = [path for path in output.paths("runs") if path.endswith(".json")]

    def has(path: str) -> bool:
        try:
            return bool(read(output, path).get(field) == value)
        except TableError:
            return False

    with ThreadPoolExecutor(_REQUESTS_AT_ONCE) as pool:
        return {
            _id_of(path) for path, it_has in zip(paths, pool.map(has, paths), strict=True) if it_has
        }


def _id_of(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".json")


def _changed_others(output: Output, run_id: str) -> bool:
    """Whether a run of 0.1.0, which did not always commit to the components, changed a table."""
    others = [table for table in SCHEMAS if table != "components"]
    return any(run_id in log.run_ids(output, table) for table in others)


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
    def timed(self, name: str) -> Iterator[None]:
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
