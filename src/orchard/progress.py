"""What long work shows while it runs: a bar in terminals and notebooks, plain lines elsewhere.

A bar in a notebook needs ipywidgets; without them there are lines.

All of it goes to standard error; results go to standard output.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from rich.console import Console, JustifyMethod, OverflowMethod
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.style import Style
from rich.text import Text

from orchard.printable import printable

POLL_SECONDS = 0.2
LINE_SECONDS = 10.0  # between plain lines

Done = Callable[[], tuple[int, int]]  # images done, of which errors


class Terminal(Console):
    """A console that takes text for what it is: brackets are no markup, colons no emoji, and
    characters that a terminal would obey are shown as escapes. Cells of tables pass here too."""

    def render_str(
        self,
        text: str,
        *,
        style: str | Style = "",
        justify: JustifyMethod | None = None,
        overflow: OverflowMethod | None = None,
        **_: Any,
    ) -> Text:
        return Text(printable(text), style=style, justify=justify, overflow=overflow)


class Reporter:
    """Tells a person what a run does. `quiet` keeps only warnings."""

    def __init__(self, console: Console | None = None, *, quiet: bool = False) -> None:
        self.console = console or Terminal(stderr=True)
        self.quiet = quiet

    @property
    def animated(self) -> bool:
        in_notebook = self.console.is_jupyter and find_spec("ipywidgets") is not None
        return self.console.is_terminal or in_notebook

    def say(self, text: str) -> None:
        if not self.quiet:
            self.console.print(Text(printable(text)), soft_wrap=True)

    def warn(self, text: str) -> None:
        self.console.print(Text(printable(f"warning: {text}")), style="yellow", soft_wrap=True)

    @contextmanager
    def track(
        self, total: int, done: Done, check: Callable[[int], None], doing: str = "embedding"
    ) -> Iterator[None]:
        """Show (images done, errors) as `done` returns them until the block ends.

        check: called with the number of errors at every look; may stop the work. doing: what is
        done to the images, in a word.
        """
        if total == 0:
            yield
            return
        show = _bar if self.animated else _lines
        finished = threading.Event()

        def watch(update: Callable[[int, int], None]) -> None:
            while not finished.wait(POLL_SECONDS):
                images, errors = done()
                check(errors)
                update(images, errors)
            update(*done())

        with show(self, total, doing) as update:
            watcher = threading.Thread(target=watch, args=(update,), daemon=True)
            watcher.start()
            try:
                yield
            finally:
                finished.set()
                watcher.join()


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


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("– images/s" if speed is None else f"{speed:,.0f} images/s", "cyan")


@contextmanager
def _bar(reporter: Reporter, total: int, doing: str) -> Iterator[Callable[[int, int], None]]:
    columns: list[ProgressColumn] = [
        SpinnerColumn(),
        TextColumn(doing, markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TextColumn("{task.fields[errors]} errors"),
        TimeRemainingColumn(),
    ]
    with Progress(*columns, console=reporter.console, disable=reporter.quiet) as progress:
        task = progress.add_task(doing, total=total, errors=0)
        yield lambda images, errors: progress.update(task, completed=images, errors=errors)


@contextmanager
def _lines(reporter: Reporter, total: int, doing: str) -> Iterator[Callable[[int, int], None]]:
    started = shown = time.monotonic()
    last = -1

    def update(images: int, errors: int) -> None:
        nonlocal shown, last
        now = time.monotonic()
        over = images == total
        if images == last or (now - shown < LINE_SECONDS and not over):
            return
        shown, last = now, images
        rate = images / max(now - started, 1e-9)
        left = f", {(total - images) / rate:.0f} s left" if rate and not over else ""
        reporter.say(
            f"{doing}: {images}/{total} images, {rate:.0f} images/s, {errors} errors{left}"
        )

    yield update
