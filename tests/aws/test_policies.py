"""What cfn-lint does not see: our own rules over the templates and over RunJobFlow's parameters."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import botocore.session
import pytest
import yaml
from botocore.validate import ParamValidator
from cfnlint import api as cfnlint
from cfnlint.config import ManualArgs

from orchard.aws.backend import backend_of
from orchard.aws.run_job_flow import run_job_flow, step
from orchard.aws.stack import _BUDGET_REGIONS, template
from orchard.cloud.regions import REGIONS
from orchard.cloud.releases import RELEASES
from orchard.cloud.settings import IDLE_SECONDS, PYTHON, ClusterConfig
from tests.conftest import ROOT

TEMPLATES = sorted(
    path.name.removesuffix(".yaml") for path in (files("orchard.aws") / "templates").iterdir()
)
OUTPUTS = {
    "BucketName": "orchard-123456789012-eu-west-3",
    "JobRoleArn": "arn:aws:iam::123456789012:role/orchard-eu-west-3-job",
    "SubnetId": "subnet-0123456789abcdef0",
    "PrimaryGroupId": "sg-0123456789abcdef0",
    "NodeGroupId": "sg-0123456789abcdef1",
}
# What has no narrower resource: an account's list of log groups, and Session Manager's channels.
UNNAMEABLE = {
    "logs:DescribeLogGroups",
    "ssm:UpdateInstanceInformation",
    *(
        f"ssmmessages:{verb}{kind}Channel"
        for verb in ("Create", "Open")
        for kind in ("Control", "Data")
    ),
}
# What the user names: other buckets, and the keys under which they lie.
GIVEN = {f"{of}{what}" for of in ("Source", "Output") for what in ("Buckets", "Objects", "Keys")}


class Loader(yaml.SafeLoader):
    """Reads !Sub and its like as their arguments."""


def _plain(loader: Loader, _: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return loader.construct_scalar(node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]


Loader.add_multi_constructor("!", _plain)


@cache
def parsed(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(template(name), Loader)
    return found


def resources(kind: str, of: tuple[str, ...] = tuple(TEMPLATES)) -> dict[str, dict[str, Any]]:
    """Properties of all resources of a type, by template and name."""
    return {
        f"{name}: {key}": item.get("Properties", {})
        for name in of
        for key, item in parsed(name)["Resources"].items()
        if item["Type"] == kind
    }


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    """All statements of what identities may do (not of trust, of the bucket or of the key)."""
    for name, role in resources("AWS::IAM::Role").items():
        for policy in role.get("Policies", ()):
            for statement in policy["PolicyDocument"]["Statement"]:
                yield name, statement
    for name, policy in resources("AWS::IAM::Policy").items():
        for statement in policy["PolicyDocument"]["Statement"]:
            yield name, statement


def as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize("name", TEMPLATES)
def test_cfn_lint_finds_nothing(name: str) -> None:
    known = _BUDGET_REGIONS if name == "budget" else REGIONS
    regions = ManualArgs(regions=list(known))
    assert [str(match) for match in cfnlint.lint(template(name), config=regions)] == []


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_fits_into_a_call(name: str) -> None:
    assert len(template(name).encode()) < 51_200  # TemplateBody's limit


def test_no_role_may_do_everything_or_to_everything() -> None:
    allowed = [(name, s) for name, s in statements() if s["Effect"] == "Allow"]
    assert len(allowed) > 5
    for name, statement in allowed:
        for action in as_list(statement["Action"]):
            assert "*" not in action, f"{name}: {action}"
        for resource in as_list(statement["Resource"]):
            if set(as_list(statement["Action"])) <= UNNAMEABLE:
                continue
            ends = re.sub(r"(/|log-group:/orchard/\$\{AWS::StackName\}:)\*$", "", resource)
            assert resource in GIVEN or "*" not in ends, f"{name}: {resource}"


def test_roles_are_assumed_by_services_for_this_account_only() -> None:
    for name, role in resources("AWS::IAM::Role").items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert set(trust["Principal"]) == {"Service"}, name
        if trust["Principal"]["Service"] != "ec2.amazonaws.com":  # its instances are the account's
            assert trust["Condition"]["StringEquals"]["aws:SourceAccount"] == "AWS::AccountId"


def test_every_role_is_forbidden_to_leave_the_eu() -> None:
    denials = [
        policy
        for policy in resources("AWS::IAM::Policy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
        and (statement.get("NotAction"), statement["Resource"]) == ("iam:*", "*")
        and sorted(statement["Condition"]["StringNotEquals"]["aws:RequestedRegion"])
        == sorted(REGIONS)
    ]
    covered = {role for policy in denials for role in policy["Roles"]}
    assert covered == {name.split(": ")[1] for name in resources("AWS::IAM::Role")}


def test_the_bucket_is_private_encrypted_versioned_and_forgets() -> None:
    ((_, bucket),) = resources("AWS::S3::Bucket").items()
    assert bucket["PublicAccessBlockConfiguration"] == dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    rules = {rule["Id"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"]}
    assert rules["logs"]["ExpirationInDays"] == "LogDays"
    assert rules["contributions"]["ExpirationInDays"] == 30
    assert rules["old-versions"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": "LogDays"}
    assert rules["unfinished-uploads"]["AbortIncompleteMultipartUpload"]
    assert all(rule["Status"] == "Enabled" for rule in rules.values())


def test_the_bucket_is_deaf_to_connections_without_tls() -> None:
    ((_, policy),) = resources("AWS::S3::BucketPolicy").items()
    by_sid = {s["Sid"]: s for s in policy["PolicyDocument"]["Statement"]}
    plain, old = by_sid["OnlyEncryptedConnections"], by_sid["OnlyTls12"]
    for denial in (plain, old):
        assert (denial["Effect"], denial["Principal"], denial["Action"]) == ("Deny", "*", "s3:*")
        assert len(denial["Resource"]) == 2, "the bucket and what is in it"
    assert plain["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert old["Condition"] == {"NumericLessThan": {"s3:TlsVersion": "1.2"}}
    assert not any(s["Effect"] == "Allow" for s in by_sid.values())


def test_nodes_reach_session_manager_and_no_parameter_of_the_account() -> None:
    """AmazonSSMManagedInstanceCore grants ssm:GetParameters on everything."""
    allowed = {
        action
        for name, statement in statements()
        if statement["Effect"] == "Allow"
        for action in as_list(statement["Action"])
        if action.startswith(("ssm", "ec2messages"))
    }
    assert allowed == {action for action in UNNAMEABLE if action.startswith("ssm")}
    managed = [
        arn
        for role in resources("AWS::IAM::Role").values()
        for arn in role.get("ManagedPolicyArns", ())
    ]
    assert [arn.rpartition("/")[2] for arn in managed] == ["AmazonEMRServicePolicy_v2"]


def test_jobs_may_do_what_emr_serverless_asks_for_to_write_to_cloudwatch() -> None:
    """The page "Logging and monitoring" lists these five for the job's role."""
    needed = {"CreateLogGroup", "CreateLogStream", "DescribeLogGroups", "DescribeLogStreams"}
    allowed = {
        action
        for name, statement in statements()
        if name == "durable: JobRole" and statement["Effect"] == "Allow"
        for action in as_list(statement["Action"])
    }
    assert allowed >= {f"logs:{action}" for action in needed | {"PutLogEvents"}}


