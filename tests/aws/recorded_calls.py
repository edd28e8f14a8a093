"""The calls that Orchard makes of AWS in the tests, and the IAM actions that they need.

IAM names most actions as the API names its operations; ACTIONS holds the others.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from types import FrameType
from typing import Any

from orchard.aws.caller import TASKS, policy

ACCOUNT, REGION, STACK = "123456789012", "eu-west-3", "orchard"
PREFIXES = {"emr": "elasticmapreduce", "service-quotas": "servicequotas"}
ACTIONS: dict[str, tuple[str, ...]] = {
    "s3:CompleteMultipartUpload": ("s3:PutObject",),
    "s3:CreateMultipartUpload": ("s3:PutObject",),
    "s3:DeleteObjects": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "s3:GetBucketEncryption": ("s3:GetEncryptionConfiguration",),
    "s3:GetBucketLifecycleConfiguration": ("s3:GetLifecycleConfiguration",),
    "s3:GetPublicAccessBlock": ("s3:GetBucketPublicAccessBlock",),
    "s3:HeadBucket": ("s3:ListBucket",),
    "s3:HeadObject": ("s3:GetObject",),
    "s3:ListBuckets": ("s3:ListAllMyBuckets",),
    "s3:ListMultipartUploads": ("s3:ListBucketMultipartUploads",),
    "s3:ListObjectVersions": ("s3:ListBucketVersions",),
    "s3:ListObjectsV2": ("s3:ListBucket",),
    "s3:UploadPart": ("s3:PutObject",),
    "sts:GetCallerIdentity": (),  # needs no permission
    # A role is passed on, and tags are set, by the same call.
    "elasticmapreduce:RunJobFlow": (
        "elasticmapreduce:RunJobFlow",
        "elasticmapreduce:AddTags",
        "iam:PassRole",
    ),
    "emr-serverless:StartJobRun": (
        "emr-serverless:StartJobRun",
        "emr-serverless:TagResource",
        "iam:PassRole",
    ),
    "secretsmanager:CreateSecret": ("secretsmanager:CreateSecret", "secretsmanager:TagResource"),
}
# Where the running frame lies that decides whose call it is.
_OURS, _TESTS = "/src/orchard/", str(Path(__file__).parents[1])


@dataclass(frozen=True, slots=True)
class Call:
    """operation: IAM's prefix and the API's name. resource: of S3 alone; empty elsewhere."""

    operation: str
    resource: str = ""

    @property
    def actions(self) -> tuple[str, ...]:
        return ACTIONS.get(self.operation, (self.operation,))


def call_of(service: str, operation: str, parameters: dict[str, Any]) -> Call:
    resource = ""
    if service == "s3" and "Bucket" in parameters:
        key = parameters.get("Key")
        resource = f"arn:aws:s3:::{parameters['Bucket']}{f'/{key}' if key else ''}"
        if operation == "DeleteObjects":
            resource += "/*"
    return Call(f"{PREFIXES.get(service, service)}:{operation}", resource)


def is_ours() -> bool:
    """Whether Orchard, and not a test, makes the call; threads of boto3's are Orchard's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if _OURS in name:
            return True
        if name.startswith(_TESTS) and name != __file__ and not name.endswith("/conftest.py"):
            return False
        frame = frame.f_back
    return True


def refused(call: Call, statements: list[dict[str, Any]]) -> list[str]:
    """The actions of a call that no statement allows; conditions and Deny are not looked at.

    Buckets other than the stack's are images' sources, for which only the action counts.
    """
    bucket = f"arn:aws:s3:::{STACK}-{ACCOUNT}-{REGION}"
    resource = call.resource if call.resource.startswith(bucket) else ""
    return [
        action
        for action in call.actions
        if not any(
            _matches(action, statement["Action"])
            and (not resource or _matches(resource, statement["Resource"]))
            for statement in statements
        )
    ]


def assert_allowed(calls: set[Call]) -> None:
    """Every call by the two policies together. Says which line is missing."""
    both = (policy(task, ACCOUNT, REGION, STACK, ("photos",)) for task in TASKS)
    statements = [statement for made in both for statement in made["Statement"]]
    for call in sorted(calls, key=repr):
        missing = refused(call, statements)
        assert not missing, (
            f"Orchard calls {call.operation} on {call.resource or 'AWS'}, and no statement of "
            f"src/orchard/aws/permissions allows it: add {json.dumps(missing)[1:-1]} to an Action "
            "of deploy.json, or of run.json if submitting, following or fetching needs it; "
            f"if IAM calls it something else, add {json.dumps(call.operation)} to ACTIONS in "
            "tests/aws/recorded_calls.py"
        )


def _matches(value: str, patterns: str | list[str]) -> bool:
    several = patterns if isinstance(patterns, list) else [patterns]
    return any(fnmatchcase(value, pattern) for pattern in several)
