"""What `orchard cluster` sends runs on YARN, from a Python in which nothing is installed."""

from __future__ import annotations

import signal

import pytest
from cluster.processes import wait_for
from cluster.results import assert_whole, staged

from orchard.aws.emr import _TIMED_OUT
from yarn.submitted import Job, held_main, in_cluster_mode

pytestmark = pytest.mark.yarn
FIRST_TASK = 63  # images, that `planning.cut` gives the first of nine tasks


def assert_told(job: Job, taken_over: int = 0) -> None:
    """taken_over: images that a driver before this one embedded."""
    told = job.told
    assert (told["phase"], told["exit_code"]) == ("succeeded", 0)
    left = 512 - taken_over
    assert (told["done"], told["total"], told["errors"]) == (left, left, 3)
    assert told["record"]["config"]["master"] == "submitted"


def test_the_step_of_a_cluster_runs_as_it_is_sent(
    hadoop, archive, empty_python, pictures, undisturbed, tmp_path
):
    job = Job(tmp_path, archive)
    job.describe(pictures)
    with job.started(job.step, hadoop, empty_python) as started:
        assert started.wait() == 0, started.output
        assert_whole(job.output, undisturbed)
        assert_told(job)
        assert any("on yarn" in event for event in job.told["events"])


def test_a_step_whose_time_is_over_leaves_no_application_behind(
    hadoop, archive, empty_python, pictures, gate, tmp_path
):
    job = Job(tmp_path, archive, held_main(gate))
    job.describe(pictures)
    with job.started(job.step, hadoop, empty_python) as started:
        wait_for(lambda: len(gate.waiting()) >= 2, "tasks at the gate", of=started)
        assert hadoop.n_running == 1
        (timer,) = (p for p in started.processes("timeout") if p.command.startswith("timeout "))
        timer.signal(signal.SIGALRM)  # its own alarm, before its time
        assert started.wait() == _TIMED_OUT, started.output
        hadoop.wait_until_idle()


def test_a_driver_in_a_container_is_started_again_where_it_was_lost(
    hadoop, archive, empty_python, pictures, undisturbed, gate, tmp_path
):
    job = Job(tmp_path, archive, held_main(gate))
    job.describe(pictures)
    with job.started(in_cluster_mode(job, archive), hadoop, empty_python) as started:
        wait_for(lambda: len(gate.waiting()) >= 2, "tasks at the gate", of=started)
        wait_for(lambda: staged(job.output), "a task's rows", of=started)
        application = hadoop.application()
        (master,) = hadoop.masters()
        master.kill()
        gate.open()
        assert started.wait() == 0, started.output
        assert_whole(job.output, undisturbed)
        assert_told(job, taken_over=FIRST_TASK)
        assert hadoop.n_attempts(application) == 2
