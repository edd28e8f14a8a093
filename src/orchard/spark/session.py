"""A Spark session for a run: no Java to install, the interpreter pinned, loopback when local."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyspark

from orchard import surroundings
from orchard.config import RunConfig
from orchard.errors import ConfigError
from orchard.spark import process, yarn
from orchard.spark.jobs import sentence, text_of
from orchard.spark.remote import PREFIX, remote_session, running_remote, start_remote

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import SparkSession

SUBMITTED, YARN = "submitted", "yarn"
_OURS = "spark.orchard.session"  # a setting that tells a context of our making from another's
TASK_FAILURES = 4  # Spark's default on a cluster; local mode would give up after the first
# For a JVM that hands out tasks and carries their results: the second compiler and parallel garbage
# collection take more than they save, in a run of any length (ADR 45).
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
_UNREGISTERED = "spark-application-"  # begins the id that a driver has where no master gave it one
# What it says instead where it gave up while it still began: Spark stops the context in a thread of
# its own, and the one that begins it goes on until it misses something.
_STOPPED = re.compile(
    r"stopped SparkContext|context stopped|running MetricsSystem|RpcEnv already stopped"
    r"|thrown in awaitResult|Could not find BlockManagerMaster|java\.lang\.NullPointerException"
)


@contextmanager
def spark_session(config: RunConfig) -> Iterator[SparkSession]:
    """The session that runs in this process, be it one on its context or of Spark Connect, else one
    of our own.

    Only what was started here is stopped at the end, and then this process is as it was before.
    """
    with ExitStack() as stack:
        if (running := running_context()) is not None:
            yield stack.enter_context(_session_on(running))
            return
        if (remote := running_remote()) is not None:
            yield remote
            return
        if config.master.startswith(PREFIX):
            yield stack.enter_context(remote_session(config.master))
            return
        stack.enter_context(process.as_before())
        session, is_ours = _start(config.master, config.event_log, config.spark_ui, for_run=True)
        if is_ours:
            stack.callback(process.stop, session)
        yield session


def start_spark(
    master: str = "local[*]", *, event_log: str | None = None, ui: bool = False
) -> SparkSession:
    """A SparkSession as `orchard run` has it, for notebooks and scripts; the caller stops it.

    event_log: a folder for Spark's history server. ui: serve Spark's own page while it runs.

    Where a context already runs in this process, a session on it, with its settings as they are;
    where a session of Spark Connect does, that one. Raises ConfigError where Spark does not start.
    """
    from pyspark.sql import SparkSession

    if running_context() is not None:
        return SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
    if (remote := running_remote()) is not None:
        return remote
    if master.startswith(PREFIX):
        return start_remote(master)
    return _start(master, event_log, ui)[0]


def running_context() -> SparkContext | None:
    """The context of this process, whichever thread started it; None where none runs."""
    context = pyspark.SparkContext._active_spark_context
    return context if context is not None and context._jsc is not None else None


@contextmanager
def _session_on(context: SparkContext) -> Iterator[SparkSession]:
    """The caller's session, or one that is made and forgotten where they have a context alone."""
    from pyspark.sql import SparkSession

    before = SparkSession._instantiatedSession
    session = SparkSession.getActiveSession() or SparkSession.builder.getOrCreate()
    try:
        yield session
    finally:
        if before is None and SparkSession._instantiatedSession is session:
            _forget(session)


def _forget(session: SparkSession) -> None:
    """What SparkSession.stop does, but for stopping the context."""
    kind: Any = type(session)
    jvm: Any = session.sparkContext._jvm
    jvm.SparkSession.clearDefaultSession()
    jvm.SparkSession.clearActiveSession()
    kind._instantiatedSession = kind._activeSession = None


def _start(
    master: str, event_log: str | None, ui: bool, *, for_run: bool = False
) -> tuple[SparkSession, bool]:
    """A session, and whether its context is of our making: another thread may have been faster.

    for_run: Orchard's own work alone is done on it, which is Python's; see QUICK.
    """
    from pyspark.sql import SparkSession

    if master == YARN:
        yarn.check_settings()
    _check_remote(master)
    is_local, ours = master.startswith("local"), secrets.token_hex(8)
    builder = SparkSession.builder.appName("orchard").config(_OURS, ours)
    if master != SUBMITTED:  # else spark-submit has said where
        builder = builder.master(_with_retries(master))
    for key, value in _settings(master, is_local, event_log, ui, for_run).items():
        builder = builder.config(key, value)
    session = _got(builder, master)
    is_ours = session.sparkContext.getConf().get(_OURS) == ours
    if is_ours and session.sparkContext.applicationId.startswith(_UNREGISTERED):
        process.stop(session)  # Spark raises nothing
        raise _no_master(master)
    return session, is_ours


