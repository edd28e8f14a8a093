"""`orchard cluster run` as a user has it, the job executed here for real, against moto's server."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyspark
import pytest
from rich.console import Console

from aws.conftest import REGION, keys, orchard
from aws.test_flows import BUCKET
from orchard.aws import job
from orchard.aws.cluster import Cluster
from orchard.aws.job import JobReporter
from orchard.aws.launch import Launch, State
from orchard.aws.serverless import Serverless
from orchard.cloud import estimate
from orchard.storage import Storage
from orchard.store.output import Output
from orchard.store.tables import Tables


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, spark: Any) -> Iterator[None]:
    """moto as a server, since obstore and delta-rs go over the network; the workers are told."""
    command = [sys.executable, "-W", "ignore", "-c", "from aws.moto_gaps import serve; serve()"]
    above = Path(__file__).parent.parent
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, cwd=above, **pipes) as process:
        assert process.stdin
        assert process.stdout
        settings = {
            "AWS_ENDPOINT_URL": process.stdout.readline().strip(),
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
            monkeypatch.setitem(spark.sparkContext.environment, name, value)
        yield
        process.stdin.close()


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """In place of AWS's machines: a job is executed here when it is first looked at."""
    codes: list[int] = []
    look = Serverless.look

    def look_and_execute(self: Serverless, found: Launch) -> State:
        if found.url and not codes:
            codes.append(job.execute(found.url))
            return State("running", "RUNNING")
        return look(self, found)

    described = Serverless._run
    hours = {"vCPUHour": 0.5, "memoryGBHour": 1.5, "storageGBHour": 0.0}

    def describe_as_billed(self: Serverless, found: Launch) -> dict[str, Any]:
        """moto bills no hours, and knows no start."""
        return described(self, found) | {"startedAt": 0, "billedResourceUtilization": hours}

    monkeypatch.setattr(Serverless, "look", look_and_execute)
    monkeypatch.setattr(Serverless, "_run", describe_as_billed)
    monkeypatch.setattr(Cluster, "upload_code", lambda self: f"s3://{self.bucket}/code/c.zip")
    return codes


SMALL = ("--weights", "fruit", "--size", 32, "--components", 5)


def test_run_tells_the_whole_story(
    server: None, executed: list[int], photos: Path, tmp_path: Path
) -> None:
    output = tmp_path / "result"
    shown = orchard("cluster", "run", photos, output, "--region", REGION, "--yes", *SMALL)
    assert shown.exit_code == 0, shown.output
    assert executed == [0]
    story = [
        "40 images in eu-west-3",
        "estimate, prices of",
        "At most 1.21 EUR",
        "stack orchard: making it",
        "images: 40 of 40 to s3://",
        "upload: 40/40 images",
        "Ctrl-C stops only the watching",
        f"Spark {pyspark.__version__}",
        "embedding: 40/40 images",
        "1.50 GB hours",
        "estimated: ",
        f"Result: s3://{BUCKET}/results/result",
    ]
    positions = [shown.output.index(text) for text in story]
    assert positions == sorted(positions)
    assert (output / "report/explained_variance.png").is_file()
    assert (output / "explained_variance.csv").is_file()
    (record,) = (output / "runs").glob("*.json")
    assert json.loads(record.read_text())["counts"]["embedded"] == 40
    assert any(key.startswith("results/result/features/") for key in keys(BUCKET))
    status = orchard("cluster", "status", "--region", REGION)
    assert "SUCCESS" in status.output
    assert "40 of 40 images, 0 errors" in status.output


def test_a_folder_is_packed_where_that_is_cheaper(
    server: None,
    executed: list[int],
    photos: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(estimate, "PACKING_SAVES", 0.0)
    output = tmp_path / "result"
    shown = orchard("cluster", "run", photos, output, "--region", REGION, "--yes", *SMALL)
    assert shown.exit_code == 0, shown.output
    story = " ".join(shown.output.split())
    assert "packed into shards (this estimate)" in story
    assert (
        f"packed into shards of about 100 MB in s3://{BUCKET}/images/{photos.name}.shards" in story
    )
    assert "embedding: 40/40 images" in story
    uploaded = [key for key in keys(BUCKET) if key.startswith("images/")]
    assert uploaded == [f"images/{photos.name}.shards/shard-000000.tar"]
    features = Output.at(f"s3://{BUCKET}/results/result", Storage(region=REGION))
    rows = Tables(features).read("features", ["path", "label"]).to_pylist()
    assert {row["label"] for row in rows} == {"apple", "lemon", "plum", "sweet pepper"}
    assert all("/shard-000000.tar!/" in row["path"] for row in rows)

    (photos_more := tmp_path / photos.name).mkdir()
    shutil.copytree(photos, photos_more, dirs_exist_ok=True)
    shutil.copy(photos / "apple" / "0.png", photos_more / "apple" / "new.png")
    monkeypatch.setattr(estimate, "PACKING_SAVES", 9e9)
    executed.clear()
    again = orchard("cluster", "run", photos_more, output, "--region", REGION, "--yes", *SMALL)
    assert again.exit_code == 0, again.output
    assert "41 in 2 shards, 1 sent now" in again.output, "shards that are there are continued"
    assert "embedding: 1/1 images" in again.output


def test_a_run_that_fails_is_one_line_with_the_reason(
    server: None, executed: list[int], photos: Path, tmp_path: Path
) -> None:
    wrong = ("--weights", "fruit", "--size", 32, "--components", 99)
    shown = orchard(
        *("cluster", "run", photos, tmp_path / "r", "--region", REGION, "--yes", *wrong)
    )
    assert shown.exit_code == 1
    last = shown.stderr.splitlines()[-1]
    assert "--components 99: " in last
    assert "`orchard cluster logs " in last
    assert executed == [6]


def test_progress_is_told_in_the_folder_while_the_run_works(tmp_path: Path) -> None:
    reporter = JobReporter(Output.at(tmp_path))
    reporter.console = Console(file=io.StringIO())
    reporter.say("Spark 3.5")
    seen = []

    def done() -> tuple[int, int]:
        return 7, 2

    with reporter.track(9, done, lambda errors: seen.append(errors)):
        pass
    reporter.warn("slow")
    reporter.end("failed", "because", 3)
    told = json.loads((tmp_path / "progress.json").read_text())
    assert (told["events"][0], told["events"][-1]) == ("Spark 3.5", "warning: slow")
    assert (told["done"], told["errors"], told["total"]) == (7, 2, 9)
    assert (told["phase"], told["detail"], told["exit_code"]) == ("failed", "because", 3)
