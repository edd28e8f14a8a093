"""A standalone Spark cluster of processes on loopback, from the PyPI package, authenticated.

The workers have a host each, 127.0.0.1 and 127.0.0.2: Spark starts no speculative copy of a task
on the host that runs it already.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Mapping
from pathlib import Path

import pyspark

from cluster.processes import Process, Started, wait_for
from orchard.spark import java

SPARK_HOME = Path(pyspark.__file__).parent
HOSTS = ("127.0.0.1", "127.0.0.2")
EXECUTOR = "CoarseGrainedExecutorBackend"
PYTHON_DAEMON = "pyspark.daemon"


def environment(**settings: object) -> dict[str, str]:
    """This process's, without what it or its user has set for Spark."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SPARK_", "PYSPARK_"))}
    return {**kept, **{name: str(value) for name, value in settings.items()}}


def python_workers(processes: list[Process]) -> list[Process]:
    """The forked children, which run tasks, of the Python daemons among the processes."""
    daemons = {process.pid for process in processes if PYTHON_DAEMON in process.command}
    return [process for process in processes if process.parent in daemons]


class Cluster:
    """A master and two workers of one core each."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._conf = folder / "conf"
        self._conf.mkdir(mode=0o700)
        defaults = {
            "spark.authenticate": "true",
            "spark.authenticate.secret": secrets.token_hex(),
            "spark.master.rest.enabled": "false",  # it knows no authentication
            "spark.speculation": "true",
            "spark.ui.port": "0",
        }
        lines = "".join(f"{name} {value}\n" for name, value in defaults.items())
        (self._conf / "spark-defaults.conf").write_text(lines)
        self.workers: dict[str, Started] = {}
        self._n_started = 0
        self._master = self._start("Master", HOSTS[0], [])
        try:
            self.url = wait_for(self._find_url, "the master", of=self._master)
            self.mend()
        except BaseException:
            self.close()
            raise

    @property
    def environment(self) -> dict[str, str]:
        """What a driver needs to find the cluster's settings."""
        return environment(SPARK_CONF_DIR=self._conf, SPARK_LOCAL_IP=HOSTS[0])

    def mend(self) -> None:
        """Start the workers that are not running, and wait until the master knows them."""
        missing = [h for h in HOSTS if h not in self.workers or not self.workers[h].is_running]
        for host in missing:
            options = ["--cores", "1", "--memory", "1g", "--work-dir", f"{self._folder}/work"]
            self.workers[host] = self._start("Worker", host, [*options, self.url])
        for host in missing:
            worker = self.workers[host]
            wait_for(lambda w=worker: "registered with master" in w.output, "a worker", of=worker)

    def processes(self, command: str = "") -> list[Process]:
        return [p for worker in self.workers.values() for p in worker.processes(command)]

    def executors(self) -> list[Process]:
        return self.processes(EXECUTOR)

    def wait_until_idle(self) -> None:
        """Until no executor, nor anything that one has started, is left."""
        idle = {worker.pid for worker in self.workers.values()}
        wait_for(lambda: {p.pid for p in self.processes()} <= idle, "the executors to end")

    def close(self) -> None:
        for started in (*self.workers.values(), self._master):
            started.end()

    def log(self) -> str:
        logs = sorted(self._folder.glob("*.log")) + sorted(self._folder.glob("work/*/*/stderr"))
        return "\n".join(f"--- {log}\n{log.read_text(errors='replace')[-4000:]}" for log in logs)

    def _find_url(self) -> str | None:
        found = re.search(r"Starting Spark master at (spark://\S+)\n", self._master.output)
        return found[1] if found else None

    def _start(self, role: str, host: str, options: list[str]) -> Started:
        self._n_started += 1
        name = f"org.apache.spark.deploy.{role.lower()}.{role}"
        address = ["--host", host, "--port", "0", "--webui-port", "0"]
        settings: Mapping[str, object] = {
            **java.environment(),
            "SPARK_HOME": SPARK_HOME,
            "SPARK_CONF_DIR": self._conf,
            "SPARK_LOCAL_IP": host,
            "PYSPARK_PYTHON": sys.executable,
        }
        return Started(
            [SPARK_HOME / "bin/spark-class", name, *address, *options],
            self._folder / f"{self._n_started:02d}-{role}-{host}.log",
            environment(**settings),
        )


def wait_for_what_it_left(run: Started, where: Cluster | None) -> None:
    """A driver's JVM and executors notice its death and end by themselves."""
    wait_for(lambda: not run.processes(), "the driver's JVM to end")
    if where is not None:
        where.wait_until_idle()
