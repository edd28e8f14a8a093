"""A Spark session of the cluster's, as Livy starts a notebook's: `import orchard` works in it."""

from __future__ import annotations

import json

import pytest
from cluster.standalone import SPARK_HOME

from orchard.aws.session import session_settings
from yarn.hadoop import EC2
from yarn.submitted import Job

pytestmark = pytest.mark.yarn

CELLS = """import json, sys
from pathlib import Path

from pyspark.sql import SparkSession

import orchard

spark = SparkSession.builder.getOrCreate()
found = spark.sparkContext.parallelize([0, 1], 2).map(lambda _: __import__("orchard").__file__)
Path(sys.argv[1], "found.json").write_text(json.dumps([orchard.__file__, *found.collect()]))
"""


def test_driver_and_executors_of_a_session_import_orchard_from_the_archive(
    hadoop, archive, empty_python, tmp_path
):
    job = Job(tmp_path, archive, CELLS)
    settings = session_settings(str(archive), EC2.region, str(empty_python))
    options = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    command = [SPARK_HOME / "bin/spark-submit", "--deploy-mode", "cluster", *options]
    with job.started([*command, job.main, job.folder], hadoop, empty_python) as started:
        assert started.wait() == 0, started.output
    found = json.loads((job.folder / "found.json").read_text())
    assert len(found) == 3
    assert all("/container_" in path for path in found), found
