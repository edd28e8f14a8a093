"""In a notebook whose session is one of Spark Connect: it is used, and left as it was."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from connect.server import Server

pytestmark = pytest.mark.connect


@pytest.fixture(scope="module")
def found(server: Server, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("notebook")
    words = [sys.executable, Path(__file__).with_name("notebook.py"), server.url, photos, folder]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_the_session_that_is_there_is_used_from_any_thread(found: dict[str, Any]) -> None:
    assert found["same"]
    assert found["another thread"]["counts"]["embedded"] == 40
    assert 1 <= found["another thread"]["loads"] <= 2, "once a worker process"


def test_too_many_errors_end_no_job_of_the_users_and_keep_their_tags(found: dict[str, Any]) -> None:
    name, sentence = found["too many"]
    assert (name, sentence[:25]) == ("TooManyErrors", "20 of 20 images failed, m")
    assert found["users job"] == [0]
    assert found["tags"] == ["mine"]


def test_what_a_worker_raised_comes_back_in_one_sentence(found: dict[str, Any]) -> None:
    assert found["ours"] == ["WeightsError", "weights.h5: a 'sentence' – as it was"]
    assert found["theirs"] == ["OrchardError", "Spark gave up: ZeroDivisionError: by zero"]


def test_a_library_that_the_workers_lack_is_named(found: dict[str, Any]) -> None:
    name, sentence = found["lacking"]
    assert name == "OrchardError"
    assert sentence.startswith(
        "Spark's workers have no Python module a_library_that_nobody_has: install orchard-images"
    )


def test_each_task_has_a_partition_and_results_come_in_their_order(found: dict[str, Any]) -> None:
    assert found["partitions"] == list(range(7))
    assert found["order"]
    assert found["alone"] == [3]
    assert found["none"] == []
    assert found["sum"] == 31


def test_the_image_embedder_finds_a_runs_features(found: dict[str, Any]) -> None:
    n_found, apart = found["embedded"]
    assert n_found == 40
    assert apart < 1e-5
    assert found["failed"] == ["vanished"]


def test_standardized_pca_fits_what_a_run_fits(found: dict[str, Any]) -> None:
    assert len(found["ratios"]) == 5
    assert sum(found["ratios"]) == pytest.approx(found["expected ratios"], rel=1e-9)
    assert found["projected"] == 40


def test_both_stages_are_saved_and_loaded(found: dict[str, Any]) -> None:
    assert found["loaded"] == [True, True]
