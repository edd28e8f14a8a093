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
    (run,) = client.list_job_runs(applicationId=application["id"])["jobRuns"]
    found = client.get_job_run(applicationId=application["id"], jobRunId=run["id"])["jobRun"]
    wanted = json.loads(os.environ["AIRFLOW_VAR_ORCHARD_START_JOB_RUN"])
    assert found["jobDriver"] == wanted["jobDriver"]
    assert found["executionTimeoutMinutes"] == 60


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
    (cluster,) = client.list_clusters()["Clusters"]
    (step,) = client.list_steps(ClusterId=cluster["Id"])["Steps"]
    assert step["ActionOnFailure"] == "TERMINATE_CLUSTER"
    described = client.describe_cluster(ClusterId=cluster["Id"])["Cluster"]
    assert described["ReleaseLabel"] == "emr-7.13.0"
    assert {tag["Key"] for tag in described["Tags"]} >= {"orchard:stack"}
