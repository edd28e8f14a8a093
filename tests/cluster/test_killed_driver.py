"""After `kill -9` of the driver the same command completes the result, wherever it was killed."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from deltalake import DeltaTable

from cluster.processes import Started
from cluster.results import (
    assert_plain_readers_agree,
    assert_refused,
    assert_whole,
    last_record,
    rows,
    run_here,
    staged,
    staged_paths,
)
from cluster.standalone import Cluster, wait_for_what_it_left
from orchard.cli import main

KILLED = -signal.SIGKILL
N_FEATURES, N_ERRORS = 509, 3


def run_again(start: Any, source: Path, output: Path, where: Cluster | None) -> dict[str, Any]:
    """The same command, to its end; on this machine in the Spark that the suite has running."""
    if where is None:
        return run_here(source, output)
    again: Started = start(source, output, where=where)
    assert again.wait() == 0, again.output
    return last_record(output)


def test_a_run_keeps_others_out_until_killed_and_the_next_takes_over_what_it_embedded(
    where, start, start_held, pictures, tmp_path, undisturbed
):
    output = tmp_path / "out"
    run = start_held(pictures, output, where=where)
    assert_refused(start(pictures, output, where=where), output, by=run)
    run.signal(signal.SIGKILL)
    assert run.wait() == KILLED
    wait_for_what_it_left(run, where)
    n_staged = len(staged_paths(output))
    assert 0 < n_staged < N_FEATURES, "killed too late to show anything"
    assert not (output / "features").exists(), "no half table"
    record = run_again(start, pictures, output, where)
    assert record["counts"]["adopted"] == n_staged
    assert record["embedding"]["images"] == N_FEATURES + N_ERRORS - n_staged
    assert_whole(output, undisturbed, record)


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("point", "features", "errors", "components"),
    [
        ("moved:features", 0, None, None),
        ("committed:features", N_FEATURES, None, None),
        ("committed:errors", N_FEATURES, N_ERRORS, None),
        ("moved:components", N_FEATURES, N_ERRORS, 0),
        ("committed:components", N_FEATURES, N_ERRORS, N_FEATURES),
    ],
)
def test_a_commit_is_whole_or_not_at_all(
    start, pictures, tmp_path, undisturbed, point, features, errors, components
):
    output = tmp_path / "out"
    run = start(pictures, output, killed_at=point)
    assert run.wait() == KILLED, run.output
    wait_for_what_it_left(run, None)
    found = tuple(committed(output / table) for table in ("features", "errors", "components"))
    assert found == (features, errors, components)
    record = run_again(start, pictures, output, None)
    assert_whole(output, undisturbed, record)


@pytest.mark.cluster
def test_vacuum_spares_files_while_a_log_names_none_and_the_next_run_sweeps_them(
    start, pictures, tmp_path, undisturbed
):
    output = tmp_path / "out"
    run = start(pictures, output, killed_at="moved:features")
    assert run.wait() == KILLED, run.output
    wait_for_what_it_left(run, None)
    orphans = list((output / "features").glob("*.parquet"))
    assert orphans
    n_left = len(staged(output, "errors")) + len(staged(output, "thumbnails"))
    done = CliRunner().invoke(main, ["vacuum", str(output)])
    assert (done.exit_code, done.output) == (0, f"{n_left} files deleted\n")
    assert list((output / "features").glob("*.parquet")) == orphans
    record = run_again(start, pictures, output, None)
    assert record["counts"]["adopted"] == 0
    assert not set(orphans) & set((output / "features").iterdir())
    assert_whole(output, undisturbed, record)


@pytest.mark.cluster
def test_a_commit_on_a_cluster_is_whole_or_not_at_all(
    cluster, start, pictures, tmp_path, undisturbed
):
    run = start(pictures, tmp_path / "out", where=cluster, killed_at="committed:features")
    assert run.wait() == KILLED, run.output
    wait_for_what_it_left(run, cluster)
    run_again(start, pictures, tmp_path / "out", cluster)
    assert_whole(tmp_path / "out", undisturbed)


def committed(table: Path) -> int | None:
    """Rows of the table; None where there is none."""
    return len(rows(table)) if (table / "_delta_log").is_dir() else None


class Killed(BaseException):
    """In place of the process' end, in a test that has to be quick: nothing clears up after it."""


@pytest.fixture
def killed_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], AbstractContextManager[Any]]:
    """`with killed_after("features"):` ends in that table's commit, its transaction written."""
    write = DeltaTable.create_write_transaction

    @contextmanager
    def killed_after(name: str) -> Iterator[None]:
        def write_and_die(table: DeltaTable, *arguments: Any, **options: Any) -> None:
            write(table, *arguments, **options)
            if table.table_uri.rstrip("/").endswith(f"/{name}"):
                raise Killed

        with monkeypatch.context() as patch:
            patch.setattr(DeltaTable, "create_write_transaction", write_and_die)
            with pytest.raises(Killed):
                yield

    return killed_after


def test_an_image_mended_before_the_kill_is_in_one_table_after_it(
    spark, photos, tmp_path, killed_after
):
    source, output = shutil.copytree(photos, tmp_path / "photos"), tmp_path / "out"
    mended = source / "plum/0.png"
    good = mended.read_bytes()
    mended.write_bytes(good[:50])
    run_here(source, output)
    mended.write_bytes(good)
    os.utime(mended, (1, 1))
    with killed_after("features"):
        run_here(source, output)
    for table in ("features", "errors"):
        assert str(mended) in set(rows(output / table)["path"])
    record = run_here(source, output)
    assert rows(output / "errors").empty
    assert_plain_readers_agree(output / "errors")
    assert len(rows(output / "features")) == 40 == record["counts"]["already_there"]
