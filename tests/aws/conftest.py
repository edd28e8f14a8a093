"""AWS in this process: moto in eu-west-3, as far as it goes, and stubs for the rest."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from click.testing import CliRunner, Result
from moto import mock_aws
from moto.core.common_models import CloudFormationModel
from moto.ec2.models import ec2_backends
from moto.ec2.models.route_tables import RouteTable
from moto.emr.models import SecurityConfiguration, emr_backends
from moto.emrserverless.models import emrserverless_backends
from rich.console import Console

from orchard import storage
from orchard.aws import follow
from orchard.aws.account import Account
from orchard.aws.cluster import Cluster
from orchard.aws.settings import ClusterConfig
from orchard.cli import main
from orchard.progress import Reporter

REGION = "eu-west-3"


class Application(CloudFormationModel):
    """What moto's CloudFormation lacks: a stack's application, in moto's own EMR Serverless."""

    def __init__(self, made: Any) -> None:
        self.made = made

    @property
    def physical_resource_id(self) -> str:
        return str(self.made.id)

    @staticmethod
    def cloudformation_name_type() -> str:
        return "Name"

    @staticmethod
    def cloudformation_type() -> str:
        return "AWS::EMRServerless::Application"

    @classmethod
    def create_from_cloudformation_json(  # type: ignore[override]
        cls,
        resource_name: str,
        cloudformation_json: Any,
        account_id: str,
        region_name: str,
        **_: Any,
    ) -> Application:
        wanted = cloudformation_json["Properties"]
        backend = emrserverless_backends[account_id][region_name]
        return cls(
            backend.create_application(
                name=wanted["Name"],
                release_label=wanted["ReleaseLabel"],
                application_type=wanted["Type"],
                client_token="",
                initial_capacity="",
                maximum_capacity=wanted["MaximumCapacity"],
                tags={},
                auto_start_configuration="",
                auto_stop_configuration="",
                network_configuration=None,
            )
        )

    @classmethod
    def update_from_cloudformation_json(  # type: ignore[override]
        cls, original_resource: Any, *_: Any, **__: Any
    ) -> Any:
        return original_resource

    @classmethod
    def delete_from_cloudformation_json(  # type: ignore[override]
        cls, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
    ) -> None:
        backend = emrserverless_backends[account_id][region_name]
        for made in backend.applications.values():
            if made.id == resource_name:
                backend.stop_application(made.id)
                backend.delete_application(made.id)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Keys that open nothing, no settings of the machine's, a cache of the test's own."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("ORCHARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.0)
    storage._open.cache_clear()
    storage._session_of.cache_clear()
    yield
    storage._open.cache_clear()
    storage._session_of.cache_clear()


def _delete_routes(
    cls: Any, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
) -> None:
    """moto's CloudFormation deletes no route tables, and then cannot delete their network."""
    backend = ec2_backends[account_id][region_name]
    backend.route_tables[resource_name].associations.clear()
    backend.delete_route_table(resource_name)


def _delete_encryption(
    cls: Any, resource_name: str, cloudformation_json: Any, account_id: str, region_name: str
) -> None:
    """moto's CloudFormation looks for a security configuration by a name that is still a !Sub."""
    emr_backends[account_id][region_name].delete_security_configuration(resource_name)


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """moto's AWS, empty. It warns of resource types that it does not know."""
    monkeypatch.setattr(RouteTable, "delete_from_cloudformation_json", classmethod(_delete_routes))
    monkeypatch.setattr(
        SecurityConfiguration, "delete_from_cloudformation_json", classmethod(_delete_encryption)
    )
    with mock_aws(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Tried to parse AWS::(S3::BucketPolicy|Budgets::Budget)")
        yield


@pytest.fixture
def account(aws: None) -> Account:
    return Account(REGION)


@pytest.fixture
def told() -> Reporter:
    """What is said lies in `told.console.file`."""
    return Reporter(Console(file=io.StringIO(), width=200))


@pytest.fixture
def code(tmp_path: Path) -> Any:
    """In place of an archive of 200 MB."""
    path = tmp_path / "orchard-x86_64-py3.11-0123456789abcdef.zip"
    path.write_bytes(b"code")
    return lambda architecture: path


@pytest.fixture
def cluster(account: Account, told: Reporter, code: Any) -> Cluster:
    return Cluster(account, ClusterConfig(region=REGION), told, code)


@pytest.fixture
def ec2_cluster(account: Account, told: Reporter, code: Any) -> Cluster:
    return Cluster(account, ClusterConfig(region=REGION, backend="ec2"), told, code)


def keys(bucket: str) -> set[str]:
    """What lies in a bucket now."""
    pages = boto3.client("s3", region_name=REGION).get_paginator("list_objects_v2")
    return {i["Key"] for page in pages.paginate(Bucket=bucket) for i in page.get("Contents", ())}


def orchard(*arguments: object, input: str | None = None) -> Result:
    """The command line in this process; whatever it did not mean to raise is raised."""
    runner = CliRunner(catch_exceptions=False)
    return runner.invoke(main, [str(argument) for argument in arguments], input=input)
