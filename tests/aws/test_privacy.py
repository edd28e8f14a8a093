"""`orchard privacy`: the processing record of a result, on a disk and in a bucket of the EU."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from aws.conftest import REGION, orchard
from orchard.aws.cluster import Cluster
from orchard.aws.places import _is_tls_only, guards
from orchard.cli.privacy import _place
from orchard.errors import ConfigError, OrchardError
from orchard.storage import Storage, delete_old_versions, objects
from orchard.store.erase import erase
from orchard.store.output import Output


def test_the_record_tells_what_where_how_long_and_who_can_erase(
    run: Any, photos: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    run(photos, output)
    erase(Output.at(output), [str(photos / "plum/0.png")])
    shown = orchard("privacy", output, "--controller", "Fruits! SAS", "--retention", "a year")
    assert shown.exit_code == 0, shown.output
    found = json.loads((output / "privacy/processing_record.json").read_text())
    assert found["sources"] == [str(photos)]
    assert (found["images"], found["failed"], found["erased"]) == (39, 0, 1)
    assert found["statement"]["controller"] == "Fruits! SAS"
    assert found["statement"]["retention"] == "a year"
    assert found["statement"]["legal_basis"] == "not stated"
    assert found["stored"]["labels"] == "4 different ones"
    assert found["erasure"]["how"].startswith(f"orchard erase {output}")
    assert found["first_run"] <= found["last_run"] <= found["made"]
    assert "plum/0.png" not in json.dumps(found)
    assert "controller" in shown.output


def test_aws_is_not_asked_about_another_server_s_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would answer for a bucket of the same name, that is somebody else's."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    found = _place("s3://photos/out", "http://127.0.0.1:9000", None)
    assert (found["url"], found["server"]) == ("s3://photos/out", "http://127.0.0.1:9000")
    assert _place("gs://photos/out", None, None)["server"] == "gs"


def test_a_folder_without_a_result_is_refused(tmp_path: Path) -> None:
    shown = orchard("privacy", tmp_path)
    assert shown.exit_code == 5
    expected = f"{tmp_path} is not a result of Orchard; expected the OUTPUT of a run"
    assert shown.stderr == f"orchard: {expected}\n"


def test_a_bucket_tells_what_guards_it(cluster: Cluster) -> None:
    """moto makes the bucket of the template with its encryption; the rest is set here."""
    cluster.deploy()
    s3, bucket = cluster.account.client("s3"), cluster.bucket
    before = guards(cluster.account, f"s3://{bucket}/results/a")
    assert before["encryption_at_rest"] == ["AES256"]
    assert before["public_access_blocked"] is False
    assert before["tls_only"] is False
    on = dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration=on)
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    rule = {"ID": "logs", "Status": "Enabled", "Prefix": "logs/", "Expiration": {"Days": 30}}
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": [rule]})
    found = guards(cluster.account, f"s3://{bucket}/results/a")
    assert found["region"] == f"{REGION} (Paris, France)"
    assert "for 30 days" in found["copies_of_aws"], "which no erasure reaches"
    assert found["public_access_blocked"] is True
    assert found["versions_kept"] == "Enabled"
    assert found["retention"] == {"logs": {"Expiration": {"Days": 30}}}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"Principal": {"AWS": "*"}}, True),
        ({"Effect": "Allow"}, False),
        ({"Principal": {"AWS": "arn:aws:iam::123456789012:root"}}, False),
        ({"Condition": {"Bool": {"aws:SecureTransport": "true"}}}, False),
    ],
)
def test_a_bucket_is_tls_only_where_everything_else_is_denied(
    change: dict[str, Any], expected: bool
) -> None:
    denied = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    assert _is_tls_only(json.dumps({"Statement": [denied | change]})) is expected
    assert not _is_tls_only("")


def test_a_bucket_outside_the_eu_is_refused(cluster: Cluster) -> None:
    import boto3

    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="american")
    with pytest.raises(ConfigError, match="bucket american lies in us-east-1; expected a region"):
        guards(cluster.account, "s3://american/out")


def test_erasure_leaves_no_old_version_in_a_bucket(cluster: Cluster) -> None:
    cluster.deploy()
    s3, bucket = cluster.account.client("s3"), cluster.bucket
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("results/a/features/1.parquet", "results/ab/features/1.parquet"):
        for content in (b"old", b"new"):
            s3.put_object(Bucket=bucket, Key=key, Body=content)
    s3.put_object(Bucket=bucket, Key="results/a/features/2.parquet", Body=b"erased")
    s3.delete_object(Bucket=bucket, Key="results/a/features/2.parquet")
    assert delete_old_versions(f"s3://{bucket}/results/a", Storage(region=REGION)) == 3
    found = s3.list_object_versions(Bucket=bucket, Prefix="results/")
    assert "DeleteMarkers" not in found
    left = sorted((item["Key"], item["IsLatest"]) for item in found["Versions"])
    assert left == [
        ("results/a/features/1.parquet", True),
        ("results/ab/features/1.parquet", False),
        ("results/ab/features/1.parquet", True),
    ]


@pytest.mark.parametrize("folder", ["", "/results/a"])
def test_what_was_erased_does_not_come_back_with_its_last_version(
    cluster: Cluster, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of the listing may end between a delete marker and the version that it hides."""
    cluster.deploy()
    s3, bucket = cluster.account.client("s3"), cluster.bucket
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in ("results/a/1.parquet", "results/a/2.parquet"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"erased")
        s3.delete_object(Bucket=bucket, Key=key)
    monkeypatch.setattr(objects, "VERSIONS_AT_ONCE", 1)
    assert delete_old_versions(f"s3://{bucket}{folder}", Storage(region=REGION)) == 4
    found = s3.list_object_versions(Bucket=bucket, Prefix="results/")
    assert "Versions" not in found
    assert "DeleteMarkers" not in found


def test_a_version_that_is_held_is_told(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 answers 200 and names what it has not deleted."""
    cluster.deploy()
    s3, bucket = cluster.account.client("s3"), cluster.bucket
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="out/1", Body=b"held")
    s3.delete_object(Bucket=bucket, Key="out/1")
    held = {"Errors": [{"Key": "out/1", "Code": "AccessDenied"}]}
    monkeypatch.setattr(s3, "delete_objects", lambda **_: held)
    monkeypatch.setattr(objects, "s3_client", lambda _: s3)
    with pytest.raises(OrchardError, match=r"may be left: out/1: AccessDenied; they hold"):
        delete_old_versions(f"s3://{bucket}/out", Storage(region=REGION))


def test_versions_that_cannot_be_deleted_are_told(cluster: Cluster) -> None:
    with pytest.raises(OrchardError, match="old versions in s3://nowhere/out may be left"):
        delete_old_versions("s3://nowhere/out", Storage(region=REGION))


def test_a_server_without_versions_has_none_to_delete(monkeypatch: pytest.MonkeyPatch) -> None:
    """As rclone's S3 answers."""

    class Client:
        def get_paginator(self, _: str) -> Any:
            raise ClientError({"Error": {"Code": "NotImplemented"}}, "ListObjectVersions")

    monkeypatch.setattr(objects, "s3_client", lambda _: Client())
    assert delete_old_versions("s3://b/out", Storage(region=REGION)) == 0
