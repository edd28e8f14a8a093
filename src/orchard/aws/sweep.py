"""What of Orchard's costs money, and what it left, in one region or in all of the EU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchard.aws.account import PRICING_REGION, Account, code_of
from orchard.aws.emr import ALIVE, clusters, tags_of
from orchard.aws.serverless import applications, runs
from orchard.aws.stack import bucket_name
from orchard.cloud.regions import REGIONS
from orchard.cloud.settings import TAG


@dataclass(frozen=True, slots=True)
class Found:
    """kind: stack, cluster, application or bucket. is_running: whether it is paid by the hour."""

    region: str
    kind: str
    name: str
    state: str
    is_running: bool


def look(account: Account) -> list[Found]:
    """Everything in the account's region that carries Orchard's tag or was made by its stacks."""
    here, found = account.region, []
    names = set()
    for stack in _stacks(account.client("cloudformation")):
        tag = {item["Key"]: item["Value"] for item in stack.get("Tags", ())}.get(TAG)
        if tag:
            names.add(tag)
            found.append(Found(here, "stack", stack["StackName"], stack["StackStatus"], False))
    emr = account.client("emr")
    for cluster in clusters(account, ALIVE):
        if TAG in tags_of(emr, cluster["Id"]):
            state = cluster["Status"]["State"]
            found.append(Found(here, "cluster", f"{cluster['Id']} {cluster['Name']}", state, True))
    for item in applications(account):
        if item["name"] in names:
            running = bool(runs(account.client("emr-serverless"), item["id"]))
            label = f"{item['id']} {item['name']}"
            found.append(Found(here, "application", label, item["state"], running))
    buckets = [bucket["Name"] for bucket in account.client("s3").list_buckets()["Buckets"]]
    known = {bucket_name(account, name) for name in names}
    ours = [name for name in buckets if name in known or _is_left(account, name)]
    return [*found, *(Found(here, "bucket", name, "", False) for name in ours)]


def enabled() -> list[str]:
    """The allowed regions that the account has: Milan and Spain must be asked for once."""
    ec2 = Account(PRICING_REGION).client("ec2")
    there = {found["RegionName"] for found in ec2.describe_regions()["Regions"]}
    return [region for region in REGIONS if region in there]


def _is_left(account: Account, bucket: str) -> bool:
    """Whether a bucket was a stack's that is gone: others' names may end as ours do."""
    from botocore.exceptions import ClientError

    if not bucket.endswith(f"-{account.number}-{account.region}"):
        return False
    try:
        tags = account.client("s3").get_bucket_tagging(Bucket=bucket)["TagSet"]
    except ClientError as error:
        if code_of(error) == "NoSuchTagSet":
            return False
        raise
    return any(tag["Key"] == TAG for tag in tags)


def _stacks(cloud: Any) -> list[dict[str, Any]]:
    pages = cloud.get_paginator("describe_stacks").paginate()
    return [stack for page in pages for stack in page["Stacks"]]
