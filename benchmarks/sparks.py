"""The same photos by every Spark that there is: results compared, seconds of each, in one run.

    python benchmarks/sparks.py PHOTOS [PYTHON35]

Local, standalone, YARN in both deploy modes and Spark Connect, with the servers that the tests
start on this machine. PYTHON35: an interpreter with PySpark 3.5, as `make test-spark35` installs
one. Needs what `make test` installs, and Maven Central once.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import pyspark  # noqa: E402
from cluster.standalone import SPARK_HOME, Cluster, environment  # noqa: E402
from connect.server import Server  # noqa: E402
from yarn.hadoop import Hadoop  # noqa: E402

from orchard.aws.job import DESCRIPTION, MAIN, describe  # noqa: E402
from orchard.config import RunConfig  # noqa: E402
from orchard.result.compare import compare  # noqa: E402
from orchard.spark import java  # noqa: E402
from orchard.store.output import Output  # noqa: E402

SETTINGS = {"weights": "fruit", "components": 20, "report": False}
OPTIONS = ("--weights", "fruit", "--components", "20", "--no-report")


def main(photos: str, python35: str | None) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = folder / "local"
        ways = {f"local, PySpark {pyspark.__version__}": lambda: run(photos, first, "local[2]")}
        if python35:
            ways["local, PySpark 3.5"] = lambda: run(
                photos, folder / "local35", "local[2]", python=python35
            )
        ways |= {
            "standalone": lambda: on_standalone(photos, folder),
            "YARN, client mode": lambda: on_yarn(photos, folder, in_client),
            "YARN, cluster mode": lambda: on_yarn(photos, folder, in_container),
            "Spark Connect": lambda: on_connect(photos, folder),
        }
        print("| where | seconds | against the first |\n|---|---|---|")
        for way, timed in ways.items():
            output, seconds = timed()
            found = compare(Output.at(first), Output.at(output))
            assert found.is_equal, (way, found)
            print(
                f"| {way} | {seconds:.0f} | {found.n_both} images equal, features to "
                f"{found.feature_difference:g}, components to {found.component_difference:g} |",
                flush=True,
            )


def run(
    photos: str,
    output: Path,
    master: str,
    variables: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> tuple[Path, float]:
    words = [python, "-m", "orchard", "run", photos, str(output), "--master", master, *OPTIONS]
    return output, seconds_of(words, variables or environment(PYTHONPATH=ROOT / "src"))


def seconds_of(command: list[str], variables: Mapping[str, str]) -> float:
    started = time.perf_counter()
    done = subprocess.run(command, env=dict(variables), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return time.perf_counter() - started


def on_standalone(photos: str, folder: Path) -> tuple[Path, float]:
    with made(folder / "standalone", Cluster) as cluster:
        return run(photos, folder / "of-standalone", cluster.url, cluster.environment)


def on_yarn(
    photos: str, folder: Path, submit: Callable[[str, Path, Hadoop], tuple[Path, float]]
) -> tuple[Path, float]:
    with made(folder / f"yarn-{submit.__name__}", Hadoop) as hadoop:
        return submit(photos, folder / f"of-yarn-{submit.__name__}", hadoop)


def in_client(photos: str, output: Path, hadoop: Hadoop) -> tuple[Path, float]:
    return run(photos, output, hadoop.url, hadoop.environment)


def in_container(photos: str, output: Path, hadoop: Hadoop) -> tuple[Path, float]:
    job = output.with_name("job")
    job.mkdir()
    config = RunConfig(sources=(photos,), output=str(output), **SETTINGS)
    (job / DESCRIPTION).write_text(json.dumps({"run": describe(config), "weights": None}))
    (job / "main.py").write_text(MAIN)
    variables = {"PYSPARK_PYTHON": sys.executable, "PYTHONPATH": str(ROOT / "src")}
    confs = [
        f"--conf={place}.{name}={value}"
        for place in ("spark.yarn.appMasterEnv", "spark.executorEnv")
        for name, value in variables.items()
    ]
    submit = [str(SPARK_HOME / "bin/spark-submit"), "--master", "yarn", "--deploy-mode", "cluster"]
    command = [*submit, *confs, str(job / "main.py"), str(job)]
    of_spark = {"SPARK_HOME": str(SPARK_HOME), **java.environment()}
    return output, seconds_of(command, hadoop.environment | of_spark)


def on_connect(photos: str, folder: Path) -> tuple[Path, float]:
    with made(folder / "connect", Server) as server:
        return run(photos, folder / "of-connect", server.url)


@contextmanager
def made(folder: Path, kind: Callable[[Path], Any]) -> Iterator[Any]:
    folder.mkdir()
    server = kind(folder)
    try:
        yield server
    finally:
        server.close()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONPATH", str(ROOT / "src"))
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
