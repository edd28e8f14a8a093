"""`orchard cluster` from up to down, against moto in eu-west-3."""

from __future__ import annotations

import itertools
import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from moto.core import DEFAULT_ACCOUNT_ID
from moto.emr import emr_backends

from aws.conftest import REGION, keys, orchard
from orchard.aws import on_upload, serverless, stack, sync, teardown
from orchard.aws.access import Access
from orchard.aws.account import Account
from orchard.aws.cluster import Cluster
from orchard.aws.job import _fetch_weights
from orchard.config import RunConfig
from orchard.errors import ConfigError, OrchardError, SourceError
from orchard.store.output import Output

BUCKET = f"orchard-{DEFAULT_ACCOUNT_ID}-{REGION}"


def run_of(photos: Path, **settings: Any) -> RunConfig:
    return RunConfig(sources=(str(photos),), output="result", weights="fruit", **settings)


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


def interrupted(*_: Any, **__: Any) -> Any:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("under_way", "end"),
    [
        ("CREATE_IN_PROGRESS", "CREATE_COMPLETE"),
        ("ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"),
        ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"),
        ("UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"),
        ("DELETE_IN_PROGRESS", "DELETE_FAILED"),
    ],
)
def test_whatever_happens_to_a_stack_is_waited_for(
    account: Account, under_way: str, end: str
) -> None:
    cloud, waited = account.client("cloudformation"), []
    with Stubber(cloud) as stub:
        for status in (under_way, under_way, end):
            stack_of = {"StackName": "orchard", "CreationTime": 0, "StackStatus": status}
            stub.add_response("describe_stacks", {"Stacks": [stack_of]})
        found = stack._settled(cloud, "orchard", waited.append)
    assert found is not None
    assert (found["StackStatus"], len(waited)) == (end, 2)


def test_a_stack_that_cannot_be_made_says_why(account: Account) -> None:
    cloud = account.client("cloudformation")
    long = f"arn:aws:cloudformation:{REGION}:123456789012:stack/orchard/1"

    def event(name: str, status: str, why: str = "", physical: str = "x") -> dict[str, Any]:
        return {
            **{"StackId": long, "StackName": "orchard", "EventId": name, "Timestamp": 0},
            **{"LogicalResourceId": name, "PhysicalResourceId": physical},
            **{"ResourceStatus": status, "ResourceStatusReason": why},
        }

    newest_first = [
        event("orchard", "DELETE_COMPLETE", physical=long),
        event("LogGroup", "CREATE_FAILED", "Resource creation cancelled"),
        event("JobRole", "CREATE_FAILED", "not authorized to perform: iam:CreateRole"),
        event("orchard", "CREATE_IN_PROGRESS", "User Initiated", physical=long),
        event("Bucket", "CREATE_FAILED", "of an earlier attempt"),
    ]
    gone = {"service_error_code": "ValidationError", "service_message": "does not exist"}
    failed = {"StackName": "orchard", "CreationTime": 0, "StackStatus": "DELETE_COMPLETE"}
    with Stubber(cloud) as stub:
        stub.add_client_error("describe_stacks", **gone)
        stub.add_response("create_stack", {"StackId": long})
        stub.add_response("describe_stacks", {"Stacks": [failed]}, {"StackName": long})
        stub.add_response("describe_stack_events", {"StackEvents": newest_first})
        with pytest.raises(OrchardError) as raised:
            stack.ensure(account, "orchard", "durable", {}, say=lambda _: None)
    assert str(raised.value) == "stack orchard: JobRole: not authorized to perform: iam:CreateRole"


def test_a_stack_that_failed_is_removed_and_made_anew(account: Account) -> None:
    cloud = account.client("cloudformation")
    calls = []
    with Stubber(cloud) as stub:
        made = {"StackName": "orchard", "CreationTime": 0, "StackId": "x"}
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
    assert {"code/step.sh", "code/stop_after.sh"} <= keys(BUCKET)
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


