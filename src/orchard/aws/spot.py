"""The role by which EC2 starts Spot machines: one for the whole account, which AWS makes on demand.

EMR asks for Spot with a role that may not make it, so that in a fresh account the caller must.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchard.aws.account import Account, code_of

SERVICE, ROLE = "spot.amazonaws.com", "AWSServiceRoleForEC2Spot"


def ensure_role(account: Account, wanted: bool, warn: Callable[[str], object]) -> bool:
    """Whether the account has it, made now where it is wanted: a key may be granted to it alone.

    A caller who may neither look nor make it is told so, and goes on: it may be there.
    """
    from botocore.exceptions import ClientError

    iam = account.client("iam")
    try:
        iam.get_role(RoleName=ROLE)
    except ClientError as error:
        if code_of(error) != "NoSuchEntity" and "AccessDenied" not in code_of(error):
            raise
        return wanted and _make(iam, warn)
    return True


def _make(iam: Any, warn: Callable[[str], object]) -> bool:
    from botocore.exceptions import ClientError

    try:
        iam.create_service_linked_role(AWSServiceName=SERVICE)
    except ClientError as error:
        if code_of(error) == "InvalidInput":  # "has been taken in this account": it is there
            return True
        if "AccessDenied" not in code_of(error):
            raise
        warn(
            f"these credentials may not make the role {ROLE}, without which there is no Spot; have "
            f"`aws iam create-service-linked-role --aws-service-name {SERVICE}` run once for the "
            "account, or use --no-spot"
        )
        return False
    return True
