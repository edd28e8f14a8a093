"""What whoever calls `orchard cluster` must be allowed, as an IAM policy: to run, and to deploy.

The statements are data (`permissions/`): those of either task, and those of buckets that the caller
names. A test records every call that Orchard makes, and holds the files to it.
"""

from __future__ import annotations

import json
from importlib.resources import files
from string import Template
from typing import Any, Literal, get_args

Task = Literal["run", "deploy"]
TASKS: tuple[Task, ...] = get_args(Task)
# What a managed policy may hold, its white space not counted.
MOST_CHARACTERS = 6144


def statements(task: Task | Literal["buckets"], **names: str) -> list[dict[str, Any]]:
    """Those of one file. names: Account, Region, Stack and Bucket."""
    text = (files("orchard.aws") / "permissions" / f"{task}.json").read_text("utf-8")
    found: list[dict[str, Any]] = json.loads(Template(text).substitute(names))
    return found


def policy(
    task: Task, account: str, region: str, stack: str, sources: tuple[str, ...] = ()
) -> dict[str, Any]:
    """An identity's policy for one of the two; whoever deploys needs both.

    account: its twelve digits. sources: other buckets, which hold images or get results.
    """
    names = {"Account": account, "Region": region, "Stack": stack}
    names["Bucket"] = f"{stack}-{account}-{region}"
    found = statements(task, **names)
    if sources:
        found += statements("buckets", **names)
        for statement, end in ((found[-3], ""), (found[-2], "/*")):
            statement["Resource"] = [f"arn:aws:s3:::{bucket}{end}" for bucket in sources]
    return {"Version": "2012-10-17", "Statement": found}
