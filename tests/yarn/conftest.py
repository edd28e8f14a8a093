from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cluster.conftest import (  # noqa: F401
    gate,
    pictures,
    start,
    start_held,
    undisturbed,
)

from yarn.hadoop import Hadoop
from yarn.submitted import archive, empty_python  # noqa: F401


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    used = getattr(item, "funcargs", {}).values()
    if report.failed:
        for hadoop in (value for value in used if isinstance(value, Hadoop)):
            report.sections.append(("logs of Hadoop", hadoop.log()))
    return report


@contextmanager
def ending_on_sigterm() -> Iterator[None]:
    """As on Ctrl-C: a job that is taken down ends its servers too."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="session")
def running_hadoop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hadoop]:
    with ending_on_sigterm():
        hadoop = Hadoop(tmp_path_factory.mktemp("hadoop"))
        try:
            yield hadoop
        finally:
            hadoop.close()


@pytest.fixture
def hadoop(running_hadoop: Hadoop) -> Hadoop:
    """HDFS and YARN with two nodes, all running and idle."""
    running_hadoop.mend()
    running_hadoop.wait_until_idle()
    return running_hadoop
