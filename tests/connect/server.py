"""A real Spark Connect server, a process on loopback. Its workers have Orchard's libraries and not
Orchard itself."""

from __future__ import annotations

import os
import re
import sysconfig
import venv
from pathlib import Path

import pyspark
from cluster.processes import Started, wait_for

from orchard.spark import java

SPARK_HOME = Path(pyspark.__file__).parent
_OURS = ("SPARK_", "PYSPARK_", "PYTHON", "ORCHARD_")
_CLASS = "org.apache.spark.sql.connect.service.SparkConnectServer"


def bare_python(folder: Path) -> Path:
    """A Python that has the packages of this one, but not those that are installed as links."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "shared.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin/python"


class Server:
    def __init__(self, folder: Path, *, port: int = 0) -> None:
        settings = {
            "spark.connect.grpc.binding.address": "127.0.0.1",
            "spark.connect.grpc.binding.port": port,
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.ui.enabled": "false",
        }
        words = [f"--conf={name}={value}" for name, value in settings.items()]
        self._process = Started(
            [SPARK_HOME / "bin/spark-submit", "--master", "local[2]", *words, "--class", _CLASS,
             "spark-internal"],
            folder / "server.log",
            {
                **{k: v for k, v in os.environ.items() if not k.startswith(_OURS)},
                **java.environment(),
                "SPARK_HOME": str(SPARK_HOME),
                "SPARK_LOCAL_IP": "127.0.0.1",
                "PYSPARK_PYTHON": str(bare_python(folder / "python")),
            },
        )  # fmt: skip
        self.url = wait_for(self._find_url, "the server", of=self._process)

    @property
    def log(self) -> str:
        return self._process.output

    def close(self) -> None:
        self._process.end()

    def _find_url(self) -> str | None:
        found = re.search(r"Spark Connect server started at: \S*?:(\d+)", self._process.output)
        return f"sc://127.0.0.1:{found[1]}" if found else None
