from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from cluster.pictures import write_pictures
from cluster.processes import Gate, Started
from connect.server import Server

SETTINGS = ("--weights", "fruit", "--size", "32", "--components", "5", "--no-report")
Start = Callable[..., Started]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        used = getattr(item, "funcargs", {}).values()
        for server in (value for value in used if isinstance(value, Server)):
            report.sections.append(("log of the server", server.log[-4000:]))
    return report


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.close()


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 small files in two folders, no two alike, three of them no pictures: four tasks."""
    return write_pictures(tmp_path_factory.mktemp("pictures"), 200, 18)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.close()


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start `orchard run` in a process of its own; all that were started are ended at the end.

    gate: where all tasks but the first wait, as `cluster/held.py` has it.
    """
    folder = tmp_path_factory.mktemp("logs")
    running: list[Started] = []

    def start(
        source: Path, output: Path, master: str, *options: str, gate: Gate | None = None
    ) -> Started:
        held = Path(__file__).parents[1] / "cluster/held.py"
        command = [sys.executable, held, gate.folder] if gate else [sys.executable, "-m", "orchard"]
        words = ["run", source, output, "--master", master, *SETTINGS, *options]
        process = Started([*command, *words], folder / f"run{len(running)}.log", os.environ)
        running.append(process)
        return process

    yield start
    for process in running:
        process.end()


@pytest.fixture(scope="session")
def local(start: Start, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the pictures come to on this machine."""
    output = tmp_path_factory.mktemp("local") / "out"
    run = start(pictures, output, "local[2]")
    assert run.wait() == 0, run.output
    return output


@pytest.fixture(scope="session")
def remote(
    start: Start, server: Server, pictures: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What they come to through Spark Connect; for reading only."""
    output = tmp_path_factory.mktemp("remote") / "out"
    run = start(pictures, output, f"{server.url}/;user_id=somebody")
    assert run.wait() == 0, run.output
    return output
