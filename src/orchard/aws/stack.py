"""The durable part: CloudFormation stacks, made and removed, also after an interruption."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.resources import files
from typing import Any

from orchard.aws import spot, subnet
from orchard.aws.access import Access
from orchard.aws.account import Account, code_of
from orchard.cloud.prices import Prices
from orchard.cloud.settings import EMR_TAG, TAG, WORKER_GB, WORKER_VCPUS, ClusterConfig
from orchard.errors import OrchardError

Say = Callable[[str], None]
Pause = Callable[[float], None]

_LOOK_SECONDS = 5.0

# A stack whose creation failed can only be removed and created again.
_NEVER_CREATED = ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED")
_BEGUN = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
_BUDGET_REGIONS = ("eu-central-1", "eu-west-1", "eu-west-3")  # cfn-lint's table of types
_LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557)


def template(name: str) -> str:
    """The text of a template of the package: "durable", "ec2", "budget" or "on_upload"."""
    return (files("orchard.aws") / "templates" / f"{name}.yaml").read_text("utf-8")


def ec2_name(name: str) -> str:
    return f"{name}-ec2"


def upload_name(name: str) -> str:
    return f"{name}-on-upload"


def budget_account(account: Account) -> Account:
    """Where CloudFormation can make a budget: here, or in the region of the EU that can."""
    return account if account.region in _BUDGET_REGIONS else Account(_BUDGET_REGIONS[0])


def budget_name(account: Account, name: str) -> str:
    return f"{name}-budget-{account.region}"


def bucket_name(account: Account, name: str) -> str:
    """The stack's bucket; named after the account, so that it is found when its stack is gone."""
    return f"{name}-{account.number}-{account.region}"


def deploy(
    account: Account, config: ClusterConfig, access: Access | None = None, say: Say = print
) -> dict[str, str]:
    """Make the stacks that `config` needs, or bring them up to date; their outputs.

    access: what jobs may touch, besides what they may touch already: another run, queued or under
    way, may need it.
    """
    arns = (granted(account, config.name) | (access or Access())).parameters()
    wanted = _durable(account, config) | arns
    if describe(account.client("cloudformation"), upload_name(config.name)):
        wanted["Notify"] = "true"
    outputs = ensure(account, config.name, "durable", wanted, say=say)
    if not config.is_serverless:
        uses_spot = config.spot and config.task > 0
        has_role = spot.ensure_role(account, uses_spot, lambda text: say(f"warning: {text}"))
        own = {"Stack": config.name, "Spot": str(has_role).lower()}
        own |= subnet.look(account, config.subnet).parameters() if config.subnet else {}
        outputs |= ensure(
            account, ec2_name(config.name), "ec2", own | arns, {EMR_TAG: "true"}, say=say
        )
    if config.email:
        usd = config.max_cost / (config.eur_per_usd or Prices.of(account.region).eur_per_usd)
        wanted = {"Stack": config.name, "Region": account.region, "Email": config.email}
        wanted["BudgetUsd"] = f"{max(1.0, usd):.2f}"
        ensure(
            budget_account(account), budget_name(account, config.name), "budget", wanted, say=say
        )
    return outputs


def ensure(
    account: Account,
    stack: str,
    kind: str,
    parameters: dict[str, str],
    tags: dict[str, str] | None = None,
    say: Say = print,
) -> dict[str, str]:
    """Make a stack of a template, or update it; its outputs. Waits for whoever is at it already."""
    cloud = account.client("cloudformation")
    found = _settled(cloud, stack)
    if found and found["StackStatus"] in _NEVER_CREATED:
        say(f"stack {stack}: removing what a failed attempt left")
        remove(account, stack)
        found = None
    request = {
        "StackName": stack,
        "TemplateBody": template(kind),
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
        ],
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Tags": [
            {"Key": key, "Value": value}
            for key, value in ({TAG: parameters.get("Stack", stack)} | (tags or {})).items()
        ],
    }
    if found is None:
        say(f"stack {stack}: making it")
        made = cloud.create_stack(**request, OnFailure="DELETE")["StackId"]
        _wait(cloud, "stack_create_complete", stack, made)
    elif _update(cloud, request):
        say(f"stack {stack}: bringing it up to date")
        _wait(cloud, "stack_update_complete", stack, found["StackId"])
    return outputs(account, stack)


