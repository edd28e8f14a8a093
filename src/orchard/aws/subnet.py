"""A subnet of the user's own: whether EMR may use it, and whether its nodes reach the bucket."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchard.aws.account import Account, code_of
from orchard.cloud.settings import EMR_TAG
from orchard.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Network:
    """Where nodes are started. cidr: the addresses of the whole VPC."""

    subnet: str
    vpc: str
    cidr: str

    def parameters(self) -> dict[str, str]:
        """As the template of EC2 takes it."""
        return {"Subnet": self.subnet, "Vpc": self.vpc, "Cidr": self.cidr}


def look(account: Account, subnet: str) -> Network:
    """Ask EC2. Raises ConfigError, with the way out, where a cluster there would fail."""
    ec2 = account.client("ec2")
    found = _described(ec2, subnet, account.region)
    tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}
    if tags.get(EMR_TAG) != "true":
        raise ConfigError(
            f"--subnet {subnet}: EMR's role may use tagged subnets only; `aws ec2 create-tags "
            f"--resources {subnet} --tags Key={EMR_TAG},Value=true --region {account.region}`"
        )
    if not _reaches_s3(ec2, found, account.region):
        raise ConfigError(
            f"--subnet {subnet}: it has no route to S3; add a gateway endpoint for "
            f"com.amazonaws.{account.region}.s3 to its route table, or a NAT gateway"
        )
    (vpc,) = ec2.describe_vpcs(VpcIds=[found["VpcId"]])["Vpcs"]
    return Network(subnet, found["VpcId"], vpc["CidrBlock"])


def _described(ec2: Any, subnet: str, region: str) -> dict[str, Any]:
    from botocore.exceptions import ClientError

    try:
        (found,) = ec2.describe_subnets(SubnetIds=[subnet])["Subnets"]
    except ClientError as error:
        if not code_of(error).startswith("InvalidSubnetID"):
            raise
        raise ConfigError(f"--subnet {subnet}: there is no such subnet in {region}") from error
    return dict(found)


def _reaches_s3(ec2: Any, subnet: dict[str, Any], region: str) -> bool:
    """By an endpoint, or by a way to the internet; a public one needs addresses for its nodes."""
    for route in _routes(ec2, subnet):
        gateway = route.get("GatewayId", "")
        everywhere = route.get("DestinationCidrBlock") == "0.0.0.0/0"
        if route.get("State") == "blackhole" or gateway == "local":
            continue
        if everywhere and (not gateway.startswith("igw-") or subnet["MapPublicIpOnLaunch"]):
            return True
    endpoints = ec2.describe_vpc_endpoints(
        Filters=[
            {"Name": "vpc-id", "Values": [subnet["VpcId"]]},
            {"Name": "service-name", "Values": [f"com.amazonaws.{region}.s3"]},
        ]
    )["VpcEndpoints"]
    tables = {route["table"] for route in _routes(ec2, subnet)}
    return any(
        found["VpcEndpointType"] == "Interface" or tables & {*found.get("RouteTableIds", ())}
        for found in endpoints
    )


def _routes(ec2: Any, subnet: dict[str, Any]) -> list[dict[str, Any]]:
    """Of the subnet's table, else of its VPC's main one; each with the table's id."""
    own = [{"Name": "association.subnet-id", "Values": [subnet["SubnetId"]]}]
    main = [
        {"Name": "vpc-id", "Values": [subnet["VpcId"]]},
        {"Name": "association.main", "Values": ["true"]},
    ]
    tables = ec2.describe_route_tables(Filters=own)["RouteTables"]
    tables = tables or ec2.describe_route_tables(Filters=main)["RouteTables"]
    return [
        route | {"table": table["RouteTableId"]} for table in tables for route in table["Routes"]
    ]
