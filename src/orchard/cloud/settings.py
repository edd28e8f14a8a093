"""What is to run on AWS: one frozen object, validated once, stored with every launch."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass

from orchard.cloud.regions import check_region
from orchard.errors import ConfigError

RELEASES = {"emr-7.13.0": "Spark 3.5", "emr-spark-8.0.0": "Spark 4.0"}
BACKENDS = ("serverless", "ec2")
PYTHON = "3.11"  # of these releases
IDLE_SECONDS = range(60, 604_801)  # what EMR's auto-termination policy admits
TIMEOUT_MINUTES = range(5, 12 * 60 + 1)  # EMR Serverless: at least 5; beyond half a day think again
WORKER_VCPUS, WORKER_GB = 4, 12  # of EMR Serverless, driver and executors alike

# Every resource carries this tag; the second is what AmazonEMRServicePolicy_v2 asks for.
TAG = "orchard:stack"
EMR_TAG = "for-use-with-amazon-emr-managed-policies"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """Every field is an option of `orchard cluster` of the same name.

    - name: of the stack, and the first part of all names. region: in the EU.
    - backend: "serverless" (EMR Serverless) or "ec2" (EMR on EC2). release: of EMR.
    - workers: of EMR Serverless, of 4 vCPUs and 12 GB each; the driver is one more.
    - architecture: of EMR Serverless; on EC2 the instance type's.
    - instance_type: of every node. core: nodes bought on demand. task: nodes on Spot, or on demand
      where there is no Spot or `spot` is false.
    - max_cost: EUR; nothing is started whose hourly price times its longest time exceeds it.
    - eur_per_usd: the exchange rate; that of the price table where it is None.
    - timeout: minutes after which AWS ends it, whatever it does.
    - idle: seconds without work after which a cluster ends.
    - ssh_cidr: one address as /32, from which port 22 is open; nobody's by default.
    - notebooks: JupyterHub on the cluster. email: whom AWS Budgets writes to.
    - log_days: how long logs and replaced objects are kept.

    Raises ConfigError.
    """

    region: str
    name: str = "orchard"
    backend: str = "serverless"
    release: str = "emr-7.13.0"
    workers: int = 4
    architecture: str = "x86_64"
    instance_type: str = "m5.xlarge"
    core: int = 1
    task: int = 2
    spot: bool = True
    max_cost: float = 10.0
    eur_per_usd: float | None = None
    timeout: int = 60
    idle: int = 900
    ssh_cidr: str | None = None
    notebooks: bool = False
    email: str | None = None
    log_days: int = 30

    def __post_init__(self) -> None:
        check_region(self.region)
        # Also the bucket's first part: lower case, and room for "-<account>-<region>" within 63.
        if not re.fullmatch(r"[a-z][a-z0-9-]{1,30}", self.name):
            raise ConfigError(
                f"--name {self.name}: expected 2 to 31 lower-case letters, digits and hyphens, "
                "beginning with a letter"
            )
        _one_of("--backend", self.backend, BACKENDS)
        _one_of("--release", self.release, RELEASES)
        _one_of("--architecture", self.architecture, ("x86_64", "arm64"))
        if not re.fullmatch(r"[a-z]+\d[a-z-]*\.\d*[a-z]+", self.instance_type):
            raise ConfigError(
                f"--instance-type {self.instance_type}: expected an EC2 type such as m5.xlarge"
            )
        if self.backend == "ec2" and self.architecture != self.cpu:
            object.__setattr__(self, "architecture", self.cpu)
        _within("--workers", self.workers, range(1, 101), "4 vCPUs each")
        _within("--core", self.core, range(1, 51), "at least one node holds HDFS")
        _within("--task", self.task, range(51), "0 for none")
        _within("--timeout", self.timeout, TIMEOUT_MINUTES, "minutes")
        _within("--idle", self.idle, IDLE_SECONDS, "seconds")
        _within("--log-days", self.log_days, range(1, 3651), "days")
        if not self.max_cost > 0:
            raise ConfigError(f"--max-cost {self.max_cost}: expected euros, more than 0")
        if self.eur_per_usd is not None and not self.eur_per_usd > 0:
            raise ConfigError(f"--eur-per-usd {self.eur_per_usd}: expected a rate, more than 0")
        if self.ssh_cidr is not None:
            object.__setattr__(self, "ssh_cidr", _single_address(self.ssh_cidr))
        if self.notebooks and self.backend != "ec2":
            raise ConfigError("--notebooks: JupyterHub runs on --backend ec2")

    @property
    def cpu(self) -> str:
        """The architecture of the instance type: Graviton has a g behind its generation."""
        return "arm64" if re.match(r"[a-z]+\d+g", self.instance_type) else "x86_64"

    @property
    def is_serverless(self) -> bool:
        return self.backend == "serverless"


def _one_of(option: str, value: str, allowed: Collection[str]) -> None:
    if value not in allowed:
        raise ConfigError(f"{option} {value}: expected {' or '.join(allowed)}")


def _within(option: str, value: int, allowed: range, note: str) -> None:
    if value not in allowed:
        raise ConfigError(
            f"{option} {value}: expected {allowed.start} to {allowed.stop - 1} ({note})"
        )


def _single_address(text: str) -> str:
    try:
        network = ipaddress.IPv4Network(text if "/" in text else f"{text}/32")
    except ValueError:
        network = None
    if network is None or network.prefixlen != 32:
        raise ConfigError(f"--ssh-from {text}: expected one IPv4 address, such as 203.0.113.7/32")
    return str(network)
