"""How far a training is, and how long the rest takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from orchard.progress import LINE_SECONDS, Reporter


@contextmanager
def steps(reporter: Reporter, total: float, doing: str) -> Iterator[Steps]:
    """Shows how far `Steps` are and how long the rest takes, until the block ends."""
    if reporter.animated:
        columns = (
            SpinnerColumn(),
            TextColumn(doing, markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[what]}", markup=False),
        )
        with Progress(*columns, console=reporter.console, disable=reporter.quiet) as progress:
            task = progress.add_task(doing, total=total, what="")
            yield Steps(total, lambda done, what: progress.update(task, completed=done, what=what))
        return
    started = shown = time.monotonic()

    def line(done: float, what: str) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown < LINE_SECONDS or not done:
            return
        shown = now
        left = (now - started) * (total - done) / done
        reporter.say(f"{doing}: {done / total:.0%}, {left:.0f} s left ({what})")

    yield Steps(total, line)


class Steps:
    """Work whose amount is known beforehand, in units of any kind. `show` is called with the units
    done and what they were, whenever there is news."""

    def __init__(self, total: float, show: Callable[[float, str], None] = lambda *_: None) -> None:
        self.total, self.done, self._show = total, 0.0, show

    def advance(self, units: float = 1.0, what: str = "") -> None:
        self.skip_to(self.done + units, what)

    def skip_to(self, done: float, what: str = "") -> None:
        """So much is done, or turned out not to be needed."""
        self.done = min(self.total, max(self.done, done))
        self._show(self.done, what)
