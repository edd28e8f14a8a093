"""EMR on EC2: a cluster of a primary, core and task nodes, and steps on it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from orchard.aws.account import Account
from orchard.aws.bill import NOT_TOLD, Used
from orchard.aws.launch import FAILED, RUNNING, STOPPED, SUCCEEDED, WAITING, Launch, State
from orchard.aws.run_job_flow import run_job_flow, step
from orchard.cloud.estimate import Item, ebs_gb
from orchard.cloud.prices import Prices
from orchard.cloud.regions import REGIONS
from orchard.cloud.settings import TAG, ClusterConfig
from orchard.errors import ConfigError, OrchardError

_CLUSTER_PHASES = {
    "STARTING": WAITING,
    "BOOTSTRAPPING": WAITING,
    "RUNNING": RUNNING,
    "WAITING": RUNNING,
    "TERMINATING": STOPPED,
    "TERMINATED": STOPPED,
    "TERMINATED_WITH_ERRORS": FAILED,
}
_STEP_PHASES = {
    "PENDING": WAITING,
    "RUNNING": RUNNING,
    "CANCEL_PENDING": RUNNING,
    "COMPLETED": SUCCEEDED,
    "CANCELLED": STOPPED,
    "FAILED": FAILED,
    "INTERRUPTED": FAILED,
}
_STEP_LOOKS, _LOOK_SECONDS = 30, 2.0
ALIVE = ["STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING"]
_NO_HISTORY_SERVER = ("eu-south-1",)
# What `timeout` ends a step with; in the step's failure reason as "exit code 124".
_TIMED_OUT = 124


class Ec2:
    """See `orchard.aws.backend.Backend`."""

    def __init__(self, account: Account, config: ClusterConfig, outputs: dict[str, str]) -> None:
        self.account, self.config, self.outputs = account, config, outputs
        self._emr = account.client("emr")
        # EMR has no token against repetition: a call whose answer is lost must not start another.
        self._once = account.client("emr", attempts=1)

    def up(self, code: str | None = None) -> str:
        """A cluster that stays until it is idle, or its time is over: the running one, or a new."""
        if found := self.running():
            return found
        request = run_job_flow(self.config, self.outputs, code=code)
        return str(self._once.run_job_flow(**request)["JobFlowId"])

    def running(self) -> str | None:
        """The stack's cluster that takes steps, if there is one: an interrupted `up` started it."""
        for cluster in clusters(self.account, ALIVE):
            if tags_of(self._emr, cluster["Id"]).get(TAG) == self.config.name:
                return str(cluster["Id"])
        return None

    def request(self, url: str, code: str, cluster: str, *, alone: bool) -> tuple[str, str, Any]:
        work = step(self.config, self.outputs, url, code, ends_cluster=alone)
        if alone:
            return "emr", "RunJobFlow", run_job_flow(self.config, self.outputs, [work], code)
        return "emr", "AddJobFlowSteps", {"JobFlowId": cluster, "Steps": [work]}

    def submit(
        self, url: str, code: str, cluster: str | None, begun: Callable[[str], object]
    ) -> tuple[str, str]:
        _, _, request = self.request(url, code, cluster or "", alone=cluster is None)
        if cluster is not None:
            return cluster, str(self._once.add_job_flow_steps(**request)["StepIds"][0])
        cluster = str(self._once.run_job_flow(**request)["JobFlowId"])
        begun(cluster)
        return cluster, self._first_step(cluster)

    def _first_step(self, cluster: str) -> str:
        """EMR may list it a little later than the cluster."""
        for _ in range(_STEP_LOOKS):
            if steps := self._emr.list_steps(ClusterId=cluster)["Steps"]:
                return str(steps[0]["Id"])
            time.sleep(_LOOK_SECONDS)
        raise OrchardError(
            f"cluster {cluster} has started, and EMR lists no step of it yet; `orchard cluster "
            "status` shows it, `orchard cluster down` ends it"
        )

    def look(self, launch: Launch) -> State:
        status = self._emr.describe_cluster(ClusterId=launch.cluster)["Cluster"]["Status"]
        cluster = State(_CLUSTER_PHASES[status["State"]], status["State"], _reason(status))
        if launch.job is None:
            return cluster
        described = self._emr.describe_step(ClusterId=launch.cluster, StepId=launch.job)
        status = described["Step"]["Status"]
        state = State(_STEP_PHASES[status["State"]], status["State"], self._why(status))
        if cluster.is_final and not state.is_final:
            return State(FAILED, f"cluster {cluster.name}", cluster.detail)
        if cluster.phase == FAILED and state.phase == STOPPED:  # it failed before the step began
            return State(FAILED, f"cluster {cluster.name}", cluster.detail)
        if state.phase == WAITING:
            return State(WAITING, f"cluster {cluster.name}", cluster.detail)
        return state

    def stop(self, launch: Launch) -> None:
        end(self.account, [launch.cluster])

    def used(self, launch: Launch) -> Used:
        """From the hours of the instances, each from its making to its end or now."""
        prices = Prices.of(self.account.region)
        instance = prices.instance(self.config.instance_type)
        markets = {"ON_DEMAND": 0.0, "SPOT": 0.0}
        pages = self._emr.get_paginator("list_instances").paginate(ClusterId=launch.cluster)
        for page in pages:
            for found in page["Instances"]:
                markets[found.get("Market", "ON_DEMAND")] += _hours(found["Status"]["Timeline"])
        demand, spot = markets["ON_DEMAND"], markets["SPOT"]
        hours = demand + spot
        if not hours:
            return NOT_TOLD
        extras = ebs_gb(instance) * prices.ebs_gb_hour + prices.fixed("public_ipv4_hour")
        low, high = instance.spot
        return Used(
            (
                Item(f"{demand:.2f} h on demand", demand * instance.hour, demand * instance.hour),
                Item(f"{spot:.2f} h on Spot", spot * low, spot * high),
                Item("EMR's fee", hours * instance.fee, hours * instance.fee),
                Item("disks and addresses", hours * extras, hours * extras),
            )
        )

    def logs(self, launch: Launch) -> list[str]:
        base = f"logs/{launch.cluster}/steps/{launch.job}/"
        return [f"{base}stderr", f"{base}stdout", f"{base}controller"]

    def interfaces(self, launch: Launch) -> dict[str, str]:
        """The history server that AWS keeps off the cluster, also after its end.

        Raises ConfigError in a region where AWS has none.
        """
        if self.account.region in _NO_HISTORY_SERVER:
            raise ConfigError(
                f"{REGIONS[self.account.region]}: AWS keeps no history server off the cluster in "
                f"{self.account.region}; while the cluster runs, `--page 'history server'` shows "
                "its own, and afterwards `orchard cluster logs` what was written"
            )
        arn = self._emr.describe_cluster(ClusterId=launch.cluster)["Cluster"]["ClusterArn"]
        made = self._emr.create_persistent_app_ui(TargetResourceArn=arn)
        found = self._emr.get_persistent_app_ui_presigned_url(
            PersistentAppUIId=made["PersistentAppUIId"], PersistentAppUIType="SHS"
        )
        return {"history server": str(found.get("PresignedURL", "is being made; ask again"))}

    def primary(self, launch: Launch) -> dict[str, Any]:
        """EMR's account of the primary node: Ec2InstanceId, PrivateDnsName, PrivateIpAddress.

        Raises ConfigError where it is not running.
        """
        found = self._instances(launch, "MASTER")
        if not found:
            raise ConfigError(f"cluster {launch.cluster} has no running primary node")
        return found[0]

    def nodes(self, launch: Launch) -> list[dict[str, Any]]:
        """The same of the core and task nodes that run now."""
        return self._instances(launch, "CORE") + self._instances(launch, "TASK")

    def _instances(self, launch: Launch, fleet: str) -> list[dict[str, Any]]:
        pages = self._emr.get_paginator("list_instances").paginate(
            ClusterId=launch.cluster, InstanceFleetType=fleet, InstanceStates=["RUNNING"]
        )
        return [found for page in pages for found in page["Instances"]]

    def _why(self, status: dict[str, Any]) -> str:
        details = status.get("FailureDetails") or {}
        text = details.get("Message") or details.get("Reason") or _reason(status)
        if re.search(rf"\b{_TIMED_OUT}\b", text):
            return f"stopped after --timeout {self.config.timeout} minutes ({text})"
        return str(text)


