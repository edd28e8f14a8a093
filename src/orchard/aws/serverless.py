"""EMR Serverless: an application that costs nothing while it is idle, and job runs on it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from orchard.aws.account import Account, code_of
from orchard.aws.bill import NOT_TOLD, Used
from orchard.aws.launch import FAILED, RUNNING, STOPPED, SUCCEEDED, WAITING, Launch, State
from orchard.aws.package import FOLDER
from orchard.cloud.estimate import Item
from orchard.cloud.prices import Prices
from orchard.cloud.settings import PYTHON, REGION_VARIABLES, TAG, WORKER_VCPUS, ClusterConfig
from orchard.errors import OrchardError

# Of a worker's 12 GB: the JVM moves little, the four Python processes embed.
HEAP_GB, OVERHEAD_GB = 5, 7
_JOBS_ALIVE = ["SUBMITTED", "PENDING", "SCHEDULED", "RUNNING", "QUEUED"]
_NOT_ENDED = [*_JOBS_ALIVE, "CANCELLING"]
_CANCELLED = ("CANCELLING", "CANCELLED")
_ENDED = ("SUCCESS", "FAILED", "CANCELLED")
_LOOK_SECONDS = 3.0

Say = Callable[[str], None]
_PHASES = {"SUCCESS": SUCCEEDED, "FAILED": FAILED, "CANCELLED": STOPPED, "RUNNING": RUNNING}


class Serverless:
    """See `orchard.aws.backend.Backend`. The application is CloudFormation's."""

    def __init__(self, account: Account, config: ClusterConfig, outputs: dict[str, str]) -> None:
        self.account, self.config, self.outputs = account, config, outputs
        self._client = account.client("emr-serverless")

    def running(self) -> str | None:
        """The application; it starts by itself when a job arrives, and stops when idle."""
        found = applications(self.account, self.config.name)
        return str(found[0]["id"]) if found else None

    def up(self, code: str | None = None) -> str:
        """Raises OrchardError where the stack has not made the application."""
        if found := self.running():
            return found
        raise OrchardError(
            f"no EMR Serverless application {self.config.name} in {self.account.region}; "
            "`orchard cluster up` creates it"
        )

    def request(self, url: str, code: str, cluster: str, *, alone: bool) -> tuple[str, str, Any]:
        """StartJobRun, with the hard stop that EMR Serverless itself holds."""
        return "emr-serverless", "StartJobRun", self._start(url, code, cluster)

    def submit(
        self, url: str, code: str, cluster: str | None, begun: Callable[[str], object]
    ) -> tuple[str, str]:
        """`begun` is not called: the application is the stack's, and costs nothing by itself."""
        cluster = cluster or self.up()
        started = self._client.start_job_run(**self._start(url, code, cluster))
        return cluster, str(started["jobRunId"])

    def look(self, launch: Launch) -> State:
        if launch.job is None:
            found = self._client.get_application(applicationId=launch.cluster)["application"]
            return State(WAITING, found["state"], found.get("stateDetails", ""))
        run = self._run(launch)
        return State(_PHASES.get(run["state"], WAITING), run["state"], self._why(run))

    def stop(self, launch: Launch) -> None:
        if launch.job and not self.look(launch).is_final:
            self._client.cancel_job_run(applicationId=launch.cluster, jobRunId=launch.job)

    def used(self, launch: Launch) -> Used:
        """The hours that EMR Serverless bills, which it tells some minutes after the end.

        Before that those that it counted, which leave out what is rounded up; then nothing.
        """
        if launch.job is None:
            return Used(note="an application without a job run costs nothing by the hour")
        run = self._run(launch)
        if billed := self._hours(run.get("billedResourceUtilization")):
            return Used(billed)
        if counted := self._hours(run.get("totalResourceUtilization")):
            note = "AWS has not billed the hours yet; these are the ones that it counted"
            return Used(counted, is_final=False, note=note)
        if run["state"] in _ENDED and "startedAt" not in run:
            return Used(note="the job run never started, so it used nothing")
        return NOT_TOLD

    def _hours(self, hours: dict[str, float] | None) -> tuple[Item, ...]:
        """Their price; empty where there are none yet."""
        cpus, memory = (float((hours or {}).get(key, 0)) for key in ("vCPUHour", "memoryGBHour"))
        if not cpus:
            return ()
        vcpu, gb = Prices.of(self.account.region).serverless(self.config.architecture)
        return (
            Item(f"{cpus:.2f} vCPU hours", cpus * vcpu, cpus * vcpu),
            Item(f"{memory:.2f} GB hours", memory * gb, memory * gb),
        )

    def logs(self, launch: Launch) -> list[str]:
        base = f"logs/applications/{launch.cluster}/jobs/{launch.job}/SPARK_DRIVER/"
        return [f"{base}stderr", f"{base}stdout"]

    def interfaces(self, launch: Launch) -> dict[str, str]:
        """Live while it runs, the history server afterwards; the address opens for an hour."""
        if launch.job is None:
            return {}
        found = self._client.get_dashboard_for_job_run(
            applicationId=launch.cluster, jobRunId=launch.job
        )
        return {"Spark UI": str(found["url"])}

    def _why(self, run: dict[str, Any]) -> str:
        """A run whose time is over ends as one that somebody cancelled: by its length it is told.

        Whether AWS counts from the submission or from the start is not documented; both count here.
        """
        detail = str(run.get("stateDetails") or "")
        minutes = run.get("executionTimeoutMinutes") or self.config.timeout
        if run["state"] in _CANCELLED and _seconds(run) >= 60 * minutes:
            return f"stopped after --timeout {minutes} minutes{f' ({detail})' * bool(detail)}"
        return detail

    def _run(self, launch: Launch) -> dict[str, Any]:
        found = self._client.get_job_run(applicationId=launch.cluster, jobRunId=launch.job)
        return dict(found["jobRun"])

    def _start(self, url: str, code: str, application: str) -> dict[str, Any]:
        bucket = self.outputs["BucketName"]
        name = url.rstrip("/").rsplit("/", 1)[-1]
        return {
            "applicationId": application,
            "clientToken": name,  # a repeated call starts no second run
            "executionRoleArn": self.outputs["JobRoleArn"],
            "name": name,
            "executionTimeoutMinutes": self.config.timeout,
            "jobDriver": {
                "sparkSubmit": {
                    "entryPoint": f"s3://{bucket}/code/main.py",
                    "entryPointArguments": [url],
                    "sparkSubmitParameters": " ".join(
                        f"--conf {key}={value}" for key, value in self._conf(code).items()
                    ),
                }
            },
            "configurationOverrides": {
                "monitoringConfiguration": {
                    "s3MonitoringConfiguration": {"logUri": f"s3://{bucket}/logs/"},
                    "cloudWatchLoggingConfiguration": {
                        "enabled": True,
                        "logGroupName": f"/orchard/{self.config.name}",
                    },
                }
            },
            "tags": {TAG: self.config.name},
        }

    def _conf(self, code: str) -> dict[str, Any]:
        memory = {"memory": f"{HEAP_GB}g", "memoryOverhead": f"{OVERHEAD_GB}g"}
        conf: dict[str, Any] = {
            "spark.archives": f"{code}#{FOLDER}",
            "spark.emr-serverless.driverEnv.PYTHONPATH": f"./{FOLDER}",
            "spark.executorEnv.PYTHONPATH": f"./{FOLDER}",
            "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON": f"python{PYTHON}",
            "spark.emr-serverless.driverEnv.PYSPARK_PYTHON": f"python{PYTHON}",
            "spark.executorEnv.PYSPARK_PYTHON": f"python{PYTHON}",
            "spark.dynamicAllocation.enabled": "false",
            "spark.executor.instances": self.config.workers,
            "spark.default.parallelism": self.config.workers * WORKER_VCPUS,
        }
        for name in REGION_VARIABLES:
            conf[f"spark.emr-serverless.driverEnv.{name}"] = self.account.region
            conf[f"spark.executorEnv.{name}"] = self.account.region
        for role in ("driver", "executor"):
            conf[f"spark.{role}.cores"] = WORKER_VCPUS
            conf |= {f"spark.{role}.{key}": value for key, value in memory.items()}
        return conf | {
            "spark.io.encryption.enabled": "true",
            "spark.authenticate": "true",
            "spark.network.crypto.enabled": "true",
        }


