"""Every command: without credentials, in a wrong region, with what moto lacks stubbed."""

from __future__ import annotations

import gzip
import itertools
import json
import shlex
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import ClientError, ReadTimeoutError
from botocore.stub import ANY, Stubber

from aws.conftest import REGION, orchard
from orchard.aws import account as account_module
from orchard.aws import emr
from orchard.aws import launch as launches
from orchard.aws.account import Account, in_one_line
from orchard.aws.cluster import Cluster
from orchard.aws.emr import Ec2
from orchard.aws.follow import follow
from orchard.aws.launch import FAILED, STOPPED, SUCCEEDED, Launch, State
from orchard.aws.run_job_flow import run_job_flow
from orchard.aws.serverless import Serverless
from orchard.cli.cluster import cluster_group
from orchard.cli.cluster_options import Context
from orchard.cloud.settings import ClusterConfig
from orchard.config import RunConfig
from orchard.errors import ConfigError, OrchardError

NEEDS_PATHS = {"submit": ("photos", "out"), "run": ("photos", "out"), "estimate": ("s3://b/a",)}
NEEDS_PATHS["prices"] = ("--refresh",)
COMMANDS = sorted(cluster_group.commands)
OUTPUTS = {
    "BucketName": "orchard-123456789012-eu-west-3",
    "JobRoleArn": "arn:aws:iam::123456789012:role/orchard-eu-west-3-job",
    "SubnetId": "subnet-0123456789abcdef0",
    "PrimaryGroupId": "sg-0123456789abcdef0",
    "NodeGroupId": "sg-0123456789abcdef1",
}


def words(command: str) -> tuple[str, ...]:
    return ("cluster", command, *NEEDS_PATHS.get(command, ()))


