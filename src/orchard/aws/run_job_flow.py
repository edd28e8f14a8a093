"""The parameters of EMR's RunJobFlow and of its steps, from the settings. No call is made here."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from orchard.aws.package import FOLDER
from orchard.aws.session import INTERPRETER, session_settings
from orchard.cloud.prices import Prices
from orchard.cloud.releases import RELEASES
from orchard.cloud.settings import EMR_TAG, REGION_VARIABLES, TAG, ClusterConfig
from orchard.errors import ConfigError
from orchard.storage import is_remote

SPOT_WAIT_MINUTES = 10  # for Spot capacity; then the task nodes are bought on demand
# Of a node's memory, for the executor. YARN gives away three quarters of 16 GiB, two thirds of 8,
# and the application master's 0.9 GiB must find room beside it, or a lone node never starts.
EXECUTOR_SHARE = 0.55
HEAP_SHARE = 0.4  # of the executor's memory; the rest is for the Python processes, which embed
SCRIPTS = ("stop_after.sh", "notebooks.sh", "step.sh")


def run_job_flow(
    config: ClusterConfig,
    outputs: dict[str, str],
    steps: list[dict[str, Any]] | None = None,
    code: str | None = None,
) -> dict[str, Any]:
    """A cluster that ends: after its steps, when idle, and when its time is over.

    Without steps it waits for work until it is idle. code: the archive's URL, for its notebooks.
    """
    bucket = outputs["BucketName"]
    applications = [*RELEASES[config.release].applications]
    applications += ["JupyterHub"] if config.notebooks else []
    return {
        "Name": config.name,
        "ReleaseLabel": config.release,
        "LogUri": f"s3://{bucket}/logs/",
        "Applications": [{"Name": name} for name in applications],
        "Instances": {
            "InstanceFleets": _fleets(config),
            "Ec2SubnetIds": [outputs["SubnetId"]],
            "EmrManagedMasterSecurityGroup": outputs["PrimaryGroupId"],
            "EmrManagedSlaveSecurityGroup": outputs["NodeGroupId"],
            **({"Ec2KeyName": config.key_name} if config.key_name else {}),
            "KeepJobFlowAliveWhenNoSteps": not steps,
            "TerminationProtected": False,
            "UnhealthyNodeReplacement": True,
        },
        "Steps": steps or [],
        "StepConcurrencyLevel": 1 if steps else 2,
        "BootstrapActions": _bootstrap(config, bucket),
        "Configurations": _configurations(config, bucket, code),
        "SecurityConfiguration": f"{config.name}-encryption",
        "JobFlowRole": f"{config.name}-{config.region}-node",
        "ServiceRole": f"{config.name}-{config.region}-emr",
        "ScaleDownBehavior": "TERMINATE_AT_TASK_COMPLETION",
        "AutoTerminationPolicy": {"IdleTimeout": config.idle},
        # A run's executors are as many from its beginning to its end: there is nothing to scale.
        **({} if steps else {"ManagedScalingPolicy": {"ComputeLimits": _limits(config)}}),
        "VisibleToAllUsers": True,
        "Tags": [{"Key": TAG, "Value": config.name}, {"Key": EMR_TAG, "Value": "true"}],
    }


def step(
    config: ClusterConfig, outputs: dict[str, str], url: str, code: str, *, ends_cluster: bool
) -> dict[str, Any]:
    """A step that fetches the code, runs the job and is ended by `timeout` when its time is over.

    The driver runs on the primary node, so that it ends with the step and its words are the step's.
    """
    script = f"s3://{outputs['BucketName']}/code/step.sh"
    spark = [f"--conf {key}={value}" for key, value in _conf(config).items()]
    main = f"s3://{outputs['BucketName']}/code/main.py"
    words = [code, main, url, str(config.timeout), config.region]
    # Without pipefail a script that could not be fetched would be an empty one, which succeeds.
    command = f"set -o pipefail; aws s3 cp {script} - | bash -s -- {' '.join([*words, *spark])}"
    return {
        "Name": url.rstrip("/").rsplit("/", 1)[-1],
        "ActionOnFailure": "TERMINATE_CLUSTER" if ends_cluster else "CONTINUE",
        "HadoopJarStep": {"Jar": "command-runner.jar", "Args": ["bash", "-c", command]},
    }


def _fleets(config: ClusterConfig) -> list[dict[str, Any]]:
    def fleet(kind: str, demand: int, spot: int) -> dict[str, Any]:
        made: dict[str, Any] = {
            "Name": kind.lower(),
            "InstanceFleetType": kind,
            "TargetOnDemandCapacity": demand,
            "TargetSpotCapacity": spot,
            "InstanceTypeConfigs": [{"InstanceType": config.instance_type, "WeightedCapacity": 1}],
        }
        if spot:
            made["LaunchSpecifications"] = {
                "SpotSpecification": {
                    "TimeoutDurationMinutes": SPOT_WAIT_MINUTES,
                    "TimeoutAction": "SWITCH_TO_ON_DEMAND",
                    "AllocationStrategy": "price-capacity-optimized",
                }
            }
        return made

    fleets = [fleet("MASTER", 1, 0), fleet("CORE", config.core, 0)]
    if config.task:
        spot = config.task if config.spot else 0
        fleets.append(fleet("TASK", config.task - spot, spot))
    return fleets


def _limits(config: ClusterConfig) -> dict[str, Any]:
    """Never more than was estimated. With Spot only the core nodes are on demand: where the limit
    on demand equals the maximum, managed scaling buys nothing on Spot."""
    most = config.core + config.task
    return {
        "UnitType": "InstanceFleetUnits",
        "MinimumCapacityUnits": config.core,
        "MaximumCapacityUnits": most,
        "MaximumOnDemandCapacityUnits": config.core if config.spot else most,
        "MaximumCoreCapacityUnits": config.core,
    }


def _bootstrap(config: ClusterConfig, bucket: str) -> list[dict[str, Any]]:
    def action(script: str, *words: str) -> dict[str, Any]:
        return {
            "Name": script.removesuffix(".sh").replace("_", " "),
            "ScriptBootstrapAction": {"Path": f"s3://{bucket}/code/{script}", "Args": [*words]},
        }

    actions = [action("stop_after.sh", str(config.timeout))]
    if config.bootstrap:
        key = script_key(config.bootstrap)
        path = f"s3://{bucket}/{key}" if key else config.bootstrap
        actions.append({"Name": "script", "ScriptBootstrapAction": {"Path": path, "Args": []}})
    if config.notebooks:
        actions.append(action("notebooks.sh", secret_name(config.name), config.region))
    return actions


def script_key(script: str) -> str | None:
    """In the stack's bucket, of a `--bootstrap` on this machine; another content, another key.

    None of one in a bucket. Raises ConfigError where it is not there.
    """
    path = Path(script)
    if is_remote(script):
        return None
    if not path.is_file():
        raise ConfigError(f"--bootstrap {script}: there is no such file")
    return f"code/bootstrap/{hashlib.sha256(path.read_bytes()).hexdigest()[:16]}-{path.name}"


def secret_name(name: str) -> str:
    """Of the notebooks' password in Secrets Manager."""
    return f"orchard/{name}/jupyterhub"


