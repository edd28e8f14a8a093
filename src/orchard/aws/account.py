"""One region of one AWS account: its clients, made on first use, and its errors as one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from orchard.cloud.regions import check_region
from orchard.errors import ConfigError, OrchardError, needs
from orchard.storage import credentials

ATTEMPTS = 8  # of a call that AWS throttles or that fails on the way, with growing pauses
PRICING_REGION = "eu-central-1"  # the price list has few endpoints; this one is in the EU
LOGIN = "run `aws configure` or `aws sso login`, or set AWS_PROFILE or AWS_ACCESS_KEY_ID"
_REFUSED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "RequestExpired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
    "AuthFailure",
}
_THROTTLED = ("Throttl", "TooManyRequests", "SlowDown", "RequestLimitExceeded")


class Account:
    """Clients by service name, in one region of the EU. Raises ConfigError without credentials."""

    def __init__(self, region: str | None = None) -> None:
        with in_one_line():
            self.region = check_region(region or region_of_environment())
            if self._session.get_credentials() is None:
                raise ConfigError(f"no AWS credentials found; {LOGIN}")
        self._clients: dict[tuple[str, int], Any] = {}

    def client(self, service: str, attempts: int = ATTEMPTS) -> Any:
        """A boto3 client; the price list's is asked in Frankfurt wherever the rest runs."""
        if (service, attempts) not in self._clients:
            from botocore.config import Config

            retries = {"mode": "standard", "total_max_attempts": attempts}
            self._clients[service, attempts] = self._session.client(
                service,
                region_name=PRICING_REGION if service == "pricing" else self.region,
                config=Config(
                    retries=retries, connect_timeout=5, read_timeout=60, max_pool_connections=16
                ),
            )
        return self._clients[service, attempts]

    @cached_property
    def number(self) -> str:
        """The account's twelve digits."""
        return str(self.client("sts").get_caller_identity()["Account"])

    @cached_property
    def _session(self) -> Any:
        with needs("aws", "orchard cluster"):
            import boto3

        return boto3.Session()


def region_of_environment() -> str | None:
    """What AWS_REGION, AWS_DEFAULT_REGION or the profile says."""
    with needs("aws", "orchard cluster"):
        import boto3  # noqa: F401
    return credentials.region()


@contextmanager
def in_one_line() -> Iterator[None]:
    """Turn what boto3 raises into an OrchardError that says what to do."""
    with needs("aws", "orchard cluster"):
        from boto3.exceptions import Boto3Error
        from botocore import exceptions as aws

    try:
        yield
    except (aws.NoCredentialsError, aws.PartialCredentialsError) as error:
        raise ConfigError(f"no AWS credentials found; {LOGIN}") from error
    except (aws.TokenRetrievalError, aws.SSOError, aws.CredentialRetrievalError) as error:
        raise ConfigError(
            f"AWS credentials have expired ({_first_line(error)}); {LOGIN}"
        ) from error
    except aws.ProfileNotFound as error:
        raise ConfigError(f"AWS_PROFILE: {_first_line(error)}; expected one of ~/.aws") from error
    except aws.WaiterError as error:
        raise OrchardError(f"gave up waiting for AWS: {_first_line(error)}") from error
    except aws.ClientError as error:
        raise _refusal(error) from error
    except (aws.BotoCoreError, Boto3Error) as error:  # the latter of uploads in parts
        raise OrchardError(f"AWS cannot be used: {_first_line(error)}") from error


def code_of(error: Exception) -> str:
    """AWS's short name of what went wrong; empty where it has none."""
    return str(getattr(error, "response", {}).get("Error", {}).get("Code", ""))


def _refusal(error: Any) -> OrchardError:
    code, message = code_of(error), _first_line(error.response["Error"].get("Message", ""))
    call = error.operation_name
    if code in _REFUSED:
        return ConfigError(f"AWS does not accept the credentials ({code}); {LOGIN}")
    if "AccessDenied" in code or "Unauthorized" in code or code == "403":
        return ConfigError(f"these AWS credentials may not {call}: {message or code}")
    if any(word in code for word in _THROTTLED):
        return OrchardError(
            f"AWS is throttling requests ({code} on {call}); run the same command to continue"
        )
    return OrchardError(f"AWS refuses {call} ({code}): {message}")


def _first_line(text: object) -> str:
    lines = str(text).strip().splitlines()
    return lines[0].rstrip(".") if lines else ""
