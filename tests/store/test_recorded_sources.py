"""Where the images of a result may be read, as its runs record it."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchard.store.output import Output
from orchard.store.recorded_sources import confines, recorded

RUNS = "runs/20261130T120000.000000Z-00000{}.json"


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output.at(tmp_path / "project/result")


def test_the_sources_of_all_runs_count(output: Output) -> None:
    output.put_json(RUNS.format(1), {"sources": ["/photos"]})
    output.put_json(RUNS.format(2), {"sources": ["/photos", "s3://bucket/a"]})
    output.put(RUNS.format(3), b"damaged")
    output.put_json(RUNS.format(4), {"sources": 7})
    assert recorded(output) == ["/photos", "s3://bucket/a"]
    assert confines(output).admits("/photos/a.jpg")
    assert not confines(output).admits("/etc/passwd")


def test_a_poisoned_record_opens_neither_the_disk_nor_the_web(output: Output) -> None:
    output.put_json(RUNS.format(1), {"sources": ["/", "/*", "http://169.254.169.254"]})
    for path in ("/etc/passwd", "/home/me/a.jpg", "http://169.254.169.254/latest"):
        assert not confines(output).admits(path)


def test_what_the_user_names_counts_alone(output: Output) -> None:
    output.put_json(RUNS.format(1), {"sources": ["/photos"]})
    named = confines(output, ["https://example.org/fruit"])
    assert named.admits("https://example.org/fruit/a.jpg")
    assert not named.admits("/photos/a.jpg")


def test_relative_sources_of_older_records_are_where_the_run_was_started(
    output: Output, tmp_path: Path
) -> None:
    config = {"output": "result", "sources": ["photos", "/abs", "s3://b/a"]}
    output.put_json(RUNS.format(1), {"config": config})
    assert recorded(output) == [f"{tmp_path}/project/photos", "/abs", "s3://b/a"]
    elsewhere = {"output": "../other/result", "sources": ["photos"]}
    output.put_json(RUNS.format(1), {"config": elsewhere})
    assert recorded(output) == []
