"""How many vCPUs the account may use at once, asked before anything is paid for.

A new account has 16 on EMR Serverless, and may have 5 on EC2, on demand and on Spot each. What
runs besides counts as well and is not known here: the question is only whether it can fit at all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orchard.aws.account import Account, code_of
from orchard.cloud.prices import Prices
from orchard.cloud.settings import WORKER_VCPUS, ClusterConfig
from orchard.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Need:
    """vcpus of a quota of AWS's (service, code, name), and which options take how many.

    option: the one that gives way. each: vCPUs of one of its units. fixed: vCPUs of the rest.
    """

    service: str
    code: str
    name: str
    vcpus: int
    option: str
    each: int
    fixed: int

    def fitting(self, quota: float) -> int:
        """How many units of `option` fit into a quota; less than 1 for none."""
        return int((quota - self.fixed) // self.each)


def needs(config: ClusterConfig) -> list[Need]:
    """What a launch takes at full size, of which quotas."""
    if config.is_serverless:
        name = "Max concurrent vCPUs per account"
        vcpus = (config.workers + 1) * WORKER_VCPUS
        serverless = ("emr-serverless", "L-D05C8A75", name)
        return [Need(*serverless, vcpus, "--workers", WORKER_VCPUS, WORKER_VCPUS)]
    each = Prices.of(config.region).instance(config.instance_type).vcpus
    spot = config.task if config.spot else 0
    demand = 1 + config.core + config.task - spot
    option, others = ("--task", 1 + config.core) if demand > 1 + config.core else ("--core", 1)
    # Of the standard families A, C, D, H, I, M, R, T and Z, to which all priced types belong.
    name = "Running On-Demand Standard instances"
    found = [Need("ec2", "L-1216C47A", name, demand * each, option, each, others * each)]
    if spot:
        name = "All Standard Spot Instance Requests"
        found.append(Need("ec2", "L-34B43A08", name, spot * each, "--task", each, 0))
    return found


def check(account: Account, config: ClusterConfig, warn: Callable[[str], object]) -> None:
    """Raise ConfigError where a launch needs more vCPUs than the account may use.

    Where AWS does not tell, say so by `warn` and go on.
    """
    for need in needs(config):
        quota = _quota(account, need, warn)
        if quota is not None and quota < need.vcpus:
            raise ConfigError(_refusal(need, quota, config))


def _refusal(need: Need, quota: float, config: ClusterConfig) -> str:
    n = need.fitting(quota)
    choose = f"choose {need.option} {n}, or" if n >= 1 else "no number of nodes fits;"
    return (
        f"{need.option}: this needs {need.vcpus} vCPUs at once, and the account has {quota:g} in "
        f"{config.region}; {choose} ask AWS for more: Service Quotas, {need.service}, "
        f'"{need.name}" ({need.code}), at least {need.vcpus}'
    )


def _quota(account: Account, need: Need, warn: Callable[[str], object]) -> float | None:
    """The applied quota, else AWS's default; None where neither is told."""
    from botocore.exceptions import ClientError

    client = account.client("service-quotas")
    try:
        # Where nobody raised a quota, there may be no applied one.
        found = _asked(client.get_service_quota, need)
        found = found if found is not None else _asked(client.get_aws_default_service_quota, need)
    except ClientError as error:
        if "AccessDenied" not in code_of(error):
            raise
        warn(
            f"these credentials may not {error.operation_name}: whether {need.vcpus} vCPUs of "
            f"{need.code} are granted is not known"
        )
        return None
    if found is None:
        warn(
            f"AWS tells no quota {need.code} in {account.region}: {need.vcpus} vCPUs may be too "
            "many"
        )
    return found


def _asked(call: Callable[..., Any], need: Need) -> float | None:
    from botocore.exceptions import ClientError

    try:
        return float(call(ServiceCode=need.service, QuotaCode=need.code)["Quota"]["Value"])
    except ClientError as error:
        if code_of(error) == "NoSuchResourceException":
            return None
        raise
