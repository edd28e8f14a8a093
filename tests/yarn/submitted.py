"""A run as `orchard cluster` sends it, to nodes whose Python has nothing installed."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cluster.processes import Gate, Started
from cluster.results import SETTINGS
from cluster.standalone import SPARK_HOME

from orchard.aws.job import DESCRIPTION, MAIN, PROGRESS, describe
from orchard.aws.package import FOLDER, build
from orchard.aws.run_job_flow import step
from orchard.config import RunConfig
from orchard.spark import java
from yarn.hadoop import EC2, STACK, Hadoop

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
ARCHIVE, SCRIPTS = "code.zip", Path(build.__code__.co_filename).parent / "scripts"
# In place of AWS's own: `aws s3 cp [--only-show-errors] s3://BUCKET/KEY FILE|-`, from $BUCKETS.
AWS = """#!/bin/bash
set -eu
words=("$@")
exec cat "$BUCKETS/${words[-2]#s3://}" > "${words[-1]/#-//dev/stdout}"
"""
# The driver's program, whose tasks behind the first wait until a gate is opened.
HELD = """import fcntl, os, sys

from orchard.aws.job import execute
from orchard.spark import passes

GATE = {gate!r}
embed = passes._embed


def embed_when_let_go(task, **options):
    if task[0] > 0:
        open(os.path.join(GATE, str(os.getpid())), "w").close()
        gate = os.open(GATE, os.O_RDONLY)
        fcntl.flock(gate, fcntl.LOCK_SH)
        os.close(gate)
    return embed(task, **options)


passes._embed = embed_when_let_go
sys.exit(execute(sys.argv[1]))
"""


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Made now, and not in the user's cache."""
    architecture = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ORCHARD_CACHE", str(tmp_path_factory.mktemp("cache")))
        made = build(architecture, PYTHON)
    yield made
    made.unlink()  # pytest would keep it for three sessions


@pytest.fixture(scope="session")
def empty_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with nothing installed."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, symlinks=True, with_pip=False)
    python = folder / "bin/python3"
    probe = "import importlib.util as u; print([n for n in ('numpy', 'orchard') if u.find_spec(n)])"
    found = subprocess.run([python, "-I", "-c", probe], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    return python


class Job:
    """A run's description in a folder, and what it needs in a bucket beside it."""

    def __init__(self, folder: Path, archive: Path, main: str = MAIN) -> None:
        self.folder, self.output = folder / "job", folder / "out"
        self._buckets, self._commands = folder / "buckets", folder / "commands"
        self._scratch = folder / "scratch"
        code = self._buckets / STACK["BucketName"] / "code"
        for made in (self.folder, self._commands, self._scratch, code):
            made.mkdir(parents=True)
        (code / archive.name).symlink_to(archive)
        (code / "main.py").write_text(main)
        (code / "step.sh").write_bytes((SCRIPTS / "step.sh").read_bytes())
        (self._commands / "aws").write_text(AWS)
        (self._commands / "aws").chmod(0o755)
        self.code, self.main = f"s3://{STACK['BucketName']}/code/{archive.name}", code / "main.py"

    def describe(self, source: Path) -> None:
        run = RunConfig(sources=(str(source),), output=str(self.output), **SETTINGS)
        (self.folder / DESCRIPTION).write_text(json.dumps({"run": describe(run), "weights": None}))

    @property
    def told(self) -> dict[str, Any]:
        """What the run tells whoever follows it."""
        return dict(json.loads((self.folder / PROGRESS).read_text()))

    @property
    def step(self) -> list[str]:
        """The command of the step that EMR is sent."""
        sent = step(EC2, STACK, str(self.folder), self.code, ends_cluster=True)
        return list(sent["HadoopJarStep"]["Args"])

    @contextmanager
    def started(
        self, command: list[str] | list[str | Path], hadoop: Hadoop, python: Path
    ) -> Iterator[Started]:
        """The command, running; at the end what is left of it is ended and removed."""
        log = self.folder.parent / "log"
        running = Started(command, log, self._environment(hadoop.environment, python))
        try:
            yield running
        finally:
            running.end()
            shutil.rmtree(self._scratch)  # the archive, unpacked

    def _environment(self, of_hadoop: Mapping[str, str], python: Path) -> dict[str, str]:
        kept = {k: v for k, v in of_hadoop.items() if not k.startswith(("PYTHON", "VIRTUAL"))}
        places = (self._commands, python.parent, SPARK_HOME / "bin", "/usr/bin", "/bin")
        return kept | {
            "BUCKETS": str(self._buckets),
            "TMPDIR": str(self._scratch),
            "PATH": os.pathsep.join(map(str, places)),
            **java.environment(),
            "SPARK_HOME": str(SPARK_HOME),
            "PYSPARK_PYTHON": str(python),  # as EMR has it from the cluster's configuration
        }


def in_cluster_mode(job: Job, archive: Path) -> list[str | Path]:
    """The driver in a container too."""
    conf = {
        "spark.yarn.appMasterEnv.PYTHONPATH": f"./{FOLDER}",
        "spark.executorEnv.PYTHONPATH": f"./{FOLDER}",
    }
    options = [word for name, value in conf.items() for word in ("--conf", f"{name}={value}")]
    command: list[str | Path] = [SPARK_HOME / "bin/spark-submit", "--master", "yarn"]
    command += ["--deploy-mode", "cluster", *options, "--archives", f"{archive}#{FOLDER}"]
    return [*command, job.main, job.folder]


def held_main(gate: Gate) -> str:
    return HELD.format(gate=str(gate.folder))
