"""The pages of a cluster on EC2: where they lie under encryption, and how one gets to them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from botocore.stub import ANY, Stubber

from aws.conftest import REGION, orchard
from aws.test_commands import OUTPUTS, launch_of
from orchard.aws.account import Account
from orchard.aws.cluster import Cluster
from orchard.aws.emr import Ec2
from orchard.aws.tunnel import PAGES, application_of, open_tunnel, socks_command, ssm_command
from orchard.aws.ui import hold_page, hold_proxy
from orchard.cloud.settings import ClusterConfig
from orchard.errors import ConfigError

PRIMARY = {
    "Ec2InstanceId": "i-0123456789abcdef0",
    "PrivateIpAddress": "10.31.0.5",
    "PrivateDnsName": f"ip-10-31-0-5.{REGION}.compute.internal",
}
NODE = PRIMARY | {"Ec2InstanceId": "i-1", "PrivateIpAddress": "10.31.0.9"}


@pytest.fixture
def ec2(aws: None) -> Ec2:
    config = ClusterConfig(region=REGION, backend="ec2", key_name="mine")
    return Ec2(Account(REGION), config, OUTPUTS)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """In place of aws, its plugin and ssh: they write down how they were called."""
    called = tmp_path / "called"
    for name in ("aws", "session-manager-plugin", "ssh"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nprintf "%s\\n" {name} "$@" > {called}\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    return called


def running(stub: Stubber, kind: str, *instances: dict[str, Any]) -> None:
    asked = {"ClusterId": "j-1", "InstanceFleetType": kind, "InstanceStates": ["RUNNING"]}
    stub.add_response("list_instances", {"Instances": list(instances)}, asked)


def test_all_pages_are_where_encryption_in_transit_puts_them() -> None:
    ports = {name: page.port for name, page in PAGES.items()}
    assert ports == {
        **{"YARN": 8088, "Spark UI": 20888, "history server": 18480, "NameNode": 9871},
        **{"timeline server": 8190, "Livy": 8998, "JupyterHub": 9443},
        **{"NodeManager": 8044, "DataNode": 9865},
    }


def test_a_page_of_the_primary_is_forwarded_to_this_machine(ec2: Ec2, programs: Path) -> None:
    said: list[str] = []
    with Stubber(ec2._emr) as stub:
        running(stub, "MASTER", PRIMARY)
        hold_page(ec2, launch_of(ec2, job=None), "history server", None, None, said.append)
    assert said[0].startswith("history server: https://127.0.0.1:18480/ (Ctrl-C closes")
    called = programs.read_text().splitlines()
    assert called[:7] == [
        *("aws", "ssm", "start-session", "--region", REGION, "--target"),
        "i-0123456789abcdef0",
    ]
    assert called[8] == "AWS-StartPortForwardingSession"
    assert json.loads(called[-1]) == {"portNumber": ["18480"], "localPortNumber": ["18480"]}


def test_a_port_of_another_release_is_forwarded_instead(ec2: Ec2, programs: Path) -> None:
    said: list[str] = []
    with Stubber(ec2._emr) as stub:
        running(stub, "MASTER", PRIMARY)
        hold_page(ec2, launch_of(ec2, job=None), "YARN", None, 8090, said.append)
    assert said[0].startswith("YARN: https://127.0.0.1:8090/cluster ")
    assert json.loads(programs.read_text().splitlines()[-1])["portNumber"] == ["8090"]


def test_a_page_of_another_node_is_reached_from_the_primary(ec2: Ec2, programs: Path) -> None:
    launch, said = launch_of(ec2, job=None), []  # type: ignore[var-annotated]
    with Stubber(ec2._emr) as stub:
        running(stub, "CORE", NODE)
        running(stub, "TASK", NODE | {"PrivateIpAddress": "10.31.0.10"})
        with pytest.raises(ConfigError, match=r"add --node ADDRESS, of 10\.31\.0\.9, 10\."):
            hold_page(ec2, launch, "NodeManager", None, None, said.append)
        running(stub, "MASTER", PRIMARY)
        hold_page(ec2, launch, "NodeManager", "10.31.0.9", None, said.append)
    called = programs.read_text().splitlines()
    assert called[6] == PRIMARY["Ec2InstanceId"]
    assert called[8] == "AWS-StartPortForwardingSessionToRemoteHost"
    assert json.loads(called[-1])["host"] == ["10.31.0.9"]


def test_the_spark_ui_lies_below_yarns_name_of_the_application(
    ec2_cluster: Cluster, programs: Path
) -> None:
    backend, said = ec2_cluster.deploy(), []  # type: ignore[var-annotated]
    assert isinstance(backend, Ec2)
    launch = launch_of(backend)
    key = f"logs/{launch.cluster}/steps/{launch.job}/stderr"
    body = b"INFO Client: Submitted application application_1764500000000_0003\n"
    for expected in ("APPLICATION", "application_1764500000000_0003"):
        with Stubber(backend._emr) as stub:
            running(stub, "MASTER", PRIMARY)
            hold_page(backend, launch, "Spark UI", None, None, said.append)
        assert f"https://127.0.0.1:20888/proxy/{expected}/ " in "".join(said)
        s3 = ec2_cluster.account.client("s3")
        s3.put_object(Bucket=ec2_cluster.bucket, Key=key, Body=body)


def test_an_application_is_known_by_yarns_form_of_it() -> None:
    assert application_of(["my_application_1", "exit code of application_12457"]) is None
    assert application_of(["at application_1_0001."]) == "application_1_0001"


def test_a_proxy_for_all_pages_goes_through_session_manager(ec2: Ec2, programs: Path) -> None:
    said: list[str] = []
    with Stubber(ec2._emr) as stub:
        running(stub, "MASTER", PRIMARY)
        for _ in range(2):  # NodeManager's addresses and DataNode's
            running(stub, "CORE", NODE)
            running(stub, "TASK")
        hold_proxy(ec2, launch_of(ec2, job=None), "mine.pem", said.append)
    assert f"YARN: https://ip-10-31-0-5.{REGION}.compute.internal:8088/cluster" in said
    assert "SOCKS 5 on 127.0.0.1:8157" in said[-1]
    called = programs.read_text().splitlines()
    assert called[:6] == ["ssh", "-i", "mine.pem", "-N", "-D", "127.0.0.1:8157"]
    assert called[-1] == f"hadoop@{PRIMARY['Ec2InstanceId']}"
    proxy = shlex.split(called[7].removeprefix("ProxyCommand="))
    assert proxy[:3] == ["aws", "ssm", "start-session"]
    assert "AWS-StartSSHSession" in proxy


def test_a_proxy_needs_the_key_of_the_start(ec2: Ec2) -> None:
    ec2.config = ClusterConfig(region=REGION, backend="ec2")
    with Stubber(ec2._emr) as stub:
        stub.add_response("list_instances", {"Instances": [PRIMARY]}, ANY_LIST)
        with pytest.raises(ConfigError, match="--socks: cluster j-1 knows no key; start it with"):
            hold_proxy(ec2, launch_of(ec2, job=None), "mine.pem", print)


ANY_LIST = {"ClusterId": ANY, "InstanceFleetType": ANY, "InstanceStates": ANY}


@pytest.mark.parametrize(
    "command", [ssm_command("i-1", 8088, REGION), socks_command("i-1", REGION, "k.pem")]
)
def test_a_tunnel_without_its_programs_shows_its_command(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="aws and session-manager-plugin is not installed; the"):
        open_tunnel(command)


def test_pages_of_serverless_are_refused_in_a_sentence(cluster: Cluster, photos: Path) -> None:
    from orchard.config import RunConfig

    backend = cluster.deploy()
    run = RunConfig(sources=(str(photos),), output="out", weights="fruit")
    cluster.submit(backend, run, "s3://b/c.zip", alone=False)
    shown = orchard("cluster", "ui", "--page", "YARN", "--region", REGION)
    assert shown.stderr == "orchard: --page YARN: only a cluster on EC2 has it; leave it out\n"
