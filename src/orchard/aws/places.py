"""Where a bucket lies and what guards it, asked of S3, for the processing record."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from orchard.aws.account import Account, code_of
from orchard.cloud.regions import REGIONS, bucket_of, check_bucket

# What no setting of ours shortens, and no erasure reaches.
COPIES_OF_AWS = (
    "for 30 days EMR keeps the logs of runs on EMR Serverless, and the event logs of clusters on "
    "EC2, in a bucket of its own in the region; they may name images, and hold no pictures"
)
_NONE = {
    "NoSuchBucketPolicy",
    "NoSuchLifecycleConfiguration",
    "NoSuchPublicAccessBlockConfiguration",
    "ServerSideEncryptionConfigurationNotFoundError",
}


def guards(account: Account, url: str) -> dict[str, Any]:
    """Region, encryption, versions, public access, TLS and retention of a bucket in the EU.

    Raises ConfigError where the bucket lies outside the EU.
    """
    s3, bucket = account.client("s3"), bucket_of(url)
    region = check_bucket(s3, url)
    policy = _asked(s3.get_bucket_policy, bucket).get("Policy", "")
    blocked = _asked(s3.get_public_access_block, bucket).get("PublicAccessBlockConfiguration", {})
    encryption = _asked(s3.get_bucket_encryption, bucket).get(
        "ServerSideEncryptionConfiguration", {}
    )
    rules = _asked(s3.get_bucket_lifecycle_configuration, bucket).get("Rules", [])
    return {
        "bucket": bucket,
        "region": f"{region} ({REGIONS[region]})",
        "encryption_at_rest": [
            rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"]
            for rule in encryption.get("Rules", ())
        ],
        "versions_kept": _asked(s3.get_bucket_versioning, bucket).get("Status", "no"),
        "public_access_blocked": bool(blocked) and all(blocked.values()),
        "tls_only": _is_tls_only(policy),
        "retention": {
            rule.get("ID", ""): {
                key: value for key, value in rule.items() if "Expiration" in key or "Abort" in key
            }
            for rule in rules
        },
        "access_log": "CloudTrail data events are not on by default; see docs/how-to/aws.md",
        "copies_of_aws": COPIES_OF_AWS,
    }


def _is_tls_only(policy: str) -> bool:
    """Whether a bucket's policy denies everybody what comes without TLS."""
    statements = json.loads(policy)["Statement"] if policy else []
    return any(
        statement["Effect"] == "Deny"
        and statement.get("Principal") in ("*", {"AWS": "*"})
        and statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
        in ("false", ["false"], False)
        for statement in (statements if isinstance(statements, list) else [statements])
    )


def _asked(call: Callable[..., dict[str, Any]], bucket: str) -> dict[str, Any]:
    """An answer, empty where the bucket has no such setting."""
    from botocore.exceptions import ClientError

    try:
        return call(Bucket=bucket)
    except ClientError as error:
        if code_of(error) in _NONE:
            return {}
        raise
