"""A guest in somebody's process: only what Orchard created is stopped, only its jobs are cancelled,
and every setting of the process and of its Spark is afterwards as it was."""

from __future__ import annotations

import json
import locale
import logging
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageFile

import orchard
from orchard.errors import TooManyErrors
from orchard.model import Model, load_model
from orchard.model.embedder import open_session
from orchard.progress import Reporter
from orchard.spark import passes, session
from orchard.spark.jobs import run_action
from orchard.spark.process import pinned_environment
from orchard.spark.session import spark_session


def config() -> orchard.RunConfig:
    return orchard.RunConfig(sources=("-",), output="-", master="local[2]")


def in_a_thread(work: Callable[[], Any]) -> Any:
    """What `work` returns in a thread that no session was made in."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(work()))
    thread.start()
    thread.join()
    (one,) = found
    return one


def still_runs(spark: Any) -> bool:
    return bool(spark.sparkContext.parallelize([1, 2], 2).sum() == 3)


def test_a_run_from_another_thread_finds_the_callers_session_and_leaves_it(
    spark: Any, run: Callable[..., orchard.Result], photos: Path, tmp_path: Path
) -> None:
    result = in_a_thread(lambda: run(photos, tmp_path / "out"))
    assert result.record["counts"]["embedded"] == 40
    assert result.record["spark_ui"] == spark.sparkContext.uiWebUrl
    assert still_runs(spark)


def test_a_session_that_another_thread_started_meanwhile_is_not_stopped(
    spark: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "running_context", lambda: None)
    with spark_session(config()) as found:
        assert found.sparkContext is spark.sparkContext
    assert still_runs(spark)


class UsersJob:
    """A job of the user's in a thread of its own, on one of two slots, until it is let go."""

    def __init__(self, spark: Any, folder: Path) -> None:
        started, go = folder / "user started", folder / "user goes on"
        os.mkfifo(started)
        os.mkfifo(go)
        self._handle = os.open(go, os.O_RDWR)

        def wait(_: int) -> bytes:
            started.write_text("yes")
            with go.open("rb", buffering=0) as file:
                return file.read(4) or b""

        def work() -> None:
            with suppress(Exception):  # where it is cancelled, nothing is found
                self._found.extend(spark.sparkContext.parallelize([0], 1).map(wait).collect())

        self._found: list[bytes] = []
        self._thread = threading.Thread(target=work)
        self._thread.start()
        started.read_text()

    def result(self) -> list[bytes]:
        """What it returns when it is let go; nothing where it was cancelled."""
        os.write(self._handle, b"done")
        self._thread.join()
        os.close(self._handle)
        return self._found


@pytest.fixture
def users_job(spark: Any, tmp_path: Path) -> UsersJob:
    return UsersJob(spark, tmp_path)


