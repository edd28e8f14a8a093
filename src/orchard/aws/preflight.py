"""What AWS is asked before a cent is spent: whether what is to be started can start at all."""

from __future__ import annotations

from orchard.aws import quotas
from orchard.aws.account import Account, code_of
from orchard.cloud.settings import ClusterConfig
from orchard.errors import ConfigError
from orchard.progress import Reporter


def check(account: Account, config: ClusterConfig, reporter: Reporter) -> None:
    """Raise ConfigError, with the way out, for what AWS would refuse later."""
    quotas.check(account, config, reporter.warn)
    if config.key_name is not None:
        _check_key(account, config.key_name)


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
