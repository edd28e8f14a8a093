"""The password of JupyterHub, in place of its well-known one: kept in Secrets Manager."""

from __future__ import annotations

import secrets
from contextlib import suppress

from orchard.aws.account import Account
from orchard.aws.run_job_flow import secret_name
from orchard.cloud.settings import TAG

BYTES = 18


def set_password(account: Account, name: str) -> None:
    """Generate one for a stack; an earlier one is kept."""
    client = account.client("secretsmanager")
    with suppress(client.exceptions.ResourceExistsException):
        client.create_secret(
            Name=secret_name(name),
            SecretString=secrets.token_urlsafe(BYTES),
            Tags=[{"Key": TAG, "Value": name}],
        )


def password(account: Account, name: str) -> str:
    client = account.client("secretsmanager")
    return str(client.get_secret_value(SecretId=secret_name(name))["SecretString"])


def forget_password(account: Account, name: str) -> None:
    """At once, and as well where there is none."""
    client = account.client("secretsmanager")
    with suppress(client.exceptions.ResourceNotFoundException):
        client.delete_secret(SecretId=secret_name(name), ForceDeleteWithoutRecovery=True)
