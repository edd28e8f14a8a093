"""A subnet and a script of one's own on EC2: checked before anything is made, then used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aws.conftest import REGION, keys, orchard
from aws.test_flows import BUCKET
from orchard.aws import preflight, subnet, teardown
from orchard.aws.account import Account
from orchard.aws.cluster import Cluster
from orchard.aws.run_job_flow import run_job_flow
from orchard.cloud.settings import EMR_TAG, ClusterConfig
from orchard.errors import ConfigError


def config(**settings: Any) -> ClusterConfig:
    return ClusterConfig(region=REGION, backend="ec2", **settings)


def make_subnet(account: Account, *, tagged: bool = True) -> tuple[str, str, str]:
    """A VPC with one subnet and a route table: their ids."""
    ec2 = account.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    made = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=made)
    if tagged:
        ec2.create_tags(Resources=[made], Tags=[{"Key": EMR_TAG, "Value": "true"}])
    return vpc, made, table


def add_endpoint(account: Account, vpc: str, table: str) -> None:
    account.client("ec2").create_vpc_endpoint(
        VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.s3", RouteTableIds=[table],
        VpcEndpointType="Gateway",
    )  # fmt: skip


def test_a_subnet_without_a_route_to_s3_is_refused(account: Account) -> None:
    vpc, made, table = make_subnet(account)
    with pytest.raises(ConfigError, match=f"--subnet {made}: it has no route to S3; add a gateway"):
        subnet.look(account, made)
    elsewhere = make_subnet(account)
    add_endpoint(account, elsewhere[0], elsewhere[2])
    with pytest.raises(ConfigError, match="it has no route to S3"):
        subnet.look(account, made)
    add_endpoint(account, vpc, table)
    assert subnet.look(account, made) == subnet.Network(made, vpc, "10.7.0.0/16")


@pytest.mark.parametrize("public", [True, False])
def test_an_internet_gateway_is_a_way_for_nodes_with_addresses(
    account: Account, public: bool
) -> None:
    vpc, made, table = make_subnet(account)
    ec2 = account.client("ec2")
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    ec2.modify_subnet_attribute(SubnetId=made, MapPublicIpOnLaunch={"Value": public})
    if public:
        subnet.look(account, made)
    else:
        with pytest.raises(ConfigError, match="it has no route to S3"):
            subnet.look(account, made)


def test_a_subnet_that_emr_may_not_use_is_refused_with_the_command(account: Account) -> None:
    _, made, _ = make_subnet(account, tagged=False)
    with pytest.raises(ConfigError, match=f"create-tags --resources {made} --tags Key={EMR_TAG},V"):
        subnet.look(account, made)
    with pytest.raises(ConfigError, match="--subnet subnet-1: there is no such subnet in eu-"):
        subnet.look(account, "subnet-1")


def test_a_cluster_starts_in_the_subnet_and_its_network_stays(
    account: Account, told: Any, code: Any
) -> None:
    vpc, made, table = make_subnet(account)
    add_endpoint(account, vpc, table)
    cluster = Cluster(account, config(subnet=made), told, code)
    backend = cluster.deploy()
    request = run_job_flow(cluster.config, backend.outputs)
    assert request["Instances"]["Ec2SubnetIds"] == [made]
    ec2 = account.client("ec2")
    mine = [{"Name": "vpc-id", "Values": [vpc]}]
    names = {g["GroupName"] for g in ec2.describe_security_groups(Filters=mine)["SecurityGroups"]}
    assert len(names) == 3, "the VPC's default one, and the stack's two"
    with pytest.raises(ConfigError, match=f"orchard was made in {made}; add --subnet {made}, or"):
        preflight.check(account, config(), told)
    preflight.check(account, config(subnet=made), told)
    assert teardown.remove_all(account, "orchard", lambda _: None) == []
    assert ec2.describe_subnets(SubnetIds=[made])["Subnets"], "it is not the stack's"


def test_a_stack_with_a_network_of_its_own_keeps_it(ec2_cluster: Cluster, told: Any) -> None:
    vpc, made, table = make_subnet(ec2_cluster.account)
    add_endpoint(ec2_cluster.account, vpc, table)
    ec2_cluster.deploy()
    with pytest.raises(ConfigError, match="orchard was made in a subnet of its own; leave --subne"):
        preflight.check(ec2_cluster.account, config(subnet=made), told)


# a script


def actions(made: ClusterConfig) -> list[tuple[str, str]]:
    outputs = {"BucketName": BUCKET, "SubnetId": "s", "PrimaryGroupId": "p", "NodeGroupId": "n"}
    request = run_job_flow(made, outputs)
    return [
        (item["Name"], item["ScriptBootstrapAction"]["Path"])
        for item in request["BootstrapActions"]
    ]


def test_a_script_of_this_machine_is_sent_and_runs_after_the_clock(
    account: Account, told: Any, code: Any, tmp_path: Path
) -> None:
    script = tmp_path / "mine.sh"
    script.write_text("echo hello\n")
    made = config(bootstrap=str(script))
    Cluster(account, made, told, code).deploy()
    (clock, mine) = actions(made)
    assert clock[0] == "stop after"
    name, path = mine
    assert (name, path.rsplit("-", 1)[1]) == ("script", "mine.sh")
    assert path.removeprefix(f"s3://{BUCKET}/") in keys(BUCKET)
    script.write_text("echo goodbye\n")
    assert actions(made)[1][1] != path, "a running cluster's new nodes still get the old one"


def test_a_script_in_a_bucket_may_be_read_by_the_nodes(
    account: Account, told: Any, code: Any
) -> None:
    s3 = account.client("s3")
    s3.create_bucket(Bucket="mine", CreateBucketConfiguration={"LocationConstraint": REGION})
    made = config(bootstrap="s3://mine/setup/x.sh")
    with pytest.raises(
        ConfigError, match=r"--bootstrap s3://mine/setup/x.sh: there is no such obj"
    ):
        preflight.check(account, made, told)
    s3.put_object(Bucket="mine", Key="setup/x.sh", Body=b"")
    preflight.check(account, made, told)
    Cluster(account, made, told, code).deploy()
    assert actions(made)[1] == ("script", "s3://mine/setup/x.sh")
    policy = account.client("iam").get_role_policy(
        RoleName=f"orchard-{REGION}-node", PolicyName="sources"
    )["PolicyDocument"]
    assert policy["Statement"][1]["Resource"] == ["arn:aws:s3:::mine/*"]


def test_a_script_that_is_not_there_is_told_before_anything_is_made(aws: None) -> None:
    up = ("cluster", "up", "--backend", "ec2", "--region", REGION, "--yes")
    shown = orchard(*up, "--bootstrap", "/nowhere/x.sh")
    assert shown.stderr == "orchard: --bootstrap /nowhere/x.sh: there is no such file\n"
    assert Account(REGION).client("cloudformation").describe_stacks()["Stacks"] == []
