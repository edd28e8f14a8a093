"""A run after one that failed in part, or as a whole, leaves what a first run would have left."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import orchard
from orchard.errors import TooManyErrors
from orchard.result.compare import compare
from orchard.store.output import Output

Run = Callable[..., orchard.Result]


def test_an_output_where_all_failed_takes_another_size_and_grows(
    run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = iter(["z", "a", "b", "c"])  # the empty table's file comes after those with rows
    monkeypatch.setattr("orchard.store.runs.new_run_id", lambda: next(ids))
    source = tmp_path / "in"
    shutil.copytree(photos / "plum", source / "plum")
    good = {path: path.read_bytes() for path in (source / "plum").iterdir()}
    for path in good:
        path.write_bytes(b"no picture")
    with pytest.raises(TooManyErrors, match="all 10 images failed"):
        run(source, tmp_path / "out", size=32)
    for path, data in good.items():
        path.write_bytes(data)
    assert run(source, tmp_path / "out", size=48).errors().num_rows == 0
    shutil.copytree(photos / "lemon", source / "lemon")
    grown = run(source, tmp_path / "out", size=48, pca="refit")
    assert grown.components().num_rows == 20
    fresh = run(source, tmp_path / "fresh", size=48)
    assert compare(Output.at(grown.output), Output.at(fresh.output)).is_equal


def test_what_could_not_be_listed_for_a_while_leaves_the_errors(
    run: Run, photos: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    shutil.copytree(photos / "plum", source)
    disk = shutil.copytree(photos / "lemon", tmp_path / "disk")
    (source / "lemon.png").symlink_to(disk / "0.png")
    first = run(source, tmp_path / "out")
    disk.rename(tmp_path / "away")
    without = run(source, tmp_path / "out")
    assert without.errors()["path"].to_pylist() == [str(source / "lemon.png")]
    assert without.features().num_rows == 11, "its features are kept"
    (tmp_path / "away").rename(disk)
    again = run(source, tmp_path / "out")
    assert again.errors().num_rows == 0
    assert again.features().equals(first.features())
    assert again.record["counts"]["already_there"] == 11
