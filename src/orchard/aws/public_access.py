"""EMR's refusal of clusters that are open to the world: one setting for an account's whole region.

`up` tightens it and `down` does not loosen it again: by then other clusters there, of another stack
or of other people, may rely on it. The earlier setting is kept in the bucket, and shown at the end.
"""

from __future__ import annotations

import json
from typing import Any

from orchard.aws.account import Account
from orchard.aws.print_cli import aws_command
from orchard.aws.stack import Say

RECORD = "account/block_public_access.json"
# Without EMR's usual exemption for port 22.
STRICT = {"BlockPublicSecurityGroupRules": True, "PermittedPublicSecurityGroupRuleRanges": []}


def close(account: Account, bucket: str, say: Say) -> None:
    """Refuse security groups open to everybody, in the region, SSH included."""
    emr = account.client("emr")
    found = _now(emr)
    if found == STRICT:
        return
    # Recorded first: an interrupted `up` must not forget what it was.
    account.client("s3").put_object(Bucket=bucket, Key=RECORD, Body=json.dumps(found).encode())
    emr.put_block_public_access_configuration(BlockPublicAccessConfiguration=STRICT)
    say(
        f"EMR in {account.region} now refuses every cluster open to the world, port 22 included; "
        "that concerns the account's other clusters too"
    )


def reminder(account: Account, bucket: str) -> str | None:
    """What `close` changed and how to undo it by hand; None where it changed nothing."""
    s3 = account.client("s3")
    try:
        stored = s3.get_object(Bucket=bucket, Key=RECORD)["Body"].read()
    except (s3.exceptions.NoSuchKey, s3.exceptions.NoSuchBucket):
        return None
    undo = aws_command(
        "emr",
        "PutBlockPublicAccessConfiguration",
        {"BlockPublicAccessConfiguration": json.loads(stored)},
        account.region,
    )
    return (
        f"EMR in {account.region} still refuses clusters that are open to the world, since others "
        f"may rely on it; to restore the earlier setting: {undo}"
    )


def _now(emr: Any) -> dict[str, Any]:
    found = emr.get_block_public_access_configuration()["BlockPublicAccessConfiguration"]
    return {
        "BlockPublicSecurityGroupRules": found.get("BlockPublicSecurityGroupRules", False),
        "PermittedPublicSecurityGroupRuleRanges": [
            {key: rule[key] for key in ("MinRange", "MaxRange") if key in rule}
            for rule in found.get("PermittedPublicSecurityGroupRuleRanges", ())
        ],
    }
