"""The settings of a Hadoop whose servers all listen on loopback, as its XML files."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from xml.etree import ElementTree

from orchard.spark import java

LOOPBACK = "127.0.0.1"
HOSTS = (LOOPBACK, "127.0.0.2")  # a NodeManager's each
NODE_MEMORY, NODE_CORES = 12_288, 4  # MB; what YARN has of an m5.xlarge on EMR
EXPIRY_SECONDS = 10  # after which a node that says nothing is lost; Hadoop's own is ten minutes

_NAME_NODE = ("rpc", "http")
_RESOURCE_MANAGER = ("client", "scheduler", "resource-tracker", "admin", "webapp")
_NODE_MANAGER = ("", "localizer.", "webapp.")


class Ports:
    """Free ports, chosen together so that no two are the same."""

    def __init__(self) -> None:
        names = [*_NAME_NODE, *_RESOURCE_MANAGER]
        names += [f"{host} {name}" for host in HOSTS for name in _NODE_MANAGER]
        with ExitStack() as stack:
            self._chosen = {name: _free(stack) for name in names}

    def at(self, name: str, host: str = LOOPBACK) -> str:
        return f"{host}:{self._chosen[name]}"


def _free(stack: ExitStack) -> int:
    listening = stack.enter_context(socket.socket())
    listening.bind(("0.0.0.0", 0))
    return int(listening.getsockname()[1])


def write(folder: Path, ports: Ports, data: Path, host: str = LOOPBACK) -> Path:
    """A HADOOP_CONF_DIR: of the NodeManager on `host`, and of clients and every other server."""
    folder.mkdir()
    files = {
        "core-site": _core(ports, data),
        "hdfs-site": _hdfs(ports, data),
        "yarn-site": _resource_manager(ports) | _node_manager(ports, data, host),
        "capacity-scheduler": _scheduler(),
    }
    for name, settings in files.items():
        write_site(folder / f"{name}.xml", settings)
    return folder


def write_site(path: Path, settings: Mapping[str, object]) -> None:
    root = ElementTree.Element("configuration")
    for name, value in settings.items():
        entry = ElementTree.SubElement(root, "property")
        ElementTree.SubElement(entry, "name").text = name
        ElementTree.SubElement(entry, "value").text = str(value)
    ElementTree.ElementTree(root).write(path, encoding="utf-8")


def _core(ports: Ports, data: Path) -> dict[str, object]:
    return {"fs.defaultFS": f"hdfs://{ports.at('rpc')}", "hadoop.tmp.dir": data / "temporary"}


def _hdfs(ports: Ports, data: Path) -> dict[str, object]:
    return {
        "dfs.replication": 1,
        "dfs.namenode.name.dir": (data / "name").as_uri(),
        "dfs.namenode.http-address": ports.at("http"),
        "dfs.datanode.data.dir": (data / "blocks").as_uri(),
        "dfs.datanode.address": f"{LOOPBACK}:0",
        "dfs.datanode.http.address": f"{LOOPBACK}:0",
        "dfs.datanode.ipc.address": f"{LOOPBACK}:0",
        "dfs.namenode.datanode.registration.ip-hostname-check": "false",  # no name, no look-up
    }


def _resource_manager(ports: Ports) -> dict[str, object]:
    return {
        "yarn.resourcemanager.address": ports.at("client"),
        "yarn.resourcemanager.scheduler.address": ports.at("scheduler"),
        "yarn.resourcemanager.resource-tracker.address": ports.at("resource-tracker"),
        "yarn.resourcemanager.admin.address": ports.at("admin"),
        "yarn.resourcemanager.webapp.address": ports.at("webapp"),
        "yarn.scheduler.minimum-allocation-mb": 32,  # this and the next as EMR has them
        "yarn.scheduler.maximum-allocation-mb": NODE_MEMORY,
        "yarn.nm.liveness-monitor.expiry-interval-ms": EXPIRY_SECONDS * 1000,
    }


def _node_manager(ports: Ports, data: Path, host: str) -> dict[str, object]:
    addresses = {
        f"yarn.nodemanager.{name}address": ports.at(f"{host} {name}", host)
        for name in _NODE_MANAGER
    }
    return addresses | {
        "yarn.nodemanager.hostname": host,
        "yarn.nodemanager.env-whitelist": ",".join(java.NAMES),  # reach the containers
        "yarn.nodemanager.local-dirs": local_folder(data, host),
        "yarn.nodemanager.log-dirs": log_folder(data, host),
        "yarn.nodemanager.resource.memory-mb": NODE_MEMORY,
        "yarn.nodemanager.resource.cpu-vcores": NODE_CORES,
        "yarn.nodemanager.pmem-check-enabled": "false",
        "yarn.nodemanager.vmem-check-enabled": "false",
        # An archive unpacked is 700 MB for each application and node.
        "yarn.nodemanager.localizer.cache.target-size-mb": 1,
        "yarn.nodemanager.localizer.cache.cleanup.interval-ms": 10_000,
        # A full disk of the machine's is no fault of Orchard's.
        "yarn.nodemanager.disk-health-checker.max-disk-utilization-per-disk-percentage": 100,
    }


def local_folder(data: Path, host: str) -> Path:
    """Where a node's containers live; the command of each names it."""
    return data / f"node-{host}" / "local"


def log_folder(data: Path, host: str) -> Path:
    return data / f"node-{host}" / "logs"


def _scheduler() -> dict[str, object]:
    root = "yarn.scheduler.capacity"
    return {
        f"{root}.root.queues": "default",
        f"{root}.root.default.capacity": 100,
        f"{root}.maximum-am-resource-percent": "1.0",
    }
