"""What a cluster loses in the middle of a run, the run replaces: it ends as if nothing had been."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from cluster.processes import Started, wait_for
from cluster.results import N_TASKS, assert_ends_well, is_midway, last_record
from cluster.standalone import Cluster, python_workers

pytestmark = pytest.mark.cluster


@pytest.fixture
def held(cluster: Cluster, pictures: Path, tmp_path: Path, start_held: Any) -> Started:
    """A run on the cluster that has embedded one task's images, and stands so until its gate is
    opened, each executor within a task."""
    run: Started = start_held(pictures, tmp_path / "out", where=cluster)
    return run


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


def test_a_killed_executor_is_replaced(cluster, held, gate, tmp_path, undisturbed):
    lost = cluster.executors()[0]
    lost.kill()
    assert is_midway(tmp_path / "out")
    gate.open()
    assert_ends_well(held, tmp_path / "out", undisturbed)


def test_a_killed_worker_is_done_without(cluster, held, gate, tmp_path, undisturbed):
    for lost in cluster.workers["127.0.0.2"].processes():
        lost.kill()
    assert is_midway(tmp_path / "out")
    gate.open()
    assert_ends_well(held, tmp_path / "out", undisturbed)
    assert not cluster.workers["127.0.0.2"].is_running


def test_a_killed_python_process_is_replaced(cluster, held, gate, tmp_path, undisturbed):
    lost = python_workers(cluster.processes())[0]
    assert lost.pid in gate.waiting()
    lost.kill()
    assert is_midway(tmp_path / "out")
    gate.open()
    assert_ends_well(held, tmp_path / "out", undisturbed)


def test_of_a_task_that_ran_twice_one_file_is_committed(
    cluster, pictures, start_held, gate, tmp_path, undisturbed
):
    """An executor falls silent while its Python goes on: Spark runs the task again elsewhere."""
    output, log = tmp_path / "out", tmp_path / "log"
    held = start_held(pictures, output, "--event-log", str(log), where=cluster)
    silent = cluster.executors()[0]
    silent.signal(signal.SIGSTOP)
    gate.open()
    wait_for((output / "features").exists, "the commit, of tasks done elsewhere", of=held)
    silent.signal(signal.SIGCONT)
    assert_ends_well(held, output, undisturbed)
    assert max(attempts(log).values()) > 1
    committed = Counter(map(task_of, (output / "features").glob("*.parquet")))
    assert set(committed.values()) == {1}
    assert committed.total() == N_TASKS


def attempts(log: Path) -> Counter[tuple[int, int]]:
    """How often each task of each stage was begun, by Spark's log of events."""
    (file,) = (path for path in log.iterdir() if path.is_file())
    events = map(json.loads, file.read_text().splitlines())
    begun = [event for event in events if event["Event"] == "SparkListenerTaskStart"]
    return Counter((event["Stage ID"], event["Task Info"]["Index"]) for event in begun)


def task_of(file: Path) -> str:
    """part-<run_id>-<task>-<checksums>.parquet"""
    return file.stem.split("-")[-2]


def test_who_does_not_know_the_secret_is_turned_away(cluster, pictures, tmp_path, start):
    run = start(pictures, tmp_path / "out", "--master", cluster.url)  # without SPARK_CONF_DIR
    assert run.wait() == 2
    line = run.output.splitlines()[-1]
    assert line.startswith(f"orchard: --master {cluster.url}: no Spark master took the run on")
    assert "SPARK_CONF_DIR" in line
    assert "Traceback" not in run.output
    assert not cluster.executors()
