"""Tear-down: empty, remove, check again. Run it again, and it continues."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchard.aws import notebooks, public_access, stack
from orchard.aws.account import Account, code_of
from orchard.aws.emr import ALIVE, clusters, end, tags_of
from orchard.aws.serverless import applications, stop
from orchard.cloud.prices import Prices
from orchard.cloud.settings import TAG

_BATCH = 1000  # what DeleteObjects takes

Say = Callable[[str], None]


def stop_all(account: Account, name: str, say: Say) -> None:
    """End what costs money by the hour: clusters, job runs, the application."""
    mine = _clusters(account, name)
    for cluster in mine:
        say(f"ending cluster {cluster}")
    end(account, mine)
    for application in applications(account, name):
        stop(account, application["id"], say)


def rent(account: Account, name: str) -> str:
    """What a stack costs while nothing runs, in words."""
    prices = Prices.of(account.region)
    words = f"{prices.s3['gb_month']:g} USD per GB and month"
    if stack.describe(account.client("cloudformation"), stack.ec2_name(name)):
        words += f" and {prices.fixed('kms_key_month'):g} USD per month for the disks' key"
    return f"{words}, without tax"


def remove_all(account: Account, name: str, say: Say) -> list[str]:
    """Everything of a stack, the bucket's content first; what is left afterwards, in words."""
    bucket = stack.bucket_name(account, name)
    kept = public_access.reminder(account, bucket)
    try:
        stop_all(account, name, say)
        _remove(account, name, bucket, say)
    finally:  # its record goes with the bucket, also where this is interrupted
        if kept:
            say(kept)
    return left_over(account, name)


def _remove(account: Account, name: str, bucket: str, say: Say) -> None:
    n_deleted = empty(account, bucket)
    if n_deleted:
        say(f"{n_deleted:,} objects and old versions deleted from s3://{bucket}")
    notebooks.forget_password(account, name)
    for where, part in stacks(account, name):
        if stack.describe(where.client("cloudformation"), part) is None:
            continue
        if part == stack.ec2_name(name):
            _untangle(account, stack.outputs(account, part))
        say(f"removing stack {part}")
        empty(account, bucket)  # logs may have come since
        stack.remove(where, part)
    _delete_bucket(account, bucket)


def left_over(account: Account, name: str) -> list[str]:
    """What still carries the name: asked of each service, not of the stack."""
    found = []
    for where, part in stacks(account, name):
        state = stack.describe(where.client("cloudformation"), part)
        if state:
            found.append(f"stack {part} ({state['StackStatus']})")
    bucket = stack.bucket_name(account, name)
    if _exists(account.client("s3"), bucket):
        found.append(f"bucket s3://{bucket}")
    found += [f"cluster {cluster}" for cluster in _clusters(account, name)]
    found += [f"application {item['id']}" for item in applications(account, name)]
    return found


def stacks(account: Account, name: str) -> list[tuple[Account, str]]:
    """All stacks that a name may have, and where, in the order in which they can go."""
    budget = (stack.budget_account(account), stack.budget_name(account, name))
    own = (stack.upload_name(name), stack.ec2_name(name), name)
    return [budget, *((account, part) for part in own)]


def empty(account: Account, bucket: str) -> int:
    """Delete all objects, their old versions and delete markers; abort unfinished uploads.

    How many went; 0 where there is no such bucket.
    """
    s3, n = account.client("s3"), 0
    if not _exists(s3, bucket):
        return 0
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    pages = s3.get_paginator("list_object_versions")
    for page in pages.paginate(Bucket=bucket, PaginationConfig={"PageSize": _BATCH}):
        versions = [
            {"Key": item["Key"], "VersionId": item["VersionId"]}
            for kind in ("Versions", "DeleteMarkers")
            for item in page.get(kind, ())
        ]
        if versions:
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": versions, "Quiet": True})
            n += len(versions) - len(answer.get("Errors", ()))
    return n


def _clusters(account: Account, name: str) -> list[str]:
    """The stack's clusters that have not ended; those on their way too, whose groups are in use."""
    emr = account.client("emr")
    return [
        cluster["Id"]
        for cluster in clusters(account, [*ALIVE, "TERMINATING"])
        if tags_of(emr, cluster["Id"]).get(TAG) == name
    ]


def _untangle(account: Account, outputs: dict[str, str]) -> None:
    """EMR lets the two security groups name each other; such groups cannot be deleted."""
    ec2 = account.client("ec2")
    ids = [outputs[key] for key in ("PrimaryGroupId", "NodeGroupId") if key in outputs]
    if not ids:
        return
    # By a filter: an interrupted removal may have taken one of them already.
    filters = [{"Name": "group-id", "Values": ids}]
    for group in ec2.describe_security_groups(Filters=filters)["SecurityGroups"]:
        rules = [rule for rule in group["IpPermissions"] if rule.get("UserIdGroupPairs")]
        if rules:
            ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=rules)


def _delete_bucket(account: Account, bucket: str) -> None:
    """Where the stack was removed by hand and kept its bucket."""
    s3 = account.client("s3")
    if _exists(s3, bucket):
        empty(account, bucket)
        s3.delete_bucket(Bucket=bucket)


def _exists(s3: Any, bucket: str) -> bool:
    from botocore.exceptions import ClientError

    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError as error:
        if code_of(error) in ("404", "NoSuchBucket", "NotFound"):
            return False
        raise
    return True
