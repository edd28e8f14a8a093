"""What a launch cost is told when AWS knows it, and never as nothing because it does not yet."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.stub import Stubber

from aws.conftest import REGION
from aws.test_commands import OUTPUTS, job_run, launch_of
from orchard.aws import bill
from orchard.aws.account import Account
from orchard.aws.bill import NOT_TOLD, Used
from orchard.aws.emr import Ec2
from orchard.aws.launch import STOPPED, State
from orchard.aws.serverless import Serverless
from orchard.cloud.estimate import Item
from orchard.cloud.settings import ClusterConfig

NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
HOURS = {"vCPUHour": 2.5, "memoryGBHour": 7.5, "storageGBHour": 0.0}
NOTHING = dict.fromkeys(HOURS, 0.0)


@pytest.fixture
def serverless(aws: None) -> Serverless:
    return Serverless(Account(REGION), ClusterConfig(region=REGION), OUTPUTS)


def used(serverless: Serverless, state: str = "SUCCESS", **more: Any) -> Used:
    with Stubber(serverless._client) as stub:
        stub.add_response("get_job_run", job_run(state, **({"startedAt": NOW} | more)))
        return serverless.used(launch_of(serverless))


@pytest.mark.parametrize("unknown", [{}, {"billedResourceUtilization": NOTHING}])
def test_hours_that_aws_has_not_reported_are_not_told_as_zero_euros(
    serverless: Serverless, unknown: dict[str, Any]
) -> None:
    found = used(serverless, **unknown)
    assert found == NOT_TOLD
    words = list(bill.shown("used", found, 0.9, "run-1"))
    assert words == [
        "AWS has not reported the hours yet; `orchard cluster status run-1` asks again."
    ]


def test_until_the_hours_are_billed_those_that_were_counted_are_priced(
    serverless: Serverless,
) -> None:
    counted = used(serverless, totalResourceUtilization=HOURS)
    assert not counted.is_final
    assert [item.name for item in counted.items] == ["2.50 vCPU hours", "7.50 GB hours"]
    assert counted.items[0].low == pytest.approx(2.5 * 0.06318)
    assert "these are the ones that it counted" in counted.note
    billed = used(
        serverless, billedResourceUtilization=HOURS, totalResourceUtilization={"vCPUHour": 1}
    )
    assert (billed.items, billed.is_final, billed.note) == (counted.items, True, "")


def test_a_job_run_that_never_started_has_used_nothing(serverless: Serverless) -> None:
    with Stubber(serverless._client) as stub:
        stub.add_response("get_job_run", job_run("CANCELLED"))
        found = serverless.used(launch_of(serverless))
    assert (found.items, found.is_final) == ((), True)
    assert found.note == "the job run never started, so it used nothing"


def test_a_cluster_without_an_instance_has_no_bill_of_zero(aws: None) -> None:
    ec2 = Ec2(Account(REGION), ClusterConfig(region=REGION, backend="ec2"), OUTPUTS)
    with Stubber(ec2._emr) as stub:
        stub.add_response("list_instances", {"Instances": []})
        assert ec2.used(launch_of(ec2)) == NOT_TOLD


class Backend:
    """Answers one after the other; the last again and again."""

    def __init__(self, *answers: Used) -> None:
        self.answers = list(answers)

    def used(self, _: object) -> Used:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


COUNTED = Used((Item("1 h", 1, 1),), is_final=False, note="counted")
BILLED = Used((Item("2 h", 2, 2),))


def test_the_bill_is_waited_for_with_a_word_each_minute(told: Any) -> None:
    pauses: list[float] = []
    answers = [NOT_TOLD] * 3 + [COUNTED] * 2 + [BILLED]
    found = bill.wait_for(Backend(*answers), None, told, pauses.append)  # type: ignore[arg-type]
    assert found == BILLED
    assert pauses == [bill.LOOK_SECONDS] * 5
    assert told.console.file.getvalue().count("waiting for AWS to bill the hours") == 2


def test_the_wait_for_the_bill_ends_and_tells_what_is_known(told: Any) -> None:
    pauses: list[float] = []
    assert bill.wait_for(Backend(COUNTED), None, told, pauses.append) == COUNTED  # type: ignore[arg-type]
    assert sum(pauses) == 60 * bill.WAIT_MINUTES


def test_ctrl_c_ends_the_wait_for_the_bill_alone(told: Any) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    assert bill.wait_for(Backend(NOT_TOLD), None, told, interrupt) == NOT_TOLD  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("times", "is_timeout"),
    [
        ({"totalExecutionDurationSeconds": 3600}, True),
        ({"createdAt": NOW - timedelta(minutes=61), "endedAt": NOW}, True),
        (
            {
                "createdAt": NOW - timedelta(minutes=61),
                "endedAt": NOW,
                "queuedDurationMilliseconds": 600_000,
            },
            False,
        ),
        ({"totalExecutionDurationSeconds": 1800}, False),
    ],
)
def test_a_run_that_its_timeout_ended_says_so_though_it_counts_as_cancelled(
    serverless: Serverless, times: dict[str, Any], is_timeout: bool
) -> None:
    run = job_run("CANCELLED", stateDetails="-", executionTimeoutMinutes=60, **times)
    with Stubber(serverless._client) as stub:
        stub.add_response("get_job_run", run)
        found = serverless.look(launch_of(serverless))
    why = "stopped after --timeout 60 minutes (-)" if is_timeout else "-"
    assert found == State(STOPPED, "CANCELLED", why)
