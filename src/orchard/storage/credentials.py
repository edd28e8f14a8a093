"""AWS's standard chain of credentials (environment, shared files, web identity, container and
instance roles), asked in each process that needs it; no key is stored or sent to a worker.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Any

from orchard.errors import ConfigError, first_line, needs

CREDENTIAL_LIFE = timedelta(minutes=15)


def provider() -> Callable[[], dict[str, Any]] | None:
    """AWS's standard chain as obstore takes it; None where it finds nothing: a public bucket."""
    known = found()
    if known is None:
        return None

    def provide() -> dict[str, Any]:
        present = keys(known)
        return {
            "access_key_id": present["AWS_ACCESS_KEY_ID"],
            "secret_access_key": present["AWS_SECRET_ACCESS_KEY"],
            "token": present.get("AWS_SESSION_TOKEN"),
            "expires_at": datetime.now(timezone.utc) + CREDENTIAL_LIFE,
        }

    return provide


def keys(credentials: Any) -> dict[str, str]:
    """The present keys, refreshed where they must be; none without credentials."""
    if credentials is None:
        return {}
    with _readable_settings():
        frozen = credentials.get_frozen_credentials()
    named = {
        "AWS_ACCESS_KEY_ID": frozen.access_key,
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
        "AWS_SESSION_TOKEN": frozen.token,
    }
    return {name: value for name, value in named.items() if value}


def found() -> Any:
    with _readable_settings():
        return session().get_credentials()


@contextmanager
def _readable_settings() -> Iterator[None]:
    with needs("s3", "an s3:// address"):
        from botocore.exceptions import BotoCoreError

    try:
        yield
    except BotoCoreError as error:  # no such AWS_PROFILE, a broken file, a failed token
        raise ConfigError(
            f"cannot use the AWS settings of this machine: {first_line(error)}"
        ) from error


@lru_cache(maxsize=1)
def _session_of(process: int) -> Any:
    with needs("s3", "an s3:// address"):
        import boto3

    with _readable_settings():
        return boto3.Session()


def region() -> str | None:
    """What AWS_REGION says, which boto3 does not read; else AWS_DEFAULT_REGION or the profile."""
    return os.environ.get("AWS_REGION") or session().region_name


def session() -> Any:
    return _session_of(os.getpid())
