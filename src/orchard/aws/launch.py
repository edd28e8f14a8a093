"""What was started: kept in the bucket, so that any machine can ask after it, or clone it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from orchard.aws.account import Account
from orchard.cloud.settings import ClusterConfig
from orchard.errors import ConfigError, OrchardError

FOLDER = "launches/"

# What a state means, whatever a backend calls it.
WAITING, RUNNING, SUCCEEDED, FAILED, STOPPED = (
    "waiting",
    "running",
    "succeeded",
    "failed",
    "stopped",
)


@dataclass(frozen=True, slots=True)
class State:
    """phase: one of the five above. name: the service's own word. detail: why, where it says."""

    phase: str
    name: str
    detail: str = ""

    @property
    def is_final(self) -> bool:
        return self.phase in (SUCCEEDED, FAILED, STOPPED)


@dataclass(frozen=True, slots=True)
class Launch:
    """A cluster, or a job on one.

    cluster: an EMR cluster's id or a serverless application's. job: a step's or a job run's; None
    for a cluster without work. url: the folder of the job's description. run: its RunConfig.
    estimate_eur: what was expected, lowest and highest.
    """

    id: str
    config: ClusterConfig
    cluster: str
    job: str | None = None
    url: str | None = None
    run: dict[str, Any] | None = None
    estimate_eur: tuple[float, float] | None = None


def save(account: Account, bucket: str, launch: Launch) -> None:
    body = json.dumps(asdict(launch), indent=1).encode()
    account.client("s3").put_object(Bucket=bucket, Key=f"{FOLDER}{launch.id}.json", Body=body)


def load(account: Account, bucket: str, wanted: str | None = None) -> Launch:
    """As `find`, also of runs that an upload has started.

    Raises ConfigError where there is none, OrchardError before the first.
    """
    from orchard.aws import uploaded

    both = (find(account, bucket, wanted), uploaded.find(account, bucket, wanted))
    if found := max(filter(None, both), key=lambda launch: launch.id, default=None):
        return found
    latest = uploaded.find(account, bucket)
    newest = sorted([*ids(account, bucket), *([latest.id] if latest else [])])[-5:]
    if not newest:
        raise OrchardError(f"nothing has been started from s3://{bucket} yet")
    raise ConfigError(f"{wanted}: there is no such launch; the newest are {', '.join(newest)}")


def find(account: Account, bucket: str, wanted: str | None = None) -> Launch | None:
    """The newest launch with an id, its own, its cluster's or its job's; of any by default."""
    s3 = account.client("s3")
    for launch_id in reversed(ids(account, bucket)):
        stored = json.loads(
            s3.get_object(Bucket=bucket, Key=f"{FOLDER}{launch_id}.json")["Body"].read()
        )
        if wanted in (None, launch_id, stored["cluster"], stored["job"]):
            return parsed(stored)
    return None


def parsed(stored: dict[str, Any]) -> Launch:
    """A launch from its JSON."""
    fields = stored | {"config": ClusterConfig(**stored["config"])}
    if fields["estimate_eur"]:
        fields["estimate_eur"] = tuple(fields["estimate_eur"])
    return Launch(**fields)


def ids(account: Account, bucket: str) -> list[str]:
    """Of all launches, oldest first."""
    pages = account.client("s3").get_paginator("list_objects_v2")
    keys = (
        item["Key"]
        for page in pages.paginate(Bucket=bucket, Prefix=FOLDER)
        for item in page.get("Contents", ())
    )
    return sorted(key[len(FOLDER) : -len(".json")] for key in keys)
