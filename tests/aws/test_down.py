"""Taking down: nothing is left, an interruption is gone on from, what is forgotten is found."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID

from aws.conftest import REGION, orchard
from orchard.aws import notebooks, serverless, stack, sweep, teardown
from orchard.aws.account import Account
from orchard.aws.cluster import Cluster
from orchard.cloud.regions import REGIONS
from orchard.config import RunConfig

BUCKET = f"orchard-{DEFAULT_ACCOUNT_ID}-{REGION}"
DOWN = ("cluster", "down", "--everything", "--yes", "--region", REGION)


@pytest.fixture
def full(cluster: Cluster, ec2_cluster: Cluster, photos: Path) -> Cluster:
    """Both backends, a job on each, notebooks' password, e-mail, old versions, half an upload."""
    run = RunConfig(sources=(str(photos),), output="result", weights="fruit")
    account = cluster.account
    for made in (cluster, ec2_cluster):
        backend = made.deploy()
        s3 = account.client("s3")  # moto's CloudFormation does not turn versions on
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        made.submit(backend, run, made.upload_code(), alone=True)
    notebooks.set_password(account, "orchard")
    for content in (b"old", b"new"):
        s3.put_object(Bucket=BUCKET, Key="images/a.png", Body=content)
    s3.delete_object(Bucket=BUCKET, Key="images/a.png")
    s3.create_multipart_upload(Bucket=BUCKET, Key="images/b.png")
    return cluster


def is_shared(role: dict[str, Any]) -> bool:
    """Whether a role is the account's own, such as EC2's for Spot, which others use too."""
    return str(role["Path"]).startswith("/aws-service-role/")


def left_in(account: Account) -> list[Any]:
    return [
        *account.client("s3").list_buckets()["Buckets"],
        *account.client("cloudformation").describe_stacks()["Stacks"],
        *(role for role in account.client("iam").list_roles()["Roles"] if not is_shared(role)),
        *account.client("iam").list_instance_profiles()["InstanceProfiles"],
        *account.client("secretsmanager").list_secrets()["SecretList"],
        *account.client("logs").describe_log_groups()["logGroups"],
        *[v for v in account.client("ec2").describe_vpcs()["Vpcs"] if not v["IsDefault"]],
        *account.client("emr").list_clusters(ClusterStates=["RUNNING", "WAITING"])["Clusters"],
        *serverless.applications(account),
    ]


def test_down_everything_leaves_nothing(full: Cluster) -> None:
    assert len(left_in(full.account)) > 8
    shown = orchard(*DOWN)
    assert shown.exit_code == 0, shown.output
    assert shown.stdout == f"nothing of orchard is left in {REGION}\n"
    assert left_in(full.account) == []
    assert orchard(*DOWN).exit_code == 0, "there is nothing to take down, and that is no error"


