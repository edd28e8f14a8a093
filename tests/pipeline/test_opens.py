"""A run opens each of its tables once, whatever it goes on to ask of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from orchard.cli import main
from orchard.store import snapshot


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tables that Delta has opened, in order."""
    names: list[str] = []
    open_table = snapshot.open_table

    def counted(output: Any, table: str) -> Any:
        names.append(table)
        return open_table(output, table)

    monkeypatch.setattr(snapshot, "open_table", counted)
    return names


def test_each_table_is_opened_once_a_run(
    run: Any, photos: Path, tmp_path: Path, source: Path, opened: list[str]
) -> None:
    once = ["components", "errors", "features", "gone", "thumbnails"]
    run(source, tmp_path / "out", report=True)
    assert sorted(opened) == once
    opened.clear()
    run(source, tmp_path / "out", report=True)
    assert sorted(opened) == once
    opened.clear()
    Image.new("RGB", (40, 40), "red").save(source / "plum/new.png")
    counts = run(source, tmp_path / "out", report=True).record["counts"]
    assert (counts["embedded"], counts["already_there"]) == (1, 40)
    assert sorted(opened) == once


def test_each_table_is_opened_once_a_report(first_run: Any, opened: list[str]) -> None:
    done = CliRunner().invoke(main, ["report", first_run.output])
    assert done.exit_code == 0, done.output
    assert len(opened) == len(set(opened)), opened
    assert {"components", "errors", "features"} <= set(opened)
