"""What long work shows while it runs: a bar in terminals and notebooks, plain lines elsewhere.

A bar in a notebook needs ipywidgets; without them there are lines.

All of it goes to standard error; results go to standard output.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

from rich.console import Console, JustifyMethod, OverflowMethod
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
)
from rich.style import Style
from rich.text import Text

from orchard.printable import printable

POLL_SECONDS = 0.2
LINE_SECONDS = 10.0  # between plain lines
SILENT_SECONDS = 3.0  # that a step may last before a plain line says what it does
# A pace is told once more images were done so many times, over so long; the last times count.
STEADY_TIMES, STEADY_SECONDS, COUNTED_TIMES = 4, 4.0, 256

Done = Callable[[], tuple[int, int]]  # images done, of which errors


class Pace:
    """How fast work goes, and what that leaves: nothing is said before it is worth saying.

    Tasks tell all of their images at once, several tasks at about the same time, and before the
    first of them workers start and load. So the pace is the slope of the line through the times at
    which more were done (least squares), not all that is done by all the time that has passed.
    """

    def __init__(self, total: int) -> None:
        self._total, self._done = total, 0
        self._told: deque[tuple[float, int]] = deque(maxlen=COUNTED_TIMES)
        self._line: tuple[float, float, float] | None = None  # time, images then, images a second

    def add(self, now: float, done: int) -> None:
        """So many of the total are done. now: seconds of any clock that only goes on."""
        if done > self._done:
            self._done = done
            self._told.append((now, done))
            self._line = _line(self._told)

    @property
    def rate(self) -> float | None:
        """Images a second."""
        return self._line and self._line[2]

    def left(self, now: float) -> float | None:
        """Seconds, of all that is not done."""
        if self._done >= self._total:
            return 0.0
        if self._line is None:
            return None
        at, images, rate = self._line
        # Work that stands still does not go on by being waited for.
        now = min(
            now, self._told[-1][0] + 2 * max(b - a for (a, _), (b, _) in pairwise(self._told))
        )
        return max(0.0, (self._total - images) / rate - (now - at))


def _line(told: Sequence[tuple[float, int]]) -> tuple[float, float, float] | None:
    n, spent = len(told), told[-1][0] - told[0][0]
    if n < STEADY_TIMES or spent < STEADY_SECONDS:
        return None
    time_of, images_of = sum(t for t, _ in told) / n, sum(i for _, i in told) / n
    together = sum((t - time_of) * (i - images_of) for t, i in told)
    return time_of, images_of, together / sum((t - time_of) ** 2 for t, _ in told)


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
        finished, pace = threading.Event(), Pace(total)

        def watch(update: Callable[[int, int], None]) -> None:
            while not finished.wait(POLL_SECONDS):
                images, errors = done()
                check(errors)
                pace.add(time.monotonic(), images)
                update(images, errors)
            images, errors = done()
            pace.add(time.monotonic(), images)
            update(images, errors)

        with show(self, total, doing, pace) as update:
            watcher = threading.Thread(target=watch, args=(update,), daemon=True)
            watcher.start()
            try:
                yield
            finally:
                finished.set()
                watcher.join()

    @contextmanager
    def steps(self) -> Iterator[Callable[[str], None]]:
        """A function that takes what is done now, for work that cannot tell how far it is.

        A terminal shows it while it lasts; elsewhere a line says it of what lasts for a while.
        """
        if self.quiet:
            yield lambda _: None
        elif self.console.is_terminal:
            with self.console.status("") as status:
                yield lambda doing: status.update(Text(f"{printable(doing)} …"))
        else:
            with _late_lines(self) as step:
                yield step


@contextmanager
def _late_lines(reporter: Reporter) -> Iterator[Callable[[str], None]]:
    waiting: list[threading.Timer] = []

    def over() -> None:
        while waiting:
            waiting.pop().cancel()

    def step(doing: str) -> None:
        over()
        timer = threading.Timer(SILENT_SECONDS, reporter.say, [f"{doing} …"])
        timer.daemon = True
        waiting.append(timer)
        timer.start()

    try:
        yield step
    finally:
        over()


class _Rate(ProgressColumn):
    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def render(self, task: Task) -> Text:
        rate = self._pace.rate
        return Text("– images/s" if rate is None else f"{rate:,.0f} images/s", "cyan")


class _Left(ProgressColumn):
    def __init__(self, pace: Pace) -> None:
        super().__init__()
        self._pace = pace

    def render(self, task: Task) -> Text:
        return Text(clock(self._pace.left(time.monotonic())), "cyan")


def clock(seconds: float | None) -> str:
    """ "2:05", or "1:02:05"."""
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def _bar(
    reporter: Reporter, total: int, doing: str, pace: Pace
) -> Iterator[Callable[[int, int], None]]:
    columns: list[ProgressColumn] = [
        SpinnerColumn(),
        TextColumn(doing, markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(pace),
        TextColumn("{task.fields[errors]} errors"),
        _Left(pace),
    ]
    with Progress(*columns, console=reporter.console, disable=reporter.quiet) as progress:
        task = progress.add_task(doing, total=total, errors=0)
        yield lambda images, errors: progress.update(task, completed=images, errors=errors)


@contextmanager
def _lines(
    reporter: Reporter, total: int, doing: str, pace: Pace
) -> Iterator[Callable[[int, int], None]]:
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
        seconds = pace.left(now)
        left = f", {seconds:.0f} s left" if seconds is not None and not over else ""
        reporter.say(
            f"{doing}: {images}/{total} images, {rate:.0f} images/s, {errors} errors{left}"
        )

    yield update