def outputs(account: Account, stack: str) -> dict[str, str]:
    """Raises OrchardError where there is no such stack."""
    found = describe(account.client("cloudformation"), stack)
    if found is None:
        raise OrchardError(
            f"no stack {stack} in {account.region}; `orchard cluster up` creates it, "
            "`orchard cluster list --all-regions` looks for others"
        )
    return {item["OutputKey"]: item["OutputValue"] for item in found.get("Outputs", ())}


def describe(cloud: Any, stack: str) -> dict[str, Any] | None:
    """CloudFormation's account of a stack; None where there is none."""
    from botocore.exceptions import ClientError

    try:
        (found,) = cloud.describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if code_of(error) == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return None if found["StackStatus"] == "DELETE_COMPLETE" else dict(found)


def remove(account: Account, stack: str) -> None:
    """Delete a stack and wait until it is gone; none there is as good."""
    cloud = account.client("cloudformation")
    found = _settled(cloud, stack)
    if found is None:
        return
    cloud.delete_stack(StackName=stack)
    _wait(cloud, "stack_delete_complete", stack, found["StackId"])


def _wait(cloud: Any, state: str, stack: str, stack_id: str) -> None:
    """Raises OrchardError with CloudFormation's reason; by its id a deleted stack still has one."""
    from botocore.exceptions import WaiterError

    try:
        cloud.get_waiter(state).wait(StackName=stack_id)
    except WaiterError as error:
        raise OrchardError(f"stack {stack}: {_reason(cloud, stack_id) or error}") from error


def _reason(cloud: Any, stack_id: str) -> str:
    """Of the last attempt's first failure; what failed after it was cancelled for its sake."""
    reason = ""
    for event in cloud.describe_stack_events(StackName=stack_id)["StackEvents"]:  # newest first
        if event["ResourceStatus"].endswith("_FAILED"):
            why = event.get("ResourceStatusReason", event["ResourceStatus"])
            reason = f"{event['LogicalResourceId']}: {why}"
        elif event.get("PhysicalResourceId") == stack_id and event["ResourceStatus"] in _BEGUN:
            break
    return reason


def _settled(cloud: Any, stack: str, pause: Pause = time.sleep) -> dict[str, Any] | None:
    """The stack once nothing is happening to it: an interrupted command may still be at work."""
    found = describe(cloud, stack)
    while found and found["StackStatus"].endswith("_IN_PROGRESS"):
        pause(_LOOK_SECONDS)
        found = describe(cloud, stack)
    return found


def _update(cloud: Any, request: dict[str, Any]) -> bool:
    from botocore.exceptions import ClientError

    try:
        cloud.update_stack(**request)
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return False
        raise
    return True


def _durable(account: Account, config: ClusterConfig) -> dict[str, str]:
    nodes = config.workers + 1
    return {
        "Region": account.region,
        "ReleaseLabel": config.release,
        "Architecture": config.architecture.upper(),
        "MaximumVcpus": str(nodes * WORKER_VCPUS),
        "MaximumMemoryGb": str(nodes * WORKER_GB),
        "IdleMinutes": str(max(1, min(config.idle // 60, 10_080))),
        "LogDays": str(min((d for d in _LOG_DAYS if d >= config.log_days), default=_LOG_DAYS[-1])),
    }


def granted(account: Account, name: str) -> Access:
    """What jobs of a stack may touch beside its own bucket."""
    found = describe(account.client("cloudformation"), name) or {}
    values = {item["ParameterKey"]: item["ParameterValue"] for item in found.get("Parameters", ())}
    return Access.of(values)
