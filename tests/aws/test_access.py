"""A bucket of one's own: as SOURCE under a key, as OUTPUT, and elsewhere in the EU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from aws.conftest import REGION, orchard
from orchard.aws import stack
from orchard.aws.access import Access, keys_of
from orchard.aws.cluster import Cluster
from orchard.aws.launch import Launch
from orchard.aws.whole_run import _fetch, whole_run
from orchard.config import RunConfig
from orchard.errors import ConfigError

FOREIGN = f"arn:aws:kms:{REGION}:999999999999:key/00000000-0000-0000-0000-000000000000"


def make(cluster: Cluster, name: str, key: str | None = None) -> Any:
    s3 = cluster.account.client("s3")
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    if key:
        rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
        rules = [{"ApplyServerSideEncryptionByDefault": rule}]
        s3.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration={"Rules": rules})
    return s3


def run_of(source: str, output: str = "out") -> RunConfig:
    return RunConfig(sources=(source,), output=output, weights="fruit")


def policy(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    found = cluster.account.client("iam").get_role_policy(
        RoleName=f"orchard-{REGION}-job", PolicyName=name
    )["PolicyDocument"]
    return list(found["Statement"])


def said(cluster: Cluster) -> str:
    return " ".join(cluster.reporter.console.file.getvalue().split())  # type: ignore[attr-defined]


@pytest.fixture
def key(cluster: Cluster) -> str:
    return str(cluster.account.client("kms").create_key()["KeyMetadata"]["Arn"])


def test_images_under_a_key_of_the_account_may_be_decrypted(cluster: Cluster, key: str) -> None:
    make(cluster, "mine", key)
    access = cluster.check_places(run_of("s3://mine/a"))
    assert access == Access(("mine",), keys=(key,))
    cluster.deploy(access)
    (statement,) = policy(cluster, "source-keys")
    assert (statement["Action"], statement["Resource"]) == ("kms:Decrypt", [key])
    assert "refused" not in said(cluster)


def test_images_that_lie_under_another_key_than_new_ones_are_looked_at(
    cluster: Cluster, key: str
) -> None:
    s3 = make(cluster, "mine")
    s3.put_object(Bucket="mine", Key="b/1.png", ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
    assert keys_of(cluster.account, "s3://mine/a") == set()
    assert keys_of(cluster.account, "s3://mine/b") == {key}


def test_a_key_by_its_alias_is_granted_by_its_arn(cluster: Cluster, key: str) -> None:
    cluster.account.client("kms").create_alias(AliasName="alias/photos", TargetKeyId=key)
    make(cluster, "mine", "alias/photos")
    assert keys_of(cluster.account, "s3://mine") == {key}


def test_the_key_of_another_account_is_told_with_what_its_policy_needs(cluster: Cluster) -> None:
    make(cluster, "mine", FOREIGN)
    with Stubber(cluster.account.client("kms")) as stub:
        stub.add_client_error("describe_key", "AccessDeniedException")
        access = cluster.check_places(run_of("s3://mine/a"))
    assert access.keys == (FOREIGN,)
    text = said(cluster)
    assert f"{FOREIGN}: jobs are refused its objects unless its policy allows them" in text
    statement = json.loads(text[text.index("{") :])
    assert statement["Principal"]["AWS"].endswith(f":role/orchard-{REGION}-job")
    assert statement["Action"] == ["kms:Decrypt"]


def test_a_key_that_does_not_leave_it_to_iam_is_told(cluster: Cluster) -> None:
    narrow = {"Version": "2012-10-17", "Statement": []}
    kms = cluster.account.client("kms")
    key = kms.create_key(Policy=json.dumps(narrow))["KeyMetadata"]["Arn"]
    make(cluster, "mine", key)
    cluster.check_places(run_of("s3://mine/a"))
    assert f"{key}: jobs are refused its objects unless" in said(cluster)


def test_results_may_lie_in_a_bucket_of_one_s_own(cluster: Cluster, key: str, photos: Path) -> None:
    make(cluster, "mine", key)
    run = run_of(str(photos), "s3://mine/fruits/result")
    access = cluster.check_places(run)
    assert access == Access(outputs=("mine/fruits/result",), output_keys=(key,))
    cluster.deploy(access)
    listed, written = policy(cluster, "outputs")
    assert listed["Resource"] == ["arn:aws:s3:::mine"]
    assert written["Resource"] == ["arn:aws:s3:::mine/fruits/result/*"]
    (statement,) = policy(cluster, "output-keys")
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert cluster.distant(run).output == "s3://mine/fruits/result"
    cluster.deploy()
    assert stack.granted(cluster.account, "orchard") == access, "a run under way may need it"


def test_submit_says_how_a_place_for_results_is_allowed(cluster: Cluster, photos: Path) -> None:
    make(cluster, "mine")
    cluster.deploy()
    submit = ("cluster", "submit", photos, "s3://mine/fruits/a", "--region", REGION)
    shown = orchard(*submit, "--weights", "fruit")
    assert shown.exit_code == 2
    assert shown.stderr.splitlines()[-1] == (
        "orchard: OUTPUT s3://mine/fruits/a: jobs may not write there yet; `orchard cluster up "
        "--output-bucket s3://mine/fruits/a` allows it"
    )
    up = ("cluster", "up", "--region", REGION, "--yes", "--output-bucket", "s3://mine/fruits")
    assert orchard(*up).exit_code == 0
    run = run_of(str(photos), "s3://mine/fruits/a")
    cluster.check_granted(run, cluster.check_places(run))
    other = run_of(str(photos), "s3://mine/fruits-of-others/a")
    with pytest.raises(ConfigError, match="jobs may not write there yet"):
        cluster.check_granted(other, cluster.check_places(other))


def test_submit_refuses_a_key_that_jobs_may_not_use(cluster: Cluster, key: str) -> None:
    make(cluster, "mine")
    cluster.deploy(cluster.access(("s3://mine",), ()))
    rule = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    cluster.account.client("s3").put_bucket_encryption(
        Bucket="mine",
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": rule}]},
    )
    run = run_of("s3://mine/a")
    with pytest.raises(ConfigError, match=f"{key}: jobs may not use that key yet"):
        cluster.check_granted(run, cluster.check_places(run))


@pytest.mark.parametrize("places", [("s3://dublin/a", "out"), ("s3://near/a", "s3://dublin/a")])
def test_a_bucket_elsewhere_in_the_eu_is_refused_with_its_region(
    cluster: Cluster, places: tuple[str, str]
) -> None:
    make(cluster, "near")
    boto3.client("s3", region_name="eu-west-1").create_bucket(
        Bucket="dublin", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    with pytest.raises(ConfigError, match=r"dublin lies in eu-west-1.*use --region eu-west-1"):
        cluster.check_places(run_of(*places))


def test_a_whole_bucket_is_no_place_for_a_result(cluster: Cluster, photos: Path) -> None:
    make(cluster, "mine")
    with pytest.raises(ConfigError, match="OUTPUT s3://mine: give a folder in the bucket, such as"):
        cluster.check_places(run_of(str(photos), "s3://mine"))


def test_the_tables_come_back_where_they_are_wanted(cluster: Cluster, tmp_path: Path) -> None:
    cluster.deploy()
    parts = ("features/_delta_log/0.json", "report/index.html", "explained_variance.csv")
    for part in (*parts, "runs/1.json"):
        s3 = cluster.account.client("s3")
        s3.put_object(Bucket=cluster.bucket, Key=f"results/r/{part}", Body=part.encode())
    run = {"output": f"s3://{cluster.bucket}/results/r"}
    launch = Launch("1", cluster.config, "a", "j", None, run)

    def fetched(what: str) -> set[str]:
        folder = tmp_path / what
        _fetch(cluster, run_of("s3://mine/a", str(folder)), launch, what)
        return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()}

    assert fetched("report") == {"report/index.html", "runs/1.json", "explained_variance.csv"}
    assert fetched("tables") == {*parts, "runs/1.json"}


def test_tables_have_no_way_into_a_bucket(cluster: Cluster) -> None:
    with pytest.raises(
        ConfigError, match="--fetch tables: OUTPUT s3://mine/a is no folder on this"
    ):
        whole_run(cluster, run_of("s3://b/a", "s3://mine/a"), None, print, fetch="tables")