def _check_remote(master: str) -> None:
    """PySpark would make a session of Spark Connect, whatever the master."""
    if url := os.environ.get("SPARK_REMOTE"):
        raise ConfigError(
            f"SPARK_REMOTE={url}: unset it for --master {master}, or give --master {url}"
        )


def _got(builder: SparkSession.Builder, master: str) -> SparkSession:
    launches = pyspark.SparkContext._gateway is None
    try:
        with ExitStack() as stack:
            stack.enter_context(process.keeping_ctrl_c())
            stack.enter_context(process.quiet())
            if master != SUBMITTED:  # else spark-submit has said with which Python and JVM
                stack.enter_context(process.pinned_environment(master.startswith("local")))
            if master == YARN:
                yarn.check_cluster(builder._options)
            return builder.getOrCreate()
    except Exception as error:  # whatever the JVM's launcher failed with
        text = text_of(error)
        told = RuntimeError(text)  # Py4J's own error asks the JVM whenever it is printed
        if launches:
            process.end_jvm()
        if isinstance(error, ConfigError):
            raise
        if master.startswith("spark:") and _STOPPED.search(text):
            raise _no_master(master) from told
        raise ConfigError(f"--master {master}: Spark did not start: {sentence(text)}") from told


def _no_master(master: str) -> ConfigError:
    return ConfigError(
        f"--master {master}: no Spark master took the run on; check that one runs at this address "
        "and, where it asks for authentication, that SPARK_CONF_DIR leads to its settings"
    )


def jvm_pid(session: SparkSession) -> int:
    """The process of the driver's JVM."""
    return int(session.sparkContext._jvm.java.lang.ProcessHandle.current().pid())  # type: ignore[union-attr]


def _with_retries(master: str) -> str:
    """Local mode with retries, which `local[N]` alone does not have."""
    if not master.startswith("local"):
        return master
    slots = master[len("local") :].strip("[]") or "1"
    return f"local[{slots},{TASK_FAILURES}]"


def _settings(
    master: str, is_local: bool, event_log: str | None, ui: bool, for_run: bool
) -> dict[str, str]:
    if master == SUBMITTED:
        return {}
    surroundings.check_open_files()
    temporary = surroundings.temporary_folder()
    settings = {
        "spark.sql.warehouse.dir": str(Path(temporary) / "orchard-warehouse"),
        "spark.ui.killEnabled": "false",  # else any web page can end a job by a link
        "spark.ui.showConsoleProgress": "false",
        "spark.python.worker.faulthandler.enabled": "true",
        "spark.driver.extraJavaOptions": _java_options(temporary),
    }
    if for_run:
        settings["spark.driver.extraJavaOptions"] += f" {QUICK}"
    if is_local or re.match(r"spark://(127\.0\.0\.1|localhost)\b", master):
        settings["spark.ui.enabled"] = str(ui).lower()
        settings["spark.driver.host"] = settings["spark.driver.bindAddress"] = "127.0.0.1"
    if event_log:
        folder = Path(event_log).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        settings["spark.eventLog.enabled"] = "true"
        settings["spark.eventLog.dir"] = folder.as_uri()
        # Spark 4 would compress it and write a folder; one file of text is the same on every Spark.
        settings["spark.eventLog.rolling.enabled"] = settings["spark.eventLog.compress"] = "false"
    return settings


def _java_options(temporary: str) -> str:
    """Of the driver: where it logs, and Python's temporary folder, which Java does not look for."""
    escaped = temporary.replace("\\", "\\\\").replace('"', '\\"')
    return f'-Dlog4j2.configurationFile={_log4j_file()} "-Djava.io.tmpdir={escaped}"'


def _log4j_file() -> str:
    return Path(str(files("orchard.spark") / "log4j2.properties")).as_uri()
