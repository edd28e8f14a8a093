"""A request as the aws command line would make it."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any


def aws_command(service: str, operation: str, request: dict[str, Any], region: str) -> str:
    """One line for a shell."""
    words = ["aws", service]
    if operation == "RunJobFlow":
        words += ["create-cluster", *_create_cluster(request)]
    elif operation == "AddJobFlowSteps":
        words += ["add-steps", "--cluster-id", request["JobFlowId"]]
        words += ["--steps", json.dumps([_step(step) for step in request["Steps"]])]
    else:
        words += [_dashed(operation), "--cli-input-json", json.dumps(request)]
    return shlex.join([*words, "--region", region])


def _create_cluster(request: dict[str, Any]) -> list[str]:
    """RunJobFlow's parameters as options of `aws emr create-cluster`."""
    instances = request["Instances"]
    attributes = {
        "InstanceProfile": request["JobFlowRole"],
        "SubnetIds": instances["Ec2SubnetIds"],
        "EmrManagedMasterSecurityGroup": instances["EmrManagedMasterSecurityGroup"],
        "EmrManagedSlaveSecurityGroup": instances["EmrManagedSlaveSecurityGroup"],
    }
    if "Ec2KeyName" in instances:
        attributes["KeyName"] = instances["Ec2KeyName"]
    options: dict[str, Any] = {
        "name": request["Name"],
        "release-label": request["ReleaseLabel"],
        "log-uri": request["LogUri"],
        "service-role": request["ServiceRole"],
        "security-configuration": request["SecurityConfiguration"],
        "scale-down-behavior": request["ScaleDownBehavior"],
        "step-concurrency-level": str(request["StepConcurrencyLevel"]),
        "ec2-attributes": json.dumps(attributes),
        "instance-fleets": json.dumps(instances["InstanceFleets"]),
        "auto-termination-policy": json.dumps(request["AutoTerminationPolicy"]),
        "configurations": json.dumps(request["Configurations"]),
        "bootstrap-actions": json.dumps(
            [
                {"Name": action["Name"], **action["ScriptBootstrapAction"]}
                for action in request["BootstrapActions"]
            ]
        ),
    }
    if "ManagedScalingPolicy" in request:
        options["managed-scaling-policy"] = json.dumps(request["ManagedScalingPolicy"])
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    words += ["--applications", *(f"Name={item['Name']}" for item in request["Applications"])]
    words += ["--tags", *(f"{tag['Key']}={tag['Value']}" for tag in request["Tags"])]
    if request["Steps"]:
        words += ["--steps", json.dumps([_step(step) for step in request["Steps"]])]
    ends = not instances["KeepJobFlowAliveWhenNoSteps"]
    return [
        *words,
        "--no-termination-protected",
        "--auto-terminate" if ends else "--no-auto-terminate",
    ]


def _step(step: dict[str, Any]) -> dict[str, Any]:
    return {
        "Type": "CUSTOM_JAR",
        "Name": step["Name"],
        "ActionOnFailure": step["ActionOnFailure"],
        **step["HadoopJarStep"],
    }


def _dashed(operation: str) -> str:
    """StartJobRun → start-job-run."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", operation).lower()