def test_what_was_before_up_is_told_by_down_and_not_loosened(ec2_cluster: Cluster) -> None:
    emr = ec2_cluster.account.client("emr")
    usual = {
        "BlockPublicSecurityGroupRules": True,
        "PermittedPublicSecurityGroupRuleRanges": [{"MinRange": 22, "MaxRange": 22}],
    }
    emr.put_block_public_access_configuration(BlockPublicAccessConfiguration=usual)
    ec2_cluster.deploy()
    ec2_cluster.deploy()
    heard: list[str] = []
    assert teardown.remove_all(ec2_cluster.account, "orchard", heard.append) == []
    last = heard[-1]
    assert "still refuses clusters that are open to the world, since others may rely on it" in last
    words = shlex.split(last.partition("to restore the earlier setting: ")[2])
    assert words[:3] == ["aws", "emr", "put-block-public-access-configuration"]
    assert json.loads(words[4]) == {"BlockPublicAccessConfiguration": usual}
    found = emr.get_block_public_access_configuration()["BlockPublicAccessConfiguration"]
    assert not found.get("PermittedPublicSecurityGroupRuleRanges")
    heard.clear()
    ec2_cluster.deploy()
    assert teardown.remove_all(ec2_cluster.account, "orchard", heard.append) == []
    assert "the earlier setting" not in "".join(heard), "it was strict already: nothing to tell"


