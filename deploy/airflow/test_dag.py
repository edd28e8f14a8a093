"""The DAGs in a real Airflow, against moto: `make test-airflow`, in an environment of its own.

The requests are Orchard's own (example_requests.py), given as Airflow's variables.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

HERE = Path(__file__).parent
REGION = "eu-west-3"


@pytest.fixture(scope="session", autouse=True)
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An Airflow of its own with an empty database, and moto's server as its AWS."""
    from moto.server import ThreadedMotoServer

    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    address = "http://{}:{}".format(*moto.get_host_and_port())
    os.environ |= {
        "AIRFLOW_HOME": str(tmp_path_factory.mktemp("airflow")),
        "AIRFLOW__CORE__DAGS_FOLDER": str(HERE),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AWS_ENDPOINT_URL": address,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": REGION,
        "AIRFLOW_VAR_ORCHARD_REGION": REGION,
    }
    client = boto3.client("emr-serverless", region_name=REGION)
    made = client.create_application(name="orchard", releaseLabel="emr-7.13.0", type="SPARK")
    requests = json.loads(Path(os.environ["ORCHARD_REQUESTS"]).read_text())
    requests["orchard_start_job_run"]["applicationId"] = made["applicationId"]
    for name, request in requests.items():
        os.environ[f"AIRFLOW_VAR_{name.upper()}"] = json.dumps(request)
    airflow = Path(sys.executable).with_name("airflow")
    subprocess.run([airflow, "db", "migrate"], check=True, capture_output=True)
    yield
    moto.stop()


@pytest.fixture
def dags(airflow: None) -> dict[str, Any]:
    import importlib.util

    spec = importlib.util.spec_from_file_location("orchard_dag", HERE / "orchard_dag.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {"serverless": module.serverless, "emr": module.emr}


def state_of(run: Any) -> str:
    return str(getattr(run.state, "value", run.state))


def test_the_serverless_dag_starts_the_job_run_and_waits_for_it(dags: dict[str, Any]) -> None:
    assert state_of(dags["serverless"].test()) == "success"
    client = boto3.client("emr-serverless", region_name=REGION)
    (application,) = client.list_applications()["applications"]
    run = client.list_job_runs(applicationId=application["id"])["jobRuns"][-1]
    found = client.get_job_run(applicationId=application["id"], jobRunId=run["id"])["jobRun"]
    wanted = json.loads(os.environ["AIRFLOW_VAR_ORCHARD_START_JOB_RUN"])
    assert found["jobDriver"] == wanted["jobDriver"]
    assert found["executionTimeoutMinutes"] == 60


def test_the_serverless_dag_waits_longer_than_the_job_run_may_take(dags: dict[str, Any]) -> None:
    task = dags["serverless"].get_task("run")
    wanted = json.loads(os.environ["AIRFLOW_VAR_ORCHARD_START_JOB_RUN"])
    minutes = wanted["executionTimeoutMinutes"]
    assert task.config["executionTimeoutMinutes"] == minutes
    assert task.waiter_delay * task.waiter_max_attempts > (60 + minutes) * 60, "queue and run"


@pytest.mark.parametrize("why", ["the waiter's limit", "the network"])
def test_a_serverless_dag_that_fails_leaves_no_job_run_that_is_paid_on(
    dags: dict[str, Any], monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    from airflow.providers.amazon.aws.operators import emr
    from moto.emrserverless import models

    def unreachable(**_: Any) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(models, "JOB_STATUS", "RUNNING")
    task = dags["serverless"].get_task("run")
    task.waiter_delay, task.waiter_max_attempts = 0, 2
    if why == "the network":
        monkeypatch.setattr(emr, "wait", unreachable)
    assert state_of(dags["serverless"].test()) == "failed"
    client = boto3.client("emr-serverless", region_name=REGION)
    (application,) = client.list_applications()["applications"]
    runs = client.list_job_runs(applicationId=application["id"])["jobRuns"]
    assert {run["state"] for run in runs} <= {"CANCELLED", "SUCCESS"}
    assert runs[-1]["state"] == "CANCELLED"


def test_an_emr_dag_that_fails_leaves_no_cluster_and_counts_as_failed(
    dags: dict[str, Any],
) -> None:
    flow = json.loads(os.environ["AIRFLOW_VAR_ORCHARD_RUN_JOB_FLOW"])
    sensor = dags["emr"].get_task("ended")
    minutes = next(
        int(action["ScriptBootstrapAction"]["Args"][0])
        for action in flow["BootstrapActions"]
        if action["Name"] == "stop after"
    )
    assert minutes * 60 < sensor.timeout < 12 * 3600
    sensor.timeout, sensor.poke_interval = 0, 1
    assert state_of(dags["emr"].test()) == "failed"
    client = boto3.client("emr", region_name=REGION)
    alive = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
    assert client.list_clusters(ClusterStates=alive)["Clusters"] == []


def test_the_emr_dag_starts_a_cluster_and_sees_its_end(dags: dict[str, Any]) -> None:
    dags["emr"].get_task("ended").poke_interval = 1
    client, ended = boto3.client("emr", region_name=REGION), threading.Event()

    def end_like_its_steps_do() -> None:
        while not ended.wait(0.5):
            for cluster in client.list_clusters()["Clusters"]:
                client.terminate_job_flows(JobFlowIds=[cluster["Id"]])

    thread = threading.Thread(target=end_like_its_steps_do)
    thread.start()
    try:
        assert state_of(dags["emr"].test()) == "success"
    finally:
        ended.set()
        thread.join()
    cluster = client.list_clusters()["Clusters"][0]  # the newest comes first
    (step,) = client.list_steps(ClusterId=cluster["Id"])["Steps"]
    assert step["ActionOnFailure"] == "TERMINATE_CLUSTER"
    described = client.describe_cluster(ClusterId=cluster["Id"])["Cluster"]
    assert described["ReleaseLabel"] == "emr-7.13.0"
    assert {tag["Key"] for tag in described["Tags"]} >= {"orchard:stack"}
