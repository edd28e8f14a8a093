"""The report is drawn when the run's Spark is over, and the caller's Spark lives on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchard.pipeline import drawing
from orchard.spark.session import running_context

DRAWN = """
import json, sys
import orchard
from orchard.pipeline import drawing
from orchard.progress import Reporter
from orchard.spark.session import running_context

draw, seen = drawing.draw, []

def watched(*arguments):
    import pyspark
    seen.append([running_context() is None, pyspark.SparkContext._gateway is None])
    draw(*arguments)

drawing.draw = watched
config = orchard.RunConfig(
    sources=(sys.argv[1],), output=sys.argv[2], weights="fruit", size=32, components=5,
    master="local[1]",
)
record = orchard.run(config, Reporter(quiet=True)).record
print(json.dumps([seen, record["seconds"], record["report"], record["driver"]]))
"""


@pytest.mark.long
def test_a_run_ends_its_spark_before_it_draws_and_counts_both(photos: Path, tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", DRAWN, str(photos), str(tmp_path / "out")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=180)
    seen, seconds, report, driver = json.loads(done.stdout.splitlines()[-1])
    assert seen == [[True, True]]
    assert report["n_points"] == 40
    assert seconds["stop Spark"] > 0
    assert seconds["report"] > 0
    assert seconds["total"] >= seconds["stop Spark"] + seconds["report"]
    assert min(driver.values()) > 2**26


def test_the_callers_spark_still_runs_while_the_report_is_drawn_and_after(
    run: Any, spark: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw, seen = drawing.draw, []

    def watched(*arguments: Any) -> None:
        seen.append(running_context())
        draw(*arguments)

    monkeypatch.setattr(drawing, "draw", watched)
    run(photos, tmp_path / "out", report=True)
    assert seen == [spark.sparkContext]
    assert spark.sparkContext.parallelize([1, 2], 2).sum() == 3
