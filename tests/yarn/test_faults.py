"""What YARN loses in the middle of a run, the run replaces: it ends as if nothing had been."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cluster.processes import Started
from cluster.results import assert_ends_well, is_midway

from yarn.hadoop import Hadoop
from yarn.settings import HOSTS

pytestmark = pytest.mark.yarn


@pytest.fixture
def held(hadoop: Hadoop, pictures: Path, tmp_path: Path, start_held: Any) -> Started:
    """A run on YARN that has embedded one task's images, and stands so until its gate is opened,
    each executor within a task."""
    run: Started = start_held(pictures, tmp_path / "out", where=hadoop)
    return run


def test_a_killed_executor_is_replaced(hadoop, held, gate, tmp_path, undisturbed):
    hadoop.executors()[0].kill()
    assert is_midway(tmp_path / "out")
    gate.open()
    assert_ends_well(held, tmp_path / "out", undisturbed)


def test_a_lost_node_is_done_without(hadoop, held, gate, tmp_path, undisturbed):
    """Its NodeManager and all its containers, but for the application's master."""
    host = next(host for host in HOSTS if not masters_on(hadoop, host))
    lost = hadoop.executors(host)
    assert lost
    hadoop.nodes[host].end()
    for process in hadoop.containers(host=host):
        process.kill()
    assert is_midway(tmp_path / "out")
    gate.open()
    assert_ends_well(held, tmp_path / "out", undisturbed)
    assert not hadoop.nodes[host].is_running


def masters_on(hadoop: Hadoop, host: str) -> list[int]:
    here = {process.pid for process in hadoop.containers(host=host)}
    return [process.pid for process in hadoop.masters() if process.pid in here]


def test_a_killed_node_manager_takes_no_executor_with_it(hadoop, held, gate, tmp_path, undisturbed):
    host = next(host for host in HOSTS if not masters_on(hadoop, host))
    before = {process.pid for process in hadoop.executors(host)}
    hadoop.nodes[host].end()
    assert {process.pid for process in hadoop.executors(host)} == before
    gate.open()
    assert_ends_well(held, tmp_path / "out", undisturbed)


def test_a_lost_master_of_the_application_is_replaced(hadoop, held, gate, tmp_path, undisturbed):
    (master,) = hadoop.masters()
    application = hadoop.application()
    master.kill()
    assert is_midway(tmp_path / "out")
    gate.open()
    assert_ends_well(held, tmp_path / "out", undisturbed)
    assert hadoop.n_attempts(application) == 2
