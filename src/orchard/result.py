"""What a run leaves: where the tables are, and the record of how they came about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from orchard.storage import DEFAULT, Storage
from orchard.store import tables
from orchard.store.output import Output


@dataclass(frozen=True, slots=True)
class Result:
    """output: the folder's absolute path or URL. record: the run's, as in `runs/<run_id>.json`."""

    output: str
    record: dict[str, Any]
    storage: Storage = DEFAULT

    def features(self) -> pa.Table:
        """The features table, in the order of the paths (columns: `orchard.records.FEATURES`)."""
        return tables.read(Output(self.output, self.storage), "features")

    def components(self) -> pa.Table:
        """The components table, in the order of the paths."""
        return tables.read(Output(self.output, self.storage), "components")

    def errors(self) -> pa.Table:
        """The images that have no features, and why."""
        return tables.read(Output(self.output, self.storage), "errors")
