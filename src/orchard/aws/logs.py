"""What a job's driver wrote, from the bucket."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

from orchard.aws.account import Account


def lines(account: Account, bucket: str, beginnings: list[str]) -> Iterator[str]:
    """The lines of all objects whose key begins so, in that order; unpacked where they are .gz."""
    s3 = account.client("s3")
    for beginning in beginnings:
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=beginning):
            for item in page.get("Contents", ()):
                body = s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
                if item["Key"].endswith(".gz"):
                    body = gzip.decompress(body)
                yield from body.decode("utf-8", "replace").splitlines()
