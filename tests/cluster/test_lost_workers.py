"""What a cluster loses in the middle of a run, the run replaces: it ends as if nothing had been."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cluster.processes import Process, Started, wait_for
from cluster.results import assert_whole, last_record, staged
from cluster.standalone import Cluster, python_workers

pytestmark = pytest.mark.cluster

N_TASKS = 9  # that `planning.cut` makes of the 512 pictures


@pytest.fixture
def midway(cluster: Cluster, pictures: Path, tmp_path: Path, start: Any) -> Started:
    """A run on the cluster that has embedded one task's images and not all."""
    run: Started = start(pictures, tmp_path / "out", where=cluster)
    wait_for(lambda: staged(tmp_path / "out"), "the first task", of=run)
    return run


def assert_ends_well(run: Started, output: Path, undisturbed: Path) -> None:
    assert run.wait() == 0, run.output
    assert "Traceback" not in run.output
    assert_whole(output, undisturbed)


def is_midway(output: Path) -> bool:
    return len(staged(output)) < N_TASKS and not (output / "features").exists()


def test_a_run_on_a_cluster_equals_a_local_one(cluster, pictures, tmp_path, start, undisturbed):
    run = start(pictures, tmp_path / "out", where=cluster)
    assert_ends_well(run, tmp_path / "out", undisturbed)
    embedding = last_record(tmp_path / "out")["embedding"]
    assert embedding["tasks"] == N_TASKS
    assert 1 <= embedding["model_loads"] <= embedding["worker_processes"] <= 2
    assert embedding["broadcast_bytes"] > 1_000_000


def test_workers_can_load_the_weights_themselves(cluster, pictures, tmp_path, start, undisturbed):
    run = start(pictures, tmp_path / "out", "--no-broadcast", where=cluster)
    assert_ends_well(run, tmp_path / "out", undisturbed)
    embedding = last_record(tmp_path / "out")["embedding"]
    assert 1 <= embedding["model_loads"] <= embedding["worker_processes"] <= 2
    assert embedding["broadcast_bytes"] == 0


def test_a_killed_executor_is_replaced(cluster, midway, tmp_path, undisturbed):
    lost = cluster.executors()[0]
    lost.kill()
    assert is_midway(tmp_path / "out")
    assert_ends_well(midway, tmp_path / "out", undisturbed)


def test_a_killed_worker_is_done_without(cluster, midway, tmp_path, undisturbed):
    for lost in cluster.workers["127.0.0.2"].processes():
        lost.kill()
    assert is_midway(tmp_path / "out")
    assert_ends_well(midway, tmp_path / "out", undisturbed)
    assert not cluster.workers["127.0.0.2"].is_running


def test_a_killed_python_process_is_replaced(cluster, midway, tmp_path, undisturbed):
    lost = python_workers(cluster.processes())[0]
    lost.kill()
    assert is_midway(tmp_path / "out")
    assert_ends_well(midway, tmp_path / "out", undisturbed)


def test_of_a_task_that_ran_twice_one_file_is_committed(cluster, midway, tmp_path, undisturbed):
    """An executor falls silent while its Python goes on: Spark runs the task again elsewhere."""
    output = tmp_path / "out"
    silent = silenced_within_a_task(cluster)
    assert is_midway(output)
    twice = wait_for(lambda: embedded_twice(output), "a task's second file", of=midway)
    silent.signal(signal.SIGCONT)
    assert_ends_well(midway, output, undisturbed)
    committed = Counter(map(task_of, (output / "features").glob("*.parquet")))
    assert committed[twice] == 1
    assert committed.total() == N_TASKS


def silenced_within_a_task(cluster: Cluster) -> Process:
    """An executor whose JVM is stopped, while its Python has a task to work on without it.

    Python stands still meanwhile, so that no task is over before one is found: with its JVM
    running, an executor whose Python stands still soon has a task in hand.
    """
    for worker in python_workers(cluster.processes()):
        worker.signal(signal.SIGSTOP)

    def silenced() -> Process | None:
        for executor in cluster.executors():
            workers = workers_of(cluster, executor)
            executor.signal(signal.SIGSTOP)
            for worker in workers:
                worker.signal(signal.SIGCONT)
            if is_working(cluster, executor):
                return executor
            for worker in workers:
                worker.signal(signal.SIGSTOP)
            executor.signal(signal.SIGCONT)
        return None

    found = wait_for(silenced, "an executor within a task")
    for worker in python_workers(cluster.processes()):
        worker.signal(signal.SIGCONT)
    return found


def is_working(cluster: Cluster, executor: Process) -> bool:
    """Whether its Python worker spends more than the blink that it takes to wait for a task."""
    before = python_time(cluster, executor)
    deadline = time.monotonic() + 0.5
    while time.monotonic() < deadline:
        if python_time(cluster, executor) >= before + 3:
            return True
    return False


def python_time(cluster: Cluster, executor: Process) -> int:
    return sum(worker.cpu for worker in workers_of(cluster, executor))


def workers_of(cluster: Cluster, executor: Process) -> list[Process]:
    below = [p for p in cluster.processes() if p.session == executor.session]
    daemons = {p.pid for p in below if p.parent == executor.pid}
    return [p for p in python_workers(below) if p.parent in daemons]


def embedded_twice(output: Path) -> str | None:
    """The number of a task with two files of features, staged or committed; None without."""
    committed = (output / "features").glob("*.parquet")
    files = Counter(map(task_of, [*staged(output), *committed]))
    return next((task for task, n in files.items() if n > 1), None)


def task_of(file: Path) -> str:
    """part-<run_id>-<task>-<random>.parquet"""
    return file.stem.split("-")[-2]


def test_who_does_not_know_the_secret_is_turned_away(cluster, pictures, tmp_path, start):
    run = start(pictures, tmp_path / "out", "--master", cluster.url)  # without SPARK_CONF_DIR
    assert run.wait() == 2
    line = run.output.splitlines()[-1]
    assert line.startswith(f"orchard: --master {cluster.url}: no Spark master took the run on")
    assert "SPARK_CONF_DIR" in line
    assert "Traceback" not in run.output
    assert not cluster.executors()
