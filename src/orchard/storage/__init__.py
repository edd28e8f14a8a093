"""Object stores: how one is opened, listed and read. Only here and in `orchard.aws` is boto3.

Reading and writing go through obstore: one request an object, no HEAD before a GET, retries with
backoff. Listing S3 goes through boto3, because obstore's listing gives up at the first key that it
cannot hold (one with "//" in it, or a newline), and one stray key must not hide a bucket.

Credentials come from AWS's standard chain (environment, shared files, web identity, container and
instance roles) in each process that needs them; none is stored or sent to a worker.
"""

from __future__ import annotations

from orchard.storage.access import DEFAULT, Storage, is_remote, local_path, split
from orchard.storage.objects import (
    create_object,
    delete_old_versions,
    list_objects,
    read_object,
)
from orchard.storage.s3_listing import Object

__all__ = [
    "DEFAULT",
    "Object",
    "Storage",
    "create_object",
    "delete_old_versions",
    "is_remote",
    "list_objects",
    "local_path",
    "read_object",
    "split",
]
