"""What AWS is asked before a cent is spent: whether what is to be started can start at all."""

from __future__ import annotations

from orchard.aws import quotas, stack, subnet
from orchard.aws.account import Account, code_of
from orchard.aws.run_job_flow import script_key
from orchard.cloud.regions import bucket_of
from orchard.cloud.settings import ClusterConfig
from orchard.errors import ConfigError
from orchard.progress import Reporter
from orchard.storage import split


def check(account: Account, config: ClusterConfig, reporter: Reporter) -> None:
    """Raise ConfigError, with the way out, for what AWS would refuse later."""
    quotas.check(account, config, reporter.warn)
    if config.key_name is not None:
        _check_key(account, config.key_name)
    if config.bootstrap is not None:
        _check_script(account, config.bootstrap)
    if not config.is_serverless:
        _check_subnet(account, config)


def _check_script(account: Account, script: str) -> None:
    from botocore.exceptions import ClientError

    if script_key(script) is not None:
        return
    try:
        account.client("s3").head_object(Bucket=bucket_of(script), Key=split(script)[1])
    except ClientError as error:
        if code_of(error) != "404":
            raise
        raise ConfigError(f"--bootstrap {script}: there is no such object") from error


def _check_subnet(account: Account, config: ClusterConfig) -> None:
    """EMR ties the stack's security groups together: they cannot move to another network."""
    if config.subnet is not None:
        subnet.look(account, config.subnet)
    found = stack.describe(account.client("cloudformation"), stack.ec2_name(config.name))
    known = {p["ParameterKey"]: p["ParameterValue"] for p in (found or {}).get("Parameters", ())}
    made = known.get("Subnet", "")
    if found and made != (config.subnet or ""):
        raise ConfigError(
            f"--subnet: {config.name} was made in {made or 'a subnet of its own'}; "
            f"{f'add --subnet {made}' if made else 'leave --subnet out'}, or take another --name"
        )


def _check_key(account: Account, name: str) -> None:
    from botocore.exceptions import ClientError

    try:
        account.client("ec2").describe_key_pairs(KeyNames=[name])
    except ClientError as error:
        if code_of(error) != "InvalidKeyPair.NotFound":
            raise
        raise ConfigError(
            f"--key-name {name}: there is no such key pair in {account.region}; "
            f"`aws ec2 create-key-pair --key-name {name}` makes one"
        ) from error
