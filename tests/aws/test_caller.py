"""The two policies of whoever calls `orchard cluster` are those of the calls that it makes."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint
import pytest
from botocore.exceptions import ClientError

from aws.conftest import REGION, orchard
from aws.recorded_calls import ACCOUNT, ACTIONS, Call, assert_allowed, call_of, refused
from aws.test_flows import run_of
from aws.test_policies import TEMPLATES, parsed
from orchard.aws import launch as launches
from orchard.aws import notebooks, on_upload, sync
from orchard.aws.caller import MOST_CHARACTERS, TASKS, policy, statements
from orchard.aws.cluster import Cluster
from orchard.errors import OrchardError

ROOT = Path(__file__).parents[2]
# What no call of the tests shows: programs beside boto3, and services that act for the caller.
UNSEEN = {
    "emr-serverless:StartApplication",  # a job run starts it; whose right counts is not documented
    "ssm:StartSession",  # the aws command line's, in a tunnel
    "iam:CreateServiceLinkedRole",  # a service's own role, made for its first user
    "s3:AbortMultipartUpload",  # by boto3, where a part cannot be sent
    "elasticmapreduce:DescribePersistentAppUI",  # GetPersistentAppUIPresignedURL asks for it
}
# Of what CloudFormation's types may need, what our templates do not use.
UNUSED = {
    "AWS::Budgets::Budget": ("billing:*", "budgets:Untag*"),
    "AWS::EC2::SubnetRouteTableAssociation": ("ec2:ReplaceRouteTableAssociation",),
    "AWS::EC2::VPC": ("ec2:*VpcEncryptionControl",),
    "AWS::EC2::VPCEndpoint": ("vpc-lattice:*", "vpce:*"),
    "AWS::EC2::VPCGatewayAttachment": ("ec2:*VpnGateway*",),
    "AWS::EMRServerless::Application": ("kms:*", "sso:*", "ecr:*", "ec2:CreateNetworkInterface"),
    "AWS::IAM::Policy": ("iam:*UserPolicy", "iam:*GroupPolicy"),
    "AWS::KMS::Key": ("kms:DisableKey",),
    "AWS::Logs::LogGroup": (
        *("logs:*DataProtectionPolicy", "logs:CreateLogDelivery", "s3:REST*", "firehose:*"),
        *("logs:*ResourcePolic*", "logs:*IndexPolic*", "logs:PutBearerTokenAuthentication"),
    ),
    "AWS::S3::Bucket": (
        *("s3:*Abac", "s3:*Analytics*", "s3:*CORS", "s3:*Inventory*", "s3:*Metrics*", "s3tables:*"),
        *("s3:*Replication*", "s3:*Website", "s3:*Accelerate*", "s3:PutObjectAcl", "s3:*Lock*"),
        *(
            "s3:GetBucketAcl",
            "iam:PassRole",
            "s3:PutBucketLogging",
            "s3:*Tiering*",
            "s3:*Metadata*",
        ),
    ),
    "AWS::StepFunctions::StateMachine": ("kms:*", "s3:GetObjectVersion"),
}


def actions(*tasks: Any) -> set[str]:
    names = dict.fromkeys(("Account", "Region", "Stack", "Bucket"), "x")
    return {
        action
        for task in tasks
        for statement in statements(task, **names)
        for action in (
            statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        )
    }


def test_whoever_runs_needs_what_run_json_says_and_no_more(
    cluster: Cluster, ec2_cluster: Cluster, recorded: set[Call], photos: Path, monkeypatch: Any
) -> None:
    """Submit, follow and look, on both backends, after somebody else has deployed."""

    def upload_code(self: Cluster) -> str:
        return sync.put_file(self.account, self.bucket, "code/c.zip", cluster.build("x86_64"))

    monkeypatch.setattr(Cluster, "upload_code", upload_code)
    backend = cluster.deploy()
    on_upload.install(cluster, backend, run_of(photos), "s3://b/c.zip")
    ec2_cluster.start()
    notebooks.set_password(cluster.account, "orchard")
    recorded.clear()
    for name in ("serverless", "ec2"):
        submit = ("cluster", "submit", photos, "out", "--weights", "fruit", "--backend", name)
        shown = orchard(*submit, *IN)
        assert shown.exit_code == 0, shown.output
        newest = launches.find(cluster.account, cluster.bucket)
        assert newest is not None
        for command in ("status", "logs"):
            orchard("cluster", command, newest.id, *IN)
        with suppress(ClientError, NotImplementedError, OrchardError):  # moto has neither page
            replace(cluster, config=newest.config).backend().interfaces(newest)
    recorded.add(Call("elasticmapreduce:GetPersistentAppUIPresignedURL"))  # behind the first call
    notebooks.password(cluster.account, "orchard")
    needed = {action for call in recorded for action in call.actions}
    assert needed == actions("run") - UNSEEN
    run = policy("run", ACCOUNT, REGION, "orchard")["Statement"]
    assert {call: refused(call, run) for call in recorded if refused(call, run)} == {}


IN = ("--region", REGION)


def test_no_action_is_allowed_that_nothing_calls() -> None:
    """By the source: boto3 names a call, a paginator or a waiter as the API does, in snake case."""
    folders = (ROOT / "src/orchard" / name for name in ("aws", "cloud", "storage"))
    source = "".join(path.read_text() for folder in folders for path in folder.glob("*.py"))
    called = {"".join(word.title() for word in name.split("_")).lower()
              for name in re.findall(r"\b[a-z]+(?:_[a-z0-9]+)+\b", source)}  # fmt: skip
    made = {a for kind in types() for a in handlers(kind, ("create", "update", "delete", "read"))}
    by_action: dict[str, set[str]] = {}
    for operation, needed in ACTIONS.items():
        for action in needed:
            by_action.setdefault(action, set()).add(operation.partition(":")[2].lower())
    idle = {
        action
        for action in actions(*TASKS) - UNSEEN - made
        if not called & (by_action.get(action, set()) | {action.partition(":")[2].lower()})
        and "*" not in action
    }
    assert idle == set(), "take them out of src/orchard/aws/permissions"


def types() -> set[str]:
    return {item["Type"] for name in TEMPLATES for item in parsed(name)["Resources"].values()}


@cache
def handlers(kind: str, steps: tuple[str, ...] = ("create", "delete")) -> set[str]:
    """What CloudFormation needs of its caller to make and remove a type, by its own schema."""
    data = Path(cfnlint.__file__).parent / "data/schemas"
    known = json.loads((data / "providers/eu-central-1.json").read_text())
    schema = json.loads((data / "resources" / f"{known[kind]}.json").read_text())
    return {
        action
        for step in steps
        for action in schema["handlers"].get(step, {}).get("permissions", ())
        if not any(fnmatchcase(action, pattern) for pattern in UNUSED.get(kind, ()))
    }


@pytest.mark.parametrize("kind", sorted(types()))
def test_whoever_deploys_may_make_and_remove_each_type_of_the_templates(kind: str) -> None:
    allowed = actions(*TASKS)  # whoever deploys has both
    missing = {
        action
        for action in handlers(kind)
        if not any(fnmatchcase(action, pattern) for pattern in allowed)
    }
    assert not missing, f"add to src/orchard/aws/permissions/deploy.json: {sorted(missing)}"


@pytest.mark.parametrize("task", TASKS)
def test_the_policy_is_printed_for_an_account_and_fits_into_a_managed_policy(task: str) -> None:
    shown = orchard(
        *("cluster", "permissions", "--for", task, "--account", "210987654321"),
        *("--name", "fruits", "--source-bucket", "photos", *IN),
    )
    assert shown.exit_code == 0, shown.output
    made = json.loads(shown.stdout)
    assert "$" not in shown.stdout
    assert "arn:aws:s3:::fruits-210987654321-eu-west-3" in shown.stdout
    look, read, _ = made["Statement"][-3:]
    assert (look["Resource"], read["Resource"]) == (
        ["arn:aws:s3:::photos"],
        ["arn:aws:s3:::photos/*"],
    )
    assert len(re.sub(r"\s", "", shown.stdout)) <= MOST_CHARACTERS
    sids = [statement["Sid"] for statement in made["Statement"]]
    assert len(set(sids)) == len(sids), "IAM refuses a policy that has one twice"


def test_the_account_of_the_credentials_is_the_default(aws: None) -> None:
    shown = orchard("cluster", "permissions", *IN)
    assert f"arn:aws:s3:::orchard-{ACCOUNT}-eu-west-3" in shown.stdout


def test_a_call_that_no_policy_allows_is_told_with_the_line_to_add() -> None:
    call = call_of("emr", "DescribeReleaseLabel", {})
    with pytest.raises(AssertionError, match=r'add "elasticmapreduce:DescribeReleaseLabel" to an'):
        assert_allowed({call})


def test_a_policy_is_held_to_the_bucket_and_the_folder() -> None:
    bucket = f"orchard-{ACCOUNT}-{REGION}"
    run = policy("run", ACCOUNT, REGION, "orchard")["Statement"]
    for key, allowed in (("images/a.png", True), ("results/a", False)):
        call = call_of("s3", "PutObject", {"Bucket": bucket, "Key": key})
        assert (refused(call, run) == []) is allowed
    assert refused(call_of("s3", "ListObjectVersions", {"Bucket": bucket}), run)
