"""`orchard cluster` from up to down, against moto in eu-west-3."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto.core import DEFAULT_ACCOUNT_ID
from moto.emr import emr_backends

from aws.conftest import REGION, keys, orchard
from orchard.aws import on_upload, serverless, stack, sync, teardown
from orchard.aws.account import Account
from orchard.aws.cluster import Cluster
from orchard.config import RunConfig
from orchard.errors import ConfigError, SourceError

BUCKET = f"orchard-{DEFAULT_ACCOUNT_ID}-{REGION}"


def run_of(photos: Path, **settings: Any) -> RunConfig:
    return RunConfig(sources=(str(photos),), output="result", weights="untrained", **settings)


def said(cluster: Cluster) -> str:
    return str(cluster.reporter.console.file.getvalue())  # type: ignore[attr-defined]


# up


def test_up_makes_the_stack_once(cluster: Cluster) -> None:
    first = cluster.deploy().up()
    assert said(cluster) == "stack orchard: making it\n"
    assert cluster.deploy().up() == first
    assert keys(BUCKET) == {"code/main.py"}


def test_an_up_that_was_interrupted_goes_on(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud = cluster.account.client("cloudformation")
    with monkeypatch.context() as patch:
        patch.setattr(cloud, "get_waiter", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cluster.deploy()
    assert stack.describe(cloud, "orchard"), "the stack is on its way"
    assert cluster.deploy().up()


def interrupted(*_: Any) -> Any:
    raise KeyboardInterrupt


def test_a_stack_still_being_made_is_waited_for(account: Account) -> None:
    states = iter(["CREATE_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE"])
    cloud = account.client("cloudformation")
    waited: list[str] = []

    class Waiter:
        def __init__(self, name: str) -> None:
            waited.append(name)

        def wait(self, **_: Any) -> None: ...

    class Cloud:
        exceptions = cloud.exceptions
        get_waiter = staticmethod(Waiter)

        @staticmethod
        def describe_stacks(StackName: str) -> dict[str, Any]:
            return {"Stacks": [{"StackStatus": next(states), "StackName": StackName}]}

    found = stack._settled(Cloud, "orchard")
    assert found is not None
    assert found["StackStatus"] == "CREATE_COMPLETE"
    assert waited == ["stack_create_complete"] * 2


def test_a_stack_that_failed_is_removed_and_made_anew(account: Account) -> None:
    cloud = account.client("cloudformation")
    calls = []
    with Stubber(cloud) as stub:
        made = {"StackName": "orchard", "CreationTime": 0}
        stub.add_response(
            "describe_stacks", {"Stacks": [made | {"StackStatus": "ROLLBACK_COMPLETE"}]}
        )
        stub.add_response(
            "describe_stacks", {"Stacks": [made | {"StackStatus": "ROLLBACK_COMPLETE"}]}
        )
        stub.add_response("delete_stack", {})
        gone = {"service_error_code": "ValidationError", "service_message": "does not exist"}
        stub.add_client_error("describe_stacks", **gone)
        stub.add_response("create_stack", {"StackId": "x"})
        done = {"Stacks": [made | {"StackStatus": "CREATE_COMPLETE"}]}
        stub.add_response("describe_stacks", done)
        stub.add_response("describe_stacks", done)
        assert stack.ensure(account, "orchard", "durable", {}, say=calls.append) == {}
        stub.assert_no_pending_responses()
    assert calls[0] == "stack orchard: removing what a failed attempt left"


def test_up_on_ec2_starts_one_cluster_however_often_it_is_called(ec2_cluster: Cluster) -> None:
    first = ec2_cluster.deploy().up()
    assert ec2_cluster.deploy().up() == first
    assert {"code/step.sh", "code/stop_after.sh", "code/certificates.zip"} <= keys(BUCKET)
    backend = emr_backends[DEFAULT_ACCOUNT_ID][REGION]
    assert len(backend.clusters) == 1
    made = backend.clusters[first]
    assert made.security_configuration == "orchard-encryption"
    assert made.release_label == "emr-7.13.0"


def test_ssh_is_closed_to_the_world_for_the_region(ec2_cluster: Cluster) -> None:
    emr = ec2_cluster.account.client("emr")
    port_22 = [{"MinRange": 22, "MaxRange": 22}]
    usual = {
        "BlockPublicSecurityGroupRules": True,
        "PermittedPublicSecurityGroupRuleRanges": port_22,
    }
    emr.put_block_public_access_configuration(BlockPublicAccessConfiguration=usual)
    ec2_cluster.deploy()
    found = emr.get_block_public_access_configuration()["BlockPublicAccessConfiguration"]
    assert found["BlockPublicSecurityGroupRules"] is True
    assert not found.get("PermittedPublicSecurityGroupRuleRanges")
    ec2_cluster.deploy()
    assert said(ec2_cluster).count("port 22 included") == 1, "said when it is changed"


def test_notebooks_get_a_password_of_their_own_and_keep_it(account: Account, code: Any) -> None:
    assert orchard(*UP, "--backend", "ec2", "--notebooks").exit_code == 0
    secrets = account.client("secretsmanager")
    first = secrets.get_secret_value(SecretId="orchard/orchard/jupyterhub")["SecretString"]
    assert len(first) >= 24
    shown = orchard(*UP, "--backend", "ec2", "--notebooks")
    assert secrets.get_secret_value(SecretId="orchard/orchard/jupyterhub")["SecretString"] == first
    assert first not in shown.output


UP = ("cluster", "up", "--region", REGION, "--yes")


def test_a_started_application_is_stopped_before_it_is_changed(cluster: Cluster) -> None:
    application = cluster.deploy().up()
    client = cluster.account.client("emr-serverless")
    client.start_application(applicationId=application)
    states = iter(["STARTED", "STOPPING"])
    waited: list[float] = []

    def state(client: Any, application: str) -> str:
        return next(states, "STOPPED")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serverless, "_state", state)
        serverless.rest(cluster.account, "orchard", waited.append)
    assert len(waited) == 2
    found = client.get_application(applicationId=application)["application"]
    assert found["state"] == "STOPPED"


# upload


def test_only_what_differs_is_uploaded(cluster: Cluster, photos: Path, tmp_path: Path) -> None:
    source = shutil.copytree(photos, tmp_path / "photos")
    cluster.deploy()
    run = run_of(source)
    cluster.upload_images(cluster.plan_upload(run))
    assert "images/photos/sweet pepper/3.png" in keys(BUCKET)
    ((upload, prefix),) = cluster.plan_upload(run)
    assert (upload.n_files, upload.missing, prefix) == (40, (), "images/photos/")
    changed = source / "apple/0.png"
    changed.write_bytes(changed.read_bytes()[::-1])
    (source / "apple/new.png").write_bytes(b"new")
    ((upload, _),) = cluster.plan_upload(run)
    assert {file.path.name for file in upload.missing} == {"0.png", "new.png"}
    cluster.upload_images(cluster.plan_upload(run))
    stored = boto3.client("s3", region_name=REGION).get_object(
        Bucket=BUCKET, Key="images/photos/apple/0.png", ChecksumMode="ENABLED"
    )
    assert stored["Body"].read() == changed.read_bytes()
    assert stored["ChecksumSHA256"]


def test_an_interrupted_upload_is_gone_on_with(
    cluster: Cluster, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.deploy()
    s3, put, n = cluster.account.client("s3"), cluster.account.client("s3").put_object, []

    def put_some(**request: Any) -> Any:
        n.append(1)
        if len(n) > 10:
            raise KeyboardInterrupt
        return put(**request)

    with monkeypatch.context() as patch:
        patch.setattr(s3, "put_object", put_some)
        with pytest.raises(KeyboardInterrupt):
            cluster.upload_images(cluster.plan_upload(run_of(photos)))
    ((upload, _),) = cluster.plan_upload(run_of(photos))
    assert 0 < len(upload.missing) < 40


def test_two_files_of_one_key_are_refused(account: Account, tmp_path: Path) -> None:
    file = sync.File(tmp_path, "images/a", 1)
    with pytest.raises(SourceError, match="two files would be s3://b/images/"):
        sync.plan(account, "b", [file, file], "images/")


def test_what_is_fetched_stays_in_its_folder(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deploy()
    s3 = cluster.account.client("s3")
    s3.put_object(Bucket=BUCKET, Key="results/r/report/../../../evil", Body=b"")
    with pytest.raises(ConfigError, match="leads out of"):
        sync.fetch(cluster.account, BUCKET, "results/r/report/", tmp_path / "report")
    assert not list(tmp_path.glob("**/evil"))


def test_weights_travel_with_the_job(cluster: Cluster, photos: Path, tmp_path: Path) -> None:
    cluster.deploy()
    weights = tmp_path / "mine.onnx"
    weights.write_bytes(b"network")
    run = RunConfig(sources=(str(photos),), output="result", weights=str(weights))
    _, distant = cluster.prepare(run, "1")
    assert {"jobs/1/job.json", "jobs/1/weights/mine.onnx"} <= keys(BUCKET)
    assert distant.sources == (f"s3://{BUCKET}/images/{photos.name}",)
    assert (distant.output, distant.region) == (f"s3://{BUCKET}/results/result", REGION)
    described = json.loads(
        cluster.account.client("s3").get_object(Bucket=BUCKET, Key="jobs/1/job.json")["Body"].read()
    )
    assert described["weights"] == {"file": "mine.onnx", "name": ""}
    assert described["run"]["master"] == "submitted"


# places


@pytest.mark.parametrize("option", ["source", "output"])
def test_images_and_results_stay_in_the_eu(cluster: Cluster, photos: Path, option: str) -> None:
    london = boto3.client("s3", region_name="eu-west-2")
    london.create_bucket(
        Bucket="united-kingdom", CreateBucketConfiguration={"LocationConstraint": "eu-west-2"}
    )
    places = {
        "source": ("s3://united-kingdom/a", "out"),
        "output": (str(photos), "s3://united-kingdom/a"),
    }[option]
    run = RunConfig(sources=places[:1], output=places[1], weights="untrained")
    with pytest.raises(
        ConfigError, match="bucket united-kingdom lies in eu-west-2: London is not in the EU"
    ):
        cluster.check_places(run)


def test_jobs_write_to_their_own_bucket_only(cluster: Cluster) -> None:
    s3 = cluster.account.client("s3")
    s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION})
    run = RunConfig(sources=("s3://mine/a",), output="s3://mine/b", weights="untrained")
    with pytest.raises(ConfigError, match=f"jobs may write to s3://{BUCKET} only"):
        cluster.check_places(run)
    good = RunConfig(sources=("s3://mine/a",), output="out", weights="untrained")
    assert cluster.check_places(good) == ("mine",)


def test_a_source_bucket_may_be_read_by_jobs(cluster: Cluster) -> None:
    s3 = cluster.account.client("s3")
    s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION})
    cluster.deploy(("mine",))
    policy = cluster.account.client("iam").get_role_policy(
        RoleName=f"orchard-{REGION}-job", PolicyName="sources"
    )["PolicyDocument"]
    assert policy["Statement"][1]["Resource"] == ["arn:aws:s3:::mine/*"]


def test_new_images_start_a_run_by_themselves(cluster: Cluster, photos: Path) -> None:
    """moto has no state machine in CloudFormation with our !Ref: the stack is made and removed."""
    backend = cluster.deploy()
    code = cluster.upload_code()
    assert on_upload.install(cluster, backend, run_of(photos), code) == "orchard-on-upload"
    described = cluster.account.client("s3").get_object(
        Bucket=BUCKET, Key="jobs/on-upload/job.json"
    )
    assert json.loads(described["Body"].read())["run"]["exclude"] == ["_READY"]
    cloud = cluster.account.client("cloudformation")
    found = stack.describe(cloud, "orchard-on-upload")
    assert found is not None
    parameters = {p["ParameterKey"]: p["ParameterValue"] for p in found["Parameters"]}
    assert parameters["Job"] == f"s3://{BUCKET}/jobs/on-upload"
    assert parameters["EntryPoint"] == f"s3://{BUCKET}/code/main.py"
    durable = stack.describe(cloud, "orchard")
    assert durable is not None
    notify = {p["ParameterKey"]: p["ParameterValue"] for p in durable["Parameters"]}["Notify"]
    assert notify == "true", "the bucket tells EventBridge"
    assert teardown.remove_all(cluster.account, "orchard", lambda _: None) == []


def test_on_upload_does_not_keep_a_cluster(ec2_cluster: Cluster, photos: Path) -> None:
    backend = ec2_cluster.deploy()
    with pytest.raises(ConfigError, match="--on-upload: runs on --backend serverless"):
        on_upload.install(ec2_cluster, backend, run_of(photos), "s3://b/c.zip")
