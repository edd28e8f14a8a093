from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.pictures import write_pictures
from cluster.processes import Gate, Started, wait_for
from cluster.results import SETTINGS, run_here, staged
from cluster.standalone import Cluster, environment

Start = Callable[..., Started]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if Path("/proc/self/stat").exists():
        return
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.skip(reason="finds processes through Linux' /proc"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    used = getattr(item, "funcargs", {}).values()
    if report.failed:
        for cluster in (value for value in used if isinstance(value, Cluster)):
            report.sections.append(("logs of the cluster", cluster.log()))
    return report


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """512 small files in two folders, no two alike, three of them no pictures: nine tasks."""
    return write_pictures(tmp_path_factory.mktemp("pictures"), 512, 11)


@pytest.fixture(scope="session")
def undisturbed(spark: Any, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pictures come to when nothing goes wrong."""
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    run_here(pictures, output)
    return output


@pytest.fixture(scope="session")
def undisturbed_photos(spark: Any, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of the suite's forty photos, for tests that have to be quick."""
    output = tmp_path_factory.mktemp("undisturbed_photos") / "out"
    run_here(photos, output)
    return output


@pytest.fixture(scope="session")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(running_cluster: Cluster) -> Cluster:
    """A master and two workers, all running and idle."""
    running_cluster.mend()
    running_cluster.wait_until_idle()
    return running_cluster


@pytest.fixture(
    params=[
        pytest.param("local", marks=pytest.mark.long),
        pytest.param("cluster", marks=pytest.mark.cluster),
    ]
)
def where(request: pytest.FixtureRequest) -> Cluster | None:
    """A cluster, or None: this machine, as `--master local[2]`."""
    return request.getfixturevalue("cluster") if request.param == "cluster" else None


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `orchard run` in a process of its own; all that were started are ended with the test.

    killed_at: a point of `killed_at.py`. gate: where its tasks wait, as `held.py` has it.
    """
    running: list[Started] = []

    def start(
        source: Path,
        output: Path,
        *options: str,
        where: Cluster | None = None,
        killed_at: str | None = None,
        gate: Gate | None = None,
    ) -> Started:
        command: list[str | Path] = [Path(sysconfig.get_path("scripts")) / "orchard"]
        if killed_at:
            command = [sys.executable, Path(__file__).with_name("killed_at.py"), killed_at]
        if gate:
            command = [sys.executable, Path(__file__).with_name("held.py"), gate.folder]
        command += ["run", source, output, "--master", where.url if where else "local[2]"]
        for name, value in SETTINGS.items():
            command += [f"--{name}", str(value)]
        log = tmp_path / f"run{len(running)}.log"
        process = Started([*command, *options], log, where.environment if where else environment())
        running.append(process)
        return process

    yield start
    for process in running:
        process.end()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.close()


@pytest.fixture
def start_held(start: Start, gate: Gate) -> Start:
    """Start a run that stands midway, however fast: it has embedded one task's images, and two
    tasks wait until the gate is opened."""

    def start_held(
        source: Path, output: Path, *options: str, where: Cluster | None = None
    ) -> Started:
        run = start(source, output, *options, where=where, gate=gate)
        wait_for(lambda: staged(output) and len(gate.waiting()) == 2, "tasks at the gate", of=run)
        return run

    return start_held


class Disk:
    """A small file system of its own, in memory."""

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        path.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
        done = subprocess.run(mount, capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"cannot mount a file system: {done.stderr.strip()}")

    def remount(self, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", self.path], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", self.path], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Disk]]:
    """Make a disk of so many bytes."""
    disks: list[Disk] = []

    def make(size: int) -> Disk:
        disks.append(Disk(tmp_path / f"disk{len(disks)}", size))
        return disks[-1]

    yield make
    for made in disks:
        made.unmount()