def test_too_many_errors_cancel_the_run_and_no_job_of_the_user(
    users_job: UsersJob,
    run: Callable[..., orchard.Result],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    never = tmp_path / "never"
    os.mkfifo(never)

    def embed(task: tuple[int, bytes], **_: Any) -> passes.EmbedReport:
        """The first task fails all its images, the next one would wait for ever."""
        if task[0] > 0:
            never.read_text()
        reasons = Counter(corrupt=64)
        return passes.EmbedReport(None, None, None, 64, reasons, {}, 0.0, passes.Worker.here())

    monkeypatch.setattr(passes, "_embed", embed)
    (tmp_path / "bad").mkdir()
    for number in range(200):
        (tmp_path / "bad" / f"{number}.jpg").write_bytes(b"no picture")
    with pytest.raises(TooManyErrors, match=r"^64 of 200 images failed, more than the 10 that"):
        run(tmp_path / "bad", tmp_path / "out", max_errors=10)
    assert users_job.result() == [b"done"]


def test_ctrl_c_cancels_the_run_and_no_job_of_the_user(
    spark: Any, users_job: UsersJob, tmp_path: Path
) -> None:
    for name in ("started", "never"):
        os.mkfifo(tmp_path / name)

    def wait(_: int) -> None:
        (tmp_path / "started").write_text("yes")
        (tmp_path / "never").read_text()

    def interrupt() -> None:
        (tmp_path / "started").read_text()
        os.kill(os.getpid(), signal.SIGINT)

    rdd = spark.sparkContext.parallelize([0], 1).map(wait)
    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        run_action(spark, rdd.collect)
    interrupter.join()
    assert users_job.result() == [b"done"]
    assert still_runs(spark)


PROPERTIES = {
    "spark.jobGroup.id": "mine",
    "spark.job.description": "a long thing",
    "spark.job.tags": "my-tag",
    "spark.scheduler.pool": "nightly",
    "my.own": "value",
}


def of_spark(spark: Any) -> dict[str, Any]:
    """The local properties of this thread, and the settings of the context and the session."""
    context = spark.sparkContext
    properties = {name: context.getLocalProperty(name) for name in PROPERTIES}
    settings = spark._jsparkSession.conf().getAll()
    session_settings = {pair._1(): pair._2() for pair in _each(settings)}
    return {"properties": properties, "context": dict(context.getConf().getAll())} | {
        "session": session_settings
    }


def _each(scala_map: Any) -> Iterator[Any]:
    found = scala_map.iterator()
    while found.hasNext():
        yield found.next()


@pytest.fixture
def own_properties(spark: Any) -> Iterator[None]:
    """A job group and more, as a user sets them for their thread."""
    for name, value in PROPERTIES.items():
        spark.sparkContext.setLocalProperty(name, value)
    yield
    for name in PROPERTIES:
        spark.sparkContext.setLocalProperty(name, None)


@pytest.mark.usefixtures("own_properties")
def test_a_run_leaves_the_settings_of_the_callers_spark(
    spark: Any, run: Callable[..., orchard.Result], photos: Path, tmp_path: Path
) -> None:
    before = of_process(), of_spark(spark)
    run(photos, tmp_path / "out")
    assert (of_process(), of_spark(spark)) == before
    assert before[1]["properties"] == PROPERTIES
    jobs = spark.sparkContext.statusTracker().getJobIdsForGroup("mine")
    assert len(jobs) >= 3, "embedding, moments and projection run in the caller's group"


@pytest.mark.long
@pytest.mark.usefixtures("own_properties")
def test_the_stages_for_pyspark_ml_leave_them_too(spark: Any, photos: Path) -> None:
    from orchard.spark import ImageEmbedder, StandardizedPCA

    before = of_process(), of_spark(spark)
    images = spark.createDataFrame([(str(p),) for p in sorted(photos.glob("*/*.png"))], ["content"])
    embedded = ImageEmbedder(weights="fruit", size=32).transform(images).cache()
    model = StandardizedPCA(k=3).fit(embedded)
    assert model.transform(embedded).where("components is not null").count() == 40
    embedded.unpersist()
    assert (of_process(), of_spark(spark)) == before


@pytest.mark.mllib
@pytest.mark.usefixtures("own_properties")
def test_a_training_on_mllib_leaves_them_too(
    spark: Any, run: Callable[..., orchard.Result], photos: Path, tmp_path: Path
) -> None:
    from orchard.training import TrainConfig, train

    run(photos, tmp_path / "out")
    before = of_process(), of_spark(spark)
    train(TrainConfig(output=tmp_path / "out", kind="logistic", folds=2, engine="spark"))  # type: ignore[arg-type]
    assert (of_process(), of_spark(spark)) == before
    assert still_runs(spark)


def of_process() -> dict[str, Any]:
    """Every setting of this process that a library may change."""
    return {
        "environment": dict(os.environ),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "folder": str(Path.cwd()),
        "sys.path": list(sys.path),
        "warnings": list(warnings.filters),
        "Pillow": (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES),
        "locale": locale.setlocale(locale.LC_ALL),
        "logging": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        "matplotlib": matplotlib.get_backend(auto_select=False),
        "NumPy": np.geterr(),
    }


# Libraries that set something when they are first imported have done so before.
OWN_SPARK = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import json, scipy.special, sklearn
from test_manners import careful_user
print(json.dumps(careful_user(Path(sys.argv[2]), Path(sys.argv[3]))))
"""


def careful_user(photos: Path, output: Path) -> tuple[dict[str, bool], bool, list[Any]]:
    """Runs Orchard amid settings of their own, then starts a Spark of their own."""
    import pyspark
    from pyspark.sql import SparkSession

    os.environ |= {"JAVA_HOME": "/nowhere/java", "SPARK_BUFFER_SIZE": "4096"}
    Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = 12_345_678, True
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, lambda *_: None)
    warnings.filterwarnings("ignore", category=UnicodeWarning)
    before = of_process()
    settings: dict[str, Any] = {"weights": "fruit", "size": 32, "components": 3}
    chosen = orchard.RunConfig(
        sources=(str(photos),), output=str(output), master="local[2]", **settings
    )
    orchard.run(chosen, Reporter(quiet=True))
    after = of_process()
    same = {name: after[name] == before[name] for name in before}
    gone = pyspark.SparkContext._active_spark_context is None
    del os.environ["JAVA_HOME"]
    with pinned_environment(is_local=True):
        mine = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
        told = mine.getOrCreate().sparkContext.getConf().getAll()
    return same, gone, [pair for pair in told if "orchard" in str(pair).lower()]


@pytest.mark.long
def test_a_run_with_its_own_spark_leaves_the_process_as_it_was(
    photos: Path, tmp_path: Path
) -> None:
    words = [OWN_SPARK, str(Path(__file__).parent), str(photos), str(tmp_path / "out")]
    (tmp_path / "home").mkdir()
    environment = os.environ | {"HOME": str(tmp_path / "home")}
    for name in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "ORCHARD_CACHE", "MPLCONFIGDIR"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", *words], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    kept = {path.name for path in (tmp_path / "home").glob("*/*")}
    assert kept <= {"matplotlib"}, "of fonts, which it keeps wherever it is used"
    same, gone, left = json.loads(done.stdout)
    assert same == dict.fromkeys(same, True)
    assert len(same) > 8
    assert gone
    assert left == [], "the caller's own Spark gets no setting of Orchard's"


BARE_CONTEXT = """
import json
from pyspark import SparkContext
from pyspark.sql import SparkSession
import orchard
from orchard.spark.process import pinned_environment
from orchard.spark.session import spark_session
with pinned_environment(is_local=True):
    context = SparkContext("local[1]", "mine")
config = orchard.RunConfig(sources=("-",), output="-")
with spark_session(config) as session:
    same = session.sparkContext is context
print(json.dumps([same, context.parallelize([1, 2], 2).sum(), context.appName]))
print(SparkSession._instantiatedSession)
"""


@pytest.mark.long
def test_a_context_without_a_session_is_used_and_left_running() -> None:
    done = subprocess.run([sys.executable, "-c", BARE_CONTEXT], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert json.loads(first) == [True, 3, "mine"]
    assert second == "None"


def test_onnx_runtimes_settings_of_the_process_are_never_touched(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has no way to ask what they were, so they could not be put back."""
    import onnxruntime

    model: Model = load_model("fruit", 32)
    for name in dir(onnxruntime):
        if name.startswith(("set_", "disable_", "enable_")):
            monkeypatch.delattr(onnxruntime, name)
    assert open_session(model.onnx, 1).get_inputs()
