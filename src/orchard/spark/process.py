"""What starting Spark changes in this process, and how it is put back.

PySpark and its JVM are configured by environment variables; PySpark sets some itself, puts a folder
on `sys.path` and a handler on SIGINT, and keeps its JVM, with the settings that it was started
with, for the next session. A caller's own Spark must find none of that.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pyspark

from orchard.spark import java

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_PINNED = ("PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON", "SPARK_LOCAL_IP", *java.NAMES)
_OF_PANDAS = "PySpark does not yet fully support pandas"
_OF_PYSPARK = ("SPARK_AUTH_SOCKET_TIMEOUT", "SPARK_BUFFER_SIZE")  # read while a session lives


@contextmanager
def pinned_environment(is_local: bool) -> Iterator[None]:
    """While a session starts: this interpreter, and the Java that came as a wheel."""
    with _put_back(_PINNED):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
        if is_local:
            os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        os.environ.update(java.environment())
        yield


@contextmanager
def as_before() -> Iterator[None]:
    """Around a session of our own: its variables and its JVM go with it."""
    launches = pyspark.SparkContext._gateway is None
    with _put_back(_OF_PYSPARK):
        try:
            yield
        finally:
            if launches:
                end_jvm()


@contextmanager
def keeping_ctrl_c() -> Iterator[None]:
    """PySpark installs a SIGINT handler that calls the JVM from inside a call to the JVM."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or handler is None:
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def quiet() -> Iterator[None]:
    """PySpark 4 warns of pandas 3 when it starts, even if nobody uses it."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", _OF_PANDAS, FutureWarning)
        yield


def stop(session: SparkSession) -> None:
    """Stop a session, and take its folder of added files from `sys.path`."""
    folder = pyspark.SparkFiles.getRootDirectory()
    session.stop()
    with suppress(ValueError):
        sys.path.remove(folder)


def end_jvm() -> None:
    """End the JVM that PySpark has launched for a context that is no more: it remembers settings.

    One that `spark-submit` has launched, or on which a context runs again, is left alone.
    """
    context = pyspark.SparkContext
    with context._lock:
        gateway: Any = context._gateway
        if gateway is None or gateway.proc is None or context._active_spark_context is not None:
            return
        context._gateway = context._jvm = None
    gateway.shutdown()
    gateway.proc.stdin.close()  # upon which it ends by itself
    gateway.proc.wait()


@contextmanager
def _put_back(names: tuple[str, ...]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
