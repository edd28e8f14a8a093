"""`orchard run --master yarn`: the driver here, the executors in containers of YARN."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster.processes import wait_for
from cluster.results import assert_whole, last_record
from cluster.standalone import environment

from yarn.settings import LOOPBACK, write_site

pytestmark = pytest.mark.yarn

N_TASKS = 9  # that `planning.cut` makes of the 512 pictures
BOUND_SECONDS = 120  # for an answer that takes 30 on an idle machine


def keys(record: dict[str, Any]) -> dict[str, Any]:
    """The record's names, without its values."""
    return {k: sorted(v) if isinstance(v, dict) else None for k, v in record.items()}


def test_a_run_on_yarn_equals_a_local_one_in_result_record_and_progress(
    hadoop, pictures, tmp_path, start, undisturbed
):
    output, n_before = tmp_path / "out", hadoop.count("Completed")
    run = start(pictures, output, where=hadoop)
    assert run.wait() == 0, run.output
    assert_whole(output, undisturbed)
    compared = subprocess.run(
        [sys.executable, "-m", "orchard", "compare", output, undisturbed], check=False
    )
    assert compared.returncode == 0
    record, local = last_record(output), last_record(undisturbed)
    assert record["config"]["master"] == "yarn"
    assert record["counts"] == local["counts"]
    assert keys(record) == keys(local)
    assert record["embedding"]["tasks"] == N_TASKS
    assert 1 <= record["embedding"]["model_loads"] <= 2
    assert re.search(r"^Spark \S+ on yarn", run.output, re.MULTILINE)
    assert re.search(r"^embedding: 512/512 images, .*, 3 errors", run.output, re.MULTILINE)
    assert "Traceback" not in run.output
    wait_for(lambda: not hadoop.n_running, "the application to end")
    assert hadoop.count("Completed") == n_before + 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_driver_that_is_ended_leaves_no_application_behind(
    hadoop, pictures, tmp_path, start_held, number
):
    """`timeout` sends SIGTERM."""
    run = start_held(pictures, tmp_path / "out", where=hadoop)
    assert hadoop.n_running == 1
    assert hadoop.executors()
    run.signal(number)
    run.wait()
    wait_for(lambda: not hadoop.n_running, "the application to end")
    wait_for(lambda: not hadoop.executors(), "the executors to end")
    wait_for(lambda: not run.processes(), "the driver's JVM to end")


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield f"{LOOPBACK}:{server.getsockname()[1]}"


@pytest.fixture
def closed() -> str:
    """An address where nothing listens."""
    with socket.create_server((LOOPBACK, 0)) as server:
        return f"{LOOPBACK}:{server.getsockname()[1]}"


@pytest.mark.parametrize("where", ["silent", "closed"])
def test_a_resource_manager_that_does_not_answer_is_named_in_bounded_time(
    where, request, photos, tmp_path, start
):
    address = request.getfixturevalue(where)
    write_site(tmp_path / "yarn-site.xml", {"yarn.resourcemanager.address": address})
    found = ended(start, photos, tmp_path)
    expected = f"orchard: --master yarn: the ResourceManager at {address} does not answer; check "
    assert found[-1].startswith(expected), found
    assert "\tat " not in "".join(found)


def ended(start: Any, photos: Path, conf: Path) -> list[str]:
    """What a run says that finds no cluster by its settings; OUTPUT holds no table then."""
    began = time.monotonic()
    output = conf / "out"
    run = start(photos, output, where=_Settings(conf))
    assert run.wait() == 2, run.output
    assert time.monotonic() - began < BOUND_SECONDS
    assert not (output / "features").exists()
    assert not run.processes()
    return run.output.splitlines()


class _Settings:
    """Of a cluster that is not there."""

    url = "yarn"

    def __init__(self, conf: Path) -> None:
        self.environment = environment(HADOOP_CONF_DIR=conf, SPARK_LOCAL_IP=LOOPBACK)


def test_a_cluster_without_nodes_is_named(hadoop, photos, tmp_path, start):
    for node in hadoop.nodes.values():
        node.end()
    hadoop.wait_for_nodes(0)
    run = start(photos, tmp_path / "out", where=hadoop)
    assert run.wait() == 2, run.output
    assert "has no NodeManager to run anything on; wait until" in run.output.splitlines()[-1]
    assert not hadoop.n_running
