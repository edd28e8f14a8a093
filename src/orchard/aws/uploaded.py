"""Runs that an upload has started: nobody was there to note them, so EMR Serverless is asked.

What they have in common (settings, images, place) lies in the bucket, beside their description.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import timezone
from typing import Any

from orchard.aws.account import Account
from orchard.aws.launch import Launch, parsed

NAME = "on-upload"  # of each such job run, and of the folder of their description
MODEL = f"jobs/{NAME}/launch.json"


def save_model(account: Account, bucket: str, model: Launch) -> None:
    body = json.dumps(asdict(model), indent=1).encode()
    account.client("s3").put_object(Bucket=bucket, Key=MODEL, Body=body)


def find(account: Account, bucket: str, wanted: str | None = None) -> Launch | None:
    """The newest such run with an id, its own, its application's or its job run's; or of any.

    Its own begins with the time at which EMR Serverless got it, as those of other launches do.
    """
    s3 = account.client("s3")
    try:
        stored = json.loads(s3.get_object(Bucket=bucket, Key=MODEL)["Body"].read())
    except (s3.exceptions.NoSuchKey, s3.exceptions.NoSuchBucket):
        return None
    model = parsed(stored)
    found = [
        run
        for run in _runs(account, model.cluster)
        if wanted in (None, _id(run), run["id"], model.cluster)
    ]
    if not found:
        return None
    newest = max(found, key=lambda run: (run["createdAt"], run["id"]))
    return replace(model, id=_id(newest), job=newest["id"], url=_folder(account, newest))


def _runs(account: Account, application: str) -> list[dict[str, Any]]:
    from orchard.aws.serverless import named_runs

    return named_runs(account.client("emr-serverless"), application, NAME)


def _id(run: dict[str, Any]) -> str:
    return f"{run['createdAt'].astimezone(timezone.utc):%Y%m%dT%H%M%S.%fZ}-{run['id']}"


def _folder(account: Account, run: dict[str, Any]) -> str:
    """Where it tells how it is getting on: its two arguments, the job's folder and its own."""
    described = account.client("emr-serverless").get_job_run(
        applicationId=run["applicationId"], jobRunId=run["id"]
    )
    return "/".join(described["jobRun"]["jobDriver"]["sparkSubmit"]["entryPointArguments"])
