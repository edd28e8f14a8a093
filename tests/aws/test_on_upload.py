"""Runs that an upload has started are found, and tell how they are getting on."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from aws.conftest import REGION, orchard
from aws.test_flows import run_of
from aws.test_policies import resources
from orchard.aws import launch as launches
from orchard.aws import on_upload
from orchard.aws.cluster import Cluster
from orchard.aws.job import MAIN, execute
from orchard.errors import ConfigError, OrchardError


def installed(cluster: Cluster, photos: Path) -> str:
    """The application that uploads start runs on."""
    backend = cluster.deploy()
    on_upload.install(cluster, backend, run_of(photos), cluster.upload_code())
    return backend.up()


def event(cluster: Cluster, application: str) -> tuple[str, str]:
    """Do what the state machine does when EventBridge calls it; (job run, the event's id)."""
    ((_, machine),) = resources("AWS::StepFunctions::StateMachine").items()
    text, identity = machine["DefinitionString"], str(uuid.uuid4())
    filled = {
        "ApplicationId": application,
        "Minutes": "60",
        "RoleArn": f"arn:aws:iam::123456789012:role/orchard-{REGION}-job",
        "Job": f"s3://{cluster.bucket}/jobs/on-upload",
    }
    for name in machine["DefinitionSubstitutions"]:
        text = text.replace(f"${{{name}}}", filled.get(name, name))
    asked = json.loads(text)["States"]["Start"]["Parameters"]
    spark = asked["JobDriver"]["SparkSubmit"]
    assert spark["EntryPointArguments.$"] == f"States.Array('{filled['Job']}', $.id)"
    started = cluster.account.client("emr-serverless").start_job_run(
        applicationId=asked["ApplicationId"],
        clientToken=identity,
        executionRoleArn=asked["ExecutionRoleArn"],
        name=asked["Name"],
        jobDriver={
            "sparkSubmit": {
                "entryPoint": spark["EntryPoint"],
                "entryPointArguments": [filled["Job"], identity],
            }
        },
    )
    return started["jobRunId"], identity


def test_a_run_that_an_upload_started_is_the_newest_in_status(
    cluster: Cluster, photos: Path
) -> None:
    application = installed(cluster, photos)
    with pytest.raises(OrchardError, match="nothing has been started from"):
        launches.load(cluster.account, cluster.bucket)
    job, identity = event(cluster, application)
    told = {"total": 40, "done": 33, "errors": 1, "events": []}
    cluster.account.client("s3").put_object(
        Bucket=cluster.bucket,
        Key=f"jobs/on-upload/{identity}/progress.json",
        Body=json.dumps(told).encode(),
    )
    found = launches.load(cluster.account, cluster.bucket)
    assert (found.job, found.cluster, found.config) == (job, application, cluster.config)
    assert found.id.endswith(f"-{job}")
    assert list((found.run or {})["exclude"]) == ["_READY"]
    for wanted in ((), (job,), (found.id,)):
        shown = orchard("cluster", "status", *wanted, "--region", REGION)
        assert shown.exit_code == 0, shown.output
        assert shown.stdout.startswith(f"{found.id} on {application}: SUCCESS")
        assert "33 of 40 images, 1 errors" in shown.stdout


def test_each_upload_s_run_has_a_place_of_its_own(cluster: Cluster, photos: Path) -> None:
    application = installed(cluster, photos)
    first, second = (event(cluster, application) for _ in range(2))
    for job, identity in (first, second):
        found = launches.load(cluster.account, cluster.bucket, job)
        assert found.url == f"s3://{cluster.bucket}/jobs/on-upload/{identity}"
    with pytest.raises(ConfigError, match="there is no such launch"):
        launches.load(cluster.account, cluster.bucket, "00none")


def test_runs_of_other_names_on_the_application_are_not_taken_for_uploads(
    cluster: Cluster, photos: Path
) -> None:
    installed(cluster, photos)
    made = cluster.submit(cluster.backend(), run_of(photos), "s3://b/c.zip", alone=False)
    assert launches.load(cluster.account, cluster.bucket).id == made.id


def test_one_description_serves_runs_that_report_apart(tmp_path: Path) -> None:
    run: dict[str, Any] = {"sources": ["x"], "include": [], "exclude": [], "output": "o", "size": 7}
    (tmp_path / "job.json").write_text(json.dumps({"run": run}))
    assert execute(str(tmp_path), "event-1") == 2
    told = json.loads((tmp_path / "event-1/progress.json").read_text())
    assert told["detail"].startswith("--size 7: ")
    assert not (tmp_path / "progress.json").exists()
    assert "execute(*sys.argv[1:])" in MAIN
