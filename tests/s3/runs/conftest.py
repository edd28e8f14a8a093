from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from typing import Any

import pytest
from s3.distant import DistantProxy, serve

REQUESTS = "requests, from the log before the server"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what tests counted, which pytest shows of failures alone."""
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == REQUESTS:
                terminalreporter.write_line(f"{name}: {value}")


@pytest.fixture(scope="session")
def distant() -> Iterator[DistantProxy]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(there,), daemon=True)
    process.start()
    there.close()
    yield DistantProxy(here)
    here.send(None)
    process.join()


@pytest.fixture(scope="session")
def server(distant: DistantProxy) -> str:
    return distant.upstream


@pytest.fixture
def proxy(distant: DistantProxy) -> DistantProxy:
    distant.forget()
    return distant
