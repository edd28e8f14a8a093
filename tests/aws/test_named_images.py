"""A manifest and a file of labels travel with a run to a cluster; what jobs cannot read is said."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.core import DEFAULT_ACCOUNT_ID

from aws.conftest import REGION, keys
from orchard.aws.cluster import Cluster
from orchard.aws.named_images import WEB_BYTES, with_source
from orchard.config import RunConfig
from orchard.errors import ConfigError

BUCKET = f"orchard-{DEFAULT_ACCOUNT_ID}-{REGION}"
WEB = "https://example.org/a.png"


def run_of(folder: Path, *paths: str, **settings: Any) -> RunConfig:
    (folder / "list.csv").write_text("\n".join(["path,label,sku", *(f"{p},x,1" for p in paths)]))
    run = RunConfig(manifest=str(folder / "list.csv"), output="out", weights="fruit", **settings)
    return with_source(run)


@pytest.fixture
def folder(photos: Path, tmp_path: Path) -> Path:
    return shutil.copytree(photos, tmp_path / "photos")


def test_tables_and_the_images_they_name_are_sent_along(cluster: Cluster, folder: Path) -> None:
    cluster.deploy()
    labels = folder / "labels.csv"
    labels.write_text("name,label\n0.png,a\n")
    names = ("apple/0.png", "plum/1.png", "plum/none.png")
    run = run_of(folder, *names, labels=str(labels), keep_columns="sku")
    cluster.check_places(run)
    uploads = cluster.plan_upload(run)
    ((upload, prefix),) = uploads
    assert (upload.n_files, prefix) == (2, "images/photos/")
    assert cluster.workload(run, uploads, None).n_images == 2
    cluster.upload_images(uploads)
    _, distant = cluster.prepare(run, "1")
    assert distant.sources == (f"s3://{BUCKET}/images/photos",)
    assert distant.manifest == f"s3://{BUCKET}/jobs/tables/list.csv"
    assert distant.labels == f"s3://{BUCKET}/jobs/tables/labels.csv"
    images = {key for key in keys(BUCKET) if key.startswith("images/")}
    assert images == {"images/photos/apple/0.png", "images/photos/plum/1.png"}
    assert {"jobs/tables/list.csv", "jobs/tables/labels.csv"} <= keys(BUCKET)
    s3 = boto3.client("s3", region_name=REGION)
    described = json.loads(s3.get_object(Bucket=BUCKET, Key="jobs/1/job.json")["Body"].read())
    again = RunConfig(**described["run"])
    assert (again.keep_columns, again.manifest) == (("sku",), distant.manifest)


def test_images_on_the_web_need_a_cluster_that_reaches_it(
    cluster: Cluster, ec2_cluster: Cluster, folder: Path
) -> None:
    run = run_of(folder, WEB, "apple/0.png")
    with pytest.raises(ConfigError, match="EMR Serverless reaches no web server"):
        cluster.check_places(run)
    ec2_cluster.check_places(run)
    work = ec2_cluster.workload(run, ec2_cluster.plan_upload(run), None)
    size = (folder / "apple/0.png").stat().st_size
    assert (work.n_images, work.n_bytes) == (2, WEB_BYTES + size)


def test_what_lies_outside_the_source_is_refused_by_name(cluster: Cluster, folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"names /else/1\.png, which jobs cannot read"):
        cluster.check_places(run_of(folder, "/else/1.png"))
