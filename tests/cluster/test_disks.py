"""A disk that is full or may not be written: one line that says so, and no half table."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from cluster.conftest import Disk
from cluster.processes import Started
from cluster.results import assert_whole, run_here, staged_paths
from cluster.standalone import wait_for_what_it_left
from orchard.errors import TableError

KIB = 1024
FULL = "the disk is full; free some space and run the same command again"
NO_MASTER = "spark://127.0.0.1:1"  # Spark would look for it a minute long


def complaint(run: Started) -> str:
    """The one line in which a run that failed says why."""
    lines = [line for line in run.output.splitlines() if line.startswith("orchard: ")]
    assert len(lines) == 1, run.output
    assert run.output.splitlines()[-1] == lines[0]
    assert "Traceback" not in run.output
    assert "Exception" not in run.output
    return lines[0]


def test_a_full_disk_keeps_what_it_could_hold(disk, photos, undisturbed_photos):
    room = size_of(undisturbed_photos, "features", "thumbnails")
    small = disk(room + 16 * KIB)
    with pytest.raises(TableError, match=FULL):
        run_here(photos, small.path / "out")
    assert_completes(small, photos, undisturbed_photos)


@pytest.mark.cluster
def test_a_disk_that_fills_up_under_the_workers(where, start, disk, pictures, undisturbed):
    small = disk(1024 * KIB)
    run = start(pictures, small.path / "out", where=where)
    assert run.wait() == 5, run.output
    assert complaint(run).startswith(f"orchard: cannot write {small.path}/out/_staging/")
    assert complaint(run).endswith(FULL)
    wait_for_what_it_left(run, where)  # a task that has gone on would stage what it has made
    assert_completes(small, pictures, undisturbed)


def assert_completes(small: Disk, source: Path, undisturbed: Path) -> None:
    """No table before, and with room enough the whole result, what was staged taken over."""
    output = small.path / "out"
    assert not (output / "features").exists()
    n_staged = len(staged_paths(output))
    small.remount("size=64m")
    record = run_here(source, output)
    assert record["counts"]["adopted"] == n_staged > 0
    assert_whole(output, undisturbed, record)


@pytest.mark.cluster
def test_a_disk_that_is_full_after_the_features_are_committed(start, disk, pictures, undisturbed):
    # Thumbnails are there twice until the features are committed.
    room = size_of(undisturbed, "features", "thumbnails", "thumbnails")
    small = disk(room + 256 * KIB)
    output = small.path / "out"
    run = start(pictures, output)
    assert run.wait() == 5, run.output
    assert complaint(run).endswith(FULL)
    wait_for_what_it_left(run, None)
    assert (output / "features/_delta_log").is_dir()
    assert not (output / "components").exists()
    small.remount("size=64m")
    record = run_here(pictures, output)
    assert record["embedding"]["images"] == 0
    assert_whole(output, undisturbed, record)


def size_of(output: Path, *tables: str) -> int:
    files = (file for name in tables for file in (output / name).glob("*.parquet"))
    return sum(file.stat().st_size for file in files)


@pytest.mark.parametrize("there", ["nothing", "a result"])
def test_a_read_only_disk_is_noticed_before_spark_starts(
    start, disk, photos, undisturbed_photos, there
):
    locked = disk(64 * 1024 * KIB)
    output = locked.path / "out"
    if there == "a result":
        shutil.copytree(undisturbed_photos, output)
    locked.remount("ro")
    run = start(photos, output, "--master", NO_MASTER)
    assert run.wait() == 5, run.output
    assert run.output == (
        f"orchard: cannot write {output}: the file system is read-only; choose another OUTPUT\n"
    )