def test_what_goes_on_after_the_notebooks_bootstrap_action_reads_no_input(tmp_path: Path) -> None:
    """EMR waits for an action's streams; `docker exec -i` would take them."""
    info, seen = tmp_path / "instance.json", tmp_path / "stdin"
    info.write_text('{"isMaster": true}')
    stubs = {
        "sudo": '#!/bin/sh\ncase "$*" in *true) readlink /proc/self/fd/0 > "$SEEN.part"\n'
        'mv "$SEEN.part" "$SEEN";; *) cat > "$SEEN.password";; esac\n',
        "aws": "#!/bin/sh\necho secret\n",
    }
    for name, text in stubs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    script = (files("orchard.aws") / "scripts/notebooks.sh").read_text()
    script = script.replace("/mnt/var/lib/info/instance.json", str(info))
    done = subprocess.run(
        ["bash", "-c", script + "wait\n", "notebooks.sh", "secret", "eu-west-3"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", "SEEN": str(seen)},
        input=b"what the action was given",
        timeout=20,
    )
    assert done.returncode == 0
    assert seen.read_text() == "/dev/null\n"
    assert Path(f"{seen}.password").read_text() == "jovyan:secret\n"


def test_only_tls_goes_out_and_no_rule_of_ours_lets_in() -> None:
    """EMR itself adds port 8443 from AWS' addresses, in a public subnet; the texts say so."""
    for name in ("Description", "Resources"):
        text = json.dumps(parsed("ec2")[name])
        assert "8443" in text
        assert "nothing comes in" not in text
        assert "without a way in" not in text
    for name, group in resources("AWS::EC2::SecurityGroup").items():
        assert "SecurityGroupIngress" not in group, name
        assert group["SecurityGroupEgress"], f"{name}: without rules all may go out"
        for rule in group["SecurityGroupEgress"]:
            if rule["CidrIp"] == "0.0.0.0/0":
                assert (rule["IpProtocol"], rule["FromPort"], rule["ToPort"]) == ("tcp", 443, 443)
    assert not resources("AWS::EC2::SecurityGroupIngress"), "SSH goes through Session Manager"


def test_the_application_has_a_limit_and_stops() -> None:
    ((_, application),) = resources("AWS::EMRServerless::Application").items()
    assert set(application["MaximumCapacity"]) >= {"Cpu", "Memory"}
    stop = application["AutoStopConfiguration"]
    assert stop == {"Enabled": True, "IdleTimeoutMinutes": "IdleMinutes"}
    assert application["SchedulerConfiguration"]["MaxConcurrentRuns"] == 1


def test_stack_and_guide_name_every_release_and_each_has_the_python_of_the_archive() -> None:
    assert parsed("durable")["Parameters"]["ReleaseLabel"]["AllowedValues"] == [*RELEASES]
    guide = (ROOT / "docs/how-to/aws.md").read_text("utf-8")
    for label, release in RELEASES.items():
        assert PYTHON in release.pythons, label
        assert date.fromisoformat(release.until) > date(2026, 11, 30), label
        row = f"| {release.spark} | {', '.join(release.pythons)} | {release.until} |"
        assert re.search(rf"`{label}`.* {re.escape(row)}", guide), label


def test_the_budget_writes_at_50_80_and_100_percent() -> None:
    ((_, budget),) = resources("AWS::Budgets::Budget").items()
    alerts = [item["Notification"] for item in budget["NotificationsWithSubscribers"]]
    assert [alert["Threshold"] for alert in alerts] == [50, 80, 100]
    assert all(item["Subscribers"] for item in budget["NotificationsWithSubscribers"])


def test_disks_and_the_ways_between_nodes_are_encrypted() -> None:
    ((_, made),) = resources("AWS::EMR::SecurityConfiguration").items()
    encryption = made["SecurityConfiguration"]["EncryptionConfiguration"]
    assert encryption["EnableInTransitEncryption"] is True
    tls = encryption["InTransitEncryptionConfiguration"]["TLSCertificateConfiguration"]
    assert tls == {"CertificateProviderType": "EMR"}, "a wildcard of ours would fit no node"
    assert encryption["EnableAtRestEncryption"] is True
    disks = encryption["AtRestEncryptionConfiguration"]["LocalDiskEncryptionConfiguration"]
    assert disks["EnableEbsEncryption"] is True
    imds = made["SecurityConfiguration"]["InstanceMetadataServiceConfiguration"]
    assert imds["MinimumInstanceMetadataServiceVersion"] == 2


# RunJobFlow and StartJobRun


def cluster_config(**settings: Any) -> ClusterConfig:
    return ClusterConfig(region="eu-west-3", **({"backend": "ec2"} | settings))


def assert_botocore_takes(service: str, operation: str, request: dict[str, Any]) -> None:
    """The parameters are what the service's own model asks for, names, types and bounds."""
    model = botocore.session.get_session().get_service_model(service).operation_model(operation)
    report = ParamValidator().validate(request, model.input_shape)
    assert not report.has_errors(), report.generate_report()


VARIANTS = [
    {},
    {"task": 0},
    {"spot": False, "core": 3},
    {"instance_type": "m7g.xlarge", "notebooks": True, "idle": 60},
    {"release": "emr-spark-8.0.0", "timeout": 720, "idle": 604_800},
    {"release": "emr-spark-8.1.0", "key_name": "mine"},
]


@pytest.mark.parametrize("settings", VARIANTS)
@pytest.mark.parametrize("with_step", [True, False])
def test_run_job_flow_is_what_botocore_and_our_rules_ask_for(
    settings: dict[str, Any], with_step: bool
) -> None:
    config = cluster_config(**settings)
    work = step(config, OUTPUTS, "s3://b/jobs/1", "s3://b/code/c.zip", ends_cluster=True)
    request = run_job_flow(config, OUTPUTS, [work] if with_step else None)
    assert_botocore_takes("emr", "RunJobFlow", request)
    assert request["AutoTerminationPolicy"]["IdleTimeout"] in IDLE_SECONDS
    instances = request["Instances"]
    assert instances["KeepJobFlowAliveWhenNoSteps"] is not with_step
    assert instances["TerminationProtected"] is False
    assert instances.get("Ec2KeyName") == config.key_name
    fleets = {fleet["InstanceFleetType"]: fleet for fleet in instances["InstanceFleets"]}
    assert fleets["MASTER"]["TargetOnDemandCapacity"] == 1
    for kind, fleet in fleets.items():
        if fleet["TargetSpotCapacity"]:
            assert kind == "TASK", "who holds the driver or HDFS is not on Spot"
            spot = fleet["LaunchSpecifications"]["SpotSpecification"]
            assert spot["TimeoutAction"] == "SWITCH_TO_ON_DEMAND"
            assert 5 <= spot["TimeoutDurationMinutes"] <= 1440, "minutes"
    assert ("ManagedScalingPolicy" in request) is not with_step
    if not with_step:
        limits = request["ManagedScalingPolicy"]["ComputeLimits"]
        demand, spot = (
            sum(fleet[f"Target{market}Capacity"] for fleet in fleets.values())
            for market in ("OnDemand", "Spot")
        )
        assert limits["MaximumCapacityUnits"] == demand + spot - 1
        assert limits["MaximumOnDemandCapacityUnits"] == demand - 1, (
            "the rest may be bought on Spot"
        )
    stop = request["BootstrapActions"][0]["ScriptBootstrapAction"]
    assert stop["Path"].endswith("/stop_after.sh")
    assert stop["Args"] == [str(config.timeout)], "minutes, as `shutdown` takes them"
    names = [item["Name"] for item in request["Applications"]]
    base = ["Spark"] if "emr-spark" in config.release else ["Hadoop", "Spark"]
    assert names == base + ["JupyterHub"] * config.notebooks


def test_jobs_write_neither_code_nor_images_nor_launches() -> None:
    writes = [
        (name, resource)
        for name, statement in statements()
        if statement["Effect"] == "Allow"
        and {"s3:PutObject", "s3:DeleteObject"} & set(as_list(statement["Action"]))
        for resource in as_list(statement["Resource"])
    ]
    asked_for = {name.split(": ")[0] for name, resource in writes if resource == "OutputObjects"}
    assert asked_for == {"durable", "ec2"}
    writes = [(name, resource) for name, resource in writes if resource != "OutputObjects"]
    folders = {resource.split("/")[-2] for _, resource in writes}
    assert folders == {"results", "jobs", "logs", "jupyter"}
    assert {name.split(": ")[1] for name, _ in writes} == {"JobRole", "NodeRole"}


def test_a_script_that_cannot_be_fetched_fails_the_step(tmp_path: Path) -> None:
    """An empty script succeeds; the step would be a success that has done nothing."""
    aws = tmp_path / "aws"
    aws.write_text("#!/bin/sh\nexit 1\n")
    aws.chmod(0o755)
    made = step(cluster_config(), OUTPUTS, "s3://b/jobs/1", "s3://b/c.zip", ends_cluster=True)
    done = subprocess.run(
        made["HadoopJarStep"]["Args"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 1


@pytest.mark.parametrize(
    ("kind", "yarn"), [("m5.xlarge", 12_288), ("m5.2xlarge", 24_576), ("c7g.xlarge", 5_632)]
)
def test_an_executor_and_the_application_master_fit_on_one_node(kind: str, yarn: int) -> None:
    """YARN's memory is EMR's default; a step that waits for room burns money until its timeout."""
    config = cluster_config(instance_type=kind, core=1, task=0)
    made = step(config, OUTPUTS, "s3://b/jobs/1", "s3://b/code/c.zip", ends_cluster=True)
    conf = dict(re.findall(r"--conf (\S+?)=(\S+)", made["HadoopJarStep"]["Args"][-1]))
    memory = int(conf["spark.executor.memory"].removesuffix("m"))
    overhead = int(conf["spark.executor.memoryOverhead"].removesuffix("m"))
    granted = -(-(memory + overhead) // 32) * 32
    assert granted + 512 + 384 <= yarn
    assert overhead > 4 * 512, "four Python processes embed beside the JVM"


def test_a_step_is_ended_by_its_own_clock() -> None:
    config = cluster_config(timeout=42)
    made = step(config, OUTPUTS, "s3://b/jobs/1", "s3://b/code/c.zip", ends_cluster=True)
    assert made["ActionOnFailure"] == "TERMINATE_CLUSTER"
    command = made["HadoopJarStep"]["Args"][-1]
    assert f" s3://b/jobs/1 42 {config.region} " in command
    assert f"--conf spark.executorEnv.AWS_REGION={config.region}" in command
    assert f"--conf spark.executorEnv.AWS_DEFAULT_REGION={config.region}" in command
    script = (files("orchard.aws") / "scripts/step.sh").read_text()
    assert "seconds=$((60 * $4))" in script
    assert "export AWS_REGION=$5 AWS_DEFAULT_REGION=$5\nshift 5\n" in script
    assert 'timeout --kill-after=60 "${seconds}s"' in script


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
def test_start_job_run_is_what_botocore_and_our_rules_ask_for(
    account: Any, architecture: str
) -> None:
    config = ClusterConfig(region="eu-west-3", architecture=architecture, timeout=33, workers=7)
    backend = backend_of(account, config, OUTPUTS)
    _, operation, request = backend.request("s3://b/jobs/1", "s3://b/c.zip", "app", alone=True)
    assert_botocore_takes("emr-serverless", operation, request)
    assert request["executionTimeoutMinutes"] == 33
    parameters = request["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"]
    assert "--conf spark.dynamicAllocation.enabled=false" in parameters
    assert "--conf spark.executor.instances=7 " in parameters
    for place in ("emr-serverless.driverEnv", "executorEnv"):
        for variable in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            assert f"--conf spark.{place}.{variable}=eu-west-3" in parameters
    assert "--conf spark.archives=s3://b/c.zip#orchard-code" in parameters


def test_a_worker_of_serverless_is_as_large_as_it_is_priced(account: Any) -> None:
    from orchard.cloud.settings import WORKER_GB, WORKER_VCPUS

    config = ClusterConfig(region="eu-west-3")
    _, _, request = backend_of(account, config, OUTPUTS).request("u", "c", "a", alone=True)
    text = request["jobDriver"]["sparkSubmit"]["sparkSubmitParameters"]
    conf = dict(re.findall(r"--conf (\S+?)=(\S+)", text))
    for role in ("driver", "executor"):
        memory = (conf[f"spark.{role}.memory"], conf[f"spark.{role}.memoryOverhead"])
        assert sum(int(part.removesuffix("g")) for part in memory) == WORKER_GB
        assert int(conf[f"spark.{role}.cores"]) == WORKER_VCPUS


def test_an_event_starts_one_job_run_with_a_number_of_minutes() -> None:
    """A parameter of a template is a string, unless it is put into the definition's text."""
    ((_, machine),) = resources("AWS::StepFunctions::StateMachine").items()
    text = machine["DefinitionString"]
    for name in machine["DefinitionSubstitutions"]:
        text = text.replace(f"${{{name}}}", "33" if name == "Minutes" else f"a {name}")
    assert "${" not in text
    asked = json.loads(text)["States"]["Start"]["Parameters"]
    assert asked["ExecutionTimeoutMinutes"] == 33
    assert asked["ClientToken.$"] == "$.id", "of the event: a second try starts no second run"
    call = {name[0].lower() + name[1:]: value for name, value in asked.items() if "$" not in name}
    call["jobDriver"] = {"sparkSubmit": {
        "entryPoint": "e", "entryPointArguments": ["j"], "sparkSubmitParameters": "p",
    }}  # fmt: skip
    del call["configurationOverrides"]
    token = "00000000-0000-0000-0000-000000000000"
    assert_botocore_takes("emr-serverless", "StartJobRun", call | {
        "clientToken": token, "applicationId": "00abc", "executionRoleArn": OUTPUTS["JobRoleArn"],
    })  # fmt: skip


def test_no_password_is_in_a_request() -> None:
    request = run_job_flow(cluster_config(notebooks=True), OUTPUTS)
    (_, notebooks) = request["BootstrapActions"]
    assert notebooks["ScriptBootstrapAction"]["Args"] == ["orchard/orchard/jupyterhub", "eu-west-3"]
    assert "password" not in json.dumps(request).lower()
