"""What long work shows: a pace that is steady once it is told, and no silence in what lasts."""

from __future__ import annotations

import heapq
import io
import threading

import numpy as np
import pytest
from rich.console import Console

from orchard import progress
from orchard.progress import Pace, Reporter, Terminal, clock


def lumps(
    total: int, slots: int, task: int, seconds: float, start: float
) -> list[tuple[float, int]]:
    """(time, images done) of tasks that take about `seconds` each, all slots from `start` on."""
    rng = np.random.default_rng(0)
    free = [start + slot * 0.1 for slot in range(slots)]
    done, told = 0, []
    heapq.heapify(free)
    ends = sorted(
        heapq.heappushpop(free, free[0] + seconds * rng.uniform(0.8, 1.2))
        for _ in range(total // task + slots)
    )[slots:]
    for end in ends:
        done += task
        told.append((end, done))
    return told


@pytest.mark.parametrize(("slots", "seconds"), [(1, 3.0), (2, 5.0), (8, 5.0)])
def test_the_time_left_is_right_from_its_first_telling(slots: int, seconds: float) -> None:
    told = lumps(20_000, slots, 100, seconds, start=12.0)
    pace, off = Pace(20_000), []
    end = told[-1][0]
    for now in np.arange(0.0, end, 0.2):
        while told and told[0][0] <= now:
            pace.add(*told.pop(0))
        left = pace.left(float(now))
        if left is not None and end - now > 20:
            off.append(left / (end - now) - 1)
    assert len(off) > 0.8 * (end - 32) / 0.2, "it is told early"
    assert max(map(abs, off)) < 0.25
    assert max(map(abs, off[len(off) // 4 :])) < 0.1


def test_nothing_is_told_of_the_first_few() -> None:
    pace = Pace(1000)
    for now, done in ((10.0, 100), (10.1, 200), (10.2, 300), (10.3, 400)):
        pace.add(now, done)
    assert (pace.rate, pace.left(10.4)) == (None, None)
    pace.add(16.0, 500)
    assert pace.rate is not None


def test_work_that_stands_still_is_not_about_to_end() -> None:
    pace = Pace(1000)
    for now in range(6):
        pace.add(float(now), 100 * (now + 1))
    assert pace.left(5.0) == pytest.approx(4.0)
    assert pace.left(600.0) == pytest.approx(2.0)
    pace.add(700.0, 1000)
    assert pace.left(701.0) == 0


def test_times_read_as_on_a_clock() -> None:
    assert [clock(s) for s in (None, 7.4, 125, 3725)] == ["-:--", "0:07", "2:05", "1:02:05"]


def printed(reporter: Reporter) -> str:
    file = reporter.console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue()


def test_what_lasts_is_said_and_what_is_quick_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "SILENT_SECONDS", 0.05)
    said = threading.Event()

    class File(io.StringIO):
        def flush(self) -> None:
            said.set()

    reporter = Reporter(Terminal(file=File()))
    with reporter.steps() as step:
        step("quick")
        step("slow [b]")
        assert said.wait(10)
        step("last")
    assert printed(reporter) == "slow [b] …\n"


def test_a_terminal_shows_each_step_while_it_lasts() -> None:
    terminal = Terminal(file=io.StringIO(), force_terminal=True, width=80)
    reporter = Reporter(terminal)
    with reporter.steps() as step:
        step("placing [b]")
    assert "placing [b] …" in printed(reporter)
    quiet = Reporter(Console(file=io.StringIO(), force_terminal=True), quiet=True)
    with quiet.steps() as step:
        step("placing")
    assert printed(quiet) == ""