def _seconds(run: dict[str, Any]) -> float:
    """How long a run took, without the time in the queue."""
    waited = float(run.get("queuedDurationMilliseconds") or 0) / 1000
    lived = (run.get("endedAt") or run["updatedAt"]) - run["createdAt"]
    counted = float(run.get("totalExecutionDurationSeconds") or 0)
    return max(counted, float(lived.total_seconds()) - waited)


def applications(account: Account, name: str | None = None) -> list[dict[str, Any]]:
    """EMR Serverless applications of a name that are not terminated; all where it is None."""
    pages = account.client("emr-serverless").get_paginator("list_applications").paginate()
    return [
        found
        for page in pages
        for found in page["applications"]
        if found["state"] != "TERMINATED" and name in (None, found["name"])
    ]


def runs(client: Any, application: str, states: list[str] | None = None) -> list[str]:
    """Ids of an application's job runs that have not ended; of those in given states."""
    return [str(run["id"]) for run in _listed(client, application, states=states or _NOT_ENDED)]


def named_runs(client: Any, application: str, name: str) -> list[dict[str, Any]]:
    """An application's job runs of a name, as far back as EMR Serverless lists them."""
    return [run for run in _listed(client, application) if run.get("name") == name]


def _listed(client: Any, application: str, **which: Any) -> list[dict[str, Any]]:
    """None where there is no such application any more."""
    from botocore.exceptions import ClientError

    pages = client.get_paginator("list_job_runs").paginate(applicationId=application, **which)
    try:
        return [run for page in pages for run in page["jobRuns"]]
    except ClientError as error:
        if code_of(error) == "ResourceNotFoundException":
            return []
        raise


def rest(account: Account, name: str, pause: Callable[[float], None] = time.sleep) -> None:
    """Stop an idle application, since a started one cannot be changed; jobs start it again."""
    client = account.client("emr-serverless")
    for found in applications(account, name):
        if found["state"] in ("CREATED", "STOPPED") or runs(client, found["id"]):
            continue
        _stop(client, found["id"], pause)


def stop(
    account: Account, application: str, say: Say, pause: Callable[[float], None] = time.sleep
) -> None:
    """Cancel an application's job runs, and stop it once they have ended: it refuses before."""
    client = account.client("emr-serverless")
    for run in runs(client, application, _JOBS_ALIVE):
        say(f"ending job run {run}")
        client.cancel_job_run(applicationId=application, jobRunId=run)
    while runs(client, application):
        pause(_LOOK_SECONDS)
    if _state(client, application) not in ("STOPPED", "CREATED"):
        _stop(client, application, pause)


def _stop(client: Any, application: str, pause: Callable[[float], None]) -> None:
    client.stop_application(applicationId=application)
    while _state(client, application) in ("STARTED", "STOPPING"):
        pause(_LOOK_SECONDS)


def _state(client: Any, application: str) -> str:
    return str(client.get_application(applicationId=application)["application"]["state"])