def test_an_interrupted_down_has_told_what_was_before(
    ec2_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record goes with the bucket."""
    ec2_cluster.deploy()
    heard: list[str] = []
    monkeypatch.setattr(ec2_cluster.account.client("cloudformation"), "delete_stack", interrupted)
    with pytest.raises(KeyboardInterrupt):
        teardown.remove_all(ec2_cluster.account, "orchard", heard.append)
    assert "to restore the earlier setting: aws emr put-block" in heard[-1]


def test_up_on_a_running_cluster_tells_its_shape_from_its_start(ec2_cluster: Cluster) -> None:
    first = ec2_cluster.start()
    other = replace(ec2_cluster, config=replace(ec2_cluster.config, instance_type="m5.4xlarge"))
    assert other.start() == first
    assert f"cluster {first.cluster} runs already, as {first.id} started it" in said(ec2_cluster)
    mine = replace(other.config, timeout=30, package=("shapely==2.1.2",))
    shaped = replace(other, config=mine).as_running()
    assert (shaped.config.instance_type, shaped.config.timeout) == ("m5.xlarge", 30)
    assert shaped.config.package == ("shapely==2.1.2",), "of the job, not of the cluster"


def test_notebooks_get_a_password_of_their_own_and_keep_it(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "upload_code", lambda self: f"s3://{self.bucket}/code/c.zip")
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


def test_what_lies_in_the_bucket_and_not_in_the_folder_is_told(
    cluster: Cluster, photos: Path, tmp_path: Path
) -> None:
    """Of another folder of the same name, or deleted here since."""
    source = shutil.copytree(photos, tmp_path / "photos")
    cluster.deploy()
    cluster.upload_images(cluster.plan_upload(run_of(source)))
    cluster.plan_upload(run_of(source, limit=3))
    assert "holds" not in said(cluster)
    (source / "apple/0.png").unlink()
    cluster.plan_upload(run_of(source))
    warned = " ".join(said(cluster).split())
    assert f"s3://{BUCKET}/images/photos/ holds 1 files that {source} does not" in warned


def test_an_interrupted_upload_is_gone_on_with(
    cluster: Cluster, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.deploy()
    s3, put = cluster.account.client("s3"), cluster.account.client("s3").put_object
    number = itertools.count(1)

    def put_some(**request: Any) -> Any:
        if next(number) > 10:
            raise KeyboardInterrupt
        return put(**request)

    with monkeypatch.context() as patch:
        patch.setattr(s3, "put_object", put_some)
        with pytest.raises(KeyboardInterrupt):
            cluster.upload_images(cluster.plan_upload(run_of(photos)))
    ((upload, _),) = cluster.plan_upload(run_of(photos))
    assert 0 < len(upload.missing) < 40


def test_archives_are_uploaded_as_they_are(cluster: Cluster, photos: Path, tmp_path: Path) -> None:
    shutil.make_archive(str(tmp_path / "whole"), "zip", photos)
    source = shutil.copytree(photos / "plum", tmp_path / "mixed" / "plum").parent
    shutil.copy(tmp_path / "whole.zip", source / "inner.zip")
    cluster.deploy()
    alone = run_of(tmp_path / "whole.zip")
    ((upload, key),) = cluster.plan_upload(alone)
    assert (key, upload.n_files, upload.n_listed) == ("images/whole.zip", 1, 40)
    cluster.upload_images([(upload, key)])
    assert cluster.distant(alone).sources == (f"s3://{BUCKET}/images/whole.zip",)
    uploads = cluster.plan_upload(run_of(source))
    assert cluster.workload(run_of(source), uploads, None).n_images == 50
    cluster.upload_images(uploads)
    stored = [name for name in keys(BUCKET) if name.startswith("images/")]
    assert sorted(stored) == sorted(
        ["images/whole.zip", "images/mixed/inner.zip"]
        + [f"images/mixed/plum/{n}.png" for n in range(10)]
    )


def test_two_files_of_one_key_are_refused(account: Account, tmp_path: Path) -> None:
    file = sync.File(tmp_path, "images/a", 1)
    with pytest.raises(SourceError, match="two files would be s3://b/images/"):
        sync.plan(account, "b", [file, file], "images/", tmp_path)


def test_what_is_fetched_stays_in_its_folder(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deploy()
    s3 = cluster.account.client("s3")
    s3.put_object(Bucket=BUCKET, Key="results/r/report/../../../evil", Body=b"")
    with pytest.raises(ConfigError, match="points outside"):
        sync.fetch(cluster.account, BUCKET, "results/r/report/", tmp_path / "report")
    assert not list(tmp_path.glob("**/evil"))


def test_the_networks_travel_with_the_job(
    cluster: Cluster, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.deploy()
    weights = tmp_path / "mine.onnx"
    weights.write_bytes(b"network")
    run = RunConfig(sources=(str(photos),), output="result", weights=f"fruit,{weights}")
    _, distant = cluster.prepare(run, "1")
    assert {"jobs/1/job.json", "jobs/1/weights/1/mine.onnx"} <= keys(BUCKET)
    assert distant.sources == (f"s3://{BUCKET}/images/{photos.name}",)
    assert (distant.output, distant.region) == (f"s3://{BUCKET}/results/result", REGION)
    described = json.loads(
        cluster.account.client("s3").get_object(Bucket=BUCKET, Key="jobs/1/job.json")["Body"].read()
    )
    assert described["weights"] == [
        {"file": "", "name": "fruit"}, {"file": "1/mine.onnx", "name": ""}
    ]  # fmt: skip
    place = Output.at(tmp_path / "job")
    place.put("weights/1/mine.onnx", b"network")
    monkeypatch.setenv("ORCHARD_CACHE", "")
    name, path = _fetch_weights(place, described["weights"]).split(",")
    assert (name, Path(path).read_bytes()) == ("fruit", b"network")
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
    run = RunConfig(sources=places[:1], output=places[1], weights="fruit")
    with pytest.raises(
        ConfigError, match="bucket united-kingdom lies in eu-west-2: London is not in the EU"
    ):
        cluster.check_places(run)


def test_in_their_own_bucket_jobs_write_results_only(cluster: Cluster) -> None:
    s3 = cluster.account.client("s3")
    s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION})
    for output in (f"s3://{BUCKET}", f"s3://{BUCKET}/code/x"):
        run = RunConfig(sources=("s3://mine/a",), output=output, weights="fruit")
        with pytest.raises(ConfigError, match=f"jobs may write below s3://{BUCKET}/results/ only"):
            cluster.check_places(run)
    good = RunConfig(sources=("s3://mine/a",), output="out", weights="fruit")
    assert cluster.check_places(good) == Access(("mine",))


def test_a_source_bucket_may_be_read_by_jobs(cluster: Cluster) -> None:
    s3 = cluster.account.client("s3")
    s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION})
    cluster.deploy(Access(("mine",)))
    policy = cluster.account.client("iam").get_role_policy(
        RoleName=f"orchard-{REGION}-job", PolicyName="sources"
    )["PolicyDocument"]
    assert policy["Statement"][1]["Resource"] == ["arn:aws:s3:::mine/*"]
    cluster.deploy(Access(("other",)))
    known = stack.granted(cluster.account, "orchard")
    assert known.sources == ("mine", "other"), "a run may need both"


def test_submit_refuses_a_bucket_that_jobs_may_not_read(cluster: Cluster) -> None:
    s3 = cluster.account.client("s3")
    s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="mine", Key="a/1.png", Body=b"")
    cluster.deploy()
    submit = ("cluster", "submit", "s3://mine/a", "out", "--region", REGION)
    shown = orchard(*submit, "--weights", "fruit")
    assert shown.exit_code == 2
    assert shown.stderr == (
        "orchard: SOURCE s3://mine: jobs may not read that bucket yet; `orchard cluster up "
        "--source-bucket mine` allows it\n"
    )
    cluster.deploy(Access(("mine",)))
    run = RunConfig(sources=("s3://mine/a",), output="out", weights="fruit")
    cluster.check_granted(run, cluster.check_places(run))


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
    with pytest.raises(ConfigError, match="--on-upload: needs --backend serverless"):
        on_upload.install(ec2_cluster, backend, run_of(photos), "s3://b/c.zip")
