"""In a fresh account Spot needs a role first, and the key of encrypted disks must know it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from botocore.stub import Stubber

from aws.conftest import REGION
from aws.test_policies import resources
from orchard.aws import spot, stack
from orchard.aws.account import Account
from orchard.aws.cluster import Cluster
from orchard.cloud.settings import ClusterConfig


def parameter(account: Account, name: str) -> str:
    found = stack.describe(account.client("cloudformation"), "orchard-ec2")
    assert found is not None
    return {p["ParameterKey"]: p["ParameterValue"] for p in found["Parameters"]}[name]


def test_a_fresh_account_gets_the_role_before_its_first_spot_machine(ec2_cluster: Cluster) -> None:
    account = ec2_cluster.account
    on_demand = replace(ec2_cluster, config=replace(ec2_cluster.config, spot=False))
    on_demand.deploy()
    assert parameter(account, "Spot") == "false", "a key's policy names no role that is not there"
    ec2_cluster.deploy()
    role = account.client("iam").get_role(RoleName="AWSServiceRoleForEC2Spot")["Role"]
    assert (
        "spot.amazonaws.com"
        in role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"]["Service"]
    )
    assert parameter(account, "Spot") == "true"
    on_demand.deploy()
    assert parameter(account, "Spot") == "true", "another cluster on Spot may be running"


@pytest.mark.parametrize(
    ("looked", "made", "expected", "warning"),
    [
        ("AccessDenied", "InvalidInput", True, ""),
        ("AccessDenied", "AccessDenied", False, "create-service-linked-role --aws-service-name sp"),
        ("NoSuchEntity", "AccessDenied", False, "or use --no-spot"),
    ],
)
def test_who_may_not_make_the_role_is_told_what_to_run(
    account: Account, looked: str, made: str, expected: bool, warning: str
) -> None:
    heard: list[str] = []
    with Stubber(account.client("iam")) as stub:
        stub.add_client_error("get_role", looked)
        stub.add_client_error("create_service_linked_role", made)
        assert spot.ensure_role(account, True, heard.append) is expected
    assert warning in "".join(heard)


def test_the_key_of_the_disks_knows_the_role() -> None:
    ((_, key),) = resources("AWS::KMS::Key").items()
    conditional = [s for s in key["KeyPolicy"]["Statement"] if isinstance(s, list)]
    assert {condition for condition, *_ in conditional} == {"HasSpot"}
    granted = {statement["Sid"]: statement for _, statement, _ in conditional}
    for statement in granted.values():
        assert statement["Principal"]["AWS"].endswith(f"/{spot.SERVICE}/{spot.ROLE}")
    encrypts, attaches = granted["SpotEncryptsDisks"], granted["SpotAttachesDisks"]
    needed = {"kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey"}
    assert needed <= set(encrypts["Action"])
    assert attaches["Condition"] == {"Bool": {"kms:GrantIsForAWSResource": "true"}}


def test_clusters_without_spot_make_no_role(account: Account, told: Any, code: Any) -> None:
    config = ClusterConfig(region=REGION, backend="ec2", task=0)
    Cluster(account, config, told, code).deploy()
    names = {role["RoleName"] for role in account.client("iam").list_roles()["Roles"]}
    assert spot.ROLE not in names