def clusters(account: Account, states: list[str]) -> list[dict[str, Any]]:
    """All EMR clusters of the region in one of the states, Orchard's or not."""
    pages = account.client("emr").get_paginator("list_clusters").paginate(ClusterStates=states)
    return [cluster for page in pages for cluster in page["Clusters"]]


def tags_of(emr: Any, cluster: str) -> dict[str, str]:
    found = emr.describe_cluster(ClusterId=cluster)["Cluster"]
    return {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}


def end(account: Account, ids: list[str]) -> None:
    """Terminate clusters and wait until they are gone."""
    emr = account.client("emr")
    for cluster in ids:
        status = emr.describe_cluster(ClusterId=cluster)["Cluster"]["Status"]
        if status["State"] in ALIVE:
            emr.set_termination_protection(JobFlowIds=[cluster], TerminationProtected=False)
            emr.terminate_job_flows(JobFlowIds=[cluster])
    for cluster in ids:
        emr.get_waiter("cluster_terminated").wait(ClusterId=cluster)


def _hours(timeline: dict[str, datetime]) -> float:
    """At least a minute each, as EC2 and EMR bill."""
    begun = timeline.get("CreationDateTime")
    if begun is None:
        return 0.0
    ended = timeline.get("EndDateTime") or datetime.now(timezone.utc)
    return float(max((ended - begun).total_seconds(), 60.0) / 3600)


def _reason(status: dict[str, Any]) -> str:
    reason = status.get("StateChangeReason") or {}
    return str(reason.get("Message") or reason.get("Code") or "")
