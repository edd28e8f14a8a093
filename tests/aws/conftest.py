"""AWS in this process: moto in eu-west-3, as far as it goes, and stubs for the rest."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.loaders import Loader, create_loader
from click.testing import CliRunner, Result
from moto import mock_aws
from rich.console import Console

from aws import moto_gaps
from aws.recorded_calls import Call, assert_allowed, call_of, is_ours
from orchard.aws import follow
from orchard.aws.account import Account
from orchard.aws.cluster import Cluster
from orchard.cli import main
from orchard.cloud.settings import ClusterConfig
from orchard.progress import Reporter
from orchard.storage import access, credentials

REGION = "eu-west-3"

_LOADER = create_loader()
_N_PATHS = len(_LOADER.search_paths)


def one_loader(search_path: str | None = None) -> Loader:
    """botocore's models are read once, not once a session; boto3 adds its path for each session."""
    del _LOADER.search_paths[_N_PATHS:]
    return _LOADER


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
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # thousands, for each test anew
    monkeypatch.setattr(botocore.session, "create_loader", one_loader)
    monkeypatch.setattr(follow, "POLL_SECONDS", 0.0)
    access._open.cache_clear()
    credentials._session_of.cache_clear()
    yield
    access._open.cache_clear()
    credentials._session_of.cache_clear()


@pytest.fixture(autouse=True)
def recorded(environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[Call]]:
    """The calls that Orchard makes of AWS, also of stubs; each must be in the caller's policy."""
    calls: set[Call] = set()
    create = botocore.session.Session.create_client

    def record(params: dict[str, Any], model: Any, **_: Any) -> None:
        if is_ours():
            calls.add(call_of(model.service_model.service_name, model.name, params))

    def create_and_record(self: Any, *arguments: Any, **settings: Any) -> Any:
        client = create(self, *arguments, **settings)
        client.meta.events.register_first("before-parameter-build", record)
        return client

    monkeypatch.setattr(botocore.session.Session, "create_client", create_and_record)
    yield calls
    assert_allowed(calls)


@pytest.fixture
def aws() -> Iterator[None]:
    """moto's AWS, empty."""
    moto_gaps.fill()
    with mock_aws(), warnings.catch_warnings():
        moto_gaps.be_silent()
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
    return lambda architecture, **_: path


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
