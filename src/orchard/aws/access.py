"""What jobs may touch beyond the stack's own bucket: others' images, a place for results, keys."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchard.aws.account import Account, code_of
from orchard.cloud.regions import bucket_of, check_bucket
from orchard.errors import ConfigError
from orchard.storage import split

_KEY = r"arn:[a-z-]+:kms:[a-z0-9-]+:\d+:key/[\w-]+"
_UNKNOWN = ("AccessDeniedException", "NotFoundException")  # of a key in another account


@dataclass(frozen=True, slots=True)
class Access:
    """Beyond the stack's own bucket.

    - sources: buckets that jobs may read. outputs: "BUCKET/FOLDER", below which they may write.
    - keys: ARNs of KMS keys under which the images lie; output_keys: the results.
    """

    sources: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    output_keys: tuple[str, ...] = ()

    def __or__(self, other: Access) -> Access:
        return Access(
            *(
                tuple(sorted({*getattr(self, name), *getattr(other, name)}))
                for name in self.__dataclass_fields__
            )
        )

    def parameters(self) -> dict[str, str]:
        """As the templates take it; nothing for what is empty."""
        buckets = sorted({place.partition("/")[0] for place in self.outputs})
        lists = {
            "SourceBuckets": [_arn(name) for name in self.sources],
            "SourceObjects": [_arn(f"{name}/*") for name in self.sources],
            "OutputBuckets": [_arn(name) for name in buckets],
            "OutputObjects": [_arn(f"{place}/*") for place in self.outputs],
            "SourceKeys": self.keys,
            "OutputKeys": self.output_keys,
        }
        return {name: ",".join(values) for name, values in lists.items() if values}

    @classmethod
    def of(cls, parameters: Mapping[str, str]) -> Access:
        """From a stack's parameters."""

        def named(key: str, pattern: str) -> tuple[str, ...]:
            return tuple(re.findall(pattern, parameters.get(key, "")))

        return cls(
            named("SourceBuckets", r":::([a-z0-9.-]+)"),
            named("OutputObjects", r":::([^,]+)/\*"),
            named("SourceKeys", _KEY),
            named("OutputKeys", _KEY),
        )

    def may_write(self, url: str) -> bool:
        place = url.removeprefix("s3://").rstrip("/")
        return any(f"{place}/".startswith(f"{known}/") for known in self.outputs)


def place_of(url: str) -> str:
    """ "BUCKET/FOLDER" of an OUTPUT. Raises ConfigError without a folder."""
    bucket, folder = bucket_of(url), split(url)[1].strip("/")
    if not folder:
        raise ConfigError(
            f"OUTPUT {url}: give a folder in the bucket, such as s3://{bucket}/fruits"
        )
    return f"{bucket}/{folder}"


def check_region_of(account: Account, url: str) -> None:
    """Raise ConfigError for a bucket outside the EU, or elsewhere in it than the jobs."""
    region = check_bucket(account.client("s3"), url)
    if region != account.region:
        raise ConfigError(
            f"bucket {bucket_of(url)} lies in {region}, and jobs run in {account.region}; use "
            f"--region {region}"
        )


def keys_of(account: Account, url: str) -> set[str]:
    """ARNs of the customers' keys under which a bucket keeps new objects, or the first there is.

    A key that AWS manages needs no permission of its own.
    """
    s3, (_, prefix), bucket = account.client("s3"), split(url), bucket_of(url)
    named = set()
    for rule in _encryption(s3, bucket):
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        named.add(default.get("KMSMasterKeyID"))
    for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("Contents", ()):
        named.add(s3.head_object(Bucket=bucket, Key=item["Key"]).get("SSEKMSKeyId"))
    found = {_key(account, name) for name in named if name}
    return {arn for arn in found if arn}


def warn_of_policies(
    account: Account,
    arns: Iterable[str],
    role: str,
    actions: list[str],
    warn: Callable[[str], object],
) -> None:
    """Say what to add to the policies of keys which the account's own roles are not enough for."""
    for arn in arns:
        if _trusts(account, arn):
            continue
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account.number}:role/{role}"},
            "Action": actions,
            "Resource": "*",
        }
        warn(
            f"{arn}: jobs are refused its objects unless its policy allows them; whoever "
            f"administers that key adds: {json.dumps(statement)}"
        )


def _arn(name: str) -> str:
    return f"arn:aws:s3:::{name}"


def _encryption(s3: Any, bucket: str) -> list[dict[str, Any]]:
    from botocore.exceptions import ClientError

    try:
        found = s3.get_bucket_encryption(Bucket=bucket)
    except ClientError as error:
        if "AccessDenied" in code_of(error) or "NotFound" in code_of(error):
            return []
        raise
    rules: list[dict[str, Any]] = found["ServerSideEncryptionConfiguration"]["Rules"]
    return rules


def _key(account: Account, name: str) -> str | None:
    """The ARN of a key or of an alias; None of one that AWS manages."""
    from botocore.exceptions import ClientError

    try:
        found = account.client("kms").describe_key(KeyId=name)["KeyMetadata"]
    except ClientError as error:
        if ":key/" not in name or code_of(error) not in _UNKNOWN:
            raise
        return name  # of another account, which does not tell
    return None if found["KeyManager"] == "AWS" else str(found["Arn"])


def _trusts(account: Account, arn: str) -> bool:
    """Whether a key leaves it to the policies of this account who may use it, as keys mostly do."""
    from botocore.exceptions import ClientError

    if arn.split(":")[4] != account.number:
        return False
    try:
        found = account.client("kms").get_key_policy(KeyId=arn, PolicyName="default")
    except ClientError as error:
        if "AccessDenied" in code_of(error):
            return True
        raise
    return f"{account.number}:root" in found["Policy"]