@pytest.mark.parametrize("command", COMMANDS)
def test_without_credentials_a_command_is_one_line(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    shown = orchard(*words(command), "--region", REGION)
    assert shown.exit_code == 2
    assert shown.stderr.startswith("orchard: no AWS credentials found; run `aws configure`")
    assert shown.stderr.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("region", ["us-east-1", "eu-west-2"])
def test_in_a_wrong_region_a_command_is_one_line(command: str, region: str) -> None:
    shown = orchard(*words(command), "--region", region)
    assert shown.exit_code == 2
    assert f"{region}" in shown.stderr
    assert "expected a region in the EU: eu-central-1" in shown.stderr
    assert shown.stderr.count("\n") == 1


def test_the_region_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert "us-east-1; expected a region in the EU" in orchard("cluster", "status").stderr
    monkeypatch.delenv("AWS_REGION")
    assert "no AWS region given" in orchard("cluster", "status").stderr


@pytest.mark.parametrize("command", ["submit", "status", "logs", "ui", "clone"])
def test_before_up_a_command_says_what_is_missing(
    aws: None, command: str, photos: Path, tmp_path: Path
) -> None:
    paths = (photos, tmp_path / "out", "--weights", "fruit") if command == "submit" else ()
    shown = orchard("cluster", command, *paths, "--region", REGION)
    assert shown.exit_code in (1, 2)
    assert shown.stderr.count("\n") == 1, shown.stderr


@pytest.mark.parametrize(
    ("code", "message", "expected"),
    [
        ("ExpiredToken", "late", "AWS does not accept the credentials (ExpiredToken)"),
        ("AccessDenied", "You may not", "these AWS credentials may not StopApplication: You may"),
        (
            "ThrottlingException",
            "Rate exceeded",
            "AWS is throttling requests (ThrottlingException on",
        ),
        ("ValidationException", "bad", "AWS refuses StopApplication (ValidationException): bad"),
    ],
)
def test_aws_refusals_are_one_line(code: str, message: str, expected: str) -> None:
    answer = {"Error": {"Code": code, "Message": f"{message}\nand more"}}
    with pytest.raises(OrchardError) as raised, in_one_line():
        raise ClientError(answer, "StopApplication")
    assert str(raised.value).startswith(expected)
    assert "\n" not in str(raised.value)


def test_a_throttled_call_is_repeated(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """By botocore itself; here its pauses are none."""
    from botocore import endpoint
    from botocore.awsrequest import AWSResponse

    monkeypatch.setattr(endpoint, "time", SimpleNamespace(sleep=lambda _: None))
    emr, answers = account.client("emr"), []

    class Raw:
        def __init__(self, body: bytes) -> None:
            self.body = body

        def stream(self, **_: Any) -> Any:
            yield self.body

    def answer(request: Any, **_: Any) -> AWSResponse:
        answers.append(request)
        throttled = len(answers) < 4
        body = {"__type": "ThrottlingException"} if throttled else {"Clusters": []}
        return AWSResponse(
            request.url, 400 if throttled else 200, {}, Raw(json.dumps(body).encode())
        )

    emr.meta.events.register_first("before-send.emr.*", answer)
    assert emr.list_clusters()["Clusters"] == []
    assert len(answers) == 4
    assert account_module.ATTEMPTS > 4


def test_a_cluster_whose_start_is_not_confirmed_is_not_started_twice(
    account: Account,
) -> None:
    """EMR has no token against it: a lost answer must not make botocore ask again."""
    ec2 = Ec2(account, ClusterConfig(region=REGION, backend="ec2"), OUTPUTS)
    asked: list[str] = []

    def lose(request: Any, **_: Any) -> None:
        asked.append(request.url)
        raise ReadTimeoutError(endpoint_url=request.url)

    ec2._once.meta.events.register_first("before-send.emr.*", lose)
    with pytest.raises(OrchardError, match="AWS cannot be used: Read timeout"), in_one_line():
        ec2.submit("s3://b/jobs/1", "s3://b/c.zip", None, asked.append)
    assert len(asked) == 1


def test_an_upload_in_parts_that_fails_is_one_line() -> None:
    with pytest.raises(OrchardError, match="AWS cannot be used: Failed to upload"), in_one_line():
        raise S3UploadFailedError("Failed to upload c.zip to b/c.zip: AccessDenied\nmore")


# EMR on EC2: what moto lacks, by botocore's stubs.


@pytest.fixture
def ec2(aws: None) -> Ec2:
    config = ClusterConfig(region=REGION, backend="ec2", timeout=30)
    return Ec2(Account(REGION), config, OUTPUTS)


def launch_of(backend: Any, job: str | None = "s-1") -> Launch:
    return Launch("1", backend.config, "j-1", job, None)


@pytest.mark.parametrize(
    ("step", "cluster", "expected"),
    [
        ({"State": "COMPLETED"}, "TERMINATING", State(SUCCEEDED, "COMPLETED")),
        (
            {"State": "FAILED", "FailureDetails": {"Message": "exit code 3"}},
            "TERMINATING",
            State(FAILED, "FAILED", "exit code 3"),
        ),
        (
            {"State": "FAILED", "FailureDetails": {"Reason": "exit code 124"}},
            "RUNNING",
            State(FAILED, "FAILED", "stopped after --timeout 30 minutes (exit code 124)"),
        ),
        ({"State": "CANCELLED"}, "RUNNING", State(STOPPED, "CANCELLED")),
        ({"State": "PENDING"}, "BOOTSTRAPPING", State("waiting", "cluster BOOTSTRAPPING")),
        (
            {"State": "RUNNING"},
            "TERMINATED_WITH_ERRORS",
            State(FAILED, "cluster TERMINATED_WITH_ERRORS"),
        ),
        (
            {"State": "CANCELLED"},
            "TERMINATED_WITH_ERRORS",
            State(FAILED, "cluster TERMINATED_WITH_ERRORS"),
        ),
        (
            {"State": "FAILED", "FailureDetails": {"Message": "application_12457 failed"}},
            "RUNNING",
            State(FAILED, "FAILED", "application_12457 failed"),
        ),
    ],
)
def test_a_step_s_end_is_told_with_its_reason(
    ec2: Ec2, step: dict[str, Any], cluster: str, expected: State
) -> None:
    with Stubber(ec2._emr) as stub:
        stub.add_response("describe_cluster", {"Cluster": {"Status": {"State": cluster}}})
        stub.add_response("describe_step", {"Step": {"Status": step}})
        assert ec2.look(launch_of(ec2)) == expected


def test_the_auto_termination_policy_reaches_emr(ec2: Ec2) -> None:
    """moto drops it, and has no GetAutoTerminationPolicy: the request is seen on its way."""
    sent: list[dict[str, Any]] = []
    ec2._once.meta.events.register(
        "before-parameter-build.emr.RunJobFlow", lambda params, **_: sent.append(dict(params))
    )
    with Stubber(ec2._emr) as stub, Stubber(ec2._once) as once:
        stub.add_response("list_clusters", {"Clusters": []})
        once.add_response("run_job_flow", {"JobFlowId": "j-2"}, run_job_flow(ec2.config, OUTPUTS))
        assert ec2.up() == "j-2"
    assert sent[0]["AutoTerminationPolicy"] == {"IdleTimeout": 900}
    assert sent[0]["Instances"]["KeepJobFlowAliveWhenNoSteps"] is True


def test_the_bill_is_the_hours_of_the_instances(ec2: Ec2) -> None:
    begun = datetime(2026, 11, 21, 10, tzinfo=timezone.utc)

    def instance(market: str, hours: float) -> dict[str, Any]:
        times = {"CreationDateTime": begun, "EndDateTime": begun + timedelta(hours=hours)}
        return {"Market": market, "Status": {"State": "TERMINATED", "Timeline": times}}

    with Stubber(ec2._emr) as stub:
        instances = [instance("ON_DEMAND", 2), instance("ON_DEMAND", 2), instance("SPOT", 0.5)]
        stub.add_response("list_instances", {"Instances": instances})
        demand, spot, fee, extras = ec2.used(launch_of(ec2)).items
    assert (demand.name, demand.high) == ("4.00 h on demand", pytest.approx(4 * 0.224))
    assert (spot.low, spot.high) == (pytest.approx(0.5 * 0.0788), pytest.approx(0.5 * 0.08805))
    assert fee.low == pytest.approx(4.5 * 0.048)
    assert extras.low > 4.5 * 0.005


def test_an_instance_is_paid_for_at_least_a_minute(ec2: Ec2) -> None:
    now = datetime.now(timezone.utc)
    times = {"CreationDateTime": now, "EndDateTime": now}
    with Stubber(ec2._emr) as stub:
        status = {"State": "TERMINATED", "Timeline": times}
        stub.add_response("list_instances", {"Instances": [{"Market": "SPOT", "Status": status}]})
        assert ec2.used(launch_of(ec2)).items[1].name == "0.02 h on Spot"


def test_the_history_server_is_asked_for_its_address(ec2: Ec2) -> None:
    with Stubber(ec2._emr) as stub:
        stub.add_response(
            "describe_cluster", {"Cluster": {"ClusterArn": f"arn:aws:emr:{REGION}:1:cluster/j-1"}}
        )
        stub.add_response("create_persistent_app_ui", {"PersistentAppUIId": "p-1"}, ANY_ARN)
        stub.add_response(
            "get_persistent_app_ui_presigned_url",
            {"PresignedURLReady": True, "PresignedURL": "https://p-1.emrappui"},
            {"PersistentAppUIId": "p-1", "PersistentAppUIType": "SHS"},
        )
        assert ec2.interfaces(launch_of(ec2)) == {"history server": "https://p-1.emrappui"}


def test_in_milan_there_is_no_history_server_off_the_cluster(aws: None) -> None:
    config = ClusterConfig(region="eu-south-1", backend="ec2")
    ec2 = Ec2(Account("eu-south-1"), config, OUTPUTS)
    with pytest.raises(ConfigError, match=r"no history server off the cluster in eu-south-1; whil"):
        ec2.interfaces(launch_of(ec2))


ANY_ARN = {"TargetResourceArn": ANY}


# EMR Serverless


@pytest.fixture
def serverless(aws: None) -> Serverless:
    return Serverless(Account(REGION), ClusterConfig(region=REGION), OUTPUTS)


def job_run(state: str, **more: Any) -> dict[str, Any]:
    now = datetime.now(timezone.utc)
    long = f"arn:aws:emr-serverless:{REGION}:123456789012:/applications/a/jobruns/r"
    needed = {
        **{"applicationId": "a", "jobRunId": "r", "arn": long, "createdBy": long, "state": state},
        **{"createdAt": now, "updatedAt": now, "executionRole": long, "stateDetails": "-"},
        **{"releaseLabel": "emr-7.13.0", "jobDriver": {"sparkSubmit": {"entryPoint": "main.py"}}},
    }
    return {"jobRun": needed | more}


@pytest.mark.parametrize(
    ("state", "detail", "phase"),
    [
        ("QUEUED", "-", "waiting"),
        ("RUNNING", "-", "running"),
        ("SUCCESS", "-", SUCCEEDED),
        ("FAILED", "Job execution timed out after 60 minutes", FAILED),
        ("CANCELLED", "-", STOPPED),
    ],
)
def test_a_job_run_s_state_is_told(
    serverless: Serverless, state: str, detail: str, phase: str
) -> None:
    with Stubber(serverless._client) as stub:
        stub.add_response("get_job_run", job_run(state, stateDetails=detail))
        assert serverless.look(launch_of(serverless)) == State(phase, state, detail)


def test_what_serverless_bills_is_its_own_count_of_hours(serverless: Serverless) -> None:
    billed = {"vCPUHour": 2.5, "memoryGBHour": 7.5, "storageGBHour": 0.0}
    with Stubber(serverless._client) as stub:
        stub.add_response("get_job_run", job_run("SUCCESS", billedResourceUtilization=billed))
        cpus, memory = serverless.used(launch_of(serverless)).items
    assert cpus.low == cpus.high == pytest.approx(2.5 * 0.06318)
    assert memory.low == pytest.approx(7.5 * 0.00689)


def test_the_dashboard_s_address_is_printed(serverless: Serverless) -> None:
    with Stubber(serverless._client) as stub:
        stub.add_response("get_dashboard_for_job_run", {"url": "https://spark"}, ANY_RUN)
        assert serverless.interfaces(launch_of(serverless)) == {"Spark UI": "https://spark"}


ANY_RUN = {"applicationId": "j-1", "jobRunId": "s-1"}


# following


def test_following_shows_states_words_and_the_reason_of_a_failure(
    cluster: Cluster, told: Any
) -> None:
    cluster.deploy()
    url = f"s3://{cluster.bucket}/jobs/1"
    found = Launch("1", cluster.config, "a", "r", url)
    s3 = cluster.account.client("s3")

    def tell(**state: Any) -> Callable[[], None]:
        body = json.dumps({"events": [], "done": 0, "errors": 0, "total": 0} | state).encode()
        return lambda: s3.put_object(Bucket=cluster.bucket, Key="jobs/1/progress.json", Body=body)

    steps: list[tuple[State, Callable[[], Any]]] = [
        (State("waiting", "SCHEDULED"), lambda: None),
        (State("running", "RUNNING"), tell(events=["Spark 3.5"], total=9)),
        (State("running", "RUNNING"), tell(events=["Spark 3.5"], total=9, done=5)),
        (
            State(FAILED, "FAILED", "exit code 7"),
            tell(events=["Spark 3.5", "warning: x"], phase="failed", detail="5 of 9 failed"),
        ),
    ]

    class Backend:
        def look(self, _: Launch) -> State:
            state, act = steps.pop(0)
            act()
            return state

    state, words_told = follow(cluster.account, Backend(), found, told, pause=lambda _: None)  # type: ignore[arg-type]
    assert state == State(FAILED, "FAILED", "5 of 9 failed"), "the job knows better than AWS"
    text = told.console.file.getvalue()
    assert text.index("1 is scheduled") < text.index("Spark 3.5") < text.index("warning: x")
    assert words_told["phase"] == "failed"


# launches, clones, logs, commands


def test_a_clone_is_as_its_model(cluster: Cluster, photos: Path) -> None:
    up = ("cluster", "up", "--region", REGION, "--yes", "--backend", "ec2")
    assert orchard(*up, "--instance-type", "m6g.xlarge", "--task", 3).exit_code == 0
    first = launches.load(cluster.account, cluster.bucket)
    cluster.account.client("emr").terminate_job_flows(JobFlowIds=[first.cluster])
    shown = orchard("cluster", "clone", first.id, "--region", REGION, "--yes")
    assert shown.exit_code == 0, shown.output
    second = launches.load(cluster.account, cluster.bucket)
    assert second.config == first.config
    assert second.cluster != first.cluster
    assert launches.load(cluster.account, cluster.bucket, first.cluster) == first
    with pytest.raises(ConfigError, match=f"j-x: there is no such launch.*{first.id}"):
        launches.load(cluster.account, cluster.bucket, "j-x")


def test_a_clone_of_a_run_runs_it_again(cluster: Cluster, photos: Path) -> None:
    backend = cluster.deploy()
    run = RunConfig(sources=(str(photos),), output="result", weights="fruit", limit=7)
    first = cluster.submit(backend, run, cluster.upload_code(), alone=False)
    from orchard.aws.clone import clone

    second = clone(cluster, None, lambda _: None)
    assert second.run == json.loads(json.dumps(first.run)) | {
        name: tuple(first.run[name])  # type: ignore[index]
        for name in ("sources", "include", "exclude", "view", "keep_columns")
    }
    assert (second.run or {})["limit"] == 7
    assert second.job != first.job


def test_submit_on_ec2_needs_a_cluster_that_runs(ec2_cluster: Cluster, photos: Path) -> None:
    backend = ec2_cluster.deploy()
    run = RunConfig(sources=(str(photos),), output="result", weights="fruit")
    with pytest.raises(ConfigError, match="no cluster of orchard runs; start one with"):
        ec2_cluster.submit(backend, run, "s3://b/c.zip", alone=False)
    cluster = backend.up()
    made = ec2_cluster.submit(backend, run, "s3://b/c.zip", alone=False)
    assert made.cluster == cluster
    steps = ec2_cluster.account.client("emr").list_steps(ClusterId=cluster)["Steps"]
    assert [step["ActionOnFailure"] for step in steps] == ["CONTINUE"]


def test_a_cluster_is_kept_in_mind_before_its_step_is_known(
    ec2_cluster: Cluster, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs money from its first second, and EMR may list its step later, or never."""
    monkeypatch.setattr(emr, "_STEP_LOOKS", 0)
    backend = ec2_cluster.deploy()
    run = RunConfig(sources=(str(photos),), output="result", weights="fruit")
    with pytest.raises(OrchardError, match="EMR lists no step of it yet"):
        ec2_cluster.submit(backend, run, "s3://b/c.zip", alone=True)
    kept = launches.find(ec2_cluster.account, ec2_cluster.bucket)
    assert kept is not None
    assert (kept.cluster, kept.job) == (backend.running(), None)


def test_logs_are_unpacked_and_shown(cluster: Cluster, photos: Path) -> None:
    backend = cluster.deploy()
    run = RunConfig(sources=(str(photos),), output="result", weights="fruit")
    made = cluster.submit(backend, run, cluster.upload_code(), alone=False)
    empty = orchard("cluster", "logs", "--region", REGION)
    assert empty.stderr.startswith(f"orchard: {made.id} has written nothing yet")
    key = f"logs/applications/{made.cluster}/jobs/{made.job}/SPARK_DRIVER/stderr.gz"
    body = gzip.compress("embedding: 40/40\nfertig ✓\n".encode())
    cluster.account.client("s3").put_object(Bucket=cluster.bucket, Key=key, Body=body)
    assert orchard("cluster", "logs", "--region", REGION).stdout == "embedding: 40/40\nfertig ✓\n"


def test_a_job_description_is_written_once_per_launch(cluster: Cluster, photos: Path) -> None:
    backend = cluster.deploy()
    run = RunConfig(sources=(str(photos),), output="result", weights="fruit")
    ids = {cluster.submit(backend, run, "s3://b/c.zip", alone=False).id for _ in range(3)}
    assert len(ids) == 3
    assert launches.ids(cluster.account, cluster.bucket) == sorted(ids)


def test_print_cli_shows_the_aws_command_and_starts_nothing(aws: None, photos: Path) -> None:
    up = ("cluster", "up", "--region", REGION, "--backend", "ec2", "--print-cli")
    line = shlex.split(orchard(*up).stdout)
    assert line[:3] == ["aws", "emr", "create-cluster"]
    options = dict(itertools.pairwise(line))
    assert json.loads(options["--auto-termination-policy"]) == {"IdleTimeout": 900}
    assert options["--release-label"] == "emr-7.13.0"
    assert "--no-termination-protected" in line
    assert options["--region"] == REGION
    run = ("cluster", "submit", photos, "out", "--weights", "fruit", "--region", REGION)
    line = shlex.split(orchard(*run, "--print-cli").stdout)
    assert line[:3] == ["aws", "emr-serverless", "start-job-run"]
    request = json.loads(line[line.index("--cli-input-json") + 1])
    assert request["executionTimeoutMinutes"] == 60
    ec2 = ("cluster", "submit", photos, "out", "--weights", "fruit", "--region", REGION)
    line = shlex.split(orchard(*ec2, "--backend", "ec2", "--print-cli").stdout)
    assert line[:3] == ["aws", "emr", "create-cluster"], "one of its own, which it ends"
    assert "--managed-scaling-policy" not in line
    assert Account(REGION).client("cloudformation").describe_stacks()["Stacks"] == []


def test_a_run_on_aws_reads_and_computes_as_a_local_one_may(cluster: Cluster, photos: Path) -> None:
    words = [str(photos), "result", "--precision", "int8", "--colour", "ignore", "--view", "zoom"]
    words += ["--damaged", "keep", "--max-pixels", "9000000", "--decode", "scaled"]
    words += ["--no-findings", "--no-thumbnails"]
    options = cluster_group.commands["submit"].make_context("submit", words).params
    run = Context(cluster.account, cluster.config, cluster).run_config(options["paths"], options)
    assert (run.precision, run.colour, run.damaged) == ("int8", "ignore", "keep")
    assert (run.view, run.max_pixels, run.decode) == (("zoom",), 9_000_000, "scaled")
    assert (run.findings, run.thumbnails) == (False, False)


def test_a_precision_that_the_archive_does_not_bring_is_refused(photos: Path) -> None:
    submit = ("cluster", "submit", photos, "result", "--region", REGION)
    shown = orchard(*submit, "--precision", "bfloat16")
    assert shown.exit_code == 2
    assert "--precision bfloat16 needs OpenVINO on the cluster: add --package" in shown.stderr
