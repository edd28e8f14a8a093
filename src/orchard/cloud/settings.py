"""What is to run on AWS: one frozen object, validated once, stored with every launch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from annotated_types import Gt, Interval, Predicate

from orchard.cloud.regions import check_region
from orchard.cloud.releases import RELEASES, WITH_JUPYTERHUB
from orchard.errors import ConfigError
from orchard.settings import Expected, settle

Backend = Literal["serverless", "ec2"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
PYTHON = "3.11"  # of these releases
IDLE_SECONDS = range(60, 604_801)  # what EMR's auto-termination policy admits
TIMEOUT_MINUTES = range(5, 12 * 60 + 1)  # EMR Serverless: at least 5; beyond half a day think again
LEAST_MINUTES_ON_EC2 = 15
WORKER_VCPUS, WORKER_GB = 4, 12  # of EMR Serverless, driver and executors alike

# Every resource carries this tag; the second is what AmazonEMRServicePolicy_v2 asks for.
TAG = "orchard:stack"
# boto3 reads the second alone, other clients of AWS the first.
REGION_VARIABLES = ("AWS_REGION", "AWS_DEFAULT_REGION")
EMR_TAG = "for-use-with-amazon-emr-managed-policies"

_NAME = re.compile(r"[a-z][a-z0-9-]{1,30}")
_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[a-z0-9,_-]+\])?==[A-Za-z0-9.+!]+")
_INSTANCE = re.compile(r"[a-z]+\d[a-z-]*\.\d*[a-z]+")


def _is_name(text: str) -> bool:
    return bool(_NAME.fullmatch(text))


def _is_instance_type(text: str) -> bool:
    return bool(_INSTANCE.fullmatch(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """Every field is an option of `orchard cluster` of the same name.

    - name: of the stack, and the first part of all names. region: in the EU.
    - backend: "serverless" (EMR Serverless) or "ec2" (EMR on EC2). release: of EMR.
    - workers: of EMR Serverless, of 4 vCPUs and 12 GB each; the driver is one more. A new account
      may use 16 vCPUs at once.
    - architecture: of EMR Serverless; on EC2 the instance type's.
    - instance_type: of every node. core: nodes bought on demand. task: nodes on Spot, or on demand
      where there is no Spot or `spot` is false.
    - max_cost: EUR; nothing is started whose hourly price times its longest time exceeds it.
    - eur_per_usd: the exchange rate; that of the price table where it is None.
    - timeout: minutes after which AWS ends it, whatever it does; at least 15 on EC2, where a step
      ends 5 minutes before its node.
    - idle: seconds without work after which a cluster ends.
    - subnet: where EC2's nodes are started; one of the stack's own by default.
    - bootstrap: a script, here or in a bucket, that each node of EC2 runs before its applications.
    - key_name: of an EC2 key pair that the nodes of EC2 take, for SSH through Session Manager.
    - package: more packages for the archive, each as NAME==VERSION, with what they need.
    - notebooks: JupyterHub on the cluster. email: whom AWS Budgets writes to.
    - log_days: how long logs and replaced objects are kept.

    Raises ConfigError.
    """

    region: Annotated[str, Expected("a region in the EU")]
    # Also the bucket's first part: lower case, and room for "-<account>-<region>" within 63.
    name: Annotated[
        str,
        Predicate(_is_name),
        Expected("2 to 31 lower-case letters, digits and hyphens, beginning with a letter"),
    ] = "orchard"
    backend: Backend = "serverless"
    release: Annotated[str, Predicate(RELEASES.__contains__), Expected(" or ".join(RELEASES))] = (
        "emr-7.13.0"
    )
    workers: Annotated[int, Interval(ge=1, le=100), Expected("1 to 100 (4 vCPUs each)")] = 3
    architecture: Literal["x86_64", "arm64"] = "x86_64"
    instance_type: Annotated[
        str,
        Predicate(_is_instance_type),
        Expected("an EC2 type such as m5.xlarge"),
    ] = "m5.xlarge"
    core: Annotated[
        int, Interval(ge=1, le=50), Expected("1 to 50 (at least one node holds HDFS)")
    ] = 1
    task: Annotated[int, Interval(ge=0, le=50), Expected("0 to 50 (0 for none)")] = 2
    spot: bool = True
    max_cost: Annotated[float, Gt(0), Expected("euros, more than 0")] = 10.0
    eur_per_usd: Annotated[Annotated[float, Gt(0)] | None, Expected("a rate, more than 0")] = None
    timeout: Annotated[
        int, Predicate(TIMEOUT_MINUTES.__contains__), Expected("5 to 720 (minutes)")
    ] = 60
    idle: Annotated[
        int, Predicate(IDLE_SECONDS.__contains__), Expected("60 to 604800 (seconds)")
    ] = 900
    subnet: Annotated[str | None, Expected("the id of a subnet")] = None
    bootstrap: Annotated[str | None, Expected("a script, or s3://BUCKET/SCRIPT")] = None
    key_name: Annotated[str | None, Expected("the name of an EC2 key pair")] = None
    notebooks: bool = False
    package: Annotated[tuple[str, ...], Expected("NAME==VERSION")] = ()
    email: Annotated[str | None, Expected("an address")] = None
    log_days: Annotated[int, Interval(ge=1, le=3650), Expected("1 to 3650 (days)")] = 30

    def __post_init__(self) -> None:
        settle(self)
        check_region(self.region)
        if self.backend == "ec2" and self.architecture != self.cpu:
            object.__setattr__(self, "architecture", self.cpu)
        if not self.is_serverless and self.timeout < LEAST_MINUTES_ON_EC2:
            raise ConfigError(
                f"--timeout {self.timeout}: expected {LEAST_MINUTES_ON_EC2} or more on --backend "
                "ec2, where a step ends 5 minutes before its node"
            )
        for text in self.package:
            if not _PIN.fullmatch(text):
                raise ConfigError(
                    f"--package {text}: expected NAME==VERSION, such as shapely==2.1.2"
                )
        for option in ("key_name", "subnet", "bootstrap"):
            if getattr(self, option) is not None and self.is_serverless:
                raise ConfigError(
                    f"--{option.replace('_', '-')}: only nodes of --backend ec2 take one"
                )
        if self.notebooks and self.backend != "ec2":
            raise ConfigError("--notebooks: JupyterHub runs on --backend ec2")
        if self.notebooks and self.release not in WITH_JUPYTERHUB:
            raise ConfigError(
                f"--notebooks: {self.release} has no JupyterHub; choose --release "
                f"{' or '.join(WITH_JUPYTERHUB)}"
            )

    @property
    def cpu(self) -> str:
        """The architecture of the instance type: Graviton has a g behind its generation."""
        return "arm64" if re.match(r"[a-z]+\d+g", self.instance_type) else "x86_64"

    @property
    def is_serverless(self) -> bool:
        return self.backend == "serverless"
