"""Long work says how far it is and how long the rest takes."""

from __future__ import annotations

import io
import re

import pytest

from orchard.progress import Reporter, Terminal
from orchard.training import progress as module
from orchard.training.progress import steps


def test_work_in_steps_says_how_much_is_done_and_how_long_the_rest_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LINE_SECONDS", 0.0)
    told = io.StringIO()
    with steps(Reporter(Terminal(file=told)), 8, "training") as done:
        done.advance(2, "logistic 0.1")
        done.skip_to(6, "svm 0.001")
        done.advance(100)
    lines = told.getvalue().splitlines()
    assert re.fullmatch(r"training: 25%, \d+ s left \(logistic 0\.1\)", lines[0])
    assert re.fullmatch(r"training: 75%, \d+ s left \(svm 0\.001\)", lines[1])
    assert done.done == done.total


def test_a_terminal_shows_steps_as_a_bar() -> None:
    told = io.StringIO()
    console = Terminal(file=told, force_terminal=True, width=120)
    with steps(Reporter(console), 4, "training") as done:
        done.advance(4, "the page")
    assert "training" in told.getvalue()
    assert "100%" in told.getvalue()
