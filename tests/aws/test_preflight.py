"""What AWS would refuse later is told in a sentence, before anything is made or paid for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.stub import Stubber

from aws import moto_gaps
from aws.conftest import REGION, orchard
from orchard.aws import preflight, quotas
from orchard.aws.account import Account
from orchard.cloud.settings import ClusterConfig
from orchard.errors import ConfigError


def config(**settings: Any) -> ClusterConfig:
    return ClusterConfig(region=REGION, **settings)


def test_the_defaults_fit_into_a_new_account_s_16_vcpus() -> None:
    for backend in ("serverless", "ec2"):
        assert sum(need.vcpus for need in quotas.needs(config(backend=backend))) <= 16


def test_more_vcpus_than_the_account_has_are_refused_before_anything_is_made(
    aws: None, photos: Path, tmp_path: Path
) -> None:
    run = ("cluster", "run", photos, tmp_path / "out", "--region", REGION, "--weights", "fruit")
    shown = orchard(*run, "--workers", 7, "--yes")
    assert shown.exit_code == 2
    assert shown.stderr.splitlines()[-1] == (
        "orchard: --workers: this needs 32 vCPUs at once, and the account has 16 in eu-west-3; "
        "choose --workers 3, or ask AWS for more: Service Quotas, emr-serverless, "
        '"Max concurrent vCPUs per account" (L-D05C8A75), at least 32'
    )
    assert Account(REGION).client("cloudformation").describe_stacks()["Stacks"] == []


@pytest.mark.parametrize(
    ("settings", "quota", "expected"),
    [
        ({"core": 4}, {"L-1216C47A": 16}, "--core: this needs 20 vCPUs.* choose --core 3, or"),
        ({}, {"L-1216C47A": 5}, "--core: this needs 8 vCPUs.*no number of nodes fits; ask AWS"),
        ({"task": 5}, {"L-34B43A08": 16}, "--task: this needs 20 vCPUs.* choose --task 4, or"),
        (
            {"task": 5, "spot": False},
            {"L-1216C47A": 16},
            "--task: this needs 28 vCPUs.* choose --task 2, or",
        ),
        ({"task": 0, "core": 1}, {"L-34B43A08": 0}, None),
        ({}, {"L-1216C47A": 8, "L-34B43A08": 8}, None),
    ],
)
def test_a_cluster_on_ec2_is_held_against_the_quotas_of_its_markets(
    account: Account,
    told: Any,
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    quota: dict[str, float],
    expected: str | None,
) -> None:
    for code, value in quota.items():
        monkeypatch.setitem(moto_gaps.APPLIED_QUOTAS, code, value)
    if expected is None:
        preflight.check(account, config(backend="ec2", **settings), told)
    else:
        with pytest.raises(ConfigError, match=expected):
            preflight.check(account, config(backend="ec2", **settings), told)


def test_a_quota_that_nobody_raised_is_aws_s_default(
    account: Account, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(moto_gaps.APPLIED_QUOTAS, "L-1216C47A")
    with pytest.raises(ConfigError, match="the account has 5 in eu-west-3"):
        preflight.check(account, config(backend="ec2"), told)


def test_who_may_not_ask_for_quotas_is_told_so_and_goes_on(account: Account, told: Any) -> None:
    with Stubber(account.client("service-quotas")) as stub:
        stub.add_client_error("get_service_quota", "AccessDeniedException", "no")
        preflight.check(account, config(workers=50), told)
    said = " ".join(told.console.file.getvalue().split())
    assert "may not GetServiceQuota: whether 204 vCPUs of L-D05C8A75 are granted is not kn" in said


def test_a_quota_that_aws_does_not_know_is_told_and_stops_nothing(
    account: Account, told: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(moto_gaps.DEFAULT_QUOTAS, "L-D05C8A75")
    preflight.check(account, config(), told)
    assert "AWS tells no quota L-D05C8A75" in told.console.file.getvalue()


def test_a_key_pair_that_is_not_there_is_refused(account: Account, told: Any) -> None:
    settings = config(backend="ec2", key_name="mine")
    with pytest.raises(ConfigError, match="--key-name mine: there is no such key pair in eu-west-"):
        preflight.check(account, settings, told)
    account.client("ec2").create_key_pair(KeyName="mine")
    preflight.check(account, settings, told)


def test_up_asks_before_it_makes_anything(aws: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(moto_gaps.APPLIED_QUOTAS, "L-1216C47A", 4.0)
    shown = orchard("cluster", "up", "--backend", "ec2", "--region", REGION, "--yes")
    assert shown.stderr.startswith("orchard: --core: this needs 8 vCPUs at once")
    assert Account(REGION).client("cloudformation").describe_stacks()["Stacks"] == []