@pytest.mark.parametrize("at", ["delete_objects", "delete_secret", "delete_stack"])
def test_a_down_that_was_interrupted_goes_on(
    full: Cluster, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    services = {"delete_objects": "s3", "delete_secret": "secretsmanager"}
    client = full.account.client(services.get(at, "cloudformation"))

    def interrupted(**_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(client, at, interrupted)
        with pytest.raises(KeyboardInterrupt):
            teardown.remove_all(full.account, "orchard", lambda _: None)
    assert left_in(full.account)
    assert teardown.remove_all(full.account, "orchard", lambda _: None) == []
    assert left_in(full.account) == []


def test_a_bucket_whose_stack_is_gone_is_taken_down_too(cluster: Cluster) -> None:
    s3 = cluster.account.client("s3")
    where = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    s3.put_object(Bucket=BUCKET, Key="a", Body=b"")
    assert teardown.remove_all(cluster.account, "orchard", lambda _: None) == []
    assert s3.list_buckets()["Buckets"] == []


def test_what_stays_is_listed(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.deploy()
    monkeypatch.setattr(stack, "remove", lambda *_: None)
    shown = orchard(*DOWN)
    assert shown.exit_code == 1
    assert "still there: stack orchard (CREATE_COMPLETE)" in shown.stderr
    assert shown.stderr.splitlines()[-1].endswith("run the same command again")


def test_security_groups_that_name_each_other_are_untangled(ec2_cluster: Cluster) -> None:
    """As EMR leaves them."""
    ec2_cluster.deploy()
    ec2 = ec2_cluster.account.client("ec2")
    outputs = stack.outputs(ec2_cluster.account, "orchard-ec2")
    groups = [outputs["PrimaryGroupId"], outputs["NodeGroupId"]]
    for one, other in (groups, groups[::-1]):
        rule = {"IpProtocol": "tcp", "FromPort": 0, "ToPort": 65535}
        pair = [{"GroupId": other}]
        ec2.authorize_security_group_ingress(
            GroupId=one, IpPermissions=[rule | {"UserIdGroupPairs": pair}]
        )
    teardown._untangle(ec2_cluster.account, outputs)
    found = ec2.describe_security_groups(GroupIds=groups)["SecurityGroups"]
    assert not any(rule["UserIdGroupPairs"] for group in found for rule in group["IpPermissions"])


def test_down_ends_what_runs_and_keeps_the_rest(full: Cluster) -> None:
    shown = orchard("cluster", "down", "--region", REGION)
    assert shown.exit_code == 0, shown.output
    assert "ending cluster j-" in shown.stderr
    assert full.account.client("emr").list_clusters(ClusterStates=["RUNNING"])["Clusters"] == []
    (application,) = serverless.applications(full.account)
    assert application["state"] == "STOPPED"
    assert stack.describe(full.account.client("cloudformation"), "orchard")


def test_an_application_is_stopped_when_its_job_runs_have_ended(cluster: Cluster) -> None:
    """It refuses to stop while one is being cancelled, which takes its time."""
    application = cluster.deploy().up()
    client = cluster.account.client("emr-serverless")
    asked: list[str] = []
    left = iter([["r-1"], ["r-1"], ["r-1"], []])

    def runs(_: Any, application: str, states: Any = None) -> list[str]:
        return next(left)

    client.start_application(applicationId=application)
    for name in ("CancelJobRun", "StopApplication"):
        client.meta.events.register_first(
            f"before-parameter-build.emr-serverless.{name}",
            lambda model, **_: asked.append(model.name),
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(serverless, "runs", runs)
        patch.setattr(client, "cancel_job_run", lambda **_: asked.append("CancelJobRun"))
        serverless.stop(
            cluster.account, application, lambda _: None, lambda _: asked.append("pause")
        )
    assert asked == ["CancelJobRun", "pause", "pause", "StopApplication"]


def test_a_removal_that_took_one_security_group_goes_on(ec2_cluster: Cluster) -> None:
    ec2_cluster.deploy()
    outputs = stack.outputs(ec2_cluster.account, "orchard-ec2")
    ec2_cluster.account.client("ec2").delete_security_group(GroupId=outputs["NodeGroupId"])
    teardown._untangle(ec2_cluster.account, outputs)


def test_a_cluster_on_its_way_out_is_waited_for(
    ec2_cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its nodes still use what is to be removed; an interrupted `down` has ended it before."""
    made = ec2_cluster.start()
    emr = ec2_cluster.account.client("emr")
    waited: list[str] = []

    class Waiter:
        def wait(self, ClusterId: str) -> None:
            waited.append(ClusterId)

    described = emr.describe_cluster
    ending = {"Status": {"State": "TERMINATING"}}

    def describe(ClusterId: str) -> Any:
        return {"Cluster": described(ClusterId=ClusterId)["Cluster"] | ending}

    def clusters(_: Account, states: list[str]) -> list[dict[str, str]]:
        return [{"Id": made.cluster}] if "TERMINATING" in states else []

    monkeypatch.setattr(teardown, "clusters", clusters)
    monkeypatch.setattr(emr, "get_waiter", lambda _: Waiter())
    monkeypatch.setattr(emr, "describe_cluster", describe)
    teardown.stop_all(ec2_cluster.account, "orchard", lambda _: None)
    assert waited == [made.cluster]


def test_down_asks_before_it_deletes_results(cluster: Cluster) -> None:
    cluster.deploy()
    shown = orchard("cluster", "down", "--everything", "--region", REGION, input="n\n")
    assert shown.exit_code == 2
    assert shown.stderr == "orchard: nothing was done; --yes does not ask\n"
    assert boto3.client("s3").list_buckets()["Buckets"]


def test_the_sweep_finds_clusters_in_every_region(full: Cluster) -> None:
    other = Account("eu-north-1")
    from orchard.cloud.settings import ClusterConfig

    Cluster(other, ClusterConfig(region="eu-north-1"), full.reporter, full.build).deploy()
    shown = orchard("cluster", "list", "--all-regions")
    assert shown.exit_code == 0, shown.output
    found = {(item.region, item.kind) for item in sweep.look(full.account) + sweep.look(other)}
    assert found >= {(REGION, "cluster"), (REGION, "bucket"), ("eu-north-1", "stack")}
    for text in ("eu-north-1", REGION, "cluster", "application"):
        assert text in shown.stdout
    assert set(REGIONS) >= {region for region, _ in found}


def test_the_sweep_knows_its_own_buckets(cluster: Cluster) -> None:
    """Other tools name theirs after account and region too; one whose stack is gone has the tag."""
    cluster.deploy()
    s3 = cluster.account.client("s3")
    where = {"LocationConstraint": REGION}
    end = f"{DEFAULT_ACCOUNT_ID}-{REGION}"
    for name in (f"cdk-hnb659fds-assets-{end}", f"left-{end}"):
        s3.create_bucket(Bucket=name, CreateBucketConfiguration=where)
    tags = [{"Key": "orchard:stack", "Value": "left"}]
    s3.put_bucket_tagging(Bucket=f"left-{end}", Tagging={"TagSet": tags})
    found = [item.name for item in sweep.look(cluster.account) if item.kind == "bucket"]
    assert sorted(found) == [f"left-{end}", BUCKET]


def test_a_region_that_the_account_has_not_is_left_out(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS refuses the credentials there as if they were wrong; so it is with Milan and Spain."""
    there = [{"RegionName": name} for name in (*list(REGIONS)[:4], "us-east-1")]
    monkeypatch.setattr(sweep, "Account", lambda _: SimpleNamespace(client=lambda _: ec2))
    ec2 = SimpleNamespace(describe_regions=lambda: {"Regions": there})
    assert sweep.enabled() == list(REGIONS)[:4]


def test_an_empty_account_has_nothing(account: Account) -> None:
    shown = orchard("cluster", "list", "--region", REGION)
    assert shown.stdout == f"nothing of Orchard's in {REGION}\n"