def _configurations(config: ClusterConfig, bucket: str, code: str | None) -> list[dict[str, Any]]:
    python = {"PYSPARK_PYTHON": INTERPRETER}
    sessions = session_settings(code, config.region) | _executor(config) if code else {}
    found: list[dict[str, Any]] = [
        {
            "Classification": "spark-env",
            "Configurations": [{"Classification": "export", "Properties": python}],
        },
        {
            "Classification": "spark-defaults",
            "Properties": {
                "spark.io.encryption.enabled": "true",
                "spark.authenticate": "true",
                "spark.network.crypto.enabled": "true",
                **(sessions if config.notebooks else {}),
            },
        },
    ]
    if config.notebooks:
        persistence = {"s3.persistence.enabled": "true", "s3.persistence.bucket": bucket}
        found.append({"Classification": "jupyter-s3-conf", "Properties": persistence})
    return found


def _executor(config: ClusterConfig) -> dict[str, str]:
    """One on each node, with room for the Python processes."""
    instance = Prices.of(config.region).instance(config.instance_type)
    megabytes = int(instance.memory_gib * 1024 * EXECUTOR_SHARE)
    heap = int(megabytes * HEAP_SHARE)
    return {
        "spark.executor.cores": str(instance.vcpus),
        "spark.executor.memory": f"{heap}m",
        "spark.executor.memoryOverhead": f"{megabytes - heap}m",
    }


def _conf(config: ClusterConfig) -> dict[str, Any]:
    nodes = config.core + config.task
    return {
        "spark.executorEnv.PYTHONPATH": f"./{FOLDER}",
        **{f"spark.executorEnv.{name}": config.region for name in REGION_VARIABLES},
        "spark.dynamicAllocation.enabled": "false",
        "spark.executor.instances": nodes,
        **(executor := _executor(config)),
        "spark.default.parallelism": nodes * int(executor["spark.executor.cores"]),
    }
