"""One run: what its steps share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import pyarrow as pa

from orchard.config import RunConfig
from orchard.images.source import absolute
from orchard.machine import own_peak_memory
from orchard.progress import Reporter
from orchard.result import Result
from orchard.store import ownership, recorded_sources, staging
from orchard.store.changes import Rewritten
from orchard.store.output import Output
from orchard.store.runs import RunLog
from orchard.store.tables import Tables


@dataclass(frozen=True, slots=True)
class Committed:
    """The tables after a run's commit of the features, and what it did to rows that were there:
    which files it rewrote, and the labels (LABELS) that it changed."""

    tables: Tables
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
        log = RunLog(asdict(config) | {"master": config.shown_master})
        log.record[recorded_sources.FIELD] = [absolute(source) for source in config.sources]
        return cls(config, output, log, reporter or Reporter())

    @contextmanager
    def holding_output(self) -> Iterator[Tables]:
        """Hold OUTPUT for this run alone, clear up after killed ones; a dry run touches nothing."""
        present = Tables(self.output)
        if self.config.dry_run:
            yield present
            return
        with ownership.claim(self.output):
            if not self.config.replace:
                present.check()
            present.sweep()
            yield present
            staging.discard_staged(self.output)

    @contextmanager
    def step(self, name: str, doing: str) -> Iterator[Callable[[str], None]]:
        """Time a step that cannot tell how far it is, and show what is done meanwhile; the function
        says it more exactly."""
        with self.log.timed(name), self.reporter.steps() as say:
            say(doing)
            yield say

    def finish(self) -> Result:
        """Store the run's record."""
        if "driver" in self.log.record:
            self.log.record["driver"]["peak_memory"] = own_peak_memory()
        return Result(self.output.root, self.log.write(self.output), self.output.storage)

    def unchanged(self) -> Result:
        """A run that found nothing to do leaves nothing, not even a record."""
        return Result(self.output.root, self.log.close(), self.output.storage)
