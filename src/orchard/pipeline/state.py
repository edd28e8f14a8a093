"""One run: what its steps share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import pyarrow as pa

from orchard.config import RunConfig
from orchard.images.confines import absolute
from orchard.progress import Reporter
from orchard.result import Result
from orchard.store import ownership, recorded_sources, tables
from orchard.store.output import Output
from orchard.store.runs import RunLog
from orchard.store.tables import Rewritten


@dataclass(frozen=True, slots=True)
class Committed:
    """What a run's commit of the features did to rows that were there: which files it rewrote,
    and the labels (LABELS) that it changed."""

    rewritten: tuple[Rewritten, ...]
    labels: pa.Table


@dataclass(frozen=True, slots=True)
class Run:
    """The settings, where the tables live, the record, and who is told."""

    config: RunConfig
    output: Output
    log: RunLog
    reporter: Reporter

    @classmethod
    def of(cls, config: RunConfig, reporter: Reporter | None) -> Run:
        output = Output.at(config.output, config.storage)
        log = RunLog(asdict(config))
        log.record[recorded_sources.FIELD] = [absolute(source) for source in config.sources]
        return cls(config, output, log, reporter or Reporter())

    @contextmanager
    def holding_output(self) -> Iterator[None]:
        """Hold OUTPUT for this run alone, clear up after killed ones; a dry run touches nothing."""
        if self.config.dry_run:
            yield
            return
        with ownership.claim(self.output):
            if not self.config.replace:
                for table in tables.SCHEMAS:
                    tables.check(self.output, table)
            tables.sweep(self.output)
            yield
            tables.discard_staged(self.output)

    def finish(self) -> Result:
        """Store the run's record."""
        return Result(self.output.root, self.log.write(self.output), self.output.storage)

    def unchanged(self) -> Result:
        """A run that found nothing to do leaves nothing, not even a record."""
        return Result(self.output.root, self.log.close(), self.output.storage)
